// SPDX-License-Identifier: BSD-2-Clause
// All states that two sides can reach: an operator may ask for anything, users write, syncs run,
// messages are lost, delayed, repeated and overtake each other, a set fails or seems to, and the
// power is cut at any moment. Breadth first, so that the way to a violation is a shortest one.
#pragma once

#include <vector>

#include "tests/fakes/failover_world.hpp"

namespace zrepd::test {

struct ModelResult {
    std::size_t states = 0;
    unsigned longest = 0;          ///< steps that it took to settle at most
    std::string violation;         ///< empty: none
    std::vector<std::string> way;  ///< to the violation
};

struct Exploration {
    Limits limits = {};
    Rules rules = {};
    std::function<void(World&)> begin = {};  ///< may change where it starts from
    bool settling = true;                    ///< whether it must also come in order by itself
};

/// Explores everything that can happen to a fresh pair; stops at the first violation.
ModelResult explore(const Step& step, const Exploration& what = {});

}  // namespace zrepd::test
