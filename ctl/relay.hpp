// SPDX-License-Identifier: BSD-2-Clause
// Joins our stdin and stdout to a socket until both directions have ended. Blocking; one thread.
#pragma once

#include <string>

namespace zrepd {

/// Forwards `first` to `out`, then everything from `in` to `socket` and from `socket` to `out`.
/// End-of-file on `in` closes the socket's write side only; the end of `socket`, or nobody left to
/// read `out`, ends it all. All three become non-blocking. SIGPIPE must be ignored.
void relay(int in, int out, int socket, std::string first);

}  // namespace zrepd
