// SPDX-License-Identifier: BSD-2-Clause
// Who is master: starts role changes that an operator or a peer asks for, answers peers, and goes
// on with what was cut off. Thread: io thread. Errors: those found before a run starts are
// returned; later ones end in the run. Limits: one role change per dataset at a time (its lock);
// kParallel datasets of one run at once.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/async/signal.hpp"
#include "daemon/failover/ask.hpp"
#include "daemon/failover/change.hpp"
#include "daemon/failover/fences.hpp"
#include "daemon/failover/go_back.hpp"
#include "daemon/failover/grants.hpp"
#include "daemon/failover/leases.hpp"
#include "daemon/failover/parts.hpp"
#include "daemon/failover/writable_targets.hpp"
#include "daemon/peer/server.hpp"

namespace zrepd::failover {

/// What is told of this side when the other is asked about roles.
rpc::RolesIn::Side asking_side(const plan::Pair& pair);
/// The steps by which what is no part of a tree stays writable when that becomes readonly.
/// describe.cpp.
void add_writable_apart(std::vector<std::string>& out,
                        const sync::Inventory& inventory,
                        const plan::Pair& pair);
/// A peer names what is no pair of its own.
Error not_yours(const std::string& peer, const std::string& target);
/// It tells how its master is served in words that are none.
Error not_served_so(const std::string& serve);

class Roles : public peer::RoleService {
  public:
    explicit Roles(RoleParts parts);

    /// Starts one run; every dataset in it stands on its own feet. `off`: the operator vouches for
    /// it that the old master takes no writes.
    Result<rpc::RunStarted> start(Ask ask,
                                  const std::vector<DatasetName>& datasets,
                                  OldMaster old = OldMaster::unknown);
    /// The same of one dataset, beginning at a snapshot of it: what is newer is kept beside either
    /// side first. failover and takeover, also the local ones. roles_back.cpp.
    Result<rpc::RunStarted> start_at(Ask ask,
                                     const DatasetName& dataset,
                                     StartPoint from,
                                     OldMaster old = OldMaster::unknown);
    /// What start_at() would do.
    Task<Result<sync::DryRun>> describe_at(Ask ask,
                                           DatasetName dataset,
                                           StartPoint from,
                                           std::chrono::seconds limit,
                                           OldMaster old = OldMaster::unknown);
    /// Asks the masters of these targets for a sync, and follows it. wrong_role for a master.
    /// With `all` they were not named: one whose master is paused there is left alone.
    /// roles_takeover.cpp.
    Result<rpc::RunStarted> start_refresh(const std::vector<DatasetName>& datasets,
                                          bool all = false);
    Task<Result<sync::DryRun>> describe_refresh(std::vector<DatasetName> datasets,
                                                std::chrono::seconds limit,
                                                bool all = false);
    /// What start() would do, what it would lose, and what is in its way. At most about `limit`.
    Task<Result<sync::DryRun>> describe(Ask ask,
                                        std::vector<DatasetName> datasets,
                                        std::chrono::seconds limit,
                                        OldMaster old = OldMaster::unknown);

    /// Goes on with unfinished role changes, and asks the peers of all pairs once after the start,
    /// until cancelled. A role change that was cut off is tried again within kRetryMost.
    Task<> run();
    /// Ends role changes after the step under way.
    Task<> stop();
    /// Why this pair's role is not settled, as last found out; for status.
    std::optional<Error> trouble_of(const DatasetName& dataset) const;
    /// What is wrong with it and keeps it from nothing; for status.
    std::optional<Error> warning_of(const DatasetName& dataset) const {
        return writable_.trouble_of(dataset);
    }
    /// A fence keeps it from being served until the peer is heard, or start(unfence).
    bool is_fenced(const DatasetName& dataset) const { return fences_.waits(dataset); }
    /// A role change of it is open, or a fence waits for the peer's word.
    bool is_unsettled(const DatasetName& dataset) const;
    /// Settings may have changed.
    void look_again() { wake_.notify(); }

    Task<Result<rpc::RolesOut>> roles(std::string peer, rpc::RolesIn in) override;
    Task<Result<rpc::LeaseOut>> lease(std::string peer, rpc::LeaseIn in) override;
    Task<Result<rpc::CheckOut>> check(std::string peer, rpc::CheckIn in) override;
    Task<Result<rpc::PromoteOut>> promote(std::string peer, rpc::PromoteIn in) override;
    Task<Result<rpc::HandOverOut>> hand_over(std::string peer, rpc::HandOverIn in) override;
    Task<Result<rpc::HandOverOut>> refresh(std::string peer, rpc::RefreshIn in) override;
    Task<Result<rpc::PeerRunOut>> run(std::string peer, rpc::PeerRunIn in) override;

  private:
    /// What is to be found out or finished of one pair, and when it is tried again.
    struct Pending {
        unsigned failures = 0;
        std::chrono::steady_clock::time_point not_before = {};
        bool running = false;
        std::optional<Code> error = {};  ///< of the last try
    };

    // roles.cpp
    /// A run of this operation and a role change would undo each other's work.
    static bool contradicts(std::string_view operation);
    /// The run for which `ask` is refused; nullptr: none.
    sync::RunPtr in_the_way(Ask ask, const DatasetName& dataset) const;
    Task<> run_all(sync::RunPtr run, Ask ask, std::vector<DatasetName> datasets, OldMaster old);
    Task<> run_one(sync::RunPtr run,
                   Ask ask,
                   DatasetName dataset,
                   OldMaster old,
                   std::size_t* left,
                   Signal* done);
    Task<Result<rpc::RunResult>> carry_out(sync::RunPtr run,
                                           Ask ask,
                                           DatasetName dataset,
                                           OldMaster old);
    /// What is to be so before a role change takes the dataset's lock; it holds until the end.
    Task<Result<Grants::Decision>> decide(sync::RunPtr run,
                                          Ask ask,
                                          plan::Pair pair,
                                          OldMaster old);
    /// The newest snapshot that both sides have; unknown when the other one does not answer.
    Task<Result<Guid>> must_be_split(plan::Pair pair, Ask ask, std::chrono::seconds limit);
    Task<Result<void>> must_be_willing(plan::Pair pair);
    /// Unknown where it does not matter.
    struct Bases {
        Guid agreed = {};  ///< what both sides of a split brain have
        Guid back = {};    ///< the snapshot that it goes back to
    };
    Task<Result<rpc::RunResult>> change(sync::RunPtr run,
                                        Ask ask,
                                        DatasetName dataset,
                                        Bases bases);
    /// Work.go(), and what is remembered of it.
    Task<Result<Stored>> carry(Change* work, DatasetName dataset, Event event);
    Task<Result<lock::LockTable::Guard>> lock(sync::RunPtr run, Ask ask, DatasetName dataset);

    // roles_takeover.cpp
    /// Asks the pair's master, in words for a user of this side.
    Task<Result<rpc::HandOverOut>> call_hand_over(plan::Pair pair,
                                                  rpc::HandOverIn in,
                                                  std::chrono::seconds limit);
    Task<Result<rpc::RunResult>> ask_master(sync::RunPtr run, DatasetName dataset, Guid back = {});
    Task<> refresh_one(sync::RunPtr run, DatasetName dataset, bool all);
    Task<Result<rpc::RunResult>> ask_refresh(sync::RunPtr run, DatasetName dataset, bool all);
    Task<Result<rpc::HandOverOut>> call_refresh(DatasetName dataset,
                                                rpc::RefreshIn in,
                                                std::chrono::seconds limit);
    std::string paused_here(const plan::Pair& pair) const;
    Task<Result<void>> know(std::string peer, std::string target, std::string source);
    Task<Result<plan::Pair>> master_of(const std::string& peer,
                                       std::string source,
                                       std::string target);

    // roles_lease.cpp
    rpc::LeaseOut::Side confirm_side(const std::string& peer,
                                     const rpc::LeaseIn& in,
                                     const rpc::LeaseIn::Side& asked);
    Task<Result<void>> wait_for_lease(sync::RunPtr run, plan::Pair pair);
    // roles_witness.cpp
    /// The other side's record at the witness; `write`: ours, before that.
    Task<Result<std::optional<Record>>> look_at_witness(plan::Pair pair,
                                                        std::optional<Record> write);
    /// A look while it is waited; how much longer it has to be, for the witness.
    Task<Result<BootTime>> watch_witness(plan::Pair pair, LeaseNote note, Watch* seen);
    Task<Result<void>> claim_at_witness(plan::Pair pair, Watch seen);
    /// What stands before a takeover without the master; refused as by decide().
    Result<std::vector<std::string>> lease_steps(const plan::Pair& pair, OldMaster old) const;

    // roles_tree.cpp
    /// What members have beyond their parts of the root's snapshot `base`. refused where one could
    /// not be rolled back.
    struct Below {
        bool ahead = false;
        std::uint64_t bytes = 0;
    };
    Task<Result<Below>> newer_below(DatasetName root, Guid base);
    /// refused where the tree is not known to have been whole at that snapshot.
    Result<void> whole_at(Ask ask, const plan::Pair& root, const Snapshot& snapshot) const;

    // roles_back.cpp
    /// What start_at() is about, found and judged.
    struct Back {
        plan::Pair pair;
        Snapshot snapshot;
        Divergence newer;    ///< on this side
        Below below = {};    ///< the same of a tree's members
        bool plain = false;  ///< nothing is newer: an ordinary role change does it
    };
    Task<Result<Back>> look_back(Ask ask, DatasetName dataset, StartPoint from);
    Task<> run_at(sync::RunPtr run, Ask ask, DatasetName dataset, StartPoint from, OldMaster old);
    Task<Result<rpc::RunResult>> carry_out_at(
        sync::RunPtr run, Ask ask, DatasetName dataset, StartPoint from, OldMaster old);
    Task<Result<std::vector<std::string>>> steps_at(
        Ask ask, DatasetName dataset, StartPoint from, std::chrono::seconds limit, OldMaster old);
    Task<Result<bool>> is_ahead_of(DatasetName dataset, Guid base);
    Task<Result<rpc::HandOverOut>> hand_over_at(rpc::HandOverIn in, DatasetName dataset);

    // describe.cpp
    struct Dry {
        sync::DryRun found;
        std::size_t left = 0;
        OldMaster old = OldMaster::unknown;
    };
    Task<Result<std::vector<std::string>>> steps_of(Ask ask,
                                                    plan::Pair pair,
                                                    std::chrono::seconds limit,
                                                    OldMaster old);
    /// What a dry run of a failover finds out first.
    struct FirstSteps {
        explicit FirstSteps(const asio::any_io_executor& executor) : done(executor) {}
        Result<sync::DryRun> synced = sync::DryRun{};
        std::optional<Error> refused;
        std::size_t left = 2;
        Signal done;
    };
    Task<> describe_sync_before(DatasetName dataset, std::chrono::seconds limit, FirstSteps* out);
    Task<> ask_target_before(plan::Pair pair, std::chrono::seconds limit, FirstSteps* out);
    Task<Result<std::vector<std::string>>> describe_failover(plan::Pair pair,
                                                             std::chrono::seconds limit);
    Task<std::optional<Error>> problems_there(plan::Pair pair,
                                              std::chrono::seconds limit,
                                              Guid back = {});
    Task<> describe_one(
        Ask ask, DatasetName dataset, std::chrono::seconds limit, Dry* out, Signal* done);

    // roles_peer.cpp
    /// The pair, if `target` and the peer's `source` are its two sides, in whatever roles.
    std::optional<plan::Pair> pair_with(const std::string& peer,
                                        const std::string& target,
                                        const std::string& source) const;
    rpc::RolesOut::Side side_of(const std::string& peer,
                                const rpc::RolesIn::Side& asked,
                                std::chrono::steady_clock::time_point when);
    void end_dead_stream(const std::string& peer,
                         const plan::Pair& pair,
                         std::chrono::steady_clock::time_point asked);
    void take_hint(const plan::Pair& pair, const rpc::RolesIn::Side& asked);
    Task<std::optional<Error>> key_problem(DatasetName dataset);
    Task<std::optional<Error>> writing_problem(DatasetName dataset,
                                               std::string serve,
                                               bool dry_run);
    Task<Result<void>> ask_hooks(plan::Pair pair, std::string mountpoint, bool planned);
    Task<Result<rpc::PromoteOut>> promote_locked(rpc::PromoteIn in, DatasetName dataset);
    void peer_is_back(const std::string& peer);
    void peer_answers(const std::string& peer);

    // roles_tree.cpp
    /// The members' locks, the root's being held: their streams are received under their own.
    using Guards = std::vector<lock::LockTable::Guard>;
    Task<Result<Guards>> lock_members(DatasetName root,
                                      std::string operation,
                                      std::chrono::seconds limit);
    /// Afresh: the dataset, and all members where it is a tree's root.
    Task<Result<void>> look_at(DatasetName dataset);
    /// Starts it for members of a writable tree that were mounted while that was readonly: at a
    /// boot in the middle of a failover, say.
    void look_for_stuck_mounts(const plan::Pair& pair, const std::string& table);
    Task<> remount(DatasetName member);
    /// A member of the tree that would not become readonly with its root.
    std::optional<Error> writable_member(const plan::Pair& root) const;
    Task<Result<Guards>> lock_for_recovery(DatasetName root, std::string operation);
    /// refused for the target of a tree that never had all of it.
    Result<void> must_be_whole(const plan::Pair& pair) const;
    /// A takeover alone: of what the copy has whole, never of two moments.
    bool is_all_as_it_was(const DatasetName& root) const;
    Task<Result<void>> finish_rescue(sync::RunPtr run, plan::Pair root);
    Task<Result<rpc::RunResult>> take_tree(sync::RunPtr run, plan::Pair root);
    Task<Result<std::vector<Error>>> problems_of_members(plan::Pair root, rpc::CheckIn in);
    Task<std::optional<Error>> problem_of_storing(DatasetName member, std::string serve);
    /// The base that the old master handed over with, and every member's part of it.
    bool has_all(const DatasetName& root, const rpc::PromoteIn& in) const;
    std::map<DatasetName, Serve> served_as(const DatasetName& root, const rpc::PromoteIn& in) const;

    // roles_watch.cpp
    void watch_results(const rpc::EventOut& event);
    void doubt(const DatasetName& dataset);
    void is_overtaken(const DatasetName& dataset);
    void forget_former_pairs();
    std::chrono::steady_clock::time_point look_after_pairs();
    void end_sync_in_the_way(const plan::Pair& pair);
    void ask_peers(std::chrono::steady_clock::time_point now);
    Task<> ask_about(HostName peer, std::vector<plan::Pair> pairs);
    void judge(const plan::Pair& pair, const rpc::RolesOut::Side& side);
    void judge_masterless(const plan::Pair& pair, const rpc::RolesOut::Side& side);
    /// Its last try failed for want of its peer, and that is away still.
    bool waits_for_peer(const Pending& pending, const HostName& peer) const;
    Task<> recover(DatasetName dataset);
    void put_off(sync::RunPtr run, const DatasetName& dataset, const Error& error);
    void tell_splits();
    void settled(const DatasetName& dataset);

    RoleParts role_;
    sync::Parts& parts_;
    Fences fences_;
    WitnessFolder witness_;
    Grants grants_;
    Leases leases_;
    WritableTargets writable_;
    std::map<DatasetName, Pending> pending_;  ///< to be recovered
    std::map<HostName, Pending> asking_;      ///< peers to be asked
    std::set<DatasetName> heard_;             ///< the peer has answered for it since the start
    std::map<DatasetName, Error> troubles_;
    std::set<DatasetName> masterless_;         ///< neither side was master, as last heard
    std::map<DatasetName, plan::Role> roles_;  ///< as last looked at
    /// What went wrong at the last promotion, for who asks again because no answer came.
    struct Promoted {
        std::uint64_t epoch = 0;
        std::vector<std::string> notes;
    };
    std::map<DatasetName, Promoted> promoted_;
    std::set<DatasetName> split_;       ///< those of them that are told of as split brains
    std::set<DatasetName> left_;        ///< demotions that hooks and users were told of
    std::set<DatasetName> remounting_;  ///< and those where that failed
    Semaphore places_;                  ///< for role changes that operators asked for
    std::shared_ptr<void> subscription_;
    Alarm wake_;
    bool stopped_ = false;
    TaskGroup tasks_;
};

}  // namespace zrepd::failover
