// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/service.hpp"

#include <algorithm>

#include "common/props.hpp"
#include "common/rpc/message.hpp"
#include "common/text.hpp"
#include "daemon/clock.hpp"
#include "daemon/sync/refusals.hpp"
#include "daemon/sync/target.hpp"

namespace zrepd {
namespace {

// For who asks again with the same request_key until it has the answer: as long as the real thing
// gives its peer.
constexpr std::chrono::seconds kPatientDryRunLimit{60};

/// Who says "all" has no single filesystem in mind that something else works on.
sync::WhenBusy when_busy(bool all) {
    return all ? sync::WhenBusy::wait : sync::WhenBusy::refuse_one;
}

/// What a run of one filesystem is refused for at once: something else works on it.
std::optional<Error> busy_with_other(const sync::Runs& runs,
                                     const std::vector<DatasetName>& datasets,
                                     std::string_view operation,
                                     bool all) {
    if (all || datasets.size() != 1) return std::nullopt;
    const sync::RunPtr other = runs.active(datasets.front());
    if (!other || other->operation() == operation) return std::nullopt;
    return sync::other_work(*other, datasets.front());
}

}  // namespace

rpc::RunStarted answer_of(sync::DryRun found) {
    rpc::RunStarted out;
    out.steps = std::move(found.steps);
    out.results = std::move(found.results);
    return out;
}

Result<std::vector<DatasetName>> parse_names(const std::vector<std::string>& names) {
    std::vector<DatasetName> out;
    for (const auto& name : names) {
        auto parsed = DatasetName::parse(name);
        if (!parsed) return parsed.error();
        if (std::find(out.begin(), out.end(), *parsed) == out.end()) out.push_back(*parsed);
    }
    return out;
}

DaemonService::DaemonService(sync::Parts& parts,
                             sync::Engine& engine,
                             failover::Roles& roles,
                             failover::Copies& copies,
                             sched::Scheduler& scheduler,
                             peer::Peers& peers,
                             const Processes& processes,
                             std::string zfs_version)
    : parts_(parts),
      engine_(engine),
      roles_(roles),
      copies_(copies),
      scheduler_(scheduler),
      peers_(peers),
      processes_(processes),
      accept_changes_(parts.executor, 1),
      zfs_version_(std::move(zfs_version)),
      started_(unix_now()) {}

Task<Result<std::vector<DatasetName>>> DaemonService::choose(std::vector<std::string> names,
                                                             bool all,
                                                             bool masters_only) {
    if (all != names.empty()) {
        co_return Error{
            .code = Code::invalid_params,
            .message = all ? "give either names or all, not both" : "no filesystem named",
            .remedy = "name filesystems, or say all"};
    }
    if (!all) co_return parse_names(names);
    if (!parts_.inventory.ready() || parts_.inventory.needs_discovery()) {
        auto seen = co_await parts_.inventory.discover();
        if (!seen) co_return seen.error();
    }
    std::vector<DatasetName> out;
    for (const auto& pair : parts_.inventory.pairs()) {
        if (masters_only && pair.role != plan::Role::master) continue;
        if (masters_only && sched::is_paused(pair.settings.paused, unix_now())) continue;
        if (pair.role == plan::Role::initializing) continue;
        out.push_back(pair.dataset);
    }
    for (const plan::Role role : {plan::Role::master, plan::Role::target}) {
        if (masters_only && role == plan::Role::target) continue;
        const auto missed = sync::not_reached_by_all(parts_, role);
        out.insert(out.end(), missed.begin(), missed.end());
    }
    co_return out;
}

std::string DaemonService::nothing_for_all(std::optional<plan::Role> wanted) {
    const auto hidden = hidden_pairs(unix_now());
    if (hidden) return "no pair to work on: " + hidden->message + "; next: " + hidden->remedy;
    std::map<plan::Role, std::size_t> count;
    for (const auto& pair : parts_.inventory.pairs()) ++count[pair.role];
    std::vector<std::string> there;
    const auto add = [&](plan::Role role, const char* what) {
        if (count[role] != 0) there.push_back(std::to_string(count[role]) + " " + what);
    };
    // What has the role was left out: it is paused.
    if (wanted) add(*wanted, "paused");
    if (wanted == plan::Role::master)
        add(plan::Role::target, "the target here, whose masters are on other hosts");
    if (wanted == plan::Role::target)
        add(plan::Role::master, "the master here, whose copies are on other hosts");
    add(plan::Role::initializing, "not completely initialized");
    for (const std::string& pool : parts_.inventory.left_out()) {
        there.push_back(join({"pool", pool, "not readable (zpool status", pool + ")"}, " "));
    }
    if (there.empty()) return "no pairs here; zrepctl init makes one";
    return "no pair to work on; " + join(there, ", ") + "; zrepctl list shows them";
}

Result<rpc::RunStarted> DaemonService::nothing_to_do(std::optional<plan::Role> wanted) {
    // Where some are known, a pool that cannot be read may be anybody's.
    const bool none = parts_.inventory.pairs().empty();
    for (const std::string& pool : parts_.inventory.left_out()) {
        auto checked = parts_.zfs.check_pool(pool);
        if (checked || !wanted || !none) continue;
        Error error = checked.error();
        error.message += "; which pairs are on it is not known";
        return error;
    }
    rpc::RunStarted out;
    out.note = nothing_for_all(wanted);
    return out;
}

Task<Result<rpc::RunStarted>> DaemonService::init(rpc::InitIn in, control::Caller) {
    auto dataset = DatasetName::parse(in.dataset);
    if (!dataset) co_return dataset.error();
    auto host = HostName::parse(in.host);
    // Every later sync dials the short name, which is what is stored: so does the first.
    if (host) host = HostName::parse(host->short_name());
    if (!host) co_return host.error();
    auto target = DatasetName::parse(in.target);
    if (!target) co_return target.error();
    sync::InitRequest request{*dataset, *host, *target};
    request.adopt = in.adopt;
    request.recursive = in.recursive;
    if (in.savecount) {
        auto checked = plan::check_setting(prop::kSavecount, std::to_string(*in.savecount));
        if (!checked) co_return checked.error();
        request.savecount = *in.savecount;
    }
    if (!in.dry_run) co_return co_await engine_.start_init(std::move(request));
    auto steps = co_await engine_.describe_init(std::move(request), kDryRunLimit);
    if (!steps) co_return steps.error();
    rpc::RunStarted out;
    out.steps = std::move(*steps);
    co_return out;
}

Task<Result<rpc::RunStarted>> DaemonService::sync(rpc::SyncIn in, control::Caller) {
    auto datasets = co_await choose(in.datasets, in.all, /*masters_only=*/true);
    if (!datasets) co_return datasets.error();
    if (datasets->empty()) co_return nothing_to_do(plan::Role::master);
    if (!in.dry_run) {
        co_return engine_.start_sync(*datasets, sync::Freshness::listed, when_busy(in.all));
    }
    const auto busy = busy_with_other(parts_.runs, *datasets, "sync", in.all);
    if (busy) co_return *busy;
    auto found = co_await engine_.describe_sync(std::move(*datasets), kDryRunLimit);
    if (!found) co_return found.error();
    co_return answer_of(std::move(*found));
}

Task<Result<rpc::RunStarted>> DaemonService::put_back(rpc::PutBackIn in, control::Caller) {
    auto dataset = DatasetName::parse(in.dataset);
    if (!dataset) co_return dataset.error();
    auto snapshot = SnapshotName::make(*dataset, in.snapshot);
    if (!snapshot) co_return snapshot.error();
    sync::PutBackRequest request{.dataset = *dataset, .snapshot = snapshot->snapshot()};
    if (!in.dry_run) co_return engine_.start_put_back(std::move(request));
    const auto limit = in.request_key ? kPatientDryRunLimit : kDryRunLimit;
    auto found = co_await engine_.describe_put_back(std::move(request), limit);
    co_return answer_of(std::move(found));
}

Task<Result<rpc::RunStarted>> DaemonService::expire(rpc::ExpireIn in, control::Caller) {
    auto datasets = co_await choose(in.datasets, in.all, /*masters_only=*/false);
    if (!datasets) co_return datasets.error();
    if (datasets->empty()) co_return nothing_to_do(/*wanted=*/std::nullopt);
    if (!in.dry_run) {
        co_return engine_.start_expire(*datasets, in.local_only, when_busy(in.all));
    }
    const auto busy = busy_with_other(parts_.runs, *datasets, "expire", in.all);
    if (busy) co_return *busy;
    auto found =
        co_await engine_.describe_expire(std::move(*datasets), in.local_only, kDryRunLimit);
    if (!found) co_return found.error();
    co_return answer_of(std::move(*found));
}

Task<Result<void>> DaemonService::look_for(control::Caller caller) {
    if (caller.access > control::Access::read) co_return co_await parts_.inventory.discover();
    co_return co_await parts_.inventory.discover_for_reader();
}

Task<Result<rpc::ListOut>> DaemonService::list(rpc::DatasetsIn in, control::Caller caller) {
    auto names = parse_names(in.datasets);
    if (!names) co_return names.error();
    auto seen = co_await look_for(caller);
    if (!seen) co_return seen.error();
    rpc::ListOut out;
    note_pool_troubles(unix_now());
    if (names->empty()) out.problem = unknown_pairs();
    if (names->empty() && !out.problem) out.problem = hidden_pairs(unix_now());
    if (!names->empty()) out.problem = unseen_now(*names);
    for (const auto& pair : parts_.inventory.pairs()) {
        const bool wanted =
            names->empty() || std::find(names->begin(), names->end(), pair.dataset) != names->end();
        if (!wanted) continue;
        rpc::ListOut::Pair line;
        line.dataset = pair.dataset.str();
        line.role = plan::role_name(pair.role);
        line.peer = pair.peer.str();
        line.peer_dataset = pair.peer_dataset.str();
        for (const auto& [key, property] : parts_.inventory.find(pair.dataset)->props) {
            if (!property.value.empty()) line.properties[key] = property.value;
        }
        const Versions* versions = parts_.inventory.versions(pair.dataset);
        const Snapshot* acked = versions == nullptr ? nullptr : sync::last_acked(*versions);
        if (acked != nullptr) line.last_acked = pair.dataset.str() + "@" + acked->name;
        out.pairs.push_back(std::move(line));
        std::erase(*names, pair.dataset);
        if (names->empty() && !in.datasets.empty()) break;
    }
    if (!names->empty()) {
        auto looked = parts_.inventory.looked_at(names->front());
        if (!looked) co_return looked.error();
        co_return sync::not_configured(parts_, names->front());
    }
    co_return out;
}

Result<rpc::RunOut> DaemonService::run(const rpc::RunIn& in) {
    const sync::RunPtr run = parts_.runs.find(in.run_id);
    if (run) return run->out();
    return Error{.code = Code::not_found,
                 .message = "no run " + quote(in.run_id) + "; only recent ones are kept",
                 .remedy = "zrepctl status shows what runs, and what the last runs left"};
}

Result<rpc::EventsOut> DaemonService::events(const rpc::EventsIn& in) {
    return rpc::EventsOut{parts_.events.last_seq(), parts_.events.recent(in.limit)};
}

rpc::VersionOut DaemonService::version() {
    return {std::string(kBuildVersion),
            std::string(rpc::kProtocol),
            zfs_version_,
            parts_.self.host.str()};
}

rpc::Hello DaemonService::hello() {
    return {std::string(rpc::kProtocol),
            std::string(kBuildVersion),
            parts_.self.host.str(),
            sync::boot_id(),
            {},
            ""};
}

}  // namespace zrepd
