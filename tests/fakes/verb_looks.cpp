// SPDX-License-Identifier: BSD-2-Clause
#include "tests/fakes/verb_looks.hpp"

#include <ctime>

#include "common/text.hpp"
#include "common/units.hpp"
#include "common/version.hpp"
#include "ctl/render/check.hpp"
#include "ctl/render/doctor.hpp"
#include "ctl/render/events.hpp"
#include "ctl/render/table.hpp"

namespace zrepd::test {
namespace {

Outcome list_of(VerbWorld& w, TestHost& host, rpc::DatasetsIn in, bool incoming) {
    const auto found = run_task(w.context(), w.service(host).list(std::move(in), kRoot));
    if (!found) return VerbWorld::of_error(found.error());
    Outcome out;
    out.said = ctl::list_answer(*found, {.host = host.config.host.str(), .incoming = incoming});
    if (!found->problem) return out;
    out.exit_status = info(Code::internal).exit_status;
    out.kind = found->problem->kind;
    out.said += "zrepctl: " + found->problem->message + "\n  next: " + found->problem->remedy;
    return out;
}

/// What the programs say that doctor runs, of a host on which only pools may be unwell.
ctl::HostFacts facts_of(TestHost& host, DaemonService& service) {
    const auto said = [](std::string text) {
        return ctl::Probe{.found = true, .in_time = true, .status = 0, .text = std::move(text)};
    };
    ctl::HostFacts out;
    out.zrepctl_version = kBuildVersion;
    out.zrepd = service.version();
    out.runtime_dir = host.config.runtime_dir.string();
    out.dir_exists = true;
    out.lock_pid = 42;
    out.settings_file = "/etc/zrepd/zrepd.conf";
    out.settings = said("settings are fine\n");
    out.zfs = said("zfs-2.3.2-1\nzfs-kmod-2.3.2-1\n");
    const std::string pool = host.config.host.str() == "alpha" ? "tank" : "backup";
    out.pools = said(pool + (host.zfs.check_pool(pool) ? "\tONLINE\t12\n" : "\tSUSPENDED\t-\n"));
    out.ssh = said("OpenSSH_9.2p1\n");
    out.now = std::time(nullptr);
    auto status = service.status({});
    if (status) out.status = std::move(*status);
    return out;
}

}  // namespace

Outcome rescue_list(VerbWorld& w) {
    const auto out = run_task(w.context(), w.service(w.a()).rescues({}, kRoot));
    if (!out) return VerbWorld::of_error(out.error());
    Outcome found;
    for (const auto& rescue : out->rescues)
        found.said += rescue.dataset + "  of " + rescue.of + "\n";
    return found;
}

Outcome rescue_diff(VerbWorld& w) {
    rpc::RescueDiffIn in;
    in.dataset = w.rescue_name;
    const auto out = run_task(w.context(), w.service(w.a()).rescue_diff(in, control::Caller{}));
    if (!out) return VerbWorld::of_error(out.error());
    Outcome found;
    found.said = out->snapshot + ": " + std::to_string(out->changes.size()) + " changes since " +
                 out->base + ", " + human_bytes(out->bytes) + out->note;
    return found;
}

Outcome check(VerbWorld& w) {
    const auto status = w.service(on_master(w)).status({.datasets = {master_of(w)}});
    if (!status) {
        Outcome out = VerbWorld::of_error(status.error());
        out.said = ctl::unknown_line(status.error().text() + "; " + status.error().remedy);
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

Outcome status_tried(VerbWorld& w) {
    if (!w.occupied) try_sync(w);
    const auto status = w.service(on_master(w)).status({});
    if (!status) return VerbWorld::of_error(status.error());
    const ctl::CheckResult found = ctl::check(*status, {});
    Outcome out;
    out.exit_status = static_cast<int>(found.verdict);
    out.said = found.line + "\n" + ctl::status_text(*status);
    if (status->problem)
        out.said += status->problem->message + "\n  next: " + status->problem->remedy;
    return out;
}

Outcome list(VerbWorld& w) {
    return list_of(w, on_master(w), {.datasets = {master_of(w)}}, /*incoming=*/false);
}
Outcome list_incoming(VerbWorld& w) {
    return list_of(w, on_target(w), {}, /*incoming=*/true);
}

Outcome events(VerbWorld& w) {
    TestHost& host = on_master(w);
    const std::uint64_t before = host.events.last_seq().value;
    if (!w.occupied) try_sync(w);
    Outcome out;
    for (const auto& event : host.events.recent(sync::EventBus::kKept)) {
        if (event.seq.value > before && ctl::concerns(event, {master_of(w)}))
            out.said += event.event + "  " + ctl::event_text(event) + "\n";
    }
    return out;
}

Outcome doctor(VerbWorld& w) {
    TestHost& host = on_master(w);
    DaemonService& service = w.service(host);
    if (!w.occupied) try_sync(w);
    auto asked = run_task(w.context(), service.doctor({}, control::Caller{}));
    if (!asked) return VerbWorld::of_error(asked.error());
    std::vector<ctl::Diagnosis> all = ctl::judge_host(facts_of(host, service));
    const auto add = [&all](std::vector<ctl::Diagnosis> more) {
        all.insert(all.end(), more.begin(), more.end());
    };
    add(ctl::judge_zfs_version(*asked));
    add(ctl::judge_mounts(*asked));
    for (const auto& peer : asked->peers) add(ctl::judge_peer(peer, *asked));
    Outcome out;
    for (const auto& one : all) out.said += ctl::line_of(one) + "\n";
    out.exit_status = ctl::worst(all) == ctl::Diagnosis::State::fail ? 1 : 0;
    return out;
}

}  // namespace zrepd::test
