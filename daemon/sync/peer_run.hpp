// SPDX-License-Identifier: BSD-2-Clause
// A run on another host that this one asked for. Thread: io thread.
#pragma once

#include <functional>

#include "daemon/sync/parts.hpp"

namespace zrepd::sync {

struct PeerWork {
    plan::Pair pair;
    std::string run_id;  ///< over there
    std::string doing;   ///< "hands over": what the peer does, for the phase of our own run
    std::function<bool()> no_longer_needed = {};  ///< true: it is not waited for any more
};

/// Waits for its end; what it came to, in the peer's words, or its error; empty where it is no
/// longer needed. not_found when the peer
/// was started anew meanwhile; peer_unreachable when it does not answer for half a minute.
/// cancelled: it goes on over there.
Task<Result<std::string>> follow_peer_run(Parts& parts,
                                          peer::Peers& peers,
                                          RunPtr run,
                                          PeerWork work);

}  // namespace zrepd::sync
