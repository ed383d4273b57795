// SPDX-License-Identifier: BSD-2-Clause
// The channel program (zfs-program(8)) that records acknowledgements: one process and one
// transaction group for any number of filesystems of a pool. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/zfs/zfs_spec.hpp"

namespace zrepd {

/// The program's text, for the standard input of `zfs program`.
extern const std::string_view kAckProgram;

/// Its arguments for this batch.
std::vector<std::string> ack_arguments(const AckBatch& batch);

}  // namespace zrepd
