// SPDX-License-Identifier: BSD-2-Clause
// How many connections one host, and those that have not said who they are, may have; all together:
// kMaxPeerConnections.
#pragma once

#include <cstddef>

namespace zrepd::peer {

/// A session and 8 streams, again after each break that this side has not noticed yet. One host
/// that opens more takes no place of the others.
inline constexpr std::size_t kMaxOfOnePeer = 32;
/// The next wait in the socket's queue, and are not refused.
inline constexpr std::size_t kMaxUnnamed = 64;

}  // namespace zrepd::peer
