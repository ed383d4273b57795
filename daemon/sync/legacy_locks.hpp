// SPDX-License-Identifier: BSD-2-Clause
// zrep:lock-pid and zrep:lock-time, which a shell zrep sets while it works on a filesystem and
// leaves behind when it is killed (docs/adr/0007-lock-owner-in-the-lock-file.md). zrepd neither
// writes nor believes them.
#pragma once

#include <functional>
#include <vector>

#include "daemon/sync/parts.hpp"

namespace zrepd::sync {

/// Those of these that are locked by a process that does not live, or by what is no process. Pure.
std::vector<DatasetName> left_locked(const std::map<DatasetName, Dataset>& all,
                                     const std::function<bool(std::uint64_t pid)>& lives);

/// Once, when the pools are known: takes such locks of pairs away, and logs each (stale_lock). One
/// that cannot be taken away is logged, and left. Cancelled, it leaves the rest for the next start.
Task<> clear_stale_locks(Parts& parts);

}  // namespace zrepd::sync
