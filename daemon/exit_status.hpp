// SPDX-License-Identifier: BSD-2-Clause
// The exit statuses of zrepd; docs/zrepd.8 lists them from this table.
#pragma once

#include <array>

#include "common/exit_meaning.hpp"

namespace zrepd {

inline constexpr int kOrderlyEnd = 0;
inline constexpr int kCouldNot = 1;
inline constexpr int kWrongSettings = 2;

inline constexpr std::array kDaemonExitStatuses{
    ExitMeaning{kOrderlyEnd, "an orderly end, or what was asked for is done"},
    ExitMeaning{kCouldNot, "could not start, not stop in time, or not do what was asked for"},
    ExitMeaning{kWrongSettings, "wrong settings or hooks, or a wrong command line"}};

}  // namespace zrepd
