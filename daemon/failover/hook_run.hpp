// SPDX-License-Identifier: BSD-2-Clause
// One program of the administrator's: started, told, limited in time, and what it said
// (docs/adr/0010-hooks.md). Thread: the io thread. Errors: in HookEnd. Atomicity: none; it may be
// killed at any instruction. Limits: its time limit, kMaxHookInput, 32 KiB of stderr kept; stdout
// goes nowhere.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>

#include "common/result.hpp"
#include "daemon/async/task.hpp"
#include "daemon/zfs/subprocess.hpp"

namespace zrepd::failover {

/// A quarter of what a pipe of Linux holds unless somebody made it smaller.
inline constexpr std::size_t kMaxHookInput = std::size_t{16} << 10;

/// One program and what it is run with.
struct HookJob {
    std::filesystem::path program;
    std::string input;  ///< its stdin
    std::chrono::seconds limit{0};
    bool refuses = false;  ///< its failure refuses a role change
};

/// How a program ended: its last line, and an error unless it went well.
struct HookEnd {
    std::string words;
    Result<void> result;
};

/// Runs it. Ends with the program's own end, not with that of what it left behind: that may hold
/// its stderr open for ever. After the limit, and after a cancel, it gets SIGTERM and SIGKILL;
/// the error is `cancelled` then, or that of a failure.
Task<HookEnd> run_hook_program(Processes& processes, const HookJob& job);

/// cancelled: this program was not run to its end.
Error hook_stopped(const HookJob& job);

/// The last line that is not blank, without the white space around it. Pure.
std::string_view last_line(std::string_view text);

}  // namespace zrepd::failover
