// SPDX-License-Identifier: BSD-2-Clause
// A target goes back to an acknowledged snapshot because its master asks for it (ADR 0014). What
// goes is decided here, by plan/put_back.hpp, from what lies here.
#include <algorithm>
#include <set>

#include "common/text.hpp"
#include "daemon/clock.hpp"
#include "daemon/failover/journal.hpp"
#include "daemon/log.hpp"
#include "daemon/plan/put_back.hpp"
#include "daemon/sync/bookkeeping.hpp"
#include "daemon/sync/refusals.hpp"
#include "daemon/sync/target.hpp"

namespace zrepd::sync {
namespace {

Error other_epoch(const plan::Pair& pair, std::uint64_t asked) {
    const bool behind = pair.epoch < asked;
    return Error{.code = Code::conflict,
                 .message = pair.dataset.str() + " is of epoch " + std::to_string(pair.epoch) +
                            ", its master of " + std::to_string(asked) + "; nothing was changed",
                 .remedy = behind ? plan::sync_by_master(pair) + " tells it; then this again"
                                  : "zrepctl status on both hosts shows who is the master"};
}

Error other_shape(const plan::Pair& pair) {
    return Error{.code = Code::conflict,
                 .message = pair.dataset.str() + (pair.tree ? " is" : " is not") +
                            " a recursive pair here, other than its master says; nothing was "
                            "changed",
                 .remedy =
                     "zrepctl status on both hosts; if the zrepd there is older, install "
                     "this version: zrepctl version on both hosts"};
}

Error no_such_member(const DatasetName& member, const plan::Pair& root) {
    return Error{.code = Code::conflict,
                 .message = member.str() + " is not there, or no part of " + root.dataset.str() +
                            "; nothing was changed",
                 .remedy = plan::sync_by_master(root) +
                           " sends it whole; a later snapshot can be gone back to then"};
}

}  // namespace

Result<plan::Pair> Target::may_roll_back(const std::string& peer,
                                         const DatasetName& target,
                                         const rpc::RollBackIn& in) const {
    const auto pair = pair_with(peer, target, in.source);
    if (!pair) return not_yours(peer, target);
    if (pair->tree != in.members.has_value()) return other_shape(*pair);
    if (pair->epoch != in.epoch) return other_epoch(*pair, in.epoch);
    const auto journal = failover::entry_of(*parts_.inventory.find(target)).journal;
    if (journal == failover::Journal::none) return *pair;
    return Error{.code = Code::busy,
                 .message = "a role change of " + target.str() + " is not finished (" +
                            std::string(failover::name(journal)) + ")",
                 .remedy = "it goes on by itself; on " + parts_.self.host.str() +
                           ": zrepctl status " + quote(target.str())};
}

/// The root first. A cut leaves it at its base then, which is where a takeover of a tree begins:
/// what members still have beyond that is kept beside them by it.
Result<std::vector<Target::GoesBack>> Target::goes_back(const DatasetName& target,
                                                        const rpc::RollBackIn& in) {
    std::vector<GoesBack> out;
    std::set<DatasetName> named{target};
    if (in.members && in.members->size() > plan::kMaxMembers)
        return Error{.code = Code::invalid_params,
                     .message = "a recursive pair has at most " +
                                std::to_string(plan::kMaxMembers) + " members",
                     .remedy = "compare zrepctl version on both hosts"};
    out.push_back({.target = target, .source = in.source, .base = in.base, .newer = in.newer});
    for (const auto& part : in.members.value_or(std::vector<rpc::RollBackPart>{})) {
        auto name = plan::member_name(target, part.name);
        if (!name) return name.error();
        if (!named.insert(*name).second)
            return Error{.code = Code::invalid_params,
                         .message = "a member named twice, or without a name",
                         .remedy = "compare zrepctl version on both hosts"};
        out.push_back({.target = *name,
                       .source = in.source + "/" + part.name,
                       .base = part.base,
                       .newer = part.newer,
                       .name = part.name});
    }
    return out;
}

/// With fresh lists; without the flush, what was written in the last seconds would count as
/// nothing. One that cannot go back keeps all of them.
Task<Result<void>> Target::plan_roll_back(std::string peer,
                                          rpc::RollBackIn in,
                                          std::vector<GoesBack>* all) {
    const DatasetName root = all->front().target;
    std::vector<std::string> pools{std::string(root.pool())};
    auto flushed = co_await parts_.zfs.flush(std::move(pools));
    if (!flushed) co_return flushed.error();
    std::vector<DatasetName> names;
    for (const GoesBack& one : *all) names.push_back(one.target);
    auto left_out = co_await parts_.inventory.refresh(std::move(names), Freshness::listed);
    if (!left_out) co_return left_out.error();
    if (!left_out->empty()) co_return left_out->begin()->second;
    auto allowed = may_roll_back(peer, root, in);
    if (!allowed) co_return allowed.error();
    for (GoesBack& one : *all) {
        if (!side_with(peer, one.target, one.source))
            co_return no_such_member(one.target, *allowed);
        auto versions = co_await with_foreign_holds(parts_, one.target, one.base);
        if (!versions) co_return versions.error();
        const Dataset* dataset = parts_.inventory.find(one.target);
        if (dataset == nullptr) co_return not_yours(peer, one.target);
        auto planned = plan::roll_back(
            *dataset,
            *versions,
            {.base = one.base, .newer = one.newer, .host = parts_.self.host.str(), .master = peer});
        if (!planned) co_return planned.error();
        one.plan = std::move(*planned);
    }
    co_return ok();
}

Task<Result<void>> Target::take_step(DatasetName target, plan::RollBackStep step) {
    using Kind = plan::RollBackStep::Kind;
    std::vector<SnapshotName> names = full_names(target, step.names);
    switch (step.kind) {
        case Kind::abort_partial:
            co_return co_await parts_.zfs.abort_receive(std::move(target));
        case Kind::hold:
            co_return co_await parts_.zfs.hold(std::move(names));
        case Kind::release:
            co_return co_await parts_.zfs.release(std::move(names));
        case Kind::drop_bookmark:
            co_return co_await parts_.zfs.destroy_bookmark(std::move(target),
                                                           std::move(step.names.front()));
        case Kind::destroy:
            co_return co_await parts_.zfs.destroy_snapshots(std::move(target),
                                                            std::move(step.names));
        case Kind::roll_back:
            co_return co_await parts_.zfs.rollback(std::move(names.front()));
    }
    co_return ok();
}

Task<Result<void>> Target::take_back(std::string peer, const std::vector<GoesBack>* all) {
    for (const GoesBack& one : *all) {
        for (const plan::RollBackStep& step : one.plan.steps) {
            log::event(log::Level::info,
                       "roll_back_step",
                       {{"dataset", one.target.str()}, {"peer", peer}, {"step", step.text}});
            auto taken = co_await take_step(one.target, step);
            if (!taken) co_return std::move(Error(taken.error())).in(step.text);
        }
    }
    const GoesBack& root = all->front();
    const std::string to = root.target.str() + "@" + root.plan.base.name;
    parts_.events.publish("target_put_back", root.target.str(), "back to " + to + ", for " + peer);
    co_return ok();
}

Task<Result<std::vector<lock::LockTable::Guard>>> Target::lock_for_roll_back(
    std::string peer, const std::vector<GoesBack>* all) {
    std::vector<rpc::LookIn::Pair> streams;
    for (const GoesBack& one : *all) streams.push_back({one.source, one.target.str()});
    co_await end_streams(peer, std::move(streams));
    const auto deadline = SteadyClock::now() + kLockWait;
    const std::string reason = "roll back for " + peer;
    std::vector<lock::LockTable::Guard> out;
    for (const GoesBack& one : *all) {
        const auto left = std::max(deadline - SteadyClock::now(), SteadyClock::duration::zero());
        auto guard = co_await parts_.locks.lock(one.target, lock::Scope::node, reason, left);
        if (!guard) co_return guard.error();
        out.push_back(std::move(*guard));
    }
    co_return out;
}

Task<Result<rpc::RollBackOut>> Target::roll_back(std::string peer, rpc::RollBackIn in) {
    auto target = usable_name(in.target);
    if (!target) co_return target.error();
    const auto pair = pair_with(peer, *target, in.source);
    if (!pair) co_return not_yours(peer, *target);
    auto all = goes_back(*target, in);
    if (!all) co_return all.error();
    // Before their locks are asked for: what lies in a tree may be another peer's.
    for (const GoesBack& one : *all) {
        if (!side_with(peer, one.target, one.source)) co_return no_such_member(one.target, *pair);
    }
    Result<std::vector<lock::LockTable::Guard>> held = std::vector<lock::LockTable::Guard>{};
    const bool dry_run = in.dry_run;
    if (!dry_run) held = co_await lock_for_roll_back(peer, &*all);
    if (!held) co_return held.error();
    auto planned = co_await plan_roll_back(peer, std::move(in), &*all);
    if (!planned) co_return planned.error();
    rpc::RollBackOut out;
    std::vector<DatasetName> names;
    for (const GoesBack& one : *all) {
        if (!dry_run) parts_.runs.forget_fresh(one.target);
        names.push_back(one.target);
        out.lost_bytes += one.plan.lost_bytes;
        for (const auto& step : one.plan.steps) out.steps.push_back(step.text);
        for (const auto& gone : one.plan.destroyed)
            out.destroyed.push_back(one.name.empty() ? gone : one.name + "@" + gone);
    }
    if (dry_run) co_return out;
    auto taken = co_await take_back(std::move(peer), &*all);
    if (!taken) co_return taken.error();
    auto seen = co_await parts_.inventory.refresh(std::move(names), Freshness::listed);
    if (!seen) co_return seen.error();
    co_return out;
}

}  // namespace zrepd::sync
