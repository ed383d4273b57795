// SPDX-License-Identifier: BSD-2-Clause
// The verbs, each as its daemon answers it.
#include "tests/fakes/verb_looks.hpp"

namespace zrepd::test {
namespace {

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

/// What there is for it, "new" say, or the pair that is there already.
Outcome init_of(VerbWorld& w, const std::string& fresh, rpc::InitIn in) {
    in.dry_run = w.dry;
    in.dataset = w.new_for_init ? "tank/" + fresh : master_of(w);
    in.host = w.swapped ? "alpha" : "beta";
    in.target = w.new_for_init ? "backup/" + fresh : target_of(w);
    return start(w, on_master(w), &DaemonService::init, in);
}
Outcome init(VerbWorld& w) {
    return init_of(w, "new", {});
}
Outcome init_adopt(VerbWorld& w) {
    rpc::InitIn in;
    in.adopt = true;
    return init_of(w, "copied", in);
}
Outcome init_tree(VerbWorld& w) {
    rpc::InitIn in;
    in.recursive = true;
    return init_of(w, "tree", in);
}
Outcome init_tree_adopt(VerbWorld& w) {
    rpc::InitIn in;
    in.recursive = true;
    in.adopt = true;
    return init_of(w, "copied", in);
}

Outcome sync(VerbWorld& w, bool all) {
    rpc::SyncIn in;
    in.dry_run = w.dry;
    in.all = all;
    if (!all) in.datasets = {master_of(w)};
    return start(w, on_master(w), &DaemonService::sync, in);
}

Outcome put_back(VerbWorld& w) {
    rpc::PutBackIn in;
    in.dry_run = w.dry;
    in.dataset = master_of(w);
    in.snapshot = "zrep_000000";
    return start(w, on_master(w), &DaemonService::put_back, in);
}

Outcome refresh(VerbWorld& w, bool all) {
    rpc::SyncIn in;
    in.dry_run = w.dry;
    in.all = all;
    if (!all) in.datasets = {target_of(w)};
    return start(w, on_target(w), &DaemonService::refresh, in);
}

Outcome expire(VerbWorld& w, bool alone) {
    rpc::ExpireIn in;
    in.dry_run = w.dry;
    in.local_only = alone;
    in.datasets = {master_of(w)};
    return start(w, on_master(w), &DaemonService::expire, in);
}

Outcome expire_all(VerbWorld& w) {
    rpc::ExpireIn in;
    in.dry_run = w.dry;
    in.all = true;
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

/// Of the one pair that there is.
Outcome role_of_all(VerbWorld& w, bool takeover, bool alone) {
    rpc::RoleIn in;
    in.dry_run = w.dry;
    in.all = true;
    in.local_only = alone;
    if (takeover) return start(w, on_target(w), &DaemonService::takeover, in);
    return start(w, on_master(w), &DaemonService::failover, in);
}

Outcome resolve(VerbWorld& w, const char* keep) {
    rpc::ResolveIn in;
    in.dry_run = w.dry;
    in.dataset = master_of(w);
    in.keep = keep;
    return start(w, on_master(w), &DaemonService::resolve, in);
}

Outcome unfence(VerbWorld& w) {
    rpc::UnfenceIn in;
    in.dry_run = w.dry;
    in.datasets = {master_of(w)};
    return start(w, on_master(w), &DaemonService::unfence, in);
}

Outcome unfence_all(VerbWorld& w) {
    rpc::UnfenceIn in;
    in.dry_run = w.dry;
    in.all = true;
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

/// -d: asked on the copy's side.
Outcome changeconfig_there(VerbWorld& w) {
    rpc::ConfigIn in;
    in.dry_run = w.dry;
    in.as_target = true;
    in.dataset = target_of(w);
    in.host = w.swapped ? "beta" : "alpha";
    in.other = master_of(w);
    return change(w, on_target(w), &DaemonService::changeconfig, in);
}

Outcome set(VerbWorld& w) {
    rpc::SetIn in;
    in.dry_run = w.dry;
    in.dataset = master_of(w);
    in.settings["interval"] = "1h";
    return change(w, on_master(w), &DaemonService::set, in);
}

Outcome rescue_drop(VerbWorld& w) {
    rpc::RescueDropIn in;
    in.dry_run = w.dry;
    in.dataset = w.rescue_name;
    return start(w, w.a(), &DaemonService::drop, in);
}

/// Its half that zrepd has: leave to create below the copy's parent. The key's line is zrepctl's
/// own, and knows of no pair.
Outcome authorize(VerbWorld& w) {
    rpc::SetIn in;
    in.dry_run = w.dry;
    in.dataset = DatasetName::parse(target_of(w))->parent()->str();
    in.settings["zrep:accept"] = "+gamma";
    return change(w, on_target(w), &DaemonService::set, in);
}

}  // namespace

void try_sync(VerbWorld& w) {
    sync(w, /*all=*/false);
}

const std::vector<Verb>& verbs() {
    static const std::vector<Verb> all{
        {"init", init},
        {"init-adopt", init_adopt},
        {"init-r", init_tree},
        {"init-r-adopt", init_tree_adopt},
        {"sync", [](VerbWorld& w) { return sync(w, false); }},
        {"sync-all", [](VerbWorld& w) { return sync(w, true); }},
        {"sync@", put_back},
        {"refresh", [](VerbWorld& w) { return refresh(w, false); }},
        {"refresh-all", [](VerbWorld& w) { return refresh(w, true); }},
        {"expire", [](VerbWorld& w) { return expire(w, false); }},
        {"expire-L", [](VerbWorld& w) { return expire(w, true); }},
        {"failover", [](VerbWorld& w) { return role(w, false, false, false); }},
        {"failover-L", [](VerbWorld& w) { return role(w, false, true, false); }},
        {"failover@", [](VerbWorld& w) { return role(w, false, false, true); }},
        {"takeover", [](VerbWorld& w) { return role(w, true, false, false); }},
        {"takeover-L", [](VerbWorld& w) { return role(w, true, true, false); }},
        {"takeover@", [](VerbWorld& w) { return role(w, true, false, true); }},
        {"resolve", [](VerbWorld& w) { return resolve(w, "here"); }},
        {"resolve-peer", [](VerbWorld& w) { return resolve(w, "peer"); }},
        {"unfence", unfence},
        {"drill", drill},
        {"pause", pause},
        {"unpause", unpause},
        {"clear", clear},
        {"changeconfig", changeconfig},
        {"changeconfig-d", changeconfig_there},
        {"set", set},
        {"authorize", authorize},
        {"rescue-list", rescue_list, /*reads=*/true},
        {"rescue-diff", rescue_diff, /*reads=*/true},
        {"rescue-drop", rescue_drop},
        {"list", list, /*reads=*/true},
        {"list-L", list_incoming, /*reads=*/true},
        {"check", check, /*reads=*/true},
        {"status", status, /*reads=*/true},
        {"status-tried", status_tried, /*reads=*/true},
        {"events", events, /*reads=*/true},
        {"doctor", doctor, /*reads=*/true},
    };
    return all;
}

const std::vector<Verb>& verbs_of_all() {
    static const std::vector<Verb> all{
        {"failover-all", [](VerbWorld& w) { return role_of_all(w, false, false); }},
        {"failover-L-all", [](VerbWorld& w) { return role_of_all(w, false, true); }},
        {"takeover-all", [](VerbWorld& w) { return role_of_all(w, true, false); }},
        {"takeover-L-all", [](VerbWorld& w) { return role_of_all(w, true, true); }},
        {"unfence-all", unfence_all},
        {"expire-all", expire_all},
    };
    return all;
}

std::string command_of(const Verb& verb) {
    return verb.name.substr(0, verb.name.find_first_of("-@"));
}

// zrepctl's own version, and what zrepd found out at its start: no pair, pool or peer is asked.
const std::vector<std::string> kSameEverywhere{"version"};

}  // namespace zrepd::test
