// SPDX-License-Identifier: BSD-2-Clause
// Starts what is due, and looks for new pairs when something changed. Thread: io thread.
// Wake-ups: at the next due time, at a change, at the end of a run, at the return of a peer; never
// by polling. A pair whose run failed because its peer is away is not run again until that has
// returned, and then at once: one look for each peer (peer::Peers::await_return) does for all.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "daemon/clock.hpp"
#include "daemon/sched/due.hpp"
#include "daemon/sync/engine.hpp"

namespace zrepd::sched {

class Scheduler {
  public:
    Scheduler(sync::Parts& parts, sync::Engine& engine, peer::Peers& peers);

    /// Who is master comes first: a sync of hours would keep that from being settled. `held_back`:
    /// whether a pair waits for it.
    void hold_back(std::function<bool(const DatasetName&)> held_back) {
        held_back_ = std::move(held_back);
    }
    /// Runs until cancelled.
    Task<> run();
    /// When this pair's next scheduled run starts.
    std::optional<Clock::time_point> next_run(const plan::Pair& pair, const Moment& now) const;

  private:
    /// A peer that was away and answers again.
    struct Return {
        unsigned in_a_row = 0;  ///< since a sync with it was last done
        std::optional<Clock::time_point> go_at = {};
    };
    Task<> discover_if_needed();
    void start_due();
    void hear(const rpc::EventOut& event);
    void note_return(const std::string& host);
    void forget_returns(const rpc::RunOut& run);
    /// Those that waited for a peer that has returned are due.
    void let_go();
    bool waits_for_peer(const plan::Pair& pair) const;
    bool is_held_back(const plan::Pair& pair) const;
    /// When to look for new pairs; nullopt while nothing changed.
    std::optional<Clock::time_point> discovery_due(Clock::time_point now);
    Clock::time_point next_wake();
    /// When this pair wants to be looked at again.
    Clock::time_point wake_for(const plan::Pair& pair, const Moment& now) const;
    /// Once for every change: what each look finds again is no news.
    void tell_foreign_pairs();
    void close_unused_sessions();
    /// A pool that became unavailable, or is back: once for each.
    void tell_pools();

    sync::Parts& parts_;
    sync::Engine& engine_;
    peer::Peers& peers_;
    std::function<bool(const DatasetName&)> held_back_;
    std::map<HostName, Return> returns_;
    std::optional<Clock::time_point> discover_at_;
    Clock::time_point not_before_;      ///< after a discovery that failed
    std::string told_foreign_;          ///< of other hosts' pairs, what the log says already
    std::set<std::string> told_pools_;  ///< unavailable ones
    std::shared_ptr<void> subscription_;
};

}  // namespace zrepd::sched
