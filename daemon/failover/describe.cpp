// SPDX-License-Identifier: BSD-2-Clause
// Dry runs of role changes: the steps, what they would lose, and what is in their way.
#include <algorithm>

#include "common/text.hpp"
#include "common/time.hpp"
#include "common/units.hpp"
#include "daemon/async/gather.hpp"
#include "daemon/clock.hpp"
#include "daemon/failover/check.hpp"
#include "daemon/failover/outcome.hpp"
#include "daemon/failover/rescue_plan.hpp"
#include "daemon/failover/roles.hpp"
#include "daemon/failover/tree_ways.hpp"
#include "daemon/plan/displaced.hpp"
#include "daemon/sync/bookkeeping.hpp"
#include "daemon/sync/refusals.hpp"
#include "daemon/sync/tree_sync.hpp"

namespace zrepd::failover {
namespace {

using sync::Freshness;
using Steps = std::vector<std::string>;

// As the run's: the other master tells at once.
constexpr std::chrono::seconds kAskIfSplit{3};

std::string there(const plan::Pair& pair) {
    return pair.peer.str() + ":" + pair.peer_dataset.str();
}

/// The pair's name, of a tree with how much lies below it.
std::string whole(const sync::Inventory& inventory, const plan::Pair& pair) {
    return with_members(pair.dataset, inventory.with_members({pair.dataset}).size());
}

std::uint64_t written_now(const sync::Inventory& inventory, const plan::Pair& pair) {
    std::uint64_t sum = 0;
    for (const auto& name : inventory.with_members({pair.dataset})) {
        const Dataset* dataset = inventory.find(name);
        if (dataset != nullptr) sum += dataset->written_bytes;
    }
    return sum;
}

}  // namespace

void add_writable_apart(Steps& out, const sync::Inventory& inventory, const plan::Pair& pair) {
    if (!pair.tree) return;
    for (const auto& name : writable_by_root(inventory.all(), pair.dataset))
        out.push_back("set readonly=off on " + name.str() +
                      ", a pair of its own in there: it stays as it is");
}

namespace {

Steps failover_steps(const sync::Inventory& inventory, const plan::Pair& pair, Steps of_sync) {
    const std::string name = whole(inventory, pair);
    const std::string epoch = std::to_string(pair.epoch + 1);
    Steps out{"sync " + name + " to " + there(pair) + ", " +
              human_bytes(written_now(inventory, pair)) +
              " written since the last snapshot; nothing is lost"};
    out.insert(out.end(), of_sync.begin(), of_sync.end());
    add_writable_apart(out, inventory, pair);
    for (std::string& step :
         Steps{"make " + name + " readonly, sync what came meanwhile, until nothing does",
               "make " + name + " the target of epoch " + epoch,
               "make " + there(pair) + " the master of epoch " + epoch + " and mount it"}) {
        out.push_back(std::move(step));
    }
    return out;
}

/// What was written since a snapshot of the pair, of a tree everywhere in it.
std::uint64_t written_since(const sync::Inventory& inventory,
                            const plan::Pair& pair,
                            const Snapshot& point) {
    std::uint64_t sum = 0;
    for (const auto& name : inventory.with_members({pair.dataset})) {
        const Dataset* dataset = inventory.find(name);
        const Versions* versions = inventory.versions(name);
        const Snapshot* part = versions == nullptr ? nullptr : plan::part_of(*versions, point);
        if (dataset == nullptr || part == nullptr) continue;
        const auto found = divergence(*dataset, *versions, part->guid);
        if (found) sum += found->bytes();
    }
    return sum;
}

/// What this side has that the other never acknowledged.
std::string loss(const sync::Inventory& inventory,
                 const plan::Pair& pair,
                 const Versions& versions) {
    const Snapshot* acked = sync::last_acked(versions);
    if (acked == nullptr) return "everything: nothing was ever acknowledged";
    const Versions* now = inventory.versions(pair.dataset);
    const std::uint64_t bytes = written_since(inventory, pair, *acked);
    const bool newer =
        now != nullptr && !now->snapshots.empty() && now->snapshots.back().guid != acked->guid;
    if (bytes == 0 && !newer) return "nothing: all of it was acknowledged";
    return human_bytes(bytes) + " written here since @" + acked->name + " (acknowledged " +
           to_rfc3339(acked->sent.value_or(0)) + "), kept beside it";
}

Steps stepping_down_steps(const sync::Inventory& inventory,
                          const plan::Pair& pair,
                          const Versions& versions) {
    const std::string name = whole(inventory, pair);
    Steps out;
    add_writable_apart(out, inventory, pair);
    for (std::string& step : Steps{
             "make " + name + " readonly and the target of epoch " + std::to_string(pair.epoch + 1),
             "keep from the other side: " + loss(inventory, pair, versions),
             "roll " + name + " back to the last acknowledged snapshot",
             "have " + there(pair) + " become the master as soon as it answers"}) {
        out.push_back(std::move(step));
    }
    return out;
}

/// How old the copy is that would become the truth.
Steps takeover_steps(const sync::Parts& parts, const plan::Pair& pair, const Versions& versions) {
    const sync::Inventory& inventory = parts.inventory;
    const std::string name = whole(inventory, pair);
    const Snapshot* acked = sync::last_acked(versions);
    std::string age = "begin with a copy that was never complete";
    const UnixSeconds now = unix_now();
    const auto lag = acked == nullptr ? std::nullopt : parts.runs.lag(pair.dataset, acked, now);
    if (lag) {
        age = "begin with the data of " + to_rfc3339(now - lag->count()) + " (" +
              format_duration(*lag) + " ago, @" + acked->name + "); what " + pair.peer.str() +
              " wrote later is missing here, and is kept beside it there when it returns";
    }
    Steps out{age};
    // A tree begins where all of it was whole.
    const std::uint64_t more =
        pair.tree && acked != nullptr ? written_since(inventory, pair, *acked) : 0;
    if (more != 0) {
        out.push_back("keep " + human_bytes(more) + " that came after @" + acked->name +
                      ", beside what got them, and roll that back: not all of the tree has them");
    }
    out.push_back("make " + name + " writable and the master of epoch " +
                  std::to_string(pair.epoch + 1) + " and mount it; " + pair.peer.str() +
                  " is not asked");
    return out;
}

}  // namespace

Task<Result<Steps>> Roles::steps_of(Ask ask,
                                    plan::Pair pair,
                                    std::chrono::seconds limit,
                                    OldMaster old) {
    const Dataset* dataset = parts_.inventory.find(pair.dataset);
    const Versions* versions = parts_.inventory.versions(pair.dataset);
    if (dataset == nullptr || versions == nullptr) co_return sync::no_pair(parts_, pair.dataset);
    auto available = parts_.zfs.check_pool(pair.dataset.pool());
    if (!available) co_return available.error();
    const auto spoiled = plan::unreadable_epoch(*dataset, parts_.self);
    if (spoiled) co_return *spoiled;
    const Entry entry = entry_of(*dataset);
    const Journal journal = entry.journal;
    const bool target = pair.role == plan::Role::target;
    const bool wants_target = ask == Ask::takeover || ask == Ask::takeover_local;
    const bool resolves = ask == Ask::keep_here || ask == Ask::keep_peer;
    if (target != wants_target && journal != Journal::none && target && !resolves)
        co_return unfinished(pair, entry);
    if (wants_target && pair.role == plan::Role::master && journal == Journal::none) {
        const auto split =
            co_await must_be_split(pair, Ask::keep_here, std::min(limit, kAskIfSplit));
        if (split) co_return both_say_so(pair);
    }
    if (target != wants_target) co_return wrong_side(ask, pair);
    if (ask == Ask::unfence) co_return fences_.describe_unfence(pair);
    Result<Guid> base = Guid{};
    if (resolves) base = co_await must_be_split(pair, ask, limit);
    if (!base) co_return base.error();
    const bool settles = ask == Ask::takeover_local || ask == Ask::keep_peer;
    if (journal != Journal::none && !settles)
        co_return resolves ? unfinished_resolve(pair, journal) : unfinished(pair, entry);
    dataset = parts_.inventory.find(pair.dataset);
    versions = parts_.inventory.versions(pair.dataset);
    if (dataset == nullptr || versions == nullptr) co_return sync::no_pair(parts_, pair.dataset);
    switch (ask) {
        case Ask::failover:
            co_return co_await describe_failover(pair, limit);
        case Ask::takeover: {
            rpc::HandOverIn in;
            in.dry_run = true;
            auto answer = co_await call_hand_over(pair, std::move(in), limit);
            if (!answer) co_return answer.error();
            co_return answer->steps;
        }
        case Ask::failover_local: {
            const auto alone = nothing_acknowledged(pair, versions);
            if (alone) co_return *alone;
            co_return stepping_down_steps(parts_.inventory, pair, *versions);
        }
        case Ask::keep_peer:
            co_return stepping_down_steps(parts_.inventory, pair, *versions);
        case Ask::unfence:
            break;
        case Ask::takeover_local: {
            const auto is_whole = must_be_whole(pair);
            if (!is_whole) co_return is_whole.error();
            Steps steps = takeover_steps(parts_, pair, *versions);
            const auto before = lease_steps(pair, old);
            if (!before) co_return before.error();
            steps.insert(steps.begin() + 1, before->begin(), before->end());
            co_return steps;
        }
        case Ask::keep_here:
            co_return Steps{"make " + pair.dataset.str() + " the master of epoch " +
                                std::to_string(pair.epoch + 2),
                            "have " + there(pair) +
                                " become its target as soon as it hears of it; what only "
                                "it has is kept beside it there"};
    }
    co_return Steps{};
}

Task<> Roles::describe_sync_before(DatasetName dataset,
                                   std::chrono::seconds limit,
                                   FirstSteps* out) {
    std::vector<DatasetName> one{std::move(dataset)};
    auto found = co_await role_.engine.describe_sync(std::move(one), limit);
    out->synced = std::move(found);
    --out->left;
    out->done.notify();
}

Task<> Roles::ask_target_before(plan::Pair pair, std::chrono::seconds limit, FirstSteps* out) {
    auto found = co_await problems_there(std::move(pair), limit);
    out->refused = std::move(found);
    --out->left;
    out->done.notify();
}

/// As the run: what the sync before it heals is in no way, and what stops that stops all. Both are
/// asked for at once: there is no more time than for one answer.
Task<Result<Steps>> Roles::describe_failover(plan::Pair pair, std::chrono::seconds limit) {
    const Dataset* dataset = parts_.inventory.find(pair.dataset);
    if (dataset == nullptr) co_return sync::no_pair(parts_, pair.dataset);
    const auto closed = made_readonly(*dataset);
    if (closed) co_return *closed;
    std::string pool(pair.dataset.pool());
    auto writable = co_await parts_.zfs.check_writable(std::move(pool));
    if (!writable) co_return sync_refused(writable.error());
    FirstSteps first(parts_.executor);
    TaskGroup asking(parts_.executor);
    asking.spawn("dry run of a sync", describe_sync_before(pair.dataset, limit, &first));
    asking.spawn("dry run of a check", ask_target_before(pair, limit, &first));
    co_await gather(asking, first.left, first.done);
    if (!first.synced) co_return sync_refused(first.synced.error());
    for (const auto& result : first.synced->results) {
        if (result.error) co_return sync_refused(rpc::from_item_error(*result.error));
    }
    if (first.refused) co_return *first.refused;
    dataset = parts_.inventory.find(pair.dataset);
    if (dataset == nullptr) co_return sync::no_pair(parts_, pair.dataset);
    co_return failover_steps(parts_.inventory, pair, std::move(first.synced->steps));
}

Task<std::optional<Error>> Roles::problems_there(plan::Pair pair,
                                                 std::chrono::seconds limit,
                                                 Guid back) {
    const Dataset* dataset = parts_.inventory.find(pair.dataset);
    if (dataset == nullptr) co_return sync::no_pair(parts_, pair.dataset);
    rpc::CheckIn in = check_of(pair, *dataset, parts_.inventory.versions(pair.dataset), back);
    if (pair.tree) in.members = parts_of_tree(parts_.inventory, pair, in.base);
    in.dry_run = true;
    auto answer = co_await role_.peers.call_as<rpc::CheckOut>(pair.peer, "peer.check", in, limit);
    if (!answer) co_return sync::failed_there(pair.peer, answer.error()).in(pair.peer.str());
    if (answer->problems.empty()) co_return std::nullopt;
    co_return refused_by(pair.peer, answer->problems);
}

Task<> Roles::describe_one(
    Ask ask, DatasetName dataset, std::chrono::seconds limit, Dry* out, Signal* done) {
    const auto pair = parts_.inventory.pair(dataset);
    Result<Steps> steps = Steps{};
    const sync::RunPtr other = in_the_way(ask, dataset);
    if (other)
        steps = sync::other_work(*other, dataset);
    else if (!pair)
        steps = sync::no_pair(parts_, dataset);
    else if (pair->role == plan::Role::initializing)
        steps = sync::not_a_master(*pair);
    else
        steps = co_await steps_of(ask, *pair, limit, out->old);
    if (steps) {
        for (auto& step : *steps) out->found.steps.push_back(std::move(step));
    } else {
        out->found.results.push_back(sync::failed_result(dataset, steps.error()));
    }
    --out->left;
    done->notify();
}

Task<Result<sync::DryRun>> Roles::describe(Ask ask,
                                           std::vector<DatasetName> datasets,
                                           std::chrono::seconds limit,
                                           OldMaster old) {
    auto seen = co_await sync::look_here(parts_, datasets, Freshness::listed);
    if (!seen) co_return seen.error();
    Dry out{.found = {}, .left = datasets.size(), .old = old};
    Signal done(parts_.executor);
    for (const auto& dataset : datasets) {
        tasks_.spawn("describe " + dataset.str(), describe_one(ask, dataset, limit, &out, &done));
    }
    while (out.left > 0) co_await done.wait();
    co_return std::move(out.found);
}

}  // namespace zrepd::failover
