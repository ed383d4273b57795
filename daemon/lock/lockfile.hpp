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

/// The seed's global lock (design.md section 7), a short mutex towards a legacy zrep on this host:
/// a file holding a pid, made with O_EXCL. A holder that is dead is replaced. Blocking but bounded:
/// tries once; `busy` when a live process has it.
class LegacyLock {
  public:
    static Result<LegacyLock> try_take(const std::filesystem::path& file);
    LegacyLock(LegacyLock&&) noexcept;
    LegacyLock& operator=(LegacyLock&&) = delete;
    ~LegacyLock();

  private:
    explicit LegacyLock(std::filesystem::path file) : file_(std::move(file)) {}
    std::filesystem::path file_;
};

}  // namespace zrepd::lock
