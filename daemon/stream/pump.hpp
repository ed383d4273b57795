// SPDX-License-Identifier: BSD-2-Clause
// Moves a stream from one descriptor to another without a copy through user space where the kernel
// can (splice(2)), counts it, limits its rate, and notices when it stands still.
// Thread: io thread. Errors: stalled, io_error, cancelled. A closed far end is an io_error (EPIPE):
// ask the process or the peer why. SIGPIPE must be ignored (app.cpp): splice(2) raises it.
// Limits: one pipe's worth of bytes in flight.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "daemon/async/fd.hpp"
#include "daemon/async/task.hpp"

namespace zrepd::stream {

struct PumpOptions {
    std::uint64_t limit_bytes_per_second = 0;  ///< 0: none
    std::chrono::seconds stall_timeout{60};
    /// Called at most twice a second while bytes move, and once at the end.
    std::function<void(std::uint64_t bytes)> on_progress = {};
};

/// Pumps until end-of-file on `in`; then closes `out` and returns the number of bytes. Both ends
/// are ours and are made non-blocking here. Either may be a pipe or a stream socket. For a socket
/// `out` the write side is shut down, so that the reading side of the same socket stays usable by
/// others (pass a duplicate).
Task<Result<std::uint64_t>> pump(Fd in, Fd out, PumpOptions options);

}  // namespace zrepd::stream
