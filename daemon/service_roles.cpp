// SPDX-License-Identifier: BSD-2-Clause
// The methods that change who is master: failover, takeover, resolve.
#include "common/props.hpp"
#include "daemon/clock.hpp"
#include "daemon/sched/due.hpp"
#include "daemon/service.hpp"
#include "daemon/sync/refusals.hpp"

namespace zrepd {
namespace {

failover::OldMaster old_master(const rpc::RoleIn& in) {
    return in.master_is_off.value_or(false) ? failover::OldMaster::off
                                            : failover::OldMaster::unknown;
}

}  // namespace

Task<Result<std::vector<DatasetName>>> DaemonService::choose_role(std::vector<std::string> names,
                                                                  bool all,
                                                                  plan::Role role) {
    auto chosen = co_await choose(std::move(names), all, /*masters_only=*/false);
    if (!chosen || !all) co_return chosen;
    std::erase_if(*chosen, [&](const DatasetName& name) {
        const auto pair = parts_.inventory.pair(name);
        return !pair || pair->role != role;
    });
    const auto missed = sync::not_reached_by_all(parts_, role);
    chosen->insert(chosen->end(), missed.begin(), missed.end());
    co_return chosen;
}

Task<Result<rpc::RunStarted>> DaemonService::change_roles(failover::Ask ask,
                                                          std::vector<DatasetName> datasets,
                                                          bool dry_run,
                                                          failover::OldMaster old) {
    if (!dry_run) co_return roles_.start(ask, datasets, old);
    auto found = co_await roles_.describe(ask, std::move(datasets), kDryRunLimit, old);
    if (!found) co_return found.error();
    co_return answer_of(std::move(*found));
}

Task<Result<rpc::RunStarted>> DaemonService::change_role_at(failover::Ask ask, rpc::RoleIn in) {
    if (in.all || in.datasets.size() != 1) {
        co_return Error{.code = Code::invalid_params,
                        .message = "snapshot: one filesystem at a time goes back to a snapshot",
                        .remedy = "name the one filesystem"};
    }
    auto dataset = DatasetName::parse(in.datasets.front());
    if (!dataset) co_return dataset.error();
    auto snapshot = SnapshotName::make(*dataset, *in.snapshot);
    if (!snapshot) co_return snapshot.error();
    failover::StartPoint from{.name = snapshot->snapshot()};
    if (!in.dry_run) co_return roles_.start_at(ask, *dataset, std::move(from), old_master(in));
    auto found =
        co_await roles_.describe_at(ask, *dataset, std::move(from), kDryRunLimit, old_master(in));
    if (!found) co_return found.error();
    co_return answer_of(std::move(*found));
}

Task<Result<rpc::RunStarted>> DaemonService::failover(rpc::RoleIn in, control::Caller) {
    const auto ask = in.local_only ? failover::Ask::failover_local : failover::Ask::failover;
    if (in.snapshot) co_return co_await change_role_at(ask, std::move(in));
    auto datasets = co_await choose_role(in.datasets, in.all, plan::Role::master);
    if (!datasets) co_return datasets.error();
    if (datasets->empty()) co_return nothing_to_do(plan::Role::master);
    co_return co_await change_roles(ask, std::move(*datasets), in.dry_run);
}

Task<Result<rpc::RunStarted>> DaemonService::takeover(rpc::RoleIn in, control::Caller) {
    const bool vouched = in.master_is_off.value_or(false);
    if (vouched && !in.local_only) {
        co_return Error{.code = Code::invalid_params,
                        .message =
                            "master_is_off goes with local_only: a master that is off is "
                            "not asked",
                        .remedy = "zrepctl takeover -L --master-is-off FILESYSTEM"};
    }
    const auto ask = in.local_only ? failover::Ask::takeover_local : failover::Ask::takeover;
    if (in.snapshot) co_return co_await change_role_at(ask, std::move(in));
    auto datasets = co_await choose_role(in.datasets, in.all, plan::Role::target);
    if (!datasets) co_return datasets.error();
    if (datasets->empty()) co_return nothing_to_do(plan::Role::target);
    co_return co_await change_roles(ask, std::move(*datasets), in.dry_run, old_master(in));
}

Task<Result<rpc::RunStarted>> DaemonService::resolve(rpc::ResolveIn in, control::Caller) {
    if (in.keep != "here" && in.keep != "peer") {
        co_return Error{.code = Code::invalid_params,
                        .message = "keep must be here or peer",
                        .remedy = "here: the data on this host counts; peer: that on the other"};
    }
    auto dataset = DatasetName::parse(in.dataset);
    if (!dataset) co_return dataset.error();
    std::vector<DatasetName> one{*dataset};
    const auto ask = in.keep == "here" ? failover::Ask::keep_here : failover::Ask::keep_peer;
    co_return co_await change_roles(ask, std::move(one), in.dry_run);
}

Task<Result<rpc::RunStarted>> DaemonService::unfence(rpc::UnfenceIn in, control::Caller) {
    auto datasets = co_await choose_role(in.datasets, in.all, plan::Role::master);
    if (!datasets) co_return datasets.error();
    if (in.all) {
        // Of what is no pair under this name nobody knows whether it is served.
        std::erase_if(*datasets, [&](const DatasetName& name) {
            return parts_.inventory.pair(name) && !roles_.is_fenced(name);
        });
    }
    if (datasets->empty()) {
        std::string why = "no fence is closed here: every master is served";
        rpc::RunStarted out;
        out.note = std::move(why);
        co_return out;
    }
    co_return co_await change_roles(failover::Ask::unfence, std::move(*datasets), in.dry_run);
}

Task<Result<rpc::RunStarted>> DaemonService::refresh(rpc::SyncIn in, control::Caller) {
    auto datasets = co_await choose_role(in.datasets, in.all, plan::Role::target);
    if (!datasets) co_return datasets.error();
    if (in.all) {
        std::erase_if(*datasets, [&](const DatasetName& name) {
            const auto pair = parts_.inventory.pair(name);
            return pair && sched::is_paused(pair->settings.paused, unix_now());
        });
    }
    if (datasets->empty()) co_return nothing_to_do(plan::Role::target);
    if (!in.dry_run) co_return roles_.start_refresh(*datasets, in.all);
    auto found = co_await roles_.describe_refresh(std::move(*datasets), kDryRunLimit, in.all);
    if (!found) co_return found.error();
    co_return answer_of(std::move(*found));
}

Task<Result<rpc::RescueListOut>> DaemonService::rescues(rpc::Empty, control::Caller caller) {
    auto seen = co_await look_for(caller);
    if (!seen) co_return seen.error();
    rpc::RescueListOut out;
    for (const auto& [name, dataset] : parts_.inventory.all()) {
        const auto of = dataset.local(prop::kRescue);
        if (of) out.rescues.push_back({name.str(), *of, dataset.referenced_bytes});
    }
    co_return out;
}

Task<Result<rpc::RunStarted>> DaemonService::drop(rpc::RescueDropIn in, control::Caller) {
    auto copy = DatasetName::parse(in.dataset);
    if (!copy) co_return copy.error();
    auto seen = co_await parts_.inventory.refresh_one(*copy, sync::Freshness::cached);
    if (!seen) co_return seen.error();
    if (!in.dry_run) co_return copies_.start_drop(*copy);
    auto steps = copies_.describe_drop(*copy);
    if (!steps) co_return steps.error();
    rpc::RunStarted out;
    out.steps = std::move(*steps);
    co_return out;
}

Task<Result<rpc::RescueDiffOut>> DaemonService::rescue_diff(rpc::RescueDiffIn in, control::Caller) {
    auto copy = DatasetName::parse(in.dataset);
    if (!copy) co_return copy.error();
    co_return co_await copies_.diff(*copy, in.limit);
}

Task<Result<rpc::RunStarted>> DaemonService::drill(rpc::DrillIn in, control::Caller) {
    auto dataset = DatasetName::parse(in.dataset);
    if (!dataset) co_return dataset.error();
    if (!in.dry_run) co_return copies_.start_drill(*dataset, in.program);
    auto steps = copies_.describe_drill(*dataset, in.program);
    if (!steps) co_return steps.error();
    rpc::RunStarted out;
    out.steps = std::move(*steps);
    co_return out;
}

}  // namespace zrepd
