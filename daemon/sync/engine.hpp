// SPDX-License-Identifier: BSD-2-Clause
// Starts and owns runs: init, sync, expire. Thread: io thread. Errors: those found before a run
// starts are returned; later ones end in the run. Limits: one run per dataset at a time; streams
// by configuration; a run waits kLockWait for a dataset somebody else works on.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "daemon/sync/peer_group.hpp"

namespace zrepd::sync {

struct InitRequest {
    DatasetName dataset;
    HostName host;
    DatasetName target;
    unsigned savecount = 5;
};

class Engine {
  public:
    Engine(Parts& parts, peer::Peers& peers);

    /// Starts one run for those that are in no run yet; `joined` names the runs of the others.
    /// already_running when there is only one dataset and it has a run.
    Result<rpc::RunStarted> start_sync(const std::vector<DatasetName>& datasets,
                                       Freshness freshness);
    /// The steps a sync would take, in words. At most `limit`.
    Task<Result<std::vector<std::string>>> describe_sync(std::vector<DatasetName> datasets,
                                                         std::chrono::seconds limit);
    /// Checks this side, then starts the run that checks the other side and sends everything.
    Task<Result<rpc::RunStarted>> start_init(InitRequest request);
    Task<Result<std::vector<std::string>>> describe_init(InitRequest request,
                                                         std::chrono::seconds limit);
    /// What expiry would destroy on this side, with fresh lists.
    Task<Result<std::vector<std::string>>> describe_expire(std::vector<DatasetName> datasets);
    Result<rpc::RunStarted> start_expire(const std::vector<DatasetName>& datasets, bool local_only);

    /// Ends every run: streams are cut where they are, targets keep their resumable state.
    Task<> stop();

  private:
    Task<> flush(const std::vector<DatasetName>& datasets);
    Task<> run_sync(RunPtr run, std::vector<DatasetName> datasets, Freshness freshness);
    Task<> run_peer_group(std::shared_ptr<PeerGroup> group, std::size_t* left, Signal* done);
    Task<> run_init(RunPtr run, InitRequest request);
    Task<> run_expire(RunPtr run, std::vector<DatasetName> datasets, bool local_only);
    Task<> expire_one(RunPtr run, plan::Pair pair, bool local_only);
    /// Those that are not locked in time, or whose pool is unavailable, fail in the run; the others
    /// come back, each locked until its part in the run ends.
    Task<std::vector<DatasetName>> lock_all(RunPtr run, std::vector<DatasetName> datasets);
    /// Splits into datasets free for a new run and ids of the runs of the others.
    Result<rpc::RunStarted> divide(const std::vector<DatasetName>& datasets,
                                   std::vector<DatasetName>& free) const;
    SourceParts source() { return {parts_, peers_, streams_, tasks_}; }

    Parts& parts_;
    peer::Peers& peers_;
    Semaphore streams_;
    TaskGroup tasks_;
};

}  // namespace zrepd::sync
