// SPDX-License-Identifier: BSD-2-Clause
// Starts what is due, and looks for new pairs when something changed. Thread: io thread.
// Wake-ups: at the next due time, at a change, at the end of a run; never by polling.
#pragma once

#include "daemon/clock.hpp"
#include "daemon/sched/due.hpp"
#include "daemon/sync/engine.hpp"

namespace zrepd::sched {

class Scheduler {
  public:
    Scheduler(sync::Parts& parts, sync::Engine& engine);

    /// Runs until cancelled.
    Task<> run();
    /// When this pair's next scheduled run starts.
    std::optional<Clock::time_point> next_run(const plan::Pair& pair, const Moment& now) const;

  private:
    Task<> discover_if_needed();
    void start_due();
    /// When to look for new pairs; nullopt while nothing changed.
    std::optional<Clock::time_point> discovery_due(Clock::time_point now);
    Clock::time_point next_wake();
    /// When this pair wants to be looked at again.
    Clock::time_point wake_for(const plan::Pair& pair, const Moment& now) const;
    /// Once for every change: what each look finds again is no news.
    void tell_foreign_pairs();

    sync::Parts& parts_;
    sync::Engine& engine_;
    std::optional<Clock::time_point> discover_at_;
    Clock::time_point not_before_;  ///< after a discovery that failed
    std::string told_foreign_;      ///< of other hosts' pairs, what the log says already
    std::shared_ptr<void> subscription_;
};

}  // namespace zrepd::sched
