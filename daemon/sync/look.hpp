// SPDX-License-Identifier: BSD-2-Clause
// What the other side has, before anything is decided. Thread: io thread. Errors: those of Peers;
// peer_protocol for an answer that cannot be; timed_out when `until` passes between two requests.
#pragma once

#include <vector>

#include "daemon/peer/limits.hpp"
#include "daemon/plan/plan.hpp"
#include "daemon/sync/transfer.hpp"

namespace zrepd::sync {

using peer::kMaxPerRequest;

/// What look_at_targets() is about.
struct LookAt {
    HostName peer;
    std::vector<plan::Pair> pairs;
    bool sends = false;  ///< the caller holds their locks, and sends nothing of them now
    /// How fresh the other side's list of snapshots must be, where this side has nothing newer. Of
    /// what there is to send it is fresh in any case.
    Freshness freshness = Freshness::listed;
};
/// One state per pair, in order. One request for all of them; several when they do not fit one
/// line.
Task<Result<std::vector<rpc::TargetState>>> look_at_targets(SourceParts source,
                                                            LookAt what,
                                                            SteadyClock::time_point until);
/// A state that was checked, its resume token decoded by zfs here.
Task<Result<plan::TargetView>> target_view(Parts& parts,
                                           HostName peer,
                                           DatasetName source,
                                           rpc::TargetState state);

}  // namespace zrepd::sync
