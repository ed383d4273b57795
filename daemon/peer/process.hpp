// SPDX-License-Identifier: BSD-2-Clause
// What the peer layer needs of a process: app.cpp adapts the daemon's process layer to it, tests
// bring a small one of their own. Thread: io thread.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/async/fd.hpp"
#include "daemon/async/task.hpp"

namespace zrepd::peer {

struct ProcessEnd {
    int exit_status = -1;  ///< -1: ended by `signal`
    int signal = 0;
};

/// A running helper. Destroying it kills it at once (SIGKILL); whoever started it reaps it.
class Running {
  public:
    virtual ~Running() = default;
    /// How it ended; nullopt when it has not within `limit`, or on cancel.
    virtual Task<std::optional<ProcessEnd>> wait(std::chrono::milliseconds limit) = 0;
    /// The last of what it wrote to stderr.
    virtual std::string stderr_tail() = 0;
};

class ProcessStarter {
  public:
    virtual ~ProcessStarter() = default;
    /// Runs argv[0], found in PATH, with these as stdin and stdout. The child must not survive us,
    /// even when we are killed (PR_SET_PDEATHSIG on Linux).
    virtual Result<std::unique_ptr<Running>> start(std::vector<std::string> argv,
                                                   Fd in,
                                                   Fd out) = 0;
};

}  // namespace zrepd::peer
