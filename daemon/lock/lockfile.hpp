// SPDX-License-Identifier: BSD-2-Clause
// One daemon per host: flock(2) on <runtime-dir>/zrepd.lock, released by the kernel however we die.
#pragma once

#include <filesystem>

#include "common/result.hpp"
#include "daemon/async/fd.hpp"

namespace zrepd::lock {

/// Held as long as the Fd lives. busy, with the holder's pid, when another daemon has it. The file
/// is never removed: removing it would let two daemons lock two different files.
/// A holder that did not give it back, which was killed then, is logged (lock_taken_over).
Result<Fd> take_daemon_lock(const std::filesystem::path& file);
/// At the end, with the lock still held: nobody's name is left in the file.
void give_back(const Fd& lock);

}  // namespace zrepd::lock
