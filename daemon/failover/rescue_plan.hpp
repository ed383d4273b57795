// SPDX-License-Identifier: BSD-2-Clause
// What a side has that the other never acknowledged, and what has to be copied before it may go.
// Pure.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "daemon/zfs/model.hpp"
#include "daemon/zfs/zfs_spec.hpp"

namespace zrepd::failover {

/// Names tried for a copy before somebody has to clear up.
inline constexpr unsigned kMaxNames = 20;

/// Snapshots that one unfinished rescue takes at any time, over all its tries: a writer that
/// readonly does not stop would make it take another each time.
inline constexpr std::size_t kMaxDiverged = 5;
/// How long after the last one it may take the next: not at all for those, an hour, two, four...
/// for further ones. The writer may be gone by then, and nobody there to say so.
std::chrono::seconds wait_after_diverged(std::size_t taken);

/// Everything newer than the base.
struct Divergence {
    Snapshot base;
    std::vector<Snapshot> newer;      ///< oldest first
    std::uint64_t written_bytes = 0;  ///< since the newest of them, not in any snapshot
    std::uint64_t bytes() const;
    bool none() const { return newer.empty() && written_bytes == 0; }
};

/// conflict when the base is not here: then nothing may be rolled back.
Result<Divergence> divergence(const Dataset& dataset, const Versions& versions, Guid base);

/// What names of its copies begin with, best first: "tank/a/fs_", beside it, and for names that
/// leave no room "tank/a/zrep_", "tank/zrep_". Below the pool for a pool's root, which has nothing
/// beside it. A copy is known by its zrep:rescue, not by its name.
std::vector<std::string> rescue_places(const DatasetName& dataset);
/// "tank/a/fs_diverged_8", or with an ordinal for a further attempt.
Result<DatasetName> rescue_name(const std::string& place, std::uint64_t epoch, unsigned attempt);
/// Whether each snapshot fits behind that name: zfs has one limit for both (kMaxDatasetName).
bool has_room(const DatasetName& copy, const std::vector<Snapshot>& snapshots);
/// "zrep_diverged_8", or with an ordinal when that is taken.
std::string diverged_snapshot(const Versions& versions, std::uint64_t epoch);
/// How many of these have such a name, of this epoch.
std::size_t count_diverged(const std::vector<Snapshot>& snapshots, std::uint64_t epoch);
/// busy while it is too early for another of these.
Result<void> may_take_diverged(const DatasetName& dataset,
                               const std::vector<Snapshot>& newer,
                               std::uint64_t epoch,
                               UnixSeconds now);

/// One increment of the copy: from the snapshot before it, the first one from the base.
struct CopyStep {
    Snapshot from;
    Snapshot snapshot;
    bool first = false;  ///< makes the copy, as a clone of the base
};
/// What is still to be copied, in order; `copy` is what the rescue has already. A rescue that was
/// begun from something else is a conflict.
Result<std::vector<CopyStep>> copy_steps(const Divergence& found, const Versions& copy);

/// Whether every snapshot that is about to go is in the copy.
bool is_complete(const Divergence& found, const Versions& copy);

/// Our bookmarks of snapshots newer than the base: they go before a rollback. A foreign one is in
/// the way: the error names it.
Result<std::vector<std::string>> bookmarks_to_drop(const DatasetName& dataset,
                                                   const Versions& versions,
                                                   const Snapshot& base);

}  // namespace zrepd::failover
