// SPDX-License-Identifier: BSD-2-Clause
// What is asked of ZFS and what it answers, as plain values. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/ids.hpp"
#include "common/result.hpp"
#include "common/time.hpp"
#include "daemon/zfs/model.hpp"

namespace zrepd {

using PropertyList = std::vector<std::pair<std::string, std::string>>;

inline void add(PropertyList& out, std::string_view key, std::string value) {
    out.emplace_back(std::string(key), std::move(value));
}

/// `zfs send` of a full stream, an increment, or the rest named by a resume token.
struct SendSpec {
    std::optional<SnapshotName> snapshot = {};  ///< absent with a token
    std::string base = {};   ///< "" full; "@name" or "#name" of the same dataset: incremental
    std::string token = {};  ///< resume: nothing else is given then but raw
    bool raw = false;        ///< -w; encrypted datasets, always
};

/// `zfs receive -u -s`, never -F.
struct ReceiveSpec {
    SnapshotName snapshot;
    PropertyList properties = {};  ///< -o, on the first receive only
    /// An increment from this snapshot makes a new dataset, as a clone of it.
    std::optional<SnapshotName> origin = {};
    bool resumable = true;  ///< -s: a cut leaves what arrived, and a token
};

/// What `zfs send -nvP -t TOKEN` says of a resume token.
struct TokenInfo {
    std::optional<SnapshotName> snapshot;  ///< toname
    Guid guid;                             ///< toguid
    Guid base;                             ///< fromguid; unknown for a full stream
    std::uint64_t bytes_done = 0;
    bool raw = false;
    bool gone =
        false;  ///< that snapshot is not here any more, and but for its name nothing is known
};

/// Bookkeeping after streams were received, for any number of filesystems of one pool.
struct AckItem {
    SnapshotName snapshot;
    Guid guid;              ///< must be the snapshot's, or the item fails and nothing is set
    bool set_sent = true;   ///< zrep:sent = AckBatch::sent
    bool bookmark = false;  ///< make #zrep_<guid> (master only)
    std::vector<std::string> destroy = {};  ///< names of snapshots that expiry chose
};
struct AckBatch {
    UnixSeconds sent = 0;
    std::vector<AckItem> items;
};
/// Outcome of one item. `failed` says what of the optional part (bookmark, expiry) did not work.
struct AckOutcome {
    Result<void> acknowledged = ok();
    bool bookmarked = false;  ///< #zrep_<guid> exists now
    std::vector<std::string> failed = {};
    std::vector<std::string> destroyed = {};
};

/// `zfs diff` from a snapshot to one of a clone of it. Both datasets are mounted: zfs refuses else.
struct DiffSpec {
    SnapshotName from;
    SnapshotName to;
    std::string root = {};           ///< where the clone is mounted; left out of the paths
    std::size_t limit = 1000;        ///< changes; zfs is ended at the next one
    std::chrono::seconds time = {};  ///< the same
};
/// One file of it. Paths begin with '/', the filesystem's own root; what is not UTF-8, a control
/// character or a backslash stands there as zfs writes it, "\0" and three octal digits.
struct FileChange {
    char kind = 'M';  ///< '+', '-', 'M' or 'R'
    char type = '?';  ///< as `zfs diff -F`: 'F' file, '/' directory, '@' link, ...
    std::string path;
    std::string new_path;  ///< of 'R'
    bool operator==(const FileChange&) const = default;
};
struct FileChanges {
    std::vector<FileChange> changes;
    bool more = false;       ///< there are more than the limit
    bool timed_out = false;  ///< there may be more
};

/// One change seen in the pools. No dataset: anything may have changed.
struct Change {
    std::optional<DatasetName> dataset;
    bool versions_only = false;  ///< only snapshots, bookmarks or contents of it
};

}  // namespace zrepd
