// SPDX-License-Identifier: BSD-2-Clause
// The administrator's programs around a role change (docs/operations.md, Hooks; ADR 0010).
// Thread: the io thread. Errors: refused_by_hook, io_error, cancelled. Atomicity: none; a program
// may be killed at any instruction, and may be run again. Limits: hook-timeout for each program,
// kMaxHookPrograms, 32 KiB of stderr kept; stdout goes nowhere.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/ids.hpp"
#include "common/result.hpp"
#include "daemon/async/task.hpp"
#include "daemon/config/config.hpp"
#include "daemon/failover/hook_files.hpp"
#include "daemon/failover/hook_run.hpp"
#include "daemon/zfs/subprocess.hpp"

namespace zrepd::failover {

/// What a program is told.
struct HookContext {
    DatasetName dataset;  ///< on this host
    HostName peer;
    DatasetName peer_dataset;
    std::uint64_t epoch = 0;      ///< after the change
    std::string operation = {};   ///< failover, takeover, rejoin, resolve or recovery
    std::string kind = {};        ///< filesystem or volume
    std::string mountpoint = {};  ///< empty: none
    bool planned = false;         ///< the other side takes part in the change
    std::string run_id = {};
};

/// Runs all programs of this hook, one after the other, in the order of their names, and logs each.
///
/// pre_*: nothing is run when something in the folder cannot be; the first program that fails ends
/// it. refused_by_hook then, with the program and its last words. What earlier programs did is not
/// undone: a side that stays master after pre_demote ran gets post_promote, operation "recovery".
///
/// post_*: all are run; io_error when any failed or could not be run, with all their words. Nothing
/// is to be taken back because of it.
///
/// cancelled after a cancel: the program that ran is gone then, at most kTerminateGrace +
/// kAbandonAfter later, and the rest were not run.
Task<Result<void>> run_hooks(Processes& processes,
                             const config::Config& config,
                             Hook hook,
                             HookContext context);

/// The line that a program reads from its stdin. Pure. unsupported when it cannot be told: a
/// mountpoint that is not UTF-8, or longer than a pipe is sure to hold.
Result<std::string> hook_input(Hook hook, const HostName& host, const HookContext& context);

}  // namespace zrepd::failover
