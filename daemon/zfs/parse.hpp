// SPDX-License-Identifier: BSD-2-Clause
// Reads what zfs(8) and zpool(8) print. Pure. The only place where their stderr is interpreted.
// Errors: zfs_failed for output that is not understood; any bytes are tolerated, none crash.
// Limits: input sizes are bounded by whoever ran the command; an event line by kMaxEventLine.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "daemon/zfs/zfs_spec.hpp"

namespace zrepd::parse {

/// Output of command get_datasets. A value with a line break (a foreign program may set one) is
/// left out, and nothing behind that break is taken for another dataset's property.
Result<std::vector<Dataset>> datasets(std::string_view out);
/// Output of get_versions: datasets without snapshots and bookmarks are not in it.
Result<std::map<DatasetName, Versions>> versions(std::string_view out);
/// Output of get_guids, by snapshot name.
Result<std::map<std::string, Guid>> guids(std::string_view out);
/// Output of command holds: the snapshots that have another tag than ours.
std::set<SnapshotName> foreign_holds(std::string_view out);
/// Output of `zfs send -nvP -t TOKEN`.
Result<TokenInfo> token(std::string_view out);
/// Stderr of the same where it failed: the snapshot that the token names and that is gone.
std::optional<SnapshotName> gone_snapshot(std::string_view err);
/// One line of `zfs diff -F -H` without its line break; `root` is left out of the paths. nullopt
/// for anything else.
std::optional<FileChange> file_change(std::string_view line, std::string_view root);
/// "2.3.2" out of `zfs version` or /sys/module/zfs/version ("2.3.2-2~bpo12+2"); empty if neither.
std::string version(std::string_view out);
/// The trouble that /proc/spl/kstat/zfs/POOL/state tells of; nullopt when the pool can be used.
std::optional<std::string> pool_trouble(std::string_view state);

/// What a line of stderr says, as far as our code must tell them apart.
enum class Complaint {
    unknown,
    dataset_missing,
    already_exists,
    hold_exists,
    hold_missing,
    no_resume_state,
    no_snapshots,  ///< destroy found none of the names
    bookmark_exists,
    bookmark_missing,
    held,
    cloned,
    busy,
    no_space,
    pool_unavailable,
    permission,
    key_not_loaded,
    key_loaded,  ///< already
    already_mounted,
    not_mounted,
    mountpoint_used,  ///< its directory is not empty
    not_mountable,    ///< legacy, none, canmount=off
    has_children,     ///< or snapshots
    target_modified,
    base_mismatch,
    newer_exist,  ///< rollback past newer snapshots or bookmarks
    partial_state,
    token_dead,
    stream_broken,  ///< checksum, end of file or garbage in the stream
    programs_refused,
    unsupported,
    invalid_value,
    no_zfs,
    key_wrong,  ///< loading it is no use
};

/// The first table entry found in the text.
Complaint classify(std::string_view text);
/// One string per complaint, without usage texts, hints and the like.
std::vector<std::string> complaints(std::string_view err);
/// The error for a command that failed: code and remedy from the table, zfs's own words as the
/// message, or `status` ("exit status 1") when it said nothing. `subject`: the dataset or pool that
/// the command was about, for the remedy.
Error failure(std::string_view err, std::string_view status, std::string_view subject = {});
/// The same of `zfs destroy` of this snapshot; what holds it or is cloned from it is named by whole
/// commands.
Error not_destroyed(const std::string& snapshot, std::string_view err, std::string_view status);
/// True when every complaint is that a dataset does not exist (and there is one).
bool only_missing(std::string_view err);

/// Longest line of `zpool events -v` that is looked at; longer ones are skipped.
inline constexpr std::size_t kMaxEventLine = std::size_t{64} * 1024;

/// Incremental reader of `zpool events -v -H`. Change{} where the kernel lost some.
class EventReader {
  public:
    /// The changes that these bytes complete.
    std::vector<Change> feed(std::string_view bytes);

  private:
    void line(std::string_view text, std::vector<Change>& changes);
    void finish(std::vector<Change>& changes);

    std::string pending_;
    bool skipping_ = false;  ///< in a line over the limit
    std::string class_;
    std::string dataset_;
    std::string operation_;
};

}  // namespace zrepd::parse
