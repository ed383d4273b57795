// SPDX-License-Identifier: BSD-2-Clause
// What the other side of pairs would destroy, for --dry-run: it is asked, and changes nothing.
// Thread: io thread. Limits: kMaxPerRequest pairs in one request.
#pragma once

#include <chrono>

#include "daemon/sync/peer_group.hpp"

namespace zrepd::sync {

/// Adds a step for each snapshot that would go there; in place of what the peer cannot say, or
/// refuses, a result for each pair. `limit` for each request.
Task<> describe_expiry_there(
    peer::Peers& peers, HostName peer, rpc::LookIn all, std::chrono::seconds limit, DryRun* out);

}  // namespace zrepd::sync
