// SPDX-License-Identifier: BSD-2-Clause
// The copies beside a filesystem: rescues, which stay until somebody lets go of them, and the clone
// of a drill, which lives as long as its run. Thread: io thread. Errors: those of Zfs, and why a
// dataset is none of these. Atomicity: none; what a cut left of a drill is destroyed at the next
// start. A dataset is only ever destroyed when its own zrep:rescue or zrep:drill says that it is
// ours.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/failover/parts.hpp"

namespace zrepd::failover {

/// Where the clone of a member is mounted, when the root's is at `root`: at its place in there,
/// when that is a directory and no link on the way, or beside it. A mount point that is not there
/// cannot be made, since all of it is readonly; a link is its master's word, and may lead anywhere.
std::string place_below(const std::string& root, const std::string& relative, std::size_t index);

/// Makes a folder that nobody else may enter, or one that is there such a folder: what is mounted
/// below it may be meant for few.
Result<void> make_closed(const std::filesystem::path& folder);

/// The clone of a drill, as it says itself.
bool is_drill_clone(const Dataset& dataset);

class Copies {
  public:
    explicit Copies(RoleParts parts);

    /// Destroys a rescue with its snapshots. conflict when the dataset is none.
    Result<rpc::RunStarted> start_drop(const DatasetName& copy);
    /// Clones the newest acknowledged snapshot, mounts the clone readonly where nobody looks, runs
    /// `program` with that path as its argument (empty: only mounts it), unmounts, destroys the
    /// clone. Of a recursive pair, the parts of that snapshot of all members, and the program gets
    /// a path for each. copies_drill.cpp, as the next two.
    Result<rpc::RunStarted> start_drill(const DatasetName& dataset, std::string program);
    /// Its steps in words.
    Result<std::vector<std::string>> describe_drill(const DatasetName& dataset,
                                                    const std::string& program) const;
    /// Which files of a rescue differ from its base, at most `limit` of them. What is not mounted
    /// is so meanwhile, readonly and where nobody looks; a filesystem that has to be is locked. A
    /// cancel leaves nothing mounted. conflict when the dataset is no rescue. copies_diff.cpp.
    Task<Result<rpc::RescueDiffOut>> diff(DatasetName copy, std::uint64_t limit);
    /// What start_drop() would destroy.
    Result<std::vector<std::string>> describe_drop(const DatasetName& copy) const;

    /// Unmounts, once, what a cut left of looks: a filesystem must not seem to be served by it.
    Task<> end_left_looks();
    /// The same, and destroys what a cut left of drills.
    Task<> run();
    Task<> stop();

  private:
    Result<void> check_rescue(const DatasetName& copy) const;
    Task<> drop(sync::RunPtr run, DatasetName copy);
    Task<Result<void>> drop_locked(sync::RunPtr run, DatasetName copy);
    Task<Result<void>> destroy(DatasetName copy);

    // copies_drill.cpp
    /// A dataset whose part of the snapshot is tried.
    struct Clone {
        SnapshotName origin;
        DatasetName name;
        std::string place;  ///< where it is mounted, or the volume's device
        bool volume = false;
    };
    struct Drill {
        DatasetName dataset;
        DatasetName clone;  ///< of the root; the others lie below it
        std::string program;
        std::string place;
        std::vector<Clone> clones = {};          ///< parents first
        std::vector<DatasetName> left_out = {};  ///< members without a part of it
        std::vector<std::string> unlocked = {};  ///< whose keys were loaded for it
    };
    Task<> drill(sync::RunPtr run, Drill what);
    Task<Result<std::string>> try_it(sync::RunPtr run, Drill* what);
    Task<Result<void>> clear_place(DatasetName clone);
    Result<std::string> choose_clones(Drill* what) const;
    Task<Result<void>> load_keys(Drill* what);
    Task<Result<void>> make_clones(Drill* what);
    Task<Result<std::string>> look_at(const Drill* what);
    Task<Result<void>> remove(Drill what);
    std::vector<DatasetName> clones_at(const DatasetName& clone) const;
    bool is_drill_under_way(const DatasetName& clone) const;
    Task<> clean_up(DatasetName clone);

    // copies_diff.cpp
    /// The two sides of a look, and where they are mounted for it.
    struct Look {
        SnapshotName base;
        SnapshotName newest;
        std::uint64_t bytes = 0;
        bool volume = false;
        std::string place = {};
        std::string root = {};  ///< of the copy
        std::size_t limit = 0;
        std::chrono::seconds time = {};
    };
    Result<Look> look_of(const DatasetName& copy) const;
    Task<Result<std::optional<lock::LockTable::Guard>>> lock_base(DatasetName dataset);
    Task<Result<FileChanges>> compare(Look look);
    Task<Result<void>> mount_both(Look* look);
    Task<Result<void>> end_look(std::string place);
    Task<> clean_up_looks();

    RoleParts role_;
    sync::Parts& parts_;
    TaskGroup tasks_;
    std::set<std::string> looks_;  ///< the places in use
    bool cleaning_ = false;        ///< what a kill left mounted is being unmounted, or was
    bool cleaned_ = false;
};

}  // namespace zrepd::failover
