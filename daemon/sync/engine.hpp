// SPDX-License-Identifier: BSD-2-Clause
// Starts and owns runs: init, sync, put_back, expire. Thread: io thread. Errors: those found before
// a run starts are returned; later ones end in the run. Limits: one run per dataset at a time;
// streams by configuration (StreamPlaces); a run waits kLockWait for a dataset somebody else works
// on.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "daemon/sync/peer_group.hpp"
#include "daemon/sync/put_back.hpp"
#include "daemon/sync/tree_sync.hpp"

namespace zrepd::sync {

struct InitRequest {
    DatasetName dataset;
    HostName host;
    DatasetName target;
    unsigned savecount = 5;
    bool adopt = false;      ///< the target is there already, made by something else
    bool recursive = false;  ///< with everything below it (ADR 0015)
};

/// What becomes of a call for one dataset that another operation works on. Among several it waits
/// for its lock in the new run, at most kLockWait, and keeps no other from starting.
enum class WhenBusy { refuse_one, wait };

class Engine {
  public:
    Engine(Parts& parts, peer::Peers& peers);

    /// Starts one run for those that are in no sync yet; `joined` names the runs of the others.
    /// For a single dataset: already_running when it is being synced, busy when a run does
    /// something else to it.
    Result<rpc::RunStarted> start_sync(const std::vector<DatasetName>& datasets,
                                       Freshness freshness,
                                       WhenBusy when_busy = WhenBusy::refuse_one);
    /// Syncs one master that the caller has locked, with fresh lists, to its end; as a run of its
    /// own. A cancel ends the stream, whose target keeps its resumable state.
    Task<rpc::RunResult> sync_now(DatasetName dataset);
    /// What a sync would do. At most about `limit`, however many peers do not answer.
    Task<Result<DryRun>> describe_sync(std::vector<DatasetName> datasets,
                                       std::chrono::seconds limit);
    /// Checks this side, then starts the run that checks the other side and sends everything.
    Task<Result<rpc::RunStarted>> start_init(InitRequest request);
    Task<Result<std::vector<std::string>>> describe_init(InitRequest request,
                                                         std::chrono::seconds limit);
    /// Puts the target of a master back to an acknowledged snapshot, where it waits, paused.
    /// already_running when a run does that now, busy when one does something else to it.
    Result<rpc::RunStarted> start_put_back(PutBackRequest request);
    /// The steps of that, or what is in its way. At most about `limit`.
    Task<DryRun> describe_put_back(PutBackRequest request, std::chrono::seconds limit);
    /// What expiry would destroy on this side, with fresh lists, and, but for `local_only`, on the
    /// others'; what a peer does not know to say is said to be unknown. dry_run_expire.cpp.
    Task<Result<DryRun>> describe_expire(std::vector<DatasetName> datasets,
                                         bool local_only,
                                         std::chrono::seconds limit);
    Result<rpc::RunStarted> start_expire(const std::vector<DatasetName>& datasets,
                                         bool local_only,
                                         WhenBusy when_busy = WhenBusy::refuse_one);

    /// Ends every run: streams are cut where they are, targets keep their resumable state.
    Task<> stop();

  private:
    using PairsByPeer = std::map<HostName, std::vector<plan::Pair>>;
    /// What a call wants done; the same operation and goal is the same work.
    struct Asked {
        std::string operation;
        std::string goal;
        WhenBusy when_busy = WhenBusy::refuse_one;
    };
    std::string goal_of(const InitRequest& request) const;
    Task<> flush(const std::vector<DatasetName>& datasets);
    Task<> run_sync(RunPtr run, std::vector<DatasetName> datasets, Freshness freshness);
    Task<> sync_when_free(RunPtr run, DatasetName dataset, Freshness freshness);
    Task<> sync_locked(RunPtr run, std::vector<DatasetName> datasets, Freshness freshness);
    Task<> sync_side_by_side(RunPtr run,
                             PairsByPeer by_peer,
                             std::vector<plan::Pair> trees,
                             Freshness freshness);
    void note_peers();
    bool fail_if_away(Run& run, const HostName& peer, const std::vector<plan::Pair>& pairs);
    Task<> run_peer_group(std::shared_ptr<PeerGroup> group, std::size_t* left, Signal* done);
    Task<> run_tree(std::shared_ptr<TreeSync> tree, std::size_t* left, Signal* done);
    Task<> run_init(RunPtr run, InitRequest request);
    Task<> run_put_back(RunPtr run, PutBackRequest request);
    Task<> run_expire(RunPtr run, std::vector<DatasetName> datasets, bool local_only);
    Task<Result<std::size_t>> expire_there(HostName peer, rpc::LookIn all);
    Task<Result<std::string>> expire_sides(std::vector<plan::Pair> sides, bool local_only);
    Task<> expire_one(RunPtr run, plan::Pair pair, bool local_only);
    /// Those that are not locked in time, or whose pool is unavailable, fail in the run; the others
    /// come back, each locked until its part in the run ends.
    Task<std::vector<DatasetName>> lock_all(RunPtr run, std::vector<DatasetName> datasets);
    /// Splits into datasets for a new run and ids of the runs that do the same to the others.
    Result<rpc::RunStarted> divide(const Asked& asked,
                                   const std::vector<DatasetName>& datasets,
                                   std::vector<DatasetName>& free) const;
    Task<DryRun> ask_peers(PairsByPeer by_peer,
                           std::vector<plan::Pair> trees,
                           SteadyClock::time_point until);
    Task<> ask_tree(std::shared_ptr<TreeSync> tree,
                    SteadyClock::time_point until,
                    DryRun* answer,
                    std::size_t* left,
                    Signal* done);
    Task<> ask_peer(std::shared_ptr<PeerGroup> group,
                    SteadyClock::time_point until,
                    DryRun* answer,
                    std::size_t* left,
                    Signal* done);
    Task<> ask_expiry(HostName peer,
                      rpc::LookIn in,
                      std::chrono::seconds limit,
                      DryRun* answer,
                      std::size_t* left,
                      Signal* done);
    SourceParts source() { return source(tasks_); }
    SourceParts source(TaskGroup& tasks) { return {parts_, peers_, streams_, tasks}; }

    Parts& parts_;
    peer::Peers& peers_;
    StreamPlaces streams_;
    TaskGroup tasks_;
};

}  // namespace zrepd::sync
