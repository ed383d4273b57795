// SPDX-License-Identifier: BSD-2-Clause
// What one sync of one filesystem has to do. Pure: two looks in, steps or a conflict out; a
// dry run prints exactly what the executor takes.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/error.hpp"
#include "daemon/zfs/model.hpp"
#include "daemon/zfs/zfs_spec.hpp"

namespace zrepd::plan {

// One snapshot a second gets here in 34,000 years. A number above it is no count of ours, and the
// one after it might have no name that is ours.
inline constexpr std::uint64_t kMaxSequence = std::uint64_t{1} << 40;

/// A master, or a member of its tree, that a role change has made readonly.
bool is_frozen(const Dataset& dataset);

/// Ours to send. What a legacy zrep gave up on (`_unsent`) stays behind and expires.
bool sendable(const Snapshot& snapshot);

/// The target as its own daemon described it.
struct TargetView {
    bool exists = false;
    Guid guid;
    bool is_pair = false;  ///< its stored pair names us and our filesystem
    bool master = false;
    std::uint64_t epoch = 0;
    std::uint64_t written_bytes = 0;
    std::uint64_t available_bytes = 0;
    bool receiving = false;  ///< a receive of it is under way over there
    std::string resume_token;
    std::optional<Guid> token_guid;  ///< toguid of the token, once decoded here; absent: unusable
    bool token_ours = false;  ///< it is of a zrep snapshot of this very dataset, which may be gone
    Guid token_base = {};     ///< fromguid of it; unknown for a full stream
    std::uint64_t token_done_bytes = 0;  ///< that it says have arrived
    std::vector<Snapshot> snapshots;     ///< oldest first; only the newest ones when there are many
};

struct SourceView {
    const Dataset* dataset = nullptr;
    const Versions* versions = nullptr;
    std::uint64_t pool_free_bytes = 0;  ///< for zrep:minfree; quotas and reservations aside
};

/// Nothing to send now. `acknowledge` is set when the target already has a snapshot of ours that is
/// not recorded here: the answer got lost on the way.
struct Skip {
    std::optional<Snapshot> acknowledge;
    std::string reason;
    bool more = false;  ///< there is something to send once it is recorded: look again
};
/// Continue the interrupted stream of this snapshot.
struct Resume {
    Snapshot snapshot;
    std::string token;
    Guid base_guid = {};  ///< unknown for a full stream
    std::uint64_t done_bytes = 0;
};
/// Send base→snapshot. `take` names a snapshot to be taken first; otherwise `existing` is sent.
struct Incremental {
    std::string base;  ///< "@name" or "#name"
    Guid base_guid;
    std::string take;  ///< name after the '@'; empty: send `existing`
    std::optional<Snapshot> existing;
    bool rollback_target = false;  ///< written on the target, nothing newer there
    bool abort_partial = false;    ///< an unusable token lies on the target
};
/// The two sides cannot be brought together without a decision. Nothing is changed.
struct Conflict {
    Error error;  ///< conflict, split_brain, busy or no_space; both sides' facts, remedy
};
using Step = std::variant<Skip, Resume, Incremental, Conflict>;

/// Whether the token, which comes from the peer, makes `zfs send` send this dataset, and an
/// encrypted one only as it lies on the disk.
bool may_resume(const TokenInfo& token, const Dataset& source);
/// Whether what was received with it so far was a zrep snapshot of this dataset, or of what had its
/// name before: that may be thrown away for a stream that begins anew.
bool is_ours(const TokenInfo& token, const DatasetName& source);

/// What makes any sync of this pair impossible or wrong, whatever the snapshots are.
std::optional<Conflict> check_roles(const Dataset& source, const TargetView& target);
/// no_space when the pool has less than zrep:minfree. What a quota leaves of it, or a reservation
/// adds, does not count. Without that zfs decides: at a quota it takes a snapshot, of a full pool,
/// or where a refreservation would not be kept, it does not.
std::optional<Conflict> check_room(const SourceView& source, std::uint64_t minfree_bytes);

/// Decides from the facts. The new snapshot's number is derived from both sides, so that a name is
/// never used twice.
Step plan_sync(const SourceView& source, const TargetView& target);

/// The step in words, one line each, for --dry-run and the log.
std::vector<std::string> describe(const Step& step, const DatasetName& source);
/// The line behind steps after which the run plans anew: what it does then depends on what is
/// written meanwhile.
std::string look_again(const DatasetName& source);

}  // namespace zrepd::plan
