// SPDX-License-Identifier: BSD-2-Clause
// The receiving end of one stream. Thread: io thread.
#pragma once

#include <memory>

#include "daemon/peer/server.hpp"
#include "daemon/sync/parts.hpp"

namespace zrepd::sync {

/// Feeds a stream to `zfs receive` and says how it went. Keeps the lock until it is gone. A stream
/// cut short leaves its resumable state in the dataset.
std::unique_ptr<peer::TargetService::Receiver> make_receiver(Parts& parts,
                                                             ReceiveSpec spec,
                                                             lock::LockTable::Guard guard);

}  // namespace zrepd::sync
