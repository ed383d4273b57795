// SPDX-License-Identifier: BSD-2-Clause
// A data stream to a peer: its opening, and the wait for its acknowledgement.
// Thread: io thread. Errors: see peers.hpp. Limits: one connection per stream, bounded by whoever
// opens streams.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <string>

#include "daemon/async/task_group.hpp"
#include "daemon/peer/peers.hpp"
#include "daemon/peer/wire.hpp"

namespace zrepd::peer {

/// Connects, asks, and waits for the peer's yes. The task that then listens for its verdict runs in
/// `tasks`, so that a peer that gives up early is heard while the stream still flows.
Task<Result<std::unique_ptr<OutgoingStream>>> open_outgoing(TaskGroup& tasks,
                                                            Transport& transport,
                                                            HostName host,
                                                            rpc::ReceiveIn request,
                                                            std::chrono::milliseconds limit,
                                                            PeerLimits limits);

}  // namespace zrepd::peer
