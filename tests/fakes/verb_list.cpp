// SPDX-License-Identifier: BSD-2-Clause
// The verbs, each as its daemon answers it.
#include "ctl/render/check.hpp"
#include "tests/fakes/verb_world.hpp"

namespace zrepd::test {
namespace {

const control::Caller kRoot{};

/// Where a verb of masters is asked: there, or on the wrong side; likewise of targets.
TestHost& on_master(VerbWorld& w) {
    return w.swapped ? w.b() : w.a();
}
TestHost& on_target(VerbWorld& w) {
    return w.swapped ? w.a() : w.b();
}
std::string master_of(VerbWorld& w) {
    return w.swapped ? w.target_name : w.master_name;
}
std::string target_of(VerbWorld& w) {
    return w.swapped ? w.master_name : w.target_name;
}

/// Of methods that start a run.
template <class In>
using Starter = Task<Result<rpc::RunStarted>> (DaemonService::*)(In, control::Caller);
/// Of methods that answer at once.
template <class In>
using Changer = Task<Result<rpc::Done>> (DaemonService::*)(In, control::Caller);

template <class In>
Outcome start(VerbWorld& w, TestHost& host, Starter<In> method, In in) {
    auto started = run_task(w.context(), (w.service(host).*method)(std::move(in), kRoot));
    return w.follow(host, std::move(started));
}

template <class In>
Outcome change(VerbWorld& w, TestHost& host, Changer<In> method, In in) {
    return VerbWorld::of_call(
        run_task(w.context(), (w.service(host).*method)(std::move(in), kRoot)));
}

Outcome init(VerbWorld& w) {
    rpc::InitIn in;
    in.dry_run = w.dry;
    const bool fresh = w.new_for_init;
    in.dataset = fresh ? "tank/new" : master_of(w);
    in.host = w.swapped ? "alpha" : "beta";
    in.target = fresh ? "backup/new" : target_of(w);
    return start(w, on_master(w), &DaemonService::init, in);
}

Outcome sync(VerbWorld& w) {
    rpc::SyncIn in;
    in.dry_run = w.dry;
    in.datasets = {master_of(w)};
    return start(w, on_master(w), &DaemonService::sync, in);
}

Outcome put_back(VerbWorld& w) {
    rpc::PutBackIn in;
    in.dry_run = w.dry;
    in.dataset = master_of(w);
    in.snapshot = "zrep_000000";
    return start(w, on_master(w), &DaemonService::put_back, in);
}

Outcome refresh(VerbWorld& w) {
    rpc::SyncIn in;
    in.dry_run = w.dry;
    in.datasets = {target_of(w)};
    return start(w, on_target(w), &DaemonService::refresh, in);
}

Outcome expire(VerbWorld& w) {
    rpc::ExpireIn in;
    in.dry_run = w.dry;
    in.datasets = {master_of(w)};
    return start(w, on_master(w), &DaemonService::expire, in);
}

Outcome role(VerbWorld& w, bool takeover, bool alone, bool at_snapshot) {
    rpc::RoleIn in;
    in.dry_run = w.dry;
    in.datasets = {takeover ? target_of(w) : master_of(w)};
    in.local_only = alone;
    if (at_snapshot) in.snapshot = "zrep_000000";
    if (takeover) return start(w, on_target(w), &DaemonService::takeover, in);
    return start(w, on_master(w), &DaemonService::failover, in);
}

Outcome resolve(VerbWorld& w) {
    rpc::ResolveIn in;
    in.dry_run = w.dry;
    in.dataset = master_of(w);
    in.keep = "here";
    return start(w, on_master(w), &DaemonService::resolve, in);
}

Outcome unfence(VerbWorld& w) {
    rpc::UnfenceIn in;
    in.dry_run = w.dry;
    in.datasets = {master_of(w)};
    return start(w, on_master(w), &DaemonService::unfence, in);
}

Outcome drill(VerbWorld& w) {
    rpc::DrillIn in;
    in.dry_run = w.dry;
    in.dataset = target_of(w);
    return start(w, on_target(w), &DaemonService::drill, in);
}

Outcome pause(VerbWorld& w) {
    rpc::PauseIn in;
    in.dry_run = w.dry;
    in.datasets = {master_of(w)};
    return change(w, on_master(w), &DaemonService::pause, in);
}

Outcome unpause(VerbWorld& w) {
    rpc::UnpauseIn in;
    in.dry_run = w.dry;
    in.datasets = {master_of(w)};
    return change(w, on_master(w), &DaemonService::unpause, in);
}

Outcome clear(VerbWorld& w) {
    rpc::ClearIn in;
    in.dry_run = w.dry;
    in.dataset = master_of(w);
    return change(w, on_master(w), &DaemonService::clear, in);
}

Outcome changeconfig(VerbWorld& w) {
    rpc::ConfigIn in;
    in.dry_run = w.dry;
    in.dataset = master_of(w);
    in.host = w.swapped ? "alpha" : "beta";
    in.other = target_of(w);
    return change(w, on_master(w), &DaemonService::changeconfig, in);
}

Outcome set(VerbWorld& w) {
    rpc::SetIn in;
    in.dry_run = w.dry;
    in.dataset = master_of(w);
    in.settings["interval"] = "1h";
    return change(w, on_master(w), &DaemonService::set, in);
}

Outcome rescue_list(VerbWorld& w) {
    const auto out = run_task(w.context(), w.service(w.a()).rescues({}));
    if (!out) return VerbWorld::of_error(out.error());
    return {0, "", std::to_string(out->rescues.size()), false};
}

std::string rescue_of(VerbWorld& w) {
    return w.master_name == "tank/fs" ? "tank/fs_diverged_9" : w.master_name;
}

Outcome rescue_diff(VerbWorld& w) {
    rpc::RescueDiffIn in;
    in.dataset = rescue_of(w);
    const auto out = run_task(w.context(), w.service(w.a()).rescue_diff(in, kRoot));
    return out ? Outcome{} : VerbWorld::of_error(out.error());
}

Outcome rescue_drop(VerbWorld& w) {
    rpc::RescueDropIn in;
    in.dry_run = w.dry;
    in.dataset = rescue_of(w);
    return start(w, w.a(), &DaemonService::drop, in);
}

/// As zrepctl has it: with the exit status of a plugin.
Outcome check(VerbWorld& w) {
    const auto status = w.service(on_master(w)).status({.datasets = {master_of(w)}});
    if (!status) {
        Outcome out = VerbWorld::of_error(status.error());
        out.said = ctl::unknown_line(status.error().text());
        out.exit_status = static_cast<int>(ctl::Verdict::unknown);
        return out;
    }
    const ctl::CheckResult found = ctl::check(*status, {});
    return {static_cast<int>(found.verdict), "", found.line, false};
}

Outcome status(VerbWorld& w) {
    const auto status = w.service(on_master(w)).status({.datasets = {master_of(w)}});
    if (!status) return VerbWorld::of_error(status.error());
    const auto& pair = status->pairs.at(0);
    Outcome out;
    out.said = pair.role + " " + pair.health;
    if (pair.last_error)
        out.said += ": " + pair.last_error->message + "; next: " + pair.last_error->remedy;
    return out;
}

}  // namespace

const std::vector<Verb>& verbs() {
    static const std::vector<Verb> all{
        {"init", init},
        {"sync", sync},
        {"sync@", put_back},
        {"refresh", refresh},
        {"expire", expire},
        {"failover", [](VerbWorld& w) { return role(w, false, false, false); }},
        {"failover-L", [](VerbWorld& w) { return role(w, false, true, false); }},
        {"failover@", [](VerbWorld& w) { return role(w, false, false, true); }},
        {"takeover", [](VerbWorld& w) { return role(w, true, false, false); }},
        {"takeover-L", [](VerbWorld& w) { return role(w, true, true, false); }},
        {"takeover@", [](VerbWorld& w) { return role(w, true, false, true); }},
        {"resolve", resolve},
        {"unfence", unfence},
        {"drill", drill},
        {"pause", pause},
        {"unpause", unpause},
        {"clear", clear},
        {"changeconfig", changeconfig},
        {"set", set},
        {"rescue-list", rescue_list},
        {"rescue-diff", rescue_diff},
        {"rescue-drop", rescue_drop},
        {"check", check},
        {"status", status},
    };
    return all;
}

}  // namespace zrepd::test
