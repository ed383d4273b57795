// SPDX-License-Identifier: BSD-2-Clause
// The copies beside a filesystem: rescues, which stay until somebody lets go of them, and the clone
// of a drill, which lives as long as its run. Thread: io thread. Errors: those of Zfs, and why a
// dataset is none of these. Atomicity: none; what a cut left of a drill is destroyed at the next
// start. A dataset is only ever destroyed when its own zrep:rescue or zrep:drill says that it is
// ours.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/failover/parts.hpp"

namespace zrepd::failover {

class Copies {
  public:
    explicit Copies(RoleParts parts);

    /// Destroys a rescue with its snapshots. conflict when the dataset is none.
    Result<rpc::RunStarted> start_drop(const DatasetName& copy);
    /// Clones the newest acknowledged snapshot, mounts the clone readonly where nobody looks, runs
    /// `program` with that path as its argument (empty: only mounts it), unmounts, destroys the
    /// clone.
    Result<rpc::RunStarted> start_drill(const DatasetName& dataset, std::string program);
    /// What start_drop() would destroy.
    Result<std::vector<std::string>> describe_drop(const DatasetName& copy) const;

    /// Destroys, once, what a cut left of drills.
    Task<> run();
    Task<> stop();

  private:
    struct Drill {
        DatasetName dataset;
        DatasetName clone;
        std::string program;
        std::string place;  ///< where it is mounted
    };
    Result<void> check_rescue(const DatasetName& copy) const;
    Task<> drop(sync::RunPtr run, DatasetName copy);
    Task<Result<void>> drop_locked(sync::RunPtr run, DatasetName copy);
    Task<Result<void>> destroy(DatasetName copy);
    Task<> drill(sync::RunPtr run, Drill what);
    Task<Result<std::string>> try_it(sync::RunPtr run, Drill what);
    Task<Result<std::string>> look_at(Drill what);
    Task<Result<void>> remove(Drill what);
    Task<> clean_up(DatasetName clone);

    RoleParts role_;
    sync::Parts& parts_;
    TaskGroup tasks_;
};

}  // namespace zrepd::failover
