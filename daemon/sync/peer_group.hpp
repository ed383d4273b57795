// SPDX-License-Identifier: BSD-2-Clause
// One peer's share of a sync run: look there, plan, snapshot, stream, acknowledge
// (docs/architecture.md). A group makes one pass; what has more to do after it goes on in a group
// of its own. Thread: io thread. Errors end in the run, per dataset; nothing is thrown.
// Limits: streams by the daemon's semaphore; nothing that is done waits for a stream of another for
// longer than kAckWait.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/async/task_group.hpp"
#include "daemon/plan/plan.hpp"
#include "daemon/sync/bookkeeping.hpp"
#include "daemon/sync/look.hpp"

namespace zrepd::sync {

/// What a dry run found.
struct DryRun {
    std::vector<std::string> steps;  ///< what would be done, in words
    /// Those to which nothing would be done: unchanged, or failed with the reason.
    std::vector<rpc::RunResult> results;
};

class PeerGroup {
  public:
    /// The datasets are locked by the caller and fresh in the inventory; `freshness`: as they were
    /// looked at there.
    PeerGroup(SourceParts source,
              RunPtr run,
              HostName peer,
              std::vector<plan::Pair> pairs,
              Freshness freshness = Freshness::listed);

    /// Syncs all of them. A cancel ends streams, whose targets keep their resumable state.
    Task<> go();
    /// What go() would do with each. The peer has to answer by `until`, however many requests it
    /// takes.
    Task<DryRun> describe(SteadyClock::time_point until);

  private:
    struct Job {
        plan::Pair pair;
        plan::Step step;
        std::optional<Snapshot> snapshot = {};  ///< to be acknowledged
        std::uint64_t bytes = 0;
        bool streamed = false;
        bool resumed = false;
        bool again = false;  ///< something newer may wait behind what was sent
        bool busy = false;   ///< the target was; another pass tries again
        SteadyClock::time_point started = SteadyClock::now();
    };

    /// Another pass for these.
    PeerGroup(PeerGroup& former, const std::vector<Job*>& jobs);

    void describe_job(const Job& job, DryRun& out, rpc::LookIn& there) const;
    Task<Result<void>> look_again();
    Task<Result<void>> plan_all(SteadyClock::time_point until);
    Task<> pass();
    bool settle(Job& job);
    Task<> take_snapshots();
    Task<> stream(Job& job);
    Transfer transfer_of(const Job& job) const;
    std::optional<std::uint64_t> expected_of(const Job& job) const;
    Task<> end_as_they_finish();
    Task<> end_together(std::vector<Job*> jobs);
    void go_on_with(const std::vector<Job*>& jobs);
    Task<> follow(std::unique_ptr<PeerGroup> next);
    rpc::CommitIn commit_request(const std::vector<Job*>& batch) const;
    bool is_received(const Job& job, const rpc::CommitOut::Item& answer);
    Task<> commit(std::vector<Job*> batch);
    void finish(Job& job, const AckOutcome& outcome);
    void succeed(const Job& job, rpc::RunResult result);
    void fail(const Job& job, const Error& error);
    void fail(const DatasetName& dataset, const Error& error);

    SourceParts source_;
    Parts& parts_;
    RunPtr run_;
    HostName peer_;
    std::vector<plan::Pair> pairs_;
    Freshness freshness_;
    std::vector<std::unique_ptr<Job>> jobs_;
    std::map<DatasetName, rpc::RunResult> earlier_;  ///< what former passes did
    unsigned pass_ = 1;
    unsigned waits_ = 0;       ///< for busy targets, so far
    bool after_busy_ = false;  ///< the last one of them is still to be done
    std::vector<Job*> ended_;  ///< streamed, not yet acknowledged, or found busy
    std::size_t streaming_ = 0;
    std::size_t following_ = 0;  ///< groups that go on where this one ended
    std::optional<Error> gone_;  ///< the peer went away in this pass
    asio::steady_timer wake_;
};

}  // namespace zrepd::sync
