// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sync/engine.hpp"

#include <algorithm>
#include <set>

#include "common/text.hpp"
#include "daemon/log.hpp"
#include "daemon/plan/prune.hpp"
#include "daemon/sync/init.hpp"

namespace zrepd::sync {
namespace {

// An operation that holds a dataset longer than this is shown to the caller instead of waited for.
constexpr std::chrono::seconds kLockWait{60};
constexpr std::chrono::seconds kExpireLimit{180};

Error not_a_master(const plan::Pair& pair) {
    if (pair.role == plan::Role::target) {
        return Error{.code = Code::wrong_role,
                     .message = pair.dataset.str() + " is the target here; its master is on " +
                                pair.peer.str(),
                     .remedy = "run zrepctl sync " + quote(pair.peer_dataset.str()) + " on " +
                               pair.peer.str()};
    }
    return Error{.code = Code::wrong_role,
                 .message = pair.dataset.str() + " is not completely initialized",
                 .remedy = "run zrepctl init " + quote(pair.dataset.str()) + " " + pair.peer.str() +
                           " " + quote(pair.peer_dataset.str()) + " again; it continues"};
}

Error no_pair(const Inventory& inventory, const DatasetName& dataset) {
    if (inventory.find(dataset) == nullptr) {
        return Error{.code = Code::not_found,
                     .message = "no filesystem or volume " + quote(dataset.str()) + " here",
                     .remedy = "zrepctl list shows the pairs"};
    }
    return Error{.code = Code::not_configured,
                 .message = dataset.str() + " is not part of a pair",
                 .remedy = "zrepctl list shows the pairs; zrepctl init makes one"};
}

/// Why the look at this dataset failed, if it did.
std::optional<Error> why_unseen(const Result<LeftOut>& seen, const DatasetName& dataset) {
    if (!seen) return seen.error();
    const auto found = seen->find(dataset);
    return found == seen->end() ? std::nullopt : std::optional(found->second);
}

}  // namespace

Engine::Engine(Parts& parts, peer::Peers& peers)
    : parts_(parts),
      peers_(peers),
      streams_(parts.executor, parts.config.streams),
      tasks_(parts.executor) {}

Result<rpc::RunStarted> Engine::divide(const std::vector<DatasetName>& datasets,
                                       std::vector<DatasetName>& free) const {
    rpc::RunStarted out;
    for (const auto& dataset : datasets) {
        const RunPtr run = parts_.runs.active(dataset);
        if (!run) {
            free.push_back(dataset);
        } else if (datasets.size() == 1) {
            return Error{.code = Code::already_running,
                         .message = run->operation() + " of " + dataset.str() + " is under way",
                         .remedy = "zrepctl status " + quote(dataset.str()) + " shows its progress",
                         .run_id = run->id()};
        } else if (std::find(out.joined.begin(), out.joined.end(), run->id()) == out.joined.end()) {
            out.joined.push_back(run->id());
        }
    }
    return out;
}

Result<rpc::RunStarted> Engine::start_sync(const std::vector<DatasetName>& datasets,
                                           Freshness freshness) {
    std::vector<DatasetName> free;
    auto out = divide(datasets, free);
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
    datasets = co_await lock_all(run, std::move(datasets));
    if (freshness == Freshness::listed) co_await flush(datasets);
    auto seen = co_await parts_.inventory.refresh(datasets, freshness);
    std::map<HostName, std::vector<plan::Pair>> by_peer;
    for (const auto& dataset : datasets) {
        auto pair = parts_.inventory.pair(dataset);
        if (const auto why = why_unseen(seen, dataset))
            parts_.runs.fail(*run, dataset, *why);
        else if (!pair)
            parts_.runs.fail(*run, dataset, no_pair(parts_.inventory, dataset));
        else if (pair->role != plan::Role::master)
            parts_.runs.fail(*run, dataset, not_a_master(*pair));
        else
            by_peer[pair->peer].push_back(std::move(*pair));
    }
    // Peers side by side, so that one that is down delays nobody else.
    std::size_t left = by_peer.size();
    Signal done(parts_.executor);
    for (auto& [peer, pairs] : by_peer) {
        auto group = std::make_shared<PeerGroup>(source(), run, peer, std::move(pairs));
        tasks_.spawn("sync with " + peer.str(), run_peer_group(std::move(group), &left, &done));
    }
    while (left > 0) co_await done.wait();
    for (const auto& dataset : datasets) {
        // Whatever was left open was cut off by a stop.
        parts_.runs.fail(*run, dataset, {.code = Code::cancelled, .message = "zrepd is stopping"});
    }
}

Task<> Engine::run_peer_group(std::shared_ptr<PeerGroup> group, std::size_t* left, Signal* done) {
    co_await group->go();
    --*left;
    done->notify();
}

Task<Result<std::vector<std::string>>> Engine::describe_sync(std::vector<DatasetName> datasets,
                                                             std::chrono::seconds limit) {
    co_await flush(datasets);
    auto seen = co_await parts_.inventory.refresh(datasets, Freshness::listed);
    if (!seen) co_return seen.error();
    std::map<HostName, std::vector<plan::Pair>> by_peer;
    std::vector<std::string> out;
    for (const auto& dataset : datasets) {
        if (const auto why = why_unseen(seen, dataset)) {
            out.push_back("not sync " + dataset.str() + ": " + why->text());
            continue;
        }
        auto pair = parts_.inventory.pair(dataset);
        if (!pair) co_return no_pair(parts_.inventory, dataset);
        if (pair->role != plan::Role::master) co_return not_a_master(*pair);
        by_peer[pair->peer].push_back(std::move(*pair));
    }
    for (auto& [peer, pairs] : by_peer) {
        PeerGroup group(source(), nullptr, peer, std::move(pairs));
        auto steps = co_await group.describe(limit);
        if (!steps) co_return steps.error();
        out.insert(out.end(), steps->begin(), steps->end());
    }
    co_return out;
}

Task<Result<rpc::RunStarted>> Engine::start_init(InitRequest request) {
    std::vector<DatasetName> free;
    std::vector<DatasetName> wanted{request.dataset};
    auto out = divide(wanted, free);
    if (!out) co_return out;
    auto checked = co_await check_init_here(parts_, request);
    if (!checked) co_return checked.error();
    // Another call may have started a run while we looked.
    free.clear();
    out = divide(wanted, free);
    if (!out) co_return out;
    auto alone = check_no_nested_init(parts_, request);
    if (!alone) co_return alone.error();
    RunPtr run = parts_.runs.start("init", wanted);
    out->run_id = run->id();
    tasks_.spawn("init " + request.dataset.str(), run_init(run, std::move(request)));
    co_return out;
}

Task<> Engine::run_init(RunPtr run, InitRequest request) {
    std::vector<DatasetName> wanted{request.dataset};
    co_await lock_all(run, std::move(wanted));
    if (!run->pending(request.dataset)) co_return;
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

Task<Result<std::vector<std::string>>> Engine::describe_init(InitRequest request,
                                                             std::chrono::seconds limit) {
    auto checked = co_await check_init_here(parts_, request);
    if (!checked) co_return checked.error();
    co_return co_await init_steps(source(), std::move(request), limit);
}

Result<rpc::RunStarted> Engine::start_expire(const std::vector<DatasetName>& datasets,
                                             bool local_only) {
    std::vector<DatasetName> free;
    auto out = divide(datasets, free);
    if (!out || free.empty()) return out;
    RunPtr run = parts_.runs.start("expire", free);
    out->run_id = run->id();
    tasks_.spawn("expire", run_expire(run, std::move(free), local_only));
    return out;
}

Task<Result<std::vector<std::string>>> Engine::describe_expire(std::vector<DatasetName> datasets) {
    auto seen = co_await parts_.inventory.refresh(datasets, Freshness::listed);
    if (!seen) co_return seen.error();
    std::vector<std::string> out;
    for (const auto& dataset : datasets) {
        if (const auto why = why_unseen(seen, dataset)) {
            out.push_back("not expire " + dataset.str() + ": " + why->text());
            continue;
        }
        const auto pair = parts_.inventory.pair(dataset);
        if (!pair) co_return no_pair(parts_.inventory, dataset);
        const Versions* versions = parts_.inventory.versions(dataset);
        const Snapshot* base = versions == nullptr ? nullptr : last_acked(*versions);
        if (base == nullptr) continue;
        for (const auto& one : plan::prune(*versions, base->guid, pair->settings.savecount)) {
            if (one.destroy) out.push_back("destroy " + dataset.str() + "@" + one.snapshot);
        }
    }
    co_return out;
}

Task<> Engine::run_expire(RunPtr run, std::vector<DatasetName> datasets, bool local_only) {
    datasets = co_await lock_all(run, std::move(datasets));
    auto seen = co_await parts_.inventory.refresh(datasets, Freshness::listed);
    for (const auto& dataset : datasets) {
        auto pair = parts_.inventory.pair(dataset);
        if (const auto why = why_unseen(seen, dataset))
            parts_.runs.fail(*run, dataset, *why);
        else if (!pair)
            parts_.runs.fail(*run, dataset, no_pair(parts_.inventory, dataset));
        else
            co_await expire_one(run, std::move(*pair), local_only);
    }
}

Task<> Engine::expire_one(RunPtr run, plan::Pair pair, bool local_only) {
    parts_.runs.phase(*run, pair.dataset, "expiring");
    auto here = co_await expire(parts_, pair.dataset, pair.settings.savecount);
    if (!here) {
        parts_.runs.fail(*run, pair.dataset, here.error());
        co_return;
    }
    rpc::RunResult result;
    result.outcome = "done";
    result.text = "destroyed " + std::to_string(here->size()) + " here";
    if (!local_only && pair.role == plan::Role::master) {
        rpc::LookIn in;
        in.pairs.push_back({pair.dataset.str(), pair.peer_dataset.str()});
        auto there =
            co_await peers_.call_as<rpc::PeerExpireOut>(pair.peer, "peer.expire", in, kExpireLimit);
        const bool answered = there && there->items.size() == 1;
        if (!answered || there->items[0].error) {
            parts_.runs.fail(*run,
                             pair.dataset,
                             !there ? there.error()
                             : answered
                                 ? rpc::from_item_error(*there->items[0].error).in(pair.peer.str())
                                 : Error{.code = Code::peer_protocol, .message = "no answer"});
            co_return;
        }
        result.text +=
            ", " + std::to_string(there->items[0].destroyed.size()) + " on " + pair.peer.str();
    }
    parts_.runs.succeed(*run, pair.dataset, std::move(result));
}

Task<> Engine::stop() {
    tasks_.cancel();
    co_await tasks_.join();
}

}  // namespace zrepd::sync
