// SPDX-License-Identifier: BSD-2-Clause
// The first bytes of a zfs stream, looked at before `zfs receive` gets any of them.
// Thread: io thread. Errors: refused, stalled, cancelled. Atomicity: takes nothing from the stream.
#pragma once

#include <chrono>
#include <string_view>

#include "common/result.hpp"
#include "daemon/async/task.hpp"

namespace zrepd::stream {

/// Of a DRR_BEGIN record, up to what says which kind of stream it is (OpenZFS,
/// include/sys/zfs_ioctl.h: struct dmu_replay_record).
inline constexpr std::size_t kBeginBytes = 24;

/// True for a package of streams (DMU_COMPOUNDSTREAM: `zfs send -p`, `-R`, `-I`), in the byte order
/// of either side. False for a single one, and for what is no stream at all: zfs says so itself.
/// Pure.
bool is_package(std::string_view begin);

/// refused for a package: it would set properties of the sender's choice here (a mountpoint,
/// setuid, zrep:accept), make datasets, rename snapshots. zrepd sends single streams only. Waits at
/// most `limit` for the first bytes; an end before them is no error. `fd` is a pipe or a socket,
/// and non-blocking.
Task<Result<void>> refuse_package(int fd, std::chrono::milliseconds limit);

}  // namespace zrepd::stream
