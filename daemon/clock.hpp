// SPDX-License-Identifier: BSD-2-Clause
// The wall clock, for stamps that people and other hosts read. Intervals use steady_clock.
#pragma once

#include <chrono>

#include "common/time.hpp"

namespace zrepd {

inline UnixSeconds unix_now() {
    using namespace std::chrono;
    return duration_cast<seconds>(system_clock::now().time_since_epoch()).count();
}

}  // namespace zrepd
