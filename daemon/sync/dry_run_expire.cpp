// SPDX-License-Identifier: BSD-2-Clause
// What an expire would destroy, here and on the other side.
#include <iterator>

#include "daemon/async/gather.hpp"
#include "daemon/sync/bookkeeping.hpp"
#include "daemon/sync/engine.hpp"
#include "daemon/sync/expiry_there.hpp"
#include "daemon/sync/refusals.hpp"

namespace zrepd::sync {
namespace {

/// Requests, each of at most kMaxPerRequest pairs.
using ToAsk = std::multimap<HostName, rpc::LookIn>;

void ask_of(const HostName& peer, rpc::LookIn::Pair pair, ToAsk& asked) {
    auto last = asked.upper_bound(peer);
    const bool any = last != asked.begin() && std::prev(last)->first == peer;
    const bool room = any && std::prev(last)->second.pairs.size() < kMaxPerRequest;
    const auto to = room ? std::prev(last) : asked.emplace(peer, rpc::LookIn{});
    to->second.pairs.push_back(std::move(pair));
}

/// This side of a pair; what there is to be asked of the other goes into `asked`.
void describe_here(const Parts& parts, const plan::Pair& side, DryRun& out, ToAsk& asked) {
    for (const auto& name : expiring(parts.inventory, side.dataset, side.settings.retention))
        out.steps.push_back("destroy " + side.dataset.str() + "@" + name);
    if (side.role != plan::Role::master) return;
    const Versions* versions = parts.inventory.versions(side.dataset);
    // What joined a tree just now has no copy yet.
    if (side.tree && (versions == nullptr || last_acked(*versions) == nullptr)) return;
    ask_of(side.peer, {side.dataset.str(), side.peer_dataset.str(), {}}, asked);
}

}  // namespace

Task<> Engine::ask_expiry(HostName peer,
                          rpc::LookIn in,
                          std::chrono::seconds limit,
                          DryRun* answer,
                          std::size_t* left,
                          Signal* done) {
    co_await describe_expiry_there(peers_, std::move(peer), std::move(in), limit, answer);
    --*left;
    done->notify();
}

Task<Result<DryRun>> Engine::describe_expire(std::vector<DatasetName> datasets,
                                             bool local_only,
                                             std::chrono::seconds limit) {
    auto seen = co_await look_here(parts_, datasets, Freshness::listed);
    if (!seen) co_return seen.error();
    DryRun out;
    ToAsk asked;
    for (const auto& dataset : datasets) {
        const auto pair = parts_.inventory.pair(dataset);
        auto why = why_unseen(seen, dataset);
        if (!why && !pair) why = no_pair(parts_, dataset);
        if (why)
            out.results.push_back(failed_result(dataset, *why));
        else
            for (const auto& side : sides_that_expire(parts_.inventory, *pair))
                describe_here(parts_, side, out, asked);
    }
    if (local_only) asked.clear();
    std::vector<DryRun> answers(asked.size());
    std::size_t left = answers.size();
    Signal done(parts_.executor);
    TaskGroup asking(parts_.executor);
    auto answer = answers.begin();
    for (auto& [peer, in] : asked)
        asking.spawn("dry run of an expire", ask_expiry(peer, in, limit, &*answer++, &left, &done));
    co_await gather(asking, left, done);
    for (DryRun& one : answers) {
        std::move(one.steps.begin(), one.steps.end(), std::back_inserter(out.steps));
        std::move(one.results.begin(), one.results.end(), std::back_inserter(out.results));
    }
    co_return out;
}

}  // namespace zrepd::sync
