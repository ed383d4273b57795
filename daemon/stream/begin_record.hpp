// SPDX-License-Identifier: BSD-2-Clause
// The first bytes of a zfs stream, looked at before `zfs receive` gets any of them.
// Thread: io thread. Errors: refused, io_error, stalled, cancelled. Atomicity: takes nothing from
// the stream where the system can look without taking; what it takes elsewhere it hands back.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "common/ids.hpp"
#include "common/result.hpp"
#include "daemon/async/task.hpp"

namespace zrepd::stream {

/// Of a DRR_BEGIN record, up to the last number that says what the stream is (OpenZFS,
/// include/sys/zfs_ioctl.h: struct dmu_replay_record, drr_begin up to drr_fromguid).
inline constexpr std::size_t kBeginBytes = 56;

/// refused unless this begins a single stream that builds on `base`, in the byte order of either
/// side: 0 is a full stream, nothing is a base that zfs itself compares with what it kept, of a
/// resumed stream. Refused are a package (`zfs send -p`, `-R`, `-I`), which would set properties
/// of the sender's choice here (a mountpoint, setuid, zrep:accept), make datasets and rename
/// snapshots; and a clone, whose origin zfs would look for in the whole pool, among what belongs to
/// others. So is what is not one of zfs; io_error for nothing, or a part of a beginning. zfs would
/// say so, too, but only to a run of its own, with its events. Pure.
Result<void> check_begin(std::string_view begin, std::optional<Guid> base);

/// The same of the stream that comes from `fd`. Waits at most `limit` for the first bytes.
/// `fd` is a pipe or a socket, and non-blocking. What was taken from it,
/// which is to be passed on in front of the rest; nothing on Linux.
Task<Result<std::string>> look_at_begin(int fd,
                                        std::optional<Guid> base,
                                        std::chrono::milliseconds limit);

}  // namespace zrepd::stream
