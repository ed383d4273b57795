// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sync/engine.hpp"

#include <algorithm>
#include <set>

#include "daemon/async/gather.hpp"
#include "daemon/log.hpp"
#include "daemon/sync/init.hpp"
#include "daemon/sync/refusals.hpp"

namespace zrepd::sync {
namespace {

constexpr std::chrono::seconds kExpireLimit{180};

Error after_destroying(std::size_t here, Error error) {
    if (here == 0) return error;
    return std::move(error).in("destroyed " + std::to_string(here) + " here, then");
}

}  // namespace

Engine::Engine(Parts& parts, peer::Peers& peers)
    : parts_(parts),
      peers_(peers),
      streams_(parts.executor, parts.config.streams, parts.sends),
      tasks_(parts.executor) {}

Result<rpc::RunStarted> Engine::divide(const Asked& asked,
                                       const std::vector<DatasetName>& datasets,
                                       std::vector<DatasetName>& free) const {
    rpc::RunStarted out;
    const bool alone = datasets.size() == 1;
    for (const auto& dataset : datasets) {
        const RunPtr same = parts_.runs.active(dataset, asked.operation, asked.goal);
        const RunPtr other = same ? nullptr : parts_.runs.active(dataset);
        if (same && alone) return same_work(*same, dataset);
        if (same) {
            const bool known =
                std::find(out.joined.begin(), out.joined.end(), same->id()) != out.joined.end();
            if (!known) out.joined.push_back(same->id());
        } else if (other && alone && asked.when_busy == WhenBusy::refuse_one) {
            // Who waits for the end of a receive would be told then what can be told now.
            const auto pair = parts_.inventory.pair(dataset);
            const bool misplaced = asked.operation == "sync" && other->operation() == "receive";
            if (misplaced && pair && pair->role == plan::Role::target) return not_a_master(*pair);
            return other_work(*other, dataset);
        } else {
            free.push_back(dataset);
        }
    }
    return out;
}

Result<rpc::RunStarted> Engine::start_sync(const std::vector<DatasetName>& datasets,
                                           Freshness freshness,
                                           WhenBusy when_busy) {
    std::vector<DatasetName> free;
    auto out = divide({.operation = "sync", .goal = {}, .when_busy = when_busy}, datasets, free);
    if (!out || free.empty()) return out;
    RunPtr run = parts_.runs.start("sync", free);
    out->run_id = run->id();
    tasks_.spawn("sync", run_sync(run, std::move(free), freshness));
    return out;
}

Task<std::vector<DatasetName>> Engine::lock_all(RunPtr run, std::vector<DatasetName> datasets) {
    const auto deadline = SteadyClock::now() + kLockWait;
    for (const auto& dataset : datasets) {
        const auto left = std::max(deadline - SteadyClock::now(), SteadyClock::duration::zero());
        auto guard = co_await parts_.locks.lock(
            dataset, lock::Scope::node, run->operation(), left, run->id());
        // One pool in trouble must not keep the others' filesystems from their sync.
        auto available = parts_.zfs.check_pool(dataset.pool());
        if (!guard)
            parts_.runs.fail(*run, dataset, guard.error());
        else if (!available)
            parts_.runs.fail(*run, dataset, available.error());
        else
            parts_.runs.keep_lock(*run, dataset, std::move(*guard));
    }
    std::erase_if(datasets, [&](const DatasetName& d) { return !run->pending(d); });
    co_return datasets;
}

/// Whoever says "sync" means what was written a moment ago, too; `written` shows it only once it is
/// on disk. A pool that cannot be flushed says why itself at the next step.
Task<> Engine::flush(const std::vector<DatasetName>& datasets) {
    std::set<std::string> pools;
    for (const auto& dataset : datasets) pools.emplace(dataset.pool());
    std::vector<std::string> names(pools.begin(), pools.end());
    auto flushed = co_await parts_.zfs.flush(std::move(names));
    if (!flushed) log::event(log::Level::warn, "flush_failed", {{"error", flushed.error().text()}});
}

Task<> Engine::run_sync(RunPtr run, std::vector<DatasetName> datasets, Freshness freshness) {
    std::vector<DatasetName> free;
    for (const auto& dataset : datasets) {
        auto guard = parts_.locks.try_lock(dataset, lock::Scope::node, run->operation(), run->id());
        if (guard) {
            parts_.runs.keep_lock(*run, dataset, std::move(*guard));
            free.push_back(dataset);
        } else {
            // Something else works on it: that keeps no other from its sync.
            tasks_.spawn("sync " + dataset.str(), sync_when_free(run, dataset, freshness));
        }
    }
    if (!free.empty()) co_await sync_locked(run, std::move(free), freshness);
}

Task<> Engine::sync_when_free(RunPtr run, DatasetName dataset, Freshness freshness) {
    std::vector<DatasetName> one{std::move(dataset)};
    one = co_await lock_all(run, std::move(one));
    if (!one.empty()) co_await sync_locked(run, std::move(one), freshness);
}

Task<> Engine::sync_locked(RunPtr run, std::vector<DatasetName> datasets, Freshness freshness) {
    if (freshness == Freshness::listed) co_await flush(datasets);
    auto seen = co_await look_here(parts_, datasets, freshness);
    PairsByPeer by_peer;
    std::vector<plan::Pair> trees;
    for (const auto& dataset : datasets) {
        if (const auto why = why_not_synced(parts_, seen, dataset)) {
            parts_.runs.fail(*run, dataset, *why);
            continue;
        }
        auto pair = parts_.inventory.pair(dataset);
        auto& list = pair->tree ? trees : by_peer[pair->peer];
        list.push_back(std::move(*pair));
    }
    co_await sync_side_by_side(run, std::move(by_peer), std::move(trees), freshness);
    const Error stopped{.code = Code::cancelled,
                        .message = "zrepd is stopping",
                        .remedy = "sync again when it is back: an interrupted stream is resumed"};
    // Whatever was left open was cut off by a stop.
    for (const auto& dataset : datasets) parts_.runs.fail(*run, dataset, stopped);
}

/// Peers and trees, so that one that is down or slow delays nobody else. In a group of their own: a
/// cancel of whoever waits for them here ends their streams.
Task<> Engine::sync_side_by_side(RunPtr run,
                                 PairsByPeer by_peer,
                                 std::vector<plan::Pair> trees,
                                 Freshness freshness) {
    note_peers();
    std::size_t left = by_peer.size() + trees.size();
    Signal done(parts_.executor);
    TaskGroup tasks(parts_.executor);
    for (auto& pair : trees) {
        const std::string name = "sync tree " + pair.dataset.str();
        auto tree =
            std::make_shared<TreeSync>(source(tasks), run, std::move(pair), Founding{}, freshness);
        tasks.spawn(name, run_tree(std::move(tree), &left, &done));
    }
    for (auto& [peer, pairs] : by_peer) {
        if (freshness == Freshness::cached && fail_if_away(*run, peer, pairs)) {
            --left;
            continue;
        }
        auto group =
            std::make_shared<PeerGroup>(source(tasks), run, peer, std::move(pairs), freshness);
        tasks.spawn("sync with " + peer.str(), run_peer_group(std::move(group), &left, &done));
    }
    co_await gather(tasks, left, done);
}

/// Those to which this host sends, or may at any moment.
void Engine::note_peers() {
    std::set<HostName> peers;
    for (const auto& pair : parts_.inventory.pairs()) {
        if (pair.role != plan::Role::target) peers.insert(pair.peer);
    }
    streams_.know(std::move(peers));
}

/// The schedule needs no connection of its own to learn what was found out a few seconds ago. Who
/// asks for a sync gets a try.
bool Engine::fail_if_away(Run& run, const HostName& peer, const std::vector<plan::Pair>& pairs) {
    const auto why = peers_.away(peer);
    if (!why) return false;
    for (const auto& pair : pairs) parts_.runs.fail(run, pair.dataset, *why, Runs::Told::yes);
    return true;
}

Task<> Engine::run_peer_group(std::shared_ptr<PeerGroup> group, std::size_t* left, Signal* done) {
    co_await group->go();
    --*left;
    done->notify();
}

Task<> Engine::run_tree(std::shared_ptr<TreeSync> tree, std::size_t* left, Signal* done) {
    co_await tree->go();
    --*left;
    done->notify();
}

Task<rpc::RunResult> Engine::sync_now(DatasetName dataset) {
    std::vector<DatasetName> one{dataset};
    RunPtr run = parts_.runs.start("sync", one);
    co_await sync_locked(run, std::move(one), Freshness::listed);
    co_return run->out().results.at(0);
}

Task<Result<rpc::RunStarted>> Engine::start_init(InitRequest request) {
    std::vector<DatasetName> free;
    std::vector<DatasetName> wanted{request.dataset};
    const Asked asked{.operation = "init", .goal = goal_of(request)};
    auto out = divide(asked, wanted, free);
    if (!out) co_return out;
    auto checked = co_await check_init_here(parts_, request);
    if (!checked) co_return checked.error();
    // Another call may have started a run while we looked.
    free.clear();
    out = divide(asked, wanted, free);
    if (!out) co_return out;
    auto alone = check_no_nested_init(parts_, request);
    if (!alone) co_return alone.error();
    RunPtr run = parts_.runs.start("init", wanted, asked.goal);
    out->run_id = run->id();
    std::string name = "init " + request.dataset.str();
    tasks_.spawn(std::move(name), run_init(run, std::move(request)));
    co_return out;
}

std::string Engine::goal_of(const InitRequest& request) const {
    const bool local = parts_.self.is(request.host);
    const std::string how = request.adopt ? "adopting " : "to ";
    return (request.recursive ? "with everything below it " : "") + how +
           (local ? "localhost" : request.host.short_name()) + ":" + request.target.str();
}

Task<> Engine::run_init(RunPtr run, InitRequest request) {
    std::vector<DatasetName> wanted{request.dataset};
    co_await lock_all(run, std::move(wanted));
    if (!run->pending(request.dataset)) co_return;
    note_peers();
    auto result = co_await init_pair(source(), run, request);
    for (unsigned i = 0; i < kBusyTries && !result && result.error().code == Code::busy; ++i) {
        co_await sleep_for(kBusyWait);
        result = co_await init_pair(source(), run, request);
    }
    if (result)
        parts_.runs.succeed(*run, request.dataset, std::move(*result));
    else
        parts_.runs.fail(*run, request.dataset, result.error());
    // A filesystem that is no pair has no state to show.
    if (!parts_.inventory.pair(request.dataset)) parts_.runs.forget(request.dataset);
}

Result<rpc::RunStarted> Engine::start_put_back(PutBackRequest request) {
    std::vector<DatasetName> free;
    const std::vector<DatasetName> wanted{request.dataset};
    const Asked asked{.operation = "put_back", .goal = "to @" + request.snapshot};
    auto out = divide(asked, wanted, free);
    if (!out) return out;
    RunPtr run = parts_.runs.start(asked.operation, wanted, asked.goal);
    out->run_id = run->id();
    tasks_.spawn("put back " + request.dataset.str(), run_put_back(run, std::move(request)));
    return out;
}

Task<> Engine::run_put_back(RunPtr run, PutBackRequest request) {
    const DatasetName dataset = request.dataset;
    std::vector<DatasetName> wanted{dataset};
    co_await lock_all(run, std::move(wanted));
    if (!run->pending(dataset)) co_return;
    auto result = co_await put_back(source(), run, std::move(request));
    if (result)
        parts_.runs.succeed(*run, dataset, std::move(*result));
    else
        parts_.runs.fail(*run, dataset, result.error());
}

Task<DryRun> Engine::describe_put_back(PutBackRequest request, std::chrono::seconds limit) {
    const DatasetName dataset = request.dataset;
    DryRun out;
    if (const RunPtr other = parts_.runs.active(dataset)) {
        out.results.push_back(failed_result(dataset, other_work(*other, dataset)));
        co_return out;
    }
    auto steps = co_await put_back_steps(source(), std::move(request), limit);
    if (steps)
        out.steps = std::move(*steps);
    else
        out.results.push_back(failed_result(dataset, steps.error()));
    co_return out;
}

Result<rpc::RunStarted> Engine::start_expire(const std::vector<DatasetName>& datasets,
                                             bool local_only,
                                             WhenBusy when_busy) {
    std::vector<DatasetName> free;
    const Asked asked{.operation = "expire",
                      .goal = local_only ? "on this side alone" : "",
                      .when_busy = when_busy};
    auto out = divide(asked, datasets, free);
    if (!out || free.empty()) return out;
    RunPtr run = parts_.runs.start("expire", free, asked.goal);
    out->run_id = run->id();
    tasks_.spawn("expire", run_expire(run, std::move(free), local_only));
    return out;
}

/// One after the other, and only that one locked: the other side's expiry locks the target, which
/// may be in this run, or in one of the peer's that waits for a target here.
Task<> Engine::run_expire(RunPtr run, std::vector<DatasetName> datasets, bool local_only) {
    for (const auto& dataset : datasets) {
        std::vector<DatasetName> one{dataset};
        one = co_await lock_all(run, std::move(one));
        if (one.empty()) continue;
        auto seen = co_await look_here(parts_, one, Freshness::listed);
        auto pair = parts_.inventory.pair(dataset);
        if (const auto why = why_unseen(seen, dataset))
            parts_.runs.fail(*run, dataset, *why);
        else if (!pair)
            parts_.runs.fail(*run, dataset, no_pair(parts_, dataset));
        else
            co_await expire_one(run, std::move(*pair), local_only);
    }
}

/// How many went over there, asked for so many at a time.
Task<Result<std::size_t>> Engine::expire_there(HostName peer, rpc::LookIn all) {
    std::size_t gone = 0;
    for (std::size_t from = 0; from < all.pairs.size(); from += kMaxPerRequest) {
        const auto begin = all.pairs.begin() + static_cast<std::ptrdiff_t>(from);
        const std::size_t size = std::min(all.pairs.size() - from, kMaxPerRequest);
        rpc::LookIn in;
        in.pairs.assign(begin, begin + static_cast<std::ptrdiff_t>(size));
        auto answer =
            co_await peers_.call_as<rpc::PeerExpireOut>(peer, "peer.expire", in, kExpireLimit);
        if (!answer) co_return answer.error();
        if (answer->items.size() != in.pairs.size()) {
            co_return Error{.code = Code::peer_protocol, .message = "no answer"};
        }
        for (const auto& item : answer->items) {
            if (item.error)
                co_return failed_there(peer, rpc::from_item_error(*item.error)).in(peer.str());
            gone += item.destroyed.size();
        }
    }
    co_return gone;
}

/// Here, then over there where that is wanted; how many went on this side and on the other.
Task<Result<std::string>> Engine::expire_sides(std::vector<plan::Pair> sides, bool local_only) {
    std::size_t here = 0;
    rpc::LookIn in;
    for (const auto& side : sides) {
        auto gone = co_await expire(parts_, side.dataset);
        // What is destroyed stays so, and a second run would not tell of it.
        if (!gone) co_return after_destroying(here, gone.error());
        here += gone->size();
        // What joined a tree just now has no copy yet.
        const Versions* versions = parts_.inventory.versions(side.dataset);
        const bool copied = versions != nullptr && last_acked(*versions) != nullptr;
        if (copied || !side.tree)
            in.pairs.push_back({side.dataset.str(), side.peer_dataset.str(), {}});
    }
    std::string text = "destroyed " + std::to_string(here) + " here";
    if (local_only || sides.empty() || sides.front().role != plan::Role::master) co_return text;
    const HostName& peer = sides.front().peer;
    auto there = co_await expire_there(peer, std::move(in));
    const bool denied = !there && there.error().code == Code::not_accepted;
    if (denied) there = co_await why_not_accepted(parts_, peers_, sides.front(), there.error());
    if (!there) co_return after_destroying(here, there.error());
    co_return text + ", " + std::to_string(*there) + " on " + peer.str();
}

Task<> Engine::expire_one(RunPtr run, plan::Pair pair, bool local_only) {
    parts_.runs.phase(*run, pair.dataset, "expiring");
    std::vector<plan::Pair> sides = sides_that_expire(parts_.inventory, pair);
    auto text = co_await expire_sides(std::move(sides), local_only);
    if (!text) {
        parts_.runs.fail(*run, pair.dataset, text.error());
        co_return;
    }
    rpc::RunResult result;
    result.outcome = "done";
    result.text = std::move(*text);
    parts_.runs.succeed(*run, pair.dataset, std::move(result));
}

Task<> Engine::stop() {
    tasks_.cancel();
    co_await tasks_.join();
}

}  // namespace zrepd::sync
