// SPDX-License-Identifier: BSD-2-Clause
// A master, its target and the time between them: clocks that differ by up to 10 %, messages that
// are lost, late, doubled or out of order, restarts and power cuts of either side, a takeover at
// any moment. What they decide is daemon/failover/lease.hpp's; the search knows only what a set, a
// message and a clock do.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "daemon/failover/lease.hpp"

namespace zrepd::test {

/// What of the rules the search can do without, to see what they are for.
struct LeaseRules {
    std::function<failover::BootTime(failover::BootTime)> wait = failover::wait_of;
    bool counts_from_sending = true;       ///< the master, not from the answer
    bool stops_confirming = true;          ///< the target, when it has decided
    bool waits_after_start = true;         ///< the target's zrepd may have forgotten a confirmation
    bool notes_before_answer = true;       ///< on the target's disk
    bool restart_prolongs_nothing = true;  ///< of the master's zrepd
    bool heeds_open_note = true;           ///< the target: a master that is not bound yet
    bool says_open = true;                 ///< the master, while nobody confirmed it
};

struct LeaseSearch {
    std::size_t states = 0;
    std::string violation = {};  ///< empty: never two sides that are writable
    std::vector<std::string> way = {};
};

/// Every state that these two can reach, with clocks of every combination of speeds, the fence set
/// on both sides or on the master's alone. There a target that was told nothing yet cannot know.
LeaseSearch explore_leases(const LeaseRules& rules);

}  // namespace zrepd::test
