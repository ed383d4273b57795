// SPDX-License-Identifier: BSD-2-Clause
// The channel program that takes the snapshots of many filesystems of one pool in one process and
// one transaction group, and says what they became (zfs-program(8)). Pure. Errors: zfs_failed when
// its answer is not understood. Atomicity: all are of the same transaction group; one that cannot
// be taken is reported and keeps no other from it. Limits: ack_program's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "daemon/zfs/zfs_spec.hpp"

namespace zrepd::snapshot_program {

/// The Lua text, for `zfs program -j -- POOL -`.
std::string_view text();

/// Its arguments. All names belong to one pool.
std::vector<std::string> arguments(const std::vector<SnapshotName>& names);

/// One outcome per name, in order, out of what the program returned as JSON: the snapshot, or
/// already_exists, not_found, no_space, zfs_failed.
Result<std::vector<Result<Snapshot>>> outcomes(std::string_view json,
                                               const std::vector<SnapshotName>& names);

}  // namespace zrepd::snapshot_program
