// SPDX-License-Identifier: BSD-2-Clause
// How many connections one host, and those that have not said who they are, may have; all together:
// kMaxPeerConnections. And how much it may ask for.
#pragma once

#include <cstddef>

#include "common/json.hpp"

namespace zrepd::peer {

/// A session and 8 streams, again after each break that this side has not noticed yet. One host
/// that opens more takes no place of the others.
inline constexpr std::size_t kMaxOfOnePeer = 32;
/// The next wait in the socket's queue, and are not refused.
inline constexpr std::size_t kMaxUnnamed = 64;

/// Datasets in one request. With names of 255 bytes and a thousand snapshots of each, request and
/// reply keep their limits (rpc::kMaxRequestLine, kMaxReplyLine).
inline constexpr std::size_t kMaxPerRequest = 500;

/// Of a line of so many bytes, a request or an answer. Snapshots of short names, which a look at
/// 500 datasets or the adoption of a tree lists by the ten thousand, have a key for every 17 bytes;
/// the flags of 500 pairs one for every 13; a list of names a value for every 4. One that is all
/// keys would take ten times as long to read as any of ours.
constexpr JsonLimits json_limits(std::size_t line_bytes) {
    return {.object_keys = 64, .keys = 4096 + line_bytes / 16, .values = 4096 + line_bytes / 4};
}

/// The next request of a connection waits until the other side has read the earlier answers up to
/// this.
inline constexpr std::size_t kUnreadBytes = std::size_t{1} << 20;
/// What requests that run already may add to that, on all connections of one host; answers beyond
/// are replaced by an error. The longest answer there may be: who reads never comes to that.
inline constexpr std::size_t kMaxUnreadOfOnePeer = std::size_t{64} << 20;
/// Errors, and the answer to a ping, are given in any case.
inline constexpr std::size_t kShortReply = std::size_t{16} << 10;

}  // namespace zrepd::peer
