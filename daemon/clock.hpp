// SPDX-License-Identifier: BSD-2-Clause
// The wall clock, for stamps that people and other hosts read. Intervals use steady_clock.
// Who looks at many pairs reads both once: a clock may cost a system call, and answers that belong
// together should be of one moment.
#pragma once

#include <chrono>

#include "common/platform.hpp"
#include "common/time.hpp"

namespace zrepd {

inline UnixSeconds unix_now() {
    using namespace std::chrono;
    return duration_cast<seconds>(system_clock::now().time_since_epoch()).count();
}

/// Since the host's boot, time in which it was suspended included, which steady_clock leaves out.
/// Only differences count, and only on this host.
inline std::chrono::milliseconds boot_now() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(platform::since_boot());
}

/// Both clocks at one moment.
struct Moment {
    UnixSeconds wall = unix_now();
    std::chrono::steady_clock::time_point steady = std::chrono::steady_clock::now();
};

}  // namespace zrepd
