// SPDX-License-Identifier: BSD-2-Clause
// How much a stream will be, for progress alone: nothing is decided by it. Streams are sent
// compressed as they lie on the disk, so what a snapshot has written is what is sent, give or take
// headers, and freed blocks, which are written and never sent. Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "daemon/zfs/model.hpp"

namespace zrepd::plan {

/// Bytes of the stream from `base` (not known: a full one) to `snapshot`, less what the other side
/// has of it already; nullopt where one of them is not in the list.
std::optional<std::uint64_t> stream_bytes(const Dataset* dataset,
                                          const Versions* versions,
                                          Guid snapshot,
                                          Guid base,
                                          std::uint64_t done_bytes);

}  // namespace zrepd::plan
