// SPDX-License-Identifier: BSD-2-Clause
// What is recorded on one side once both have a snapshot: zrep:sent, the hold, the bookmark, and
// expiry (docs/architecture.md, zrep-properties(7)). The same code on master and target.
// Thread: io thread. Order: hold the new, then record, then release the old; a crash in between
// leaves one hold too many, never one too few. Processes: hold, one program per pool, release.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "daemon/sync/parts.hpp"

namespace zrepd::sync {

struct Acked {
    SnapshotName snapshot;
    Guid guid;
};

/// These snapshots of a dataset with its name before the '@'; without what zfs would not take.
std::vector<SnapshotName> full_names(const DatasetName& dataset,
                                     const std::vector<std::string>& names);

/// Whether a hold on it may be ours: a listing does not say whose it is. We hold zrep snapshots,
/// and of others those that were a base, which has zrep:sent then, as after `init --adopt`.
bool may_hold(const Snapshot& snapshot);

enum class Side { master, target };

/// Records these as acknowledged at `sent`, and destroys what expires then, by the settings that
/// are known now: a stream may have run for hours since its plan. One outcome per item, in order.
Task<std::vector<AckOutcome>> acknowledge(Parts& parts,
                                          Side side,
                                          UnixSeconds sent,
                                          std::vector<Acked> items);

/// What expiry would destroy, as far as is known here; names after the '@'.
std::vector<std::string> expiring(const Inventory& inventory,
                                  const DatasetName& dataset,
                                  const plan::Retention& retention);

/// What expiry destroys once this snapshot is acknowledged: one that is there, or one that is still
/// to be taken or received. Names after the '@'.
std::vector<std::string> expiring_after(const Versions* versions,
                                        const std::string& snapshot,
                                        const plan::Retention& retention);

/// Expiry alone, by the settings that are known now: what it destroyed, or what zfs said.
Task<Result<std::vector<std::string>>> expire(Parts& parts, DatasetName dataset);

/// What is known of this dataset, with the holds of others marked on what is newer than the base: a
/// listing does not tell whose a hold is. not_configured when it is gone; what zfs says.
Task<Result<Versions>> with_foreign_holds(Parts& parts, DatasetName dataset, Guid base);

/// Takes zrep:sent from all snapshots of the dataset, as last listed: they were acknowledged for a
/// pair that is none any more. What zfs says.
Task<Result<void>> forget_acknowledged(Parts& parts, DatasetName dataset);
/// The snapshots newer than the base that were acknowledged: by a copy that is none any more.
std::vector<SnapshotName> acknowledged_after(const Versions& versions,
                                             const DatasetName& dataset,
                                             Guid base);
/// Takes zrep:sent from those, and our holds where nothing but that tells whose they are; looks at
/// the dataset again. What zfs says; cut off, the same again does the rest.
Task<Result<void>> forget_newer(Parts& parts, DatasetName dataset, Guid base);

/// The newest snapshot that this side has recorded as acknowledged; null when there is none.
const Snapshot* last_acked(const Versions& versions);
/// The acknowledged snapshot that holds all there is: nothing was written after it, as last listed.
std::optional<Guid> current_snapshot(const Inventory& inventory, const DatasetName& dataset);
/// A master's sync found nothing to send, of a tree in none of its members: its copy had all there
/// was when that was asked for.
void note_unchanged(Parts& parts, const DatasetName& dataset);
/// For how long it is known that nothing came after, of a tree anywhere in it; rounded up.
std::chrono::seconds known_for(const Inventory& inventory, const DatasetName& dataset);
/// How old a snapshot is by this host's clock, which took it; nullopt where that is not known.
std::optional<std::chrono::seconds> age_of(const Snapshot& snapshot);
/// The same for a request.
std::optional<std::int64_t> age_for_peer(const Snapshot& snapshot);
/// zrep snapshots newer than the acknowledged one.
unsigned pending_count(const Versions& versions);

}  // namespace zrepd::sync
