// SPDX-License-Identifier: BSD-2-Clause
// Role changes after which the new master begins at a given snapshot. Both sides keep what they
// have that is newer beside the filesystem before they roll it back (docs/failover.md).
#include "common/props.hpp"
#include "common/text.hpp"
#include "common/units.hpp"
#include "daemon/clock.hpp"
#include "daemon/failover/check.hpp"
#include "daemon/failover/outcome.hpp"
#include "daemon/failover/roles.hpp"
#include "daemon/plan/displaced.hpp"
#include "daemon/sync/bookkeeping.hpp"
#include "daemon/sync/refusals.hpp"
#include "daemon/sync/tree_sync.hpp"

namespace zrepd::failover {
namespace {

using sync::Freshness;
using Steps = std::vector<std::string>;

// A dry run has to be answered in five seconds.
constexpr std::chrono::seconds kLookIfSplit{3};

bool wants_target(Ask ask) {
    return ask == Ask::takeover || ask == Ask::takeover_local;
}

std::optional<Error> not_now(Ask ask, const plan::Pair& pair, const Dataset& dataset) {
    if (pair.role == plan::Role::initializing) return sync::not_a_master(pair);
    const Entry entry = entry_of(dataset);
    const bool target = pair.role == plan::Role::target;
    if (target != wants_target(ask) && (entry.journal == Journal::none || !target))
        return wrong_side(ask, pair);
    if (entry.journal == Journal::none) return std::nullopt;
    return unfinished(pair, entry);
}

/// Whether both sides can go on from it, as far as this one knows. The other side is asked by
/// itself where it takes part.
std::optional<Error> not_common(Ask ask,
                                const plan::Pair& pair,
                                const Versions& versions,
                                const Snapshot& snapshot) {
    const std::string name = pair.dataset.str() + "@" + snapshot.name;
    if (ask == Ask::failover_local && !snapshot.sent) {
        return Error{
            .code = Code::refused,
            .message = name + " was never acknowledged: nobody could be the master with it",
            .remedy = "choose one that both sides have" + known_common(versions) +
                      ", or leave -L out: then " + pair.peer.str() + " is asked"};
    }
    if (ask == Ask::takeover_local && !has_common_before(versions, snapshot)) {
        return Error{.code = Code::refused,
                     .message = name + " is older than anything that " + pair.peer.str() +
                                " is known to have: it could never return",
                     .remedy = "choose a later one" + known_common(versions)};
    }
    return std::nullopt;
}

/// Without the flush, what was written in the last seconds would count as nothing.
Task<Result<void>> look_anew(sync::Parts& parts, DatasetName dataset) {
    auto available = parts.zfs.check_pool(dataset.pool());
    if (!available) co_return available;
    std::vector<std::string> pools{std::string(dataset.pool())};
    auto flushed = co_await parts.zfs.flush(std::move(pools));
    if (!flushed) co_return flushed;
    std::vector<DatasetName> one{dataset};
    auto seen = co_await sync::look_here(parts, std::move(one), Freshness::listed);
    if (!seen) co_return seen.error();
    const auto unseen = seen->find(dataset);
    if (unseen != seen->end()) co_return unseen->second;
    co_return ok();
}

std::string free_rescue(const sync::Inventory& inventory,
                        const DatasetName& dataset,
                        std::uint64_t epoch,
                        const std::vector<Snapshot>& newer) {
    for (const std::string& place : rescue_places(dataset)) {
        for (unsigned i = 1; i <= kMaxNames; ++i) {
            const auto name = rescue_name(place, epoch, i);
            if (!name || !has_room(*name, newer)) break;
            if (inventory.find(*name) == nullptr) return name->str();
        }
    }
    return "a copy beside it";
}

/// Of any but a takeover that asks its master.
Steps back_steps(Ask ask,
                 const plan::Pair& pair,
                 const Divergence& newer,
                 std::optional<std::uint64_t> below_bytes,
                 const std::string& copy) {
    const std::string name = pair.dataset.str();
    const std::string there = pair.peer.str() + ":" + pair.peer_dataset.str();
    const std::string epoch = std::to_string(pair.epoch + 1);
    const std::string start = "@" + newer.base.name;
    Steps out;
    if (!wants_target(ask))
        out.push_back("make " + name + " readonly and the target of epoch " + epoch);
    if (!newer.none()) {
        out.push_back("keep " + rolled_back_text(newer, unix_now()) + ", in " + copy);
        out.push_back("roll " + name + " back to " + start);
    }
    if (below_bytes)
        out.push_back("keep " + human_bytes(*below_bytes) +
                      " of what lies below it, beside each, and roll that back, too");
    if (wants_target(ask)) {
        out.push_back("make " + name + " writable and the master of epoch " + epoch +
                      " and mount it; " + pair.peer.str() +
                      " is not asked, and keeps what it has " + "after " + start +
                      " beside it when it returns");
        return out;
    }
    out.push_back("have " + there + " keep what it has after " + start +
                  " beside it, roll back, and become the master of epoch " + epoch +
                  (ask == Ask::failover ? "" : " as soon as it answers"));
    return out;
}

}  // namespace

Task<Result<Roles::Back>> Roles::look_back(Ask ask, DatasetName dataset, StartPoint from) {
    auto seen = co_await look_anew(parts_, dataset);
    if (!seen) co_return seen.error();
    const auto pair = parts_.inventory.pair(dataset);
    const Dataset* now = parts_.inventory.find(dataset);
    const Versions* versions = parts_.inventory.versions(dataset);
    if (!pair || now == nullptr || versions == nullptr) co_return sync::no_pair(parts_, dataset);
    const auto spoiled = plan::unreadable_epoch(*now, parts_.self);
    if (spoiled) co_return *spoiled;
    auto wrong = not_now(ask, *pair, *now);
    const bool both = wrong && wrong->code == Code::wrong_role && wants_target(ask) &&
                      pair->role == plan::Role::master;
    if (both) {
        const auto split = co_await must_be_split(*pair, Ask::keep_here, kLookIfSplit);
        if (split) co_return both_say_so(*pair);
    }
    if (wrong) co_return *wrong;
    auto snapshot = find_start(*now, *versions, from);
    if (!snapshot) co_return snapshot.error();
    auto unknown = not_common(ask, *pair, *versions, *snapshot);
    if (unknown) co_return *unknown;
    const auto held = co_await sync::with_foreign_holds(parts_, dataset, snapshot->guid);
    if (!held) co_return held.error();
    now = parts_.inventory.find(dataset);
    if (now == nullptr) co_return sync::no_pair(parts_, dataset);
    const auto blocks = blocks_way_back(*now, *held, *snapshot);
    if (!blocks.empty()) co_return blocks.front();
    auto newer = divergence(*now, *held, snapshot->guid);
    if (!newer) co_return newer.error();
    auto whole = whole_at(ask, *pair, *snapshot);
    if (!whole) co_return whole.error();
    Back out{.pair = *pair, .snapshot = *snapshot, .newer = *newer};
    auto below = co_await newer_below(dataset, snapshot->guid);
    if (!below) co_return below.error();
    out.below = *below;
    now = parts_.inventory.find(dataset);
    if (now == nullptr) co_return sync::no_pair(parts_, dataset);
    const auto full = no_room(*now, newer->bytes() + below->bytes);
    if (full) co_return *full;
    const Snapshot* acked = sync::last_acked(*held);
    const bool newest = acked != nullptr && acked->guid == snapshot->guid;
    // After failover -L the other side may have more all the same: it has to be told.
    out.plain = newer->none() && !below->ahead &&
                (ask == Ask::takeover_local || (ask == Ask::failover && newest));
    co_return out;
}

Result<rpc::RunStarted> Roles::start_at(Ask ask,
                                        const DatasetName& dataset,
                                        StartPoint from,
                                        OldMaster old) {
    const std::string operation(wants_target(ask) ? kTakeover : kFailover);
    const sync::RunPtr other = in_the_way(ask, dataset);
    if (other) return sync::other_work(*other, dataset);
    std::vector<DatasetName> one{dataset};
    sync::RunPtr run = parts_.runs.start(operation, one, goal_at_snapshot(ask));
    rpc::RunStarted out;
    out.run_id = run->id();
    tasks_.spawn(operation + " " + dataset.str(), run_at(run, ask, dataset, std::move(from), old));
    return out;
}

Task<> Roles::run_at(
    sync::RunPtr run, Ask ask, DatasetName dataset, StartPoint from, OldMaster old) {
    auto result = co_await carry_out_at(run, ask, dataset, std::move(from), old);
    if (result)
        parts_.runs.succeed(*run, dataset, std::move(*result));
    else
        parts_.runs.fail(*run, dataset, result.error());
}

Task<Result<rpc::RunResult>> Roles::carry_out_at(
    sync::RunPtr run, Ask ask, DatasetName dataset, StartPoint from, OldMaster old) {
    auto look = co_await look_back(ask, dataset, from);
    if (!look) co_return look.error();
    if (ask == Ask::takeover) co_return co_await ask_master(run, dataset, look->snapshot.guid);
    auto decided = co_await decide(run, ask, look->pair, old);
    if (!decided) co_return decided.error();
    auto guard = co_await lock(run, ask, dataset);
    if (!guard) co_return guard.error();
    const auto below = co_await lock_members(dataset, run->operation(), kLockWait);
    if (!below) co_return below.error();
    // A sync may have ended while the lock was waited for.
    look = co_await look_back(ask, dataset, std::move(from));
    if (!look) co_return look.error();
    if (ask == Ask::takeover_local) {
        auto willing = co_await must_be_willing(look->pair);
        if (!willing) co_return willing.error();
    }
    const Guid back = look->plain ? Guid{} : look->snapshot.guid;
    co_return co_await change(run, ask, dataset, {.back = back});
}

/// Whether this side has more than the snapshot at which the peer wants it to begin. refused when
/// it could not be rolled back: then nothing is changed here, and the peer asks again.
Task<Result<bool>> Roles::is_ahead_of(DatasetName dataset, Guid base) {
    auto seen = co_await look_anew(parts_, dataset);
    if (!seen) co_return seen.error();
    const auto versions = co_await sync::with_foreign_holds(parts_, dataset, base);
    if (!versions) co_return versions.error();
    const Dataset* now = parts_.inventory.find(dataset);
    if (now == nullptr) co_return sync::no_pair(parts_, dataset);
    auto newer = divergence(*now, *versions, base);
    if (!newer) co_return newer.error();
    const auto blocks = blocks_way_back(*now, *versions, newer->base);
    if (!newer->none() && !blocks.empty()) co_return blocks.front();
    auto below = co_await newer_below(dataset, base);
    if (!below) co_return below.error();
    co_return !newer->none() || below->ahead;
}

Task<Result<rpc::HandOverOut>> Roles::hand_over_at(rpc::HandOverIn in, DatasetName dataset) {
    const StartPoint from{.name = {}, .guid = in.base.value_or(Guid{})};
    rpc::HandOverOut out;
    if (!in.dry_run) {
        auto started = start_at(Ask::failover, dataset, from);
        if (!started) co_return started.error();
        out.run_id = started->run_id;
        co_return out;
    }
    auto found = co_await describe_at(Ask::failover, dataset, from, std::chrono::seconds(3));
    if (!found) co_return found.error();
    out.steps = std::move(found->steps);
    for (const auto& result : found->results) {
        if (result.error) co_return rpc::from_item_error(*result.error);
    }
    co_return out;
}

Task<Result<Steps>> Roles::steps_at(
    Ask ask, DatasetName dataset, StartPoint from, std::chrono::seconds limit, OldMaster old) {
    auto look = co_await look_back(ask, dataset, std::move(from));
    if (!look) co_return look.error();
    const plan::Pair& pair = look->pair;
    if (ask == Ask::takeover) {
        rpc::HandOverIn in;
        in.dry_run = true;
        in.base = look->snapshot.guid;
        auto answer = co_await call_hand_over(pair, std::move(in), limit);
        if (!answer) co_return answer.error();
        co_return answer->steps;
    }
    if (look->plain) co_return co_await steps_of(ask, pair, limit, old);
    if (ask == Ask::failover) {
        auto refused = co_await problems_there(pair, limit, look->snapshot.guid);
        if (refused) co_return *refused;
    }
    const std::uint64_t epoch = ask == Ask::takeover_local ? pair.epoch : pair.epoch + 1;
    const std::string copy = free_rescue(parts_.inventory, dataset, epoch, look->newer.newer);
    Steps steps;
    if (!wants_target(ask)) add_writable_apart(steps, parts_.inventory, pair);
    if (ask == Ask::takeover_local) {
        auto before = lease_steps(pair, old);
        if (!before) co_return before.error();
        steps = std::move(*before);
    }
    const auto below = look->below.ahead ? std::optional(look->below.bytes) : std::nullopt;
    for (std::string& step : back_steps(ask, pair, look->newer, below, copy)) {
        steps.push_back(std::move(step));
    }
    co_return steps;
}

Task<Result<sync::DryRun>> Roles::describe_at(
    Ask ask, DatasetName dataset, StartPoint from, std::chrono::seconds limit, OldMaster old) {
    sync::DryRun out;
    const sync::RunPtr other = in_the_way(ask, dataset);
    if (other) {
        out.results.push_back(sync::failed_result(dataset, sync::other_work(*other, dataset)));
        co_return out;
    }
    auto steps = co_await steps_at(ask, dataset, std::move(from), limit, old);
    if (steps)
        out.steps = std::move(*steps);
    else
        out.results.push_back(sync::failed_result(dataset, steps.error()));
    co_return out;
}

}  // namespace zrepd::failover
