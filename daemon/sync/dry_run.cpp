// SPDX-License-Identifier: BSD-2-Clause
// What a sync or init would do: looks and plans as the run does, and changes nothing.
#include <algorithm>
#include <iterator>

#include "daemon/async/gather.hpp"
#include "daemon/sync/engine.hpp"
#include "daemon/sync/init.hpp"
#include "daemon/sync/refusals.hpp"

namespace zrepd::sync {
namespace {

/// Until when a peer may answer; a second at least, so that a slow look here is not told as a peer
/// that does not answer.
SteadyClock::time_point answer_by(SteadyClock::time_point until) {
    return std::max(until, SteadyClock::now() + std::chrono::seconds(1));
}

std::chrono::seconds left_until(SteadyClock::time_point until) {
    return std::chrono::ceil<std::chrono::seconds>(answer_by(until) - SteadyClock::now());
}

void append(DryRun& all, DryRun part) {
    std::move(part.steps.begin(), part.steps.end(), std::back_inserter(all.steps));
    std::move(part.results.begin(), part.results.end(), std::back_inserter(all.results));
}

}  // namespace

Task<Result<DryRun>> Engine::describe_sync(std::vector<DatasetName> datasets,
                                           std::chrono::seconds limit) {
    const auto until = SteadyClock::now() + limit;
    co_await flush(datasets);
    auto seen = co_await look_here(parts_, datasets, Freshness::listed);
    if (!seen) co_return seen.error();
    PairsByPeer by_peer;
    std::vector<plan::Pair> trees;
    DryRun out;
    for (const auto& dataset : datasets) {
        if (const auto why = why_not_synced(parts_, seen, dataset)) {
            out.results.push_back(failed_result(dataset, *why));
            continue;
        }
        auto pair = parts_.inventory.pair(dataset);
        auto& list = pair->tree ? trees : by_peer[pair->peer];
        list.push_back(std::move(*pair));
    }
    auto asked = co_await ask_peers(std::move(by_peer), std::move(trees), answer_by(until));
    append(out, std::move(asked));
    co_return out;
}

/// Side by side: several peers that are down take no longer than one, and the call is answered in
/// time.
Task<DryRun> Engine::ask_peers(PairsByPeer by_peer,
                               std::vector<plan::Pair> trees,
                               SteadyClock::time_point until) {
    std::vector<DryRun> answers(by_peer.size() + trees.size());
    std::size_t left = answers.size();
    Signal done(parts_.executor);
    TaskGroup asking(parts_.executor);
    auto answer = answers.begin();
    for (auto& [peer, pairs] : by_peer) {
        auto group = std::make_shared<PeerGroup>(source(), nullptr, peer, std::move(pairs));
        asking.spawn("dry run with " + peer.str(),
                     ask_peer(std::move(group), until, &*answer++, &left, &done));
    }
    for (auto& pair : trees) {
        const std::string name = "dry run of " + pair.dataset.str();
        auto tree = std::make_shared<TreeSync>(source(), nullptr, std::move(pair));
        asking.spawn(name, ask_tree(std::move(tree), until, &*answer++, &left, &done));
    }
    co_await gather(asking, left, done);
    DryRun out;
    for (DryRun& one : answers) append(out, std::move(one));
    co_return out;
}

Task<> Engine::ask_peer(std::shared_ptr<PeerGroup> group,
                        SteadyClock::time_point until,
                        DryRun* answer,
                        std::size_t* left,
                        Signal* done) {
    DryRun found = co_await group->describe(until);
    *answer = std::move(found);
    --*left;
    done->notify();
}

Task<> Engine::ask_tree(std::shared_ptr<TreeSync> tree,
                        SteadyClock::time_point until,
                        DryRun* answer,
                        std::size_t* left,
                        Signal* done) {
    DryRun found = co_await tree->describe(until);
    *answer = std::move(found);
    --*left;
    done->notify();
}

Task<Result<std::vector<std::string>>> Engine::describe_init(InitRequest request,
                                                             std::chrono::seconds limit) {
    const auto until = SteadyClock::now() + limit;
    auto checked = co_await check_init_here(parts_, request);
    if (!checked) co_return checked.error();
    co_return co_await init_steps(source(), std::move(request), left_until(until));
}

}  // namespace zrepd::sync
