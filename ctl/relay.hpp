// SPDX-License-Identifier: BSD-2-Clause
// Joins our stdin and stdout to a socket until both directions have ended. Blocking; one thread.
#pragma once

#include <chrono>
#include <string>

namespace zrepd {

/// As long as the daemon waits for who takes nothing of an answer.
inline constexpr std::chrono::milliseconds kRelayPatience{60'000};

/// Forwards `first` to `out`, then everything from `in` to `socket` and from `socket` to `out`.
/// End-of-file on `in` closes the socket's write side only; the end of `socket`, or nobody left to
/// read `out`, ends it all; so does an `out` that takes nothing for `patience` once the other end
/// of `socket` is closed: the daemon counts that connection no longer, and whoever never reads
/// could keep any number of processes here. All three become non-blocking. SIGPIPE must be ignored.
void relay(int in,
           int out,
           int socket,
           std::string first,
           std::chrono::milliseconds patience = kRelayPatience);

}  // namespace zrepd
