// SPDX-License-Identifier: BSD-2-Clause
// Listening sockets that a service manager made before it started us (sd_listen_fds(3)). They
// outlive us: who connects while zrepd is started anew waits for it. Written here because
// libsystemd is on one of three systems, and this is three variables. Thread: io thread. Errors:
// none; what is not as expected is closed, logged, and we make our own. Limits: kMaxPassed.
#pragma once

#include <filesystem>
#include <vector>

#include "daemon/async/fd.hpp"

namespace zrepd::control {

inline constexpr int kMaxPassed = 16;

class PassedSockets {
  public:
    /// None.
    PassedSockets() = default;
    /// Those of LISTEN_FDS, when LISTEN_PID is this process; close-on-exec from here on. `first` is
    /// 3 but for tests.
    static PassedSockets from_environment(int first = 3);
    PassedSockets(PassedSockets&&) = default;
    PassedSockets& operator=(PassedSockets&&) = default;
    /// Closes what nobody took, with a warning each.
    ~PassedSockets();

    /// The one that listens for streams on this path; an empty Fd where none was passed. Whoever
    /// takes it never unlinks the path.
    Fd take(const std::filesystem::path& path);

  private:
    std::vector<Fd> sockets_;
};

}  // namespace zrepd::control
