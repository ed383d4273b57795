// SPDX-License-Identifier: BSD-2-Clause
// Two sides, each driven by failover::step(), an operator who may ask for anything, users who
// write, syncs, a network that loses, delays and repeats, and a power cut at any moment: all states
// of it, breadth first. Bounded: what happens at most how often is in Limits; what an action does
// to the data is modelled, not run.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "daemon/failover/fsm.hpp"

namespace zrepd::test {

/// Data as bits: each write adds one that nobody had before. A copy is a set of bits that grows in
/// one order, so a prefix is a subset.
using Bits = std::uint16_t;

/// How often the world may do something in one history.
struct Limits {
    unsigned commands = 3;
    unsigned cuts = 2;     ///< power cuts or kills, of either side
    unsigned writes = 2;   ///< by users
    unsigned network = 2;  ///< answers or requests that get lost or late
};

struct ModelSide {
    failover::State machine;
    failover::ActionKind under_way = failover::ActionKind::none;
    failover::Stored storing;  ///< of a store under way
    Bits data = 0;
    Bits base = 0;     ///< what was last acknowledged, or agreed on for a rescue
    Bits rescued = 0;  ///< kept beside the filesystem
    bool operator==(const ModelSide&) const = default;
};

/// A peer.promote that was delayed and may still arrive.
struct LatePromote {
    bool there = false;
    unsigned to = 0;
    std::uint64_t epoch = 0;
    Bits base = 0;
    bool operator==(const LatePromote&) const = default;
};

struct World {
    std::array<ModelSide, 2> sides;
    LatePromote late;
    Bits acked = 0;
    bool forced = false;   ///< a command with -L, or resolve, was given
    bool by_hand = false;  ///< two masters of one epoch were made by hand
    Limits left;
    unsigned next_bit = 0;
};

struct ModelResult {
    std::size_t states = 0;
    std::size_t settled = 0;       ///< states from which settling was tried
    unsigned longest = 0;          ///< steps that settling took at most
    std::string violation;         ///< empty: none
    std::vector<std::string> way;  ///< to the violation
};

using Step = std::function<failover::Transition(const failover::State&, const failover::Event&)>;

/// Explores everything that can happen to a fresh pair; stops at the first violation. `begin` may
/// change where it starts from.
ModelResult explore(const Step& step, Limits limits, const std::function<void(World&)>& begin = {});

}  // namespace zrepd::test
