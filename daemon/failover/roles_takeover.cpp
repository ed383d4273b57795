// SPDX-License-Identifier: BSD-2-Clause
// A planned takeover, on the target's side: the master is asked to hand over, and followed.
#include "common/text.hpp"
#include "daemon/failover/roles.hpp"
#include "daemon/sync/refusals.hpp"

namespace zrepd::failover {
namespace {

using sync::Freshness;

constexpr std::chrono::seconds kAskLimit{60};
// A target asks how the failover over there goes.
constexpr std::chrono::seconds kFollowEvery{1};
// The master does not answer for so long while it hands over: the target says so and stops waiting.
constexpr unsigned kFollowLosses = 30;

}  // namespace

/// A planned takeover is a failover that the target asks for.
Task<Result<rpc::RunResult>> Roles::ask_master(sync::RunPtr run, DatasetName dataset, Guid back) {
    const auto pair = parts_.inventory.pair(dataset);
    if (!pair) co_return sync::no_pair(parts_, dataset);
    if (pair->role == plan::Role::master) co_return wrong_side(Ask::takeover, *pair);
    parts_.runs.phase(*run, dataset, "asking " + pair->peer.str());
    rpc::HandOverIn in;
    in.source = dataset.str();
    in.target = pair->peer_dataset.str();
    if (back.known()) in.base = back;
    auto started =
        co_await role_.peers.call_as<rpc::HandOverOut>(pair->peer, "peer.hand_over", in, kAskLimit);
    if (!started) {
        Error error = std::move(Error(started.error())).in(pair->peer.str());
        if (error.code == Code::peer_unreachable) {
            error.remedy += "; if it is dead: zrepctl takeover -L " + quote(dataset.str());
        }
        co_return error;
    }
    auto followed = co_await follow_master(run, *pair, started->run_id);
    if (!followed) co_return followed.error();
    auto seen = co_await parts_.inventory.refresh_one(dataset, Freshness::cached);
    if (!seen) co_return seen.error();
    const auto now = parts_.inventory.pair(dataset);
    if (!now) co_return sync::no_pair(parts_, dataset);
    if (now->role != plan::Role::master) {
        co_return Error{.code = Code::conflict,
                        .message = pair->peer.str() + " says that it handed over, but " +
                                   dataset.str() + " is no master",
                        .remedy =
                            "zrepctl status on both hosts shows who is master; it was not "
                            "changed from here"};
    }
    rpc::RunResult result;
    result.outcome = "done";
    result.text = outcome_of(*now, stored_of(*parts_.inventory.find(dataset), *now));
    co_return result;
}

Task<Result<void>> Roles::follow_master(sync::RunPtr run, plan::Pair pair, std::string run_id) {
    unsigned losses = 0;
    while (true) {
        const bool stop = co_await cancelled();
        if (stop) {
            co_return Error{
                .code = Code::cancelled,
                .message = "zrepd is stopping; " + pair.peer.str() + " goes on with the failover",
                .remedy = "zrepctl status on both hosts shows how it ends"};
        }
        rpc::PeerRunIn in;
        in.run_id = run_id;
        auto seen =
            co_await role_.peers.call_as<rpc::PeerRunOut>(pair.peer, "peer.run", in, kAskLimit);
        if (seen) losses = 0;
        // It was started anew, and goes on from its journal: there is nothing to be waited for.
        if (!seen && seen.error().code == Code::not_found) co_return seen.error();
        if (!seen && ++losses >= kFollowLosses) co_return seen.error();
        if (seen && seen->finished) {
            if (seen->error) co_return rpc::from_item_error(*seen->error).in(pair.peer.str());
            co_return ok();
        }
        if (seen) parts_.runs.phase(*run, pair.dataset, pair.peer.str() + " hands over");
        co_await sleep_for(kFollowEvery);
    }
}

}  // namespace zrepd::failover
