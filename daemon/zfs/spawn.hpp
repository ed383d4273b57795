// SPDX-License-Identifier: BSD-2-Clause
// Starts one process without copying ours; how, by system: common/platform.cpp.
// Thread: the io thread, which must live as long as the daemon: on Linux the kernel kills the child
// when the thread that started it ends. Errors: io_error, not_found. Limits: none of its own.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "common/result.hpp"
#include "daemon/async/fd.hpp"

namespace zrepd {

struct LaunchSpec {
    std::string program;                   ///< absolute path
    std::vector<std::string> argv;         ///< argv[0] included
    std::vector<std::string> environment;  ///< "NAME=value"
    int in = -1;                           ///< -1: /dev/null
    int out = -1;
    int err = -1;
    /// A mount namespace to start it in (setns(2), Linux); -1: ours.
    int mounts = -1;
};

struct Launched {
    pid_t pid = -1;
    Fd pidfd;  ///< Linux; empty elsewhere
};

/// Starts `program` in a process group of its own with these three descriptors and no others, all
/// signals at their defaults, and (Linux) SIGKILL when we die. An exec that fails is an error here,
/// not an exit status. clone(2), prctl(2), close_range(2); posix_spawn(3) elsewhere.
Result<Launched> launch(const LaunchSpec& spec);

}  // namespace zrepd
