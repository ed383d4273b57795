// SPDX-License-Identifier: BSD-2-Clause
// The channel program that does the bookkeeping of many filesystems in one process and one
// transaction group (zfs-program(8)). Pure. Errors: zfs_failed when its answer is not understood.
// Atomicity: it checks every item before it writes any; a write that fails is reported, and what
// was written before it stays. Limits: instruction and memory limits of zfs, hence kMaxItems.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "daemon/zfs/zfs_spec.hpp"

namespace zrepd::ack_program {

/// Far below zfs's default limits (10 million instructions, 10 MB), and one transaction group is
/// not held up for long.
inline constexpr std::size_t kMaxItems = 500;

/// The Lua text, for `zfs program -j POOL -`.
std::string_view text();

/// Its arguments. All items belong to one pool.
std::vector<std::string> arguments(UnixSeconds sent, const std::vector<AckItem>& items);

/// One outcome per item, out of what the program returned as JSON.
Result<std::vector<AckOutcome>> outcomes(std::string_view json, const std::vector<AckItem>& items);

/// What is wrong with an item before anything is run: an item must never destroy its own snapshot.
Result<void> check(const AckItem& item);

/// The outcome texts that the channel program and the plain commands share.
Error missing(const SnapshotName& snapshot);
Error replaced(const SnapshotName& snapshot);

}  // namespace zrepd::ack_program
