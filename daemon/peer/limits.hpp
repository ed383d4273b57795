// SPDX-License-Identifier: BSD-2-Clause
// How many connections one host, and those that have not said who they are, may have; all together:
// kMaxPeerConnections. And how much it may ask for.
#pragma once

#include <cstddef>

namespace zrepd::peer {

/// A session and 8 streams, again after each break that this side has not noticed yet. One host
/// that opens more takes no place of the others.
inline constexpr std::size_t kMaxOfOnePeer = 32;
/// The next wait in the socket's queue, and are not refused.
inline constexpr std::size_t kMaxUnnamed = 64;

/// Datasets in one request. With names of 255 bytes and a thousand snapshots of each, request and
/// reply keep their limits (rpc::kMaxRequestLine, kMaxReplyLine).
inline constexpr std::size_t kMaxPerRequest = 500;

/// The next request of a connection waits until the other side has read the earlier answers up to
/// this.
inline constexpr std::size_t kUnreadBytes = std::size_t{1} << 20;
/// What requests that run already may add to that, on all connections of one host; answers beyond
/// are replaced by an error. The longest answer there may be: who reads never comes to that.
inline constexpr std::size_t kMaxUnreadOfOnePeer = std::size_t{64} << 20;
/// Errors, and the answer to a ping, are given in any case.
inline constexpr std::size_t kShortReply = std::size_t{16} << 10;

}  // namespace zrepd::peer
