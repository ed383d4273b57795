// SPDX-License-Identifier: BSD-2-Clause
// Follows `zpool events`. Thread: io thread. Errors: none leave it; it restarts what ended.
// Limits: restarts back off from kFirstRestart to kLastRestart.
#pragma once

#include <chrono>
#include <functional>

#include "daemon/async/task.hpp"
#include "daemon/zfs/subprocess.hpp"
#include "daemon/zfs/zfs_spec.hpp"

namespace zrepd {

inline constexpr std::chrono::seconds kFirstRestart{1};
/// Without events listings are merely older than need be; a minute between tries costs nothing.
inline constexpr std::chrono::seconds kLastRestart{60};

/// Calls `on_change` for every change until cancelled; then the process is gone. The kernel keeps
/// the last few hundred events (zfs_zevent_len_max) and gives those first. After a restart, when
/// events may have been missed, and where the kernel had to drop some, one Change{} says that
/// anything may have changed.
Task<> follow_events(Processes& processes, std::function<void(Change)> on_change);

}  // namespace zrepd
