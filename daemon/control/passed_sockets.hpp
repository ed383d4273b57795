// SPDX-License-Identifier: BSD-2-Clause
// What a service manager passes to us when it starts us (sd_listen_fds(3)): listening sockets,
// which outlive us, so that who connects while zrepd is started anew waits for it; and what was
// left with it by name. Written here because libsystemd is on one of three systems, and this is a
// few variables. Thread: io thread. Errors: none; what is not as expected is closed, logged, and we
// make our own. Limits: kMaxPassed.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
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
    /// The descriptor of this name, of whatever kind (LISTEN_FDNAMES); an empty Fd where none is.
    Fd take_named(std::string_view name);

  private:
    struct Passed {
        Fd fd;
        std::string name;
    };
    std::vector<Passed> passed_;
};

}  // namespace zrepd::control
