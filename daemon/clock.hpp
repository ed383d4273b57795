// SPDX-License-Identifier: BSD-2-Clause
// The wall clock, for stamps that people and other hosts read. Intervals use steady_clock.
// Who looks at many pairs reads both once: a clock may cost a system call, and answers that belong
// together should be of one moment.
#pragma once

#include <time.h>

#include <chrono>

#include "common/time.hpp"

namespace zrepd {

inline UnixSeconds unix_now() {
    using namespace std::chrono;
    return duration_cast<seconds>(system_clock::now().time_since_epoch()).count();
}

/// Since the host's boot, time in which it was suspended included, which steady_clock leaves out.
/// Only differences count, and only on this host.
inline std::chrono::milliseconds boot_now() {
    timespec now{};
#ifdef CLOCK_BOOTTIME
    ::clock_gettime(CLOCK_BOOTTIME, &now);
#else
    ::clock_gettime(CLOCK_MONOTONIC, &now);
#endif
    return std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec));
}

/// Both clocks at one moment.
struct Moment {
    UnixSeconds wall = unix_now();
    std::chrono::steady_clock::time_point steady = std::chrono::steady_clock::now();
};

}  // namespace zrepd
