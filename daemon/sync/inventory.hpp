// SPDX-License-Identifier: BSD-2-Clause
// What we last saw of the pools: a cache that can be thrown away at any moment. ZFS is the truth.
// Thread: io thread. Errors: those of Zfs. Pointers returned live until the next co_await.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/async/signal.hpp"
#include "daemon/plan/members.hpp"
#include "daemon/zfs/zfs.hpp"

namespace zrepd::sync {

/// How fresh the list of snapshots must be. `cached`: a list that no event contradicted will do,
/// good for scheduled runs, where a change seen 0.1 s late waits for the next one.
enum class Freshness { listed, cached };

/// By hand a pair is made in seconds; a sync that comes earlier is tried again.
inline constexpr std::chrono::seconds kPeerLookEvery{1};
/// After the end of a look, which may take seconds: for every user of the host.
inline constexpr std::chrono::seconds kReaderLookEvery{10};

/// Datasets that were not looked at, with what is wrong with their pools.
using LeftOut = std::map<DatasetName, Error>;

class Inventory {
  public:
    Inventory(asio::any_io_executor executor, Zfs& zfs, plan::Self self);

    /// Looks at every filesystem and volume: one process. Finds new, changed and vanished pairs.
    /// What is in an unavailable pool stays as it was last seen. Who asks while one runs waits for
    /// the next, which is one for all of them: no answer began before its question.
    Task<Result<void>> discover();
    /// For a peer that names what is not known as its own: it may have become that. Looks only if
    /// something came, went or changed since the last discovery, and not more than once in
    /// kPeerLookEvery, whoever asks: otherwise anybody with a key could keep zfs busy.
    Task<Result<void>> discover_for_peer();
    /// For whoever may only read: what the last discovery saw will do if it ended less than
    /// kReaderLookEvery ago, whoever asked for it, and one that runs now is waited for.
    Task<Result<void>> discover_for_reader();
    /// Why nothing is known yet: the last discovery's error, or `busy` before the first one ended.
    Result<void> ready() const { return ready_; }
    /// The same for one dataset, which may be in a pool that could not be looked at.
    Result<void> looked_at(const DatasetName& name) const;
    /// Pools that the last discovery could not look at.
    const std::set<std::string, std::less<>>& left_out() const { return left_out_; }
    /// Looks at these: one process for their properties and what their pools have free, one for the
    /// snapshots that need listing.
    /// What is in an unavailable pool stays as it was last seen, and keeps no other from its look.
    Task<Result<LeftOut>> refresh(std::vector<DatasetName> which, Freshness freshness);
    Task<Result<void>> refresh_one(DatasetName name, Freshness freshness);
    /// Snapshots and bookmarks of those whose list is not known or was contradicted: at most one
    /// process.
    Task<Result<LeftOut>> list_versions(std::vector<DatasetName> which);

    const Dataset* find(const DatasetName& name) const;
    const Versions* versions(const DatasetName& name) const;
    /// What the dataset's pool had free when it, or anything else in that pool, was last looked at.
    std::uint64_t pool_free(const DatasetName& name) const;
    std::optional<plan::Pair> pair(const DatasetName& name) const;
    /// The same, and for a member of a tree its share of that pair.
    std::optional<plan::Pair> side(const DatasetName& name) const;
    /// Root and members of the tree with this root.
    std::vector<DatasetName> members(const DatasetName& root) const;
    /// These, and the members of those that are trees.
    std::vector<DatasetName> with_members(const std::vector<DatasetName>& which) const;
    std::vector<plan::Pair> pairs() const;
    /// Whether its pool does, now (Zfs::check_pool()); no process.
    bool answers(const DatasetName& name) const { return zfs_.check_pool(name.pool()).has_value(); }
    /// The nearest known dataset at or above this name.
    const Dataset* nearest(const DatasetName& name) const;
    const std::map<DatasetName, Dataset>& all() const { return datasets_; }

    /// After operations of our own, so that status is right without another look. A list that is
    /// not known stays so.
    void add_snapshot(const DatasetName& dataset, Snapshot snapshot);
    void note_set(const DatasetName& dataset, const PropertyList& properties);
    void mark_sent(const DatasetName& dataset, Guid guid, UnixSeconds sent);
    void forget_snapshots(const DatasetName& dataset, const std::vector<std::string>& names);
    void add_bookmark(const DatasetName& dataset, Guid guid);
    void forget_bookmark(const DatasetName& dataset, const std::string& name);

    /// From the event watcher.
    void note(const Change& change);
    /// True when datasets may have come, gone or changed their settings since the last discovery.
    bool needs_discovery() const { return needs_discovery_ || !altered_.empty(); }
    /// The last discovery knew the datasets and could not list all of their snapshots: another look
    /// is wanted, though commands can go on.
    bool lacks_versions() const { return lacks_versions_; }
    /// The same without those that `busy` is true for: a run alters what it works on itself.
    bool needs_discovery(const std::function<bool(const DatasetName&)>& busy) const;
    /// Makes a discovery needed when a pool that the last one left out is available again.
    void look_for_returned_pools();
    /// Notified when needs_discovery() becomes true, and after a discovery. For the scheduler
    /// alone.
    Alarm& changed() { return changed_; }

  private:
    /// One for all who wait for it.
    struct Discovery {
        explicit Discovery(asio::any_io_executor executor) : ended(std::move(executor)) {}
        std::optional<Result<void>> outcome;
        Signal ended;  ///< or whoever carried it out gave up
    };
    struct Discoveries {
        std::shared_ptr<Discovery> running;
        std::shared_ptr<Discovery> next;  ///< waits for the end of that
    };
    struct Looked {
        std::chrono::steady_clock::time_point at;
        Result<void> outcome;
    };
    class Turn;
    Task<Result<void>> discover_now();
    /// When what we know of a dataset was asked for: an answer to an older question is no news.
    struct Asked {
        std::uint64_t dataset = 0;
        std::uint64_t versions = 0;
    };
    /// What refresh() got for these, but for what somebody looked at after we had asked; of a
    /// pool's own dataset that nobody asked for, the free space.
    void take_in(const std::vector<DatasetName>& which,
                 std::vector<Dataset> seen,
                 std::uint64_t asked);
    void doubt_if_another(const Dataset& seen);
    void replace_all(std::vector<Dataset> seen,
                     std::uint64_t asked,
                     std::set<std::string, std::less<>> left_out);
    bool is_left_out(const DatasetName& name) const;
    /// The question whose answer we have for this dataset.
    std::uint64_t known_since(const DatasetName& name) const;
    /// Takes those in unavailable pools out of `which`; how many.
    std::size_t leave_out(std::vector<DatasetName>& which, LeftOut& out);
    std::vector<DatasetName> with_pools(std::vector<DatasetName> which) const;
    Task<Result<std::vector<Dataset>>> ask_datasets(std::vector<DatasetName>& which, LeftOut& out);
    Task<Result<std::map<DatasetName, Versions>>> ask_versions(std::vector<DatasetName>& which,
                                                               LeftOut& out);
    Versions* versions_to_change(const DatasetName& name);

    Zfs& zfs_;
    plan::Self self_;
    std::map<DatasetName, Dataset> datasets_;
    std::map<DatasetName, Versions> versions_;
    std::set<DatasetName> contradicted_;  ///< versions_ entries that an event spoke against
    std::set<DatasetName> altered_;       ///< named by events since the last discovery
    std::set<DatasetName> being_listed_;  ///< contradicted, and the new list is not there yet
    std::map<DatasetName, Asked> asked_;
    std::uint64_t questions_ = 0;
    std::uint64_t discovered_ = 0;  ///< the question of the discovery that is believed
    std::set<std::string, std::less<>> left_out_;
    bool needs_discovery_ = true;  ///< for another reason than altered_
    bool lacks_versions_ = false;
    Result<void> ready_ = Error{.code = Code::busy,
                                .message = "zrepd has just started and is reading the pools",
                                .remedy = "run it again in a moment"};
    Alarm changed_;
    asio::any_io_executor executor_;
    std::shared_ptr<Discoveries> discoveries_ = std::make_shared<Discoveries>();
    std::optional<std::chrono::steady_clock::time_point> peer_looked_;
    std::optional<Looked> looked_;  ///< the last discovery's end
};

}  // namespace zrepd::sync
