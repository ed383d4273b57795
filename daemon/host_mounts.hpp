// SPDX-License-Identifier: BSD-2-Clause
// The host's own mounts, for a zrepd that systemd gave a mount namespace of its own (ADR 0019):
// what zfs mounts in there is mounted for nobody else. `zrepd --hand-over-mounts`, which systemd
// runs first and with all of root's rights, leaves two descriptors of process 1's with systemd,
// which passes them on. Children are then started among those mounts, and the mount table is read
// there. Thread: io thread, before any other. State: of the process, set once. Linux.
#pragma once

#include <string>

#include "common/result.hpp"
#include "daemon/control/passed_sockets.hpp"
#include "daemon/notify.hpp"
#include "daemon/zfs/subprocess.hpp"

namespace zrepd::host_mounts {

struct Handles {
    Fd mount_namespace;
    Fd table;
};
/// Those of process 1. io_error.
Result<Handles> of_the_host();

/// Leaves them with the manager. refused without one that keeps descriptors, timed_out, io_error.
Result<void> hand_over(const Notifier& manager, const Handles& handles);

/// Takes what was handed over, and what the manager keeps of it is let go. Without it our own
/// mounts count, and a warning says so where others do not see those.
void take(control::PassedSockets& passed, const Notifier& manager, Processes& processes);

/// Whether what is mounted here stays unseen outside. `table`: as in /proc/self/mountinfo, where a
/// namespace that only hears of another's mounts has "master" at its root. Pure.
bool are_apart(const std::string& table);

}  // namespace zrepd::host_mounts
