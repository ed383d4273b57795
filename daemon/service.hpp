// SPDX-License-Identifier: BSD-2-Clause
// The control methods, on top of engine, inventory and scheduler. Thread: io thread.
#pragma once

#include <set>

#include "daemon/control/service.hpp"
#include "daemon/failover/copies.hpp"
#include "daemon/failover/roles.hpp"
#include "daemon/plan/repoint.hpp"
#include "daemon/sched/scheduler.hpp"
#include "daemon/zfs/subprocess.hpp"

namespace zrepd {

/// Checked, no doubles.
Result<std::vector<DatasetName>> parse_names(const std::vector<std::string>& names);

/// What is to be changed on one dataset, worked out before anything is done.
struct SettingChange {
    DatasetName dataset;
    PropertyList set;
    std::vector<std::string> remove;
};

/// A copy is late when it missed two turns and a minute: one missed turn is a slow sync.
inline std::chrono::seconds late_after(std::chrono::seconds interval) {
    return 2 * interval + std::chrono::seconds(60);
}

/// Below the 5 s in which every call answers.
inline constexpr std::chrono::seconds kDryRunLimit{4};

/// The answer to a dry run.
rpc::RunStarted answer_of(sync::DryRun found);

/// Logs, once at the start, that this version of OpenZFS is too old or has known faults. Which of
/// them matter is not known before the pools were read: `zrepctl doctor` says it.
void tell_zfs_faults(const std::string& version);

class DaemonService : public control::Service {
  public:
    DaemonService(sync::Parts& parts,
                  sync::Engine& engine,
                  failover::Roles& roles,
                  failover::Copies& copies,
                  sched::Scheduler& scheduler,
                  peer::Peers& peers,
                  const Processes& processes,
                  std::string zfs_version);

    Task<Result<rpc::RunStarted>> init(rpc::InitIn in, control::Caller caller) override;
    Task<Result<rpc::RunStarted>> sync(rpc::SyncIn in, control::Caller caller) override;
    Task<Result<rpc::RunStarted>> put_back(rpc::PutBackIn in, control::Caller caller) override;
    Task<Result<rpc::RunStarted>> refresh(rpc::SyncIn in, control::Caller caller) override;
    Task<Result<rpc::RunStarted>> expire(rpc::ExpireIn in, control::Caller caller) override;
    Task<Result<rpc::RunStarted>> failover(rpc::RoleIn in, control::Caller caller) override;
    Task<Result<rpc::RunStarted>> takeover(rpc::RoleIn in, control::Caller caller) override;
    Task<Result<rpc::RunStarted>> resolve(rpc::ResolveIn in, control::Caller caller) override;
    Task<Result<rpc::RunStarted>> unfence(rpc::UnfenceIn in, control::Caller caller) override;
    Task<Result<rpc::RescueListOut>> rescues(rpc::Empty in, control::Caller caller) override;
    Task<Result<rpc::RunStarted>> drop(rpc::RescueDropIn in, control::Caller caller) override;
    Task<Result<rpc::RescueDiffOut>> rescue_diff(rpc::RescueDiffIn in,
                                                 control::Caller caller) override;
    Task<Result<rpc::DoctorOut>> doctor(rpc::DoctorIn in, control::Caller caller) override;
    Task<Result<rpc::RunStarted>> drill(rpc::DrillIn in, control::Caller caller) override;
    Task<Result<rpc::Done>> pause(rpc::PauseIn in, control::Caller caller) override;
    Task<Result<rpc::Done>> unpause(rpc::UnpauseIn in, control::Caller caller) override;
    Task<Result<rpc::Done>> clear(rpc::ClearIn in, control::Caller caller) override;
    Task<Result<rpc::Done>> changeconfig(rpc::ConfigIn in, control::Caller caller) override;
    Task<Result<rpc::Done>> set(rpc::SetIn in, control::Caller caller) override;
    Task<Result<rpc::ListOut>> list(rpc::DatasetsIn in, control::Caller caller) override;
    Result<rpc::StatusOut> status(const rpc::DatasetsIn& in) override;
    Result<rpc::RunOut> run(const rpc::RunIn& in) override;
    Result<rpc::EventsOut> events(const rpc::EventsIn& in) override;
    rpc::VersionOut version() override;
    rpc::Hello hello() override;

    /// Looks at the status of all pairs now and then, from memory, whether or not anybody asks:
    /// what is wrong has a beginning, `every` late at most. Until it is cancelled, which leaves
    /// nothing behind.
    Task<> watch(std::chrono::milliseconds every = std::chrono::seconds(15));

  private:
    /// At everything, for an answer to this caller: everybody may ask, and one look after the other
    /// would keep zfs busy.
    Task<Result<void>> look_for(control::Caller caller);
    /// The named datasets, or with `all` those of `pairs` that `wanted` takes; checked, no doubles.
    Task<Result<std::vector<DatasetName>>> choose(std::vector<std::string> names,
                                                  bool all,
                                                  bool masters_only);
    /// Every pair of this role, or the named ones; checked, no doubles.
    Task<Result<std::vector<DatasetName>>> choose_role(std::vector<std::string> names,
                                                       bool all,
                                                       plan::Role role);
    Task<Result<rpc::RunStarted>> change_roles(
        failover::Ask ask,
        std::vector<DatasetName> datasets,
        bool dry_run,
        failover::OldMaster old = failover::OldMaster::unknown);
    /// The same of the one dataset, to its snapshot `in.snapshot`.
    Task<Result<rpc::RunStarted>> change_role_at(failover::Ask ask, rpc::RoleIn in);
    /// These datasets, each of which is here and in a pool that works, as they are now.
    Task<Result<std::vector<DatasetName>>> look_up(std::vector<std::string> names);
    /// The steps, taken unless it is a dry run, added to what `out` says already.
    Task<Result<rpc::Done>> carry_out(std::vector<SettingChange> changes,
                                      rpc::Done out,
                                      bool dry_run);
    Task<Result<Guid>> check_other_side(DatasetName dataset, plan::OtherSide other);
    Task<Result<void>> store(std::vector<SettingChange> changes);
    Task<Result<void>> store_one(SettingChange change);
    Result<std::vector<HostName>> hosts_to_ask(const std::vector<std::string>& names) const;
    std::vector<rpc::DoctorOut::Pair> pairs_with(const HostName& host) const;
    std::vector<rpc::DoctorOut::Fault> zfs_faults() const;
    std::vector<rpc::DoctorOut::Fault> ungranted_mounts() const;
    Task<> examine(HostName host, rpc::DoctorOut::Peer* out, std::size_t* left, Signal* done);
    Task<bool> ask_facts(HostName host,
                         rpc::DoctorOut::Peer* out,
                         std::size_t begin,
                         std::size_t end);
    /// What `all` did not find, and what there is instead; `wanted`: it means pairs of this role.
    std::string nothing_for_all(std::optional<plan::Role> wanted);
    /// pool_unavailable where pairs of that role may be on a pool that was never read.
    Result<rpc::RunStarted> nothing_to_do(std::optional<plan::Role> wanted);
    void note_pool_troubles(UnixSeconds now);
    std::optional<rpc::Trouble> unknown_pairs() const;
    std::optional<rpc::Trouble> unseen_now(const std::vector<DatasetName>& names) const;
    std::optional<rpc::Trouble> hidden_pairs(UnixSeconds now);
    std::vector<std::string> rescues_of(const DatasetName& dataset) const;
    rpc::PairStatus status_of(const plan::Pair& pair, const Moment& now);
    rpc::Trouble lateness(const rpc::PairStatus& status,
                          const plan::Pair& pair,
                          UnixSeconds now) const;
    /// service_watch.cpp
    void note_what_is_wrong();
    bool had_a_turn(const plan::Pair& pair, const Moment& now) const;
    void tell_late(const std::string& dataset, const rpc::Trouble& why);
    void add_members(rpc::PairStatus& out, const plan::Pair& pair) const;
    void add_snapshots(rpc::PairStatus& out, const plan::Pair& pair, UnixSeconds now) const;
    std::optional<rpc::Trouble> trouble_of(const rpc::PairStatus& status,
                                           const plan::Pair& pair,
                                           UnixSeconds now);
    std::optional<rpc::Trouble> warning_of(const plan::Pair& pair, UnixSeconds now);
    /// `found` with the time when it was first seen so; forgotten when there is none.
    std::optional<rpc::Trouble> first_seen(const std::string& of,
                                           const std::optional<Error>& found,
                                           UnixSeconds now);
    /// service_processes.cpp
    std::vector<rpc::AbandonedProcess> abandoned_processes(const Moment& now) const;
    std::string health_of(const rpc::PairStatus& status, const plan::Pair& pair) const;
    static bool is_late(const rpc::PairStatus& status, const plan::Pair& pair);

    sync::Parts& parts_;
    sync::Engine& engine_;
    failover::Roles& roles_;
    failover::Copies& copies_;
    sched::Scheduler& scheduler_;
    peer::Peers& peers_;
    const Processes& processes_;
    Semaphore accept_changes_;  ///< one at a time
    std::string zfs_version_;
    UnixSeconds started_;
    std::map<std::string, rpc::Trouble, std::less<>> pool_troubles_;
    /// By dataset, "" for the host: what no run has failed of.
    struct Seen {
        rpc::Trouble trouble;
        UnixSeconds last = 0;  ///< when it was there
    };
    std::map<std::string, Seen, std::less<>> seen_troubles_;
    std::set<std::string> late_;  ///< as events told it
};

}  // namespace zrepd
