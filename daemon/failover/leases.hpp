// SPDX-License-Identifier: BSD-2-Clause
// The master's side of leases: has them confirmed, all pairs of a peer in one request, and makes
// readonly what nobody confirmed in time. Thread: io thread. Errors: logged, and tried again.
// Atomicity: readonly and the journal in one set, without the dataset's lock, which a sync may hold
// for hours; while a role change holds it, readonly alone, and the rest when that has ended.
// Limits: kParallelSets at once. What is known of the leases lies in <runtime-dir>/leases, so that
// a zrepd that is started anew goes on counting where the one before it stopped.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/rpc/peer_role_types.hpp"
#include "daemon/async/signal.hpp"
#include "daemon/async/task_group.hpp"
#include "daemon/failover/fences.hpp"
#include "daemon/failover/lease.hpp"
#include "daemon/failover/witness_folder.hpp"
#include "daemon/peer/peers.hpp"
#include "daemon/sync/parts.hpp"

namespace zrepd::failover {

/// A lost peer may be that of many pairs: all their sets begin at once, in turns of so many.
inline constexpr std::size_t kParallelSets = 32;

class Leases {
  public:
    struct Hooks {
        /// The peer of this pair says that it is the master.
        std::function<void(const DatasetName&)> overtaken;
        /// A dataset was made readonly: there is something to be found out.
        std::function<void()> lost;
    };
    Leases(sync::Parts& parts,
           peer::Peers& peers,
           Fences& fences,
           WitnessFolder& witness,
           Hooks hooks);

    /// Until cancelled.
    Task<> run();
    /// Waits for what run() started. Cancel that first.
    Task<> stop();
    /// Pairs or settings may have changed.
    void look_again() { wake_.notify(); }

    /// Asks the peer at once for this one pair, before it is served again.
    Task<Result<void>> confirm(plan::Pair pair);
    /// Asks the witness, for when the peer is silent. Only where the peer knows of it.
    Task<Result<void>> confirm_at_witness(plan::Pair pair);
    /// Whether it counts on a lease that nobody confirmed in time.
    bool is_out(const DatasetName& dataset) const;
    /// The same, if the lease is that of a master of this epoch.
    bool is_out(const DatasetName& dataset, std::uint64_t epoch) const;
    /// An operator vouches for it: nobody counts on it until the peer confirms it again.
    void vouch(const DatasetName& dataset);
    /// The target still has a note of a lease that is none any more.
    void release(const DatasetName& dataset) { released_.insert(dataset); }
    /// Waits for a set under way, so that a role change begins with what it made.
    Task<> settled(DatasetName dataset);
    /// That nobody confirmed it yet; for status.
    std::optional<Error> trouble_of(const DatasetName& dataset) const;

  private:
    struct Link {
        bool running = false;
        BootTime next{};
    };
    using Due = std::map<HostName, std::vector<plan::Pair>>;

    BootTime tick(BootTime now);
    Lease& lease_of(const plan::Pair& pair, BootTime now);
    void watch(const Dataset& dataset, const plan::Pair& pair, const Lease& lease, BootTime now);
    void close(const Dataset& dataset, const plan::Pair& pair, BootTime now);
    BootTime renew_due(Due due, BootTime now);
    Task<> renew(HostName peer, std::vector<plan::Pair> pairs);
    rpc::LeaseIn request(const std::vector<plan::Pair>& pairs) const;
    void ask_witness(const std::vector<plan::Pair>& pairs, BootTime now);
    void tell_of_witness(const Result<std::vector<WitnessFolder::Found>>& found);
    Task<> renew_at_witness(std::vector<plan::Pair> pairs);
    WitnessFolder::Item record_of(const plan::Pair& pair);
    Holding take(const plan::Pair& pair, const WitnessFolder::Found& found, BootTime sent);
    bool take(const plan::Pair& pair,
              const rpc::LeaseIn::Side& asked,
              const rpc::LeaseOut::Side& side,
              BootTime sent);
    bool must_close(const Dataset& dataset, const plan::Pair& pair, BootTime now) const;
    bool is_changing(const DatasetName& dataset) const;
    void write_back_in_time(const Dataset& dataset, const Lease& lease, BootTime now);
    Task<> write_back(std::string mountpoint);
    Task<> lapse(DatasetName dataset);
    Task<> make_readonly(DatasetName dataset);
    std::optional<Lease> counted_lease(const Dataset& dataset) const;
    bool is_hidden_master(const Dataset& dataset) const;
    Lease hidden_lease(const Dataset& dataset, BootTime now) const;
    void keep_hidden(LeaseList seen);
    BootTime watch_hidden(BootTime now);
    Task<> close_hidden(DatasetName dataset);
    void load();
    void save();

    sync::Parts& parts_;
    peer::Peers& peers_;
    Fences& fences_;
    WitnessFolder& witness_;
    Hooks hooks_;
    Link at_witness_;
    std::uint64_t written_ = 0;  ///< records, since the start
    std::optional<Error> witness_trouble_;
    LeaseList leases_;
    LeaseList kept_;          ///< what the zrepd before this one left
    bool looked_ = false;     ///< all pairs that were there at the start were seen
    std::string saved_ = {};  ///< what lies in the file
    std::map<HostName, Link> links_;
    std::set<DatasetName> hidden_;                    ///< leased masters of no pair of this host's
    std::map<DatasetName, unsigned> close_failures_;  ///< of those, in a row
    std::set<DatasetName> released_;
    std::set<DatasetName> storing_;
    std::set<DatasetName> lost_;
    std::map<DatasetName, BootTime> written_back_;  ///< for the lease that ends then
    std::map<DatasetName, BootTime> retry_;
    Semaphore places_;
    Signal stored_;
    Alarm wake_;
    TaskGroup tasks_;
};

}  // namespace zrepd::failover
