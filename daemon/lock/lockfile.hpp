// SPDX-License-Identifier: BSD-2-Clause
// One daemon per host: flock(2) on <runtime-dir>/zrepd.lock, released by the kernel however we die.
#pragma once

#include <filesystem>

#include "common/result.hpp"
#include "daemon/async/fd.hpp"

namespace zrepd::lock {

/// Held as long as the Fd lives. busy, with the holder's pid, when another daemon has it. The file
/// is never removed: removing it would let two daemons lock two different files.
Result<Fd> take_daemon_lock(const std::filesystem::path& file);

}  // namespace zrepd::lock
