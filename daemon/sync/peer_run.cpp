// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sync/peer_run.hpp"

#include "common/rpc/peer_role_types.hpp"
#include "daemon/sync/refusals.hpp"

namespace zrepd::sync {
namespace {

constexpr std::chrono::seconds kAskLimit{60};
constexpr std::chrono::seconds kEvery{1};
// So many questions in a row without an answer, then we say so and stop waiting.
constexpr unsigned kLosses = 30;

}  // namespace

Task<Result<std::string>> follow_peer_run(Parts& parts,
                                          peer::Peers& peers,
                                          RunPtr run,
                                          PeerWork work) {
    const HostName& peer = work.pair.peer;
    unsigned losses = 0;
    while (true) {
        const bool stop = co_await cancelled();
        if (stop) {
            co_return Error{.code = Code::cancelled,
                            .message = "zrepd is stopping; " + peer.str() + " goes on with it",
                            .remedy = "zrepctl status on both hosts shows how it ends"};
        }
        if (work.no_longer_needed && work.no_longer_needed()) co_return std::string();
        rpc::PeerRunIn in;
        in.run_id = work.run_id;
        auto seen = co_await peers.call_as<rpc::PeerRunOut>(peer, "peer.run", in, kAskLimit);
        if (seen) losses = 0;
        // Started anew, the peer goes on with what is left of it by itself: nothing to wait for.
        if (!seen && seen.error().code == Code::not_found) co_return seen.error();
        if (!seen && ++losses >= kLosses) co_return seen.error();
        if (seen && seen->finished) {
            if (seen->error)
                co_return said_there(peer, rpc::from_item_error(*seen->error)).in(peer.str());
            co_return seen->text;
        }
        if (seen) parts.runs.phase(*run, work.pair.dataset, peer.str() + " " + work.doing);
        co_await sleep_for(kEvery);
    }
}

}  // namespace zrepd::sync
