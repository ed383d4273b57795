// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/failover/roles.hpp"

#include "common/props.hpp"
#include "common/text.hpp"
#include "daemon/failover/check.hpp"
#include "daemon/failover/fence.hpp"
#include "daemon/failover/lease.hpp"
#include "daemon/failover/outcome.hpp"
#include "daemon/plan/displaced.hpp"
#include "daemon/sync/refusals.hpp"

namespace zrepd::failover {
namespace {

// As many as keep two hosts busy; the others of a `failover all` wait for their turn.
constexpr std::size_t kParallel = 8;
// For who asks of a master what only a target does: it is told at once.
constexpr std::chrono::seconds kAskIfSplit{3};

}  // namespace

Roles::Roles(RoleParts parts)
    : role_(parts),
      parts_(parts.parts),
      fences_(parts_),
      witness_(parts_.executor),
      grants_(parts_),
      leases_(parts_,
              parts.peers,
              fences_,
              witness_,
              {.overtaken = [this](const DatasetName& name) { is_overtaken(name); },
               .lost = [this] { wake_.notify(); }}),
      writable_(parts_),
      places_(parts_.executor, kParallel),
      wake_(parts_.executor),
      tasks_(parts_.executor) {
    role_.fences = &fences_;
    role_.leases = &leases_;
    subscription_ = parts_.events.listen([this](const rpc::EventOut& event) {
        watch_results(event);
        return true;
    });
}

bool Roles::contradicts(std::string_view operation) {
    return operation == kFailover || operation == kTakeover || operation == kResolve ||
           operation == kPromote || operation == kRejoin || operation == "init";
}

sync::RunPtr Roles::in_the_way(Ask ask, const DatasetName& dataset) const {
    // A sync or a receive ends by itself, or is ended.
    const sync::RunPtr other = parts_.runs.active(dataset);
    if (!other || !contradicts(other->operation()) || ask == Ask::unfence) return nullptr;
    // What asks a peer may wait for one that is dead: nobody who says so waits with it.
    const bool asks = other->operation() == kRejoin || asks_peer(other->operation(), other->goal());
    return ask == Ask::takeover_local && asks ? nullptr : other;
}

Result<rpc::RunStarted> Roles::start(Ask ask,
                                     const std::vector<DatasetName>& datasets,
                                     OldMaster old) {
    const std::string operation(operation_of(ask));
    if (datasets.size() == 1) {
        const DatasetName& dataset = datasets.front();
        const sync::RunPtr same = parts_.runs.active(dataset, operation, goal_of(ask));
        if (same && ask != Ask::unfence) return sync::same_work(*same, dataset);
        const sync::RunPtr other = in_the_way(ask, dataset);
        if (other) return sync::other_work(*other, dataset);
    }
    rpc::RunStarted out;
    sync::RunPtr run = parts_.runs.start(operation, datasets, goal_of(ask));
    out.run_id = run->id();
    tasks_.spawn(operation, run_all(run, ask, datasets, old));
    return out;
}

Task<> Roles::run_all(sync::RunPtr run, Ask ask, std::vector<DatasetName> datasets, OldMaster old) {
    std::size_t left = datasets.size();
    Signal done(parts_.executor);
    for (const auto& dataset : datasets) {
        tasks_.spawn(run->operation() + " " + dataset.str(),
                     run_one(run, ask, dataset, old, &left, &done));
    }
    while (left > 0) co_await done.wait();
}

Task<> Roles::run_one(sync::RunPtr run,
                      Ask ask,
                      DatasetName dataset,
                      OldMaster old,
                      std::size_t* left,
                      Signal* done) {
    {
        // All of them at once, before they take turns: then they wait for their leases together.
        const auto pair = parts_.inventory.pair(dataset);
        const bool alone = ask == Ask::takeover_local && pair && pair->role == plan::Role::target;
        Grants::Decision decided;
        if (alone) decided = grants_.decide(dataset);
        auto place = co_await places_.acquire();
        Result<rpc::RunResult> result = Error{.code = Code::cancelled,
                                              .message = "zrepd is stopping before it began",
                                              .remedy = "run it again when zrepd is back"};
        if (place) result = co_await carry_out(run, ask, dataset, old);
        if (result)
            parts_.runs.succeed(*run, dataset, std::move(*result));
        else
            parts_.runs.fail(*run, dataset, result.error());
    }
    --*left;
    done->notify();
}

Task<Result<lock::LockTable::Guard>> Roles::lock(sync::RunPtr run, Ask ask, DatasetName dataset) {
    // A stream of a dead master would hold it until it stalls.
    if (ask == Ask::takeover_local) {
        for (const auto& name : parts_.inventory.with_members({dataset})) parts_.receives.end(name);
    }
    auto guard = co_await parts_.locks.lock(
        dataset, lock::Scope::node, run->operation(), kLockWait, run->id());
    co_return guard;
}

Task<Result<rpc::RunResult>> Roles::carry_out(sync::RunPtr run,
                                              Ask ask,
                                              DatasetName dataset,
                                              OldMaster old) {
    auto available = parts_.zfs.check_pool(dataset.pool());
    if (!available) co_return available.error();
    auto seen = co_await look_at(dataset);
    if (!seen) co_return seen.error();
    const auto pair = parts_.inventory.pair(dataset);
    if (!pair) co_return sync::no_pair(parts_, dataset);
    if (pair->role == plan::Role::initializing) co_return sync::not_a_master(*pair);
    const auto spoiled = plan::unreadable_epoch(*parts_.inventory.find(dataset), parts_.self);
    if (spoiled) co_return *spoiled;
    const bool takes = ask == Ask::takeover || ask == Ask::takeover_local;
    const bool settled = entry_of(*parts_.inventory.find(dataset)).journal == Journal::none;
    if (takes && settled && pair->role == plan::Role::master) {
        const auto split = co_await must_be_split(*pair, Ask::keep_here, kAskIfSplit);
        co_return split ? both_say_so(*pair) : wrong_side(ask, *pair);
    }
    // The master does it; it needs the lock of this side for that.
    if (ask == Ask::takeover) co_return co_await ask_master(run, dataset);
    Result<Guid> base = Guid{};
    if (ask == Ask::keep_here || ask == Ask::keep_peer)
        base = co_await must_be_split(*pair, ask, kAskLimit);
    if (!base) co_return base.error();
    // Both say that they are the master: which is to be one is not for a fence to decide.
    const auto known = trouble_of(dataset);
    if (ask == Ask::unfence && known && known->code == Code::split_brain) co_return *known;
    const bool leaves = ask == Ask::failover_local && pair->role == plan::Role::master;
    std::optional<Error> alone;
    if (leaves) alone = nothing_acknowledged(*pair, parts_.inventory.versions(dataset));
    if (alone) co_return *alone;
    // Nobody else asks of a side that steps down alone.
    if (leaves || ask == Ask::keep_peer) alone = writable_member(*pair);
    if (alone) co_return *alone;
    auto decided = co_await decide(run, ask, *pair, old);
    if (!decided) co_return decided.error();
    auto guard = co_await lock(run, ask, dataset);
    if (!guard) co_return guard.error();
    const auto now = parts_.inventory.pair(dataset);
    if (!now) co_return sync::no_pair(parts_, dataset);
    const bool alone_now = ask == Ask::takeover_local && now->role == plan::Role::target;
    if (alone_now) {
        const auto is_whole = must_be_whole(*now);
        if (!is_whole) co_return is_whole.error();
        auto willing = co_await must_be_willing(*now);
        if (!willing) co_return willing.error();
    }
    if (alone_now && now->tree) co_return co_await take_tree(run, *now);
    Result<Guards> below = Guards{};
    if (leaves || ask == Ask::keep_peer)
        below = co_await lock_members(dataset, run->operation(), kLockWait);
    if (!below) co_return below.error();
    co_return co_await change(run, ask, dataset, {.agreed = *base});
}

/// The administrator's programs, which may refuse.
Task<Result<void>> Roles::must_be_willing(plan::Pair pair) {
    const Dataset* dataset = parts_.inventory.find(pair.dataset);
    if (dataset == nullptr) co_return sync::no_pair(parts_, pair.dataset);
    const auto serve = parse_serve(dataset->own(prop::kServe).value_or(""));
    const std::string place = serve ? place_of(*serve, *dataset) : "";
    co_return co_await ask_hooks(std::move(pair), place, /*planned=*/false);
}

/// Which data counts is only a question where both sides say that theirs does. One that was seen
/// and whose other side is out of reach now may be decided all the same.
Task<Result<Guid>> Roles::must_be_split(plan::Pair pair, Ask ask, std::chrono::seconds limit) {
    if (pair.role != plan::Role::master) co_return wrong_side(Ask::keep_here, pair);
    rpc::RolesIn in;
    in.sides.push_back(asking_side(pair));
    auto answer = co_await role_.peers.call_as<rpc::RolesOut>(pair.peer, "peer.roles", in, limit);
    const auto known = trouble_of(pair.dataset);
    if (!answer && known && known->code == Code::split_brain) co_return Guid{};
    if (!answer) co_return std::move(Error(answer.error())).in(pair.peer.str());
    const bool split = answer->sides.size() == 1 && answer->sides[0].master &&
                       answer->sides[0].epoch == pair.epoch;
    const Guid base =
        split ? newest_common(parts_.inventory.versions(pair.dataset), answer->sides[0].snapshots)
              : Guid{};
    if (split && !base.known() && ask == Ask::keep_peer) {
        co_return Error{.code = Code::refused,
                        .message = pair.dataset.str() + " has no snapshot in common with " +
                                   pair.peer.str() + ":" + pair.peer_dataset.str() +
                                   ": it cannot become its target",
                        .remedy = "zrepctl resolve " + quote(pair.dataset.str()) +
                                  " --keep HERE, or zrepctl clear on both sides and init anew"};
    }
    if (split) co_return base;
    co_return Error{.code = Code::wrong_role,
                    .message = "there is no split brain of " + pair.dataset.str() +
                               " to be resolved: the other side is not master of the same epoch",
                    .remedy = "zrepctl status on both hosts shows who is master"};
}

Task<Result<Stored>> Roles::carry(Change* work, DatasetName dataset, Event event) {
    const auto before = parts_.inventory.pair(dataset);
    const bool gives_way = before && (before->role == plan::Role::master || is_unsettled(dataset));
    if (left_.contains(dataset)) work->has_left();
    auto stored = co_await work->go(event);
    if (work->left()) left_.insert(dataset);
    if (stored && stored->master) left_.erase(dataset);
    if (work->is_lost()) pending_[dataset].not_before = {};
    // Only a later set that landed undoes one that may land yet.
    if (work->is_in_doubt() || work->has_stored()) grants_.doubt(dataset, work->is_in_doubt());
    // What its syncs as the master complained of is over; none runs that would say so.
    const bool target = stored && !stored->master && stored->journal == Journal::none;
    if (gives_way && target) {
        sync::PairMemory& memory = parts_.runs.memory(dataset);
        memory.error.reset();
        memory.failures = 0;
    }
    co_return stored;
}

Task<Result<rpc::RunResult>> Roles::change(sync::RunPtr run,
                                           Ask ask,
                                           DatasetName dataset,
                                           Bases bases) {
    Change work(role_, run, dataset, run->operation());
    if (ask != Ask::failover) work.alone();
    work.agree_on(bases.agreed);
    work.go_back(bases.back);
    const auto before = parts_.inventory.pair(dataset);
    const std::uint64_t epoch = before ? before->epoch : 0;
    auto stored = co_await carry(&work, dataset, Asked{command_of(ask, bases.back.known())});
    // Whatever was wrong before is to be found out anew.
    heard_.erase(dataset);
    wake_.notify();
    if (!stored) co_return stored.error();
    const auto pair = parts_.inventory.pair(dataset);
    if (!pair) co_return sync::no_pair(parts_, dataset);
    if (!is_reached(ask, *stored)) {
        co_return why_not(work, *pair, *stored, epoch, parts_.inventory.versions(dataset));
    }
    rpc::RunResult result;
    result.outcome = "done";
    troubles_.erase(dataset);
    // What an earlier try waited for is settled by this one.
    const auto pending = pending_.find(dataset);
    if (pending != pending_.end() && !pending->second.running) pending_.erase(pending);
    std::vector<std::string> text;
    if (!stored->master && stored->journal != Journal::none)
        text.push_back(nobody_yet(*pair, *stored, work.trouble()));
    else
        text.push_back(outcome_of(*pair, *stored));
    const auto notes = work.words();
    text.insert(text.end(), notes.begin(), notes.end());
    const Dataset* now = parts_.inventory.find(dataset);
    if (ask == Ask::unfence && now != nullptr && is_leased(*now, *pair))
        text.push_back(unfence_price(*pair));
    result.text = join(text, "; ");
    co_return result;
}

Task<> Roles::stop() {
    stopped_ = true;
    subscription_.reset();
    tasks_.cancel();
    co_await tasks_.join();
    co_await leases_.stop();
}

bool Roles::is_unsettled(const DatasetName& dataset) const {
    const Dataset* now = parts_.inventory.find(dataset);
    return now != nullptr && (entry_of(*now).journal != Journal::none || fences_.waits(dataset));
}

std::optional<Error> Roles::trouble_of(const DatasetName& dataset) const {
    const auto found = troubles_.find(dataset);
    if (found != troubles_.end()) return found->second;
    auto fence = fences_.trouble_of(dataset);
    return fence ? fence : leases_.trouble_of(dataset);
}

}  // namespace zrepd::failover
