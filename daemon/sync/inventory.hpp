// SPDX-License-Identifier: BSD-2-Clause
// What we last saw of the pools: a cache that can be thrown away at any moment. ZFS is the truth.
// Thread: io thread. Errors: those of Zfs. Pointers returned live until the next co_await.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/async/signal.hpp"
#include "daemon/plan/pair.hpp"
#include "daemon/zfs/zfs.hpp"

namespace zrepd::sync {

/// How fresh the list of snapshots must be. `cached`: a list that no event contradicted will do,
/// good for scheduled runs, where a change seen 0.1 s late waits for the next one.
enum class Freshness { listed, cached };

class Inventory {
  public:
    Inventory(asio::any_io_executor executor, Zfs& zfs, plan::Self self);

    /// Looks at every filesystem and volume: one process. Finds new, changed and vanished pairs.
    Task<Result<void>> discover();
    /// Looks at these: one process for their properties, one for the snapshots that need listing.
    Task<Result<void>> refresh(std::vector<DatasetName> which, Freshness freshness);
    /// Snapshots and bookmarks of those whose list is not known or was contradicted: at most one
    /// process.
    Task<Result<void>> list_versions(std::vector<DatasetName> which);

    const Dataset* find(const DatasetName& name) const;
    const Versions* versions(const DatasetName& name) const;
    std::optional<plan::Pair> pair(const DatasetName& name) const;
    std::vector<plan::Pair> pairs() const;
    /// The nearest known dataset at or above this name.
    const Dataset* nearest(const DatasetName& name) const;
    const std::map<DatasetName, Dataset>& all() const { return datasets_; }

    /// After operations of our own, so that status is right without another look.
    void add_snapshot(const DatasetName& dataset, Snapshot snapshot);
    void mark_sent(const DatasetName& dataset, Guid guid, UnixSeconds sent);
    void forget_snapshots(const DatasetName& dataset, const std::vector<std::string>& names);
    void add_bookmark(const DatasetName& dataset, Guid guid);
    void forget_bookmark(const DatasetName& dataset, const std::string& name);

    /// From the event watcher.
    void note(const Change& change);
    /// True when datasets may have come, gone or changed their settings since the last discovery.
    bool needs_discovery() const { return needs_discovery_ || !altered_.empty(); }
    /// The same without those that `busy` is true for: a run alters what it works on itself.
    bool needs_discovery(const std::function<bool(const DatasetName&)>& busy) const;
    /// Notified when needs_discovery() becomes true, and after a discovery. For the scheduler
    /// alone.
    Alarm& changed() { return changed_; }

  private:
    void store(Dataset dataset);

    Zfs& zfs_;
    plan::Self self_;
    std::map<DatasetName, Dataset> datasets_;
    std::map<DatasetName, Versions> versions_;
    std::set<DatasetName> contradicted_;  ///< versions_ entries that an event spoke against
    std::set<DatasetName> altered_;       ///< named by events since the last discovery
    bool needs_discovery_ = true;         ///< for another reason than altered_
    Alarm changed_;
};

}  // namespace zrepd::sync
