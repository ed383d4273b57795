// SPDX-License-Identifier: BSD-2-Clause
// Keeps what a side has that the other never acknowledged, beside it, then takes that side back to
// the base (docs/failover.md). Thread: io thread. Errors: conflict, no_space, busy,
// those of Zfs. Atomicity: cut anywhere, it goes on when it is called again with the same journal.
#pragma once

#include "daemon/failover/journal.hpp"
#include "daemon/failover/rescue_plan.hpp"
#include "daemon/sync/parts.hpp"

namespace zrepd::failover {

struct Rescued {
    std::optional<DatasetName> copy;  ///< absent: there was nothing to keep
    std::uint64_t bytes = 0;
};

/// The dataset is readonly and locked by the caller. Copies everything newer than `entry.base` to a
/// clone of it, looks whether all of it arrived, notes that in the journal, and only then destroys
/// those snapshots one by one by name and rolls back. A cancel leaves the dataset as it was, with
/// a part of the copy.
Task<Result<Rescued>> rescue(
    sync::Parts& parts, sync::RunPtr run, DatasetName dataset, std::uint64_t epoch, Entry entry);

}  // namespace zrepd::failover
