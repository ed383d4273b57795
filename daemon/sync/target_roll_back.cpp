// SPDX-License-Identifier: BSD-2-Clause
// A target goes back to an acknowledged snapshot because its master asks for it (ADR 0014). What
// goes is decided here, by plan/put_back.hpp, from what lies here.
#include "common/text.hpp"
#include "daemon/failover/journal.hpp"
#include "daemon/log.hpp"
#include "daemon/plan/put_back.hpp"
#include "daemon/sync/bookkeeping.hpp"
#include "daemon/sync/refusals.hpp"
#include "daemon/sync/target.hpp"

namespace zrepd::sync {
namespace {

std::vector<SnapshotName> full_names(const DatasetName& target,
                                     const std::vector<std::string>& names) {
    std::vector<SnapshotName> out;
    for (const std::string& name : names) {
        auto full = SnapshotName::make(target, name);
        if (full) out.push_back(std::move(*full));
    }
    return out;
}

Error other_epoch(const plan::Pair& pair, std::uint64_t asked) {
    const bool behind = pair.epoch < asked;
    return Error{.code = Code::conflict,
                 .message = pair.dataset.str() + " is of epoch " + std::to_string(pair.epoch) +
                            ", its master of " + std::to_string(asked) + "; nothing was changed",
                 .remedy = behind ? "zrepctl sync of it tells it; then this again"
                                  : "zrepctl status on both hosts shows who is the master"};
}

}  // namespace

Result<plan::Pair> Target::may_roll_back(const std::string& peer,
                                         const DatasetName& target,
                                         const rpc::RollBackIn& in) const {
    const auto pair = pair_with(peer, target, in.source);
    if (!pair) return not_yours(peer, target);
    if (pair->tree) return not_of_a_tree(*pair, "putting the target back");
    if (pair->epoch != in.epoch) return other_epoch(*pair, in.epoch);
    const auto journal = failover::entry_of(*parts_.inventory.find(target)).journal;
    if (journal == failover::Journal::none) return *pair;
    return Error{.code = Code::busy,
                 .message = "a role change of " + target.str() + " is not finished (" +
                            std::string(failover::name(journal)) + ")",
                 .remedy = "it goes on by itself; on " + parts_.self.host.str() +
                           ": zrepctl status " + quote(target.str())};
}

/// With fresh lists; without the flush, what was written in the last seconds would count as
/// nothing.
Task<Result<plan::RollBack>> Target::plan_roll_back(std::string peer,
                                                    DatasetName target,
                                                    rpc::RollBackIn in) {
    std::vector<std::string> pools{std::string(target.pool())};
    auto flushed = co_await parts_.zfs.flush(std::move(pools));
    if (!flushed) co_return flushed.error();
    auto seen = co_await parts_.inventory.refresh_one(target, Freshness::listed);
    if (!seen) co_return seen.error();
    auto allowed = may_roll_back(peer, target, in);
    if (!allowed) co_return allowed.error();
    auto versions = co_await with_foreign_holds(parts_, target, in.base);
    if (!versions) co_return versions.error();
    const Dataset* dataset = parts_.inventory.find(target);
    if (dataset == nullptr) co_return not_yours(peer, target);
    plan::RollBackAsked asked{.base = in.base,
                              .newer = std::move(in.newer),
                              .host = parts_.self.host.str(),
                              .master = std::move(peer)};
    co_return plan::roll_back(*dataset, *versions, asked);
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

Task<Result<rpc::RollBackOut>> Target::roll_back(std::string peer, rpc::RollBackIn in) {
    auto target = usable_name(in.target);
    if (!target) co_return target.error();
    if (!pair_with(peer, *target, in.source)) co_return not_yours(peer, *target);
    std::optional<lock::LockTable::Guard> held;
    if (!in.dry_run) {
        std::vector<rpc::LookIn::Pair> one{{in.source, in.target}};
        co_await end_streams(peer, std::move(one));
        auto guard = co_await parts_.locks.lock(
            *target, lock::Scope::node, "roll back for " + peer, kLockWait);
        if (!guard) co_return guard.error();
        held = std::move(*guard);
    }
    const bool dry_run = in.dry_run;
    auto planned = co_await plan_roll_back(peer, *target, std::move(in));
    if (!planned) co_return planned.error();
    rpc::RollBackOut out;
    out.destroyed = planned->destroyed;
    out.lost_bytes = planned->lost_bytes;
    for (const auto& step : planned->steps) out.steps.push_back(step.text);
    if (dry_run) co_return out;
    for (const plan::RollBackStep& step : planned->steps) {
        log::event(log::Level::info,
                   "roll_back_step",
                   {{"dataset", target->str()}, {"peer", peer}, {"step", step.text}});
        auto taken = co_await take_step(*target, step);
        if (!taken) co_return std::move(Error(taken.error())).in(step.text);
    }
    const std::string to = target->str() + "@" + planned->base.name;
    parts_.events.publish("target_put_back", target->str(), "back to " + to + ", for " + peer);
    auto seen = co_await parts_.inventory.refresh_one(*target, Freshness::listed);
    if (!seen) co_return seen.error();
    co_return out;
}

}  // namespace zrepd::sync
