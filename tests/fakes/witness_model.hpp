// SPDX-License-Identifier: BSD-2-Clause
// A master and its target that cannot hear each other, and the witness's folder: each write and
// each look of either side is a step of its own, between which the other side may do anything.
#pragma once

#include "tests/fakes/lease_model.hpp"

namespace zrepd::test {

struct WitnessRules {
    std::function<failover::BootTime(failover::BootTime)> wait = failover::wait_of;
    bool writes_first = true;  ///< the master, before it looks who holds the pair
    bool looks_again = true;   ///< the target, after it wrote that it does
};

LeaseSearch explore_witness(const WitnessRules& rules);

}  // namespace zrepd::test
