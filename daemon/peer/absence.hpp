// SPDX-License-Identifier: BSD-2-Clause
// When to look whether a peer that is away has returned, and when to say that it has not
// (docs/adr/0016-one-look-for-a-peer-that-is-away.md). Pure: the time and the random number are
// arguments.
#pragma once

#include <chrono>

#include "common/error.hpp"

namespace zrepd::peer {

using SteadyTime = std::chrono::steady_clock::time_point;

/// Whether this is no more than a peer that cannot be reached: that passes without a change on this
/// host. Not a key that it refuses: it is not asked every few seconds by somebody whom it may ban.
bool is_absence(Code code);

/// How often to look; tests shorten it.
struct LookLimits {
    /// From one look's begin to the next one's.
    std::chrono::milliseconds every{7'000};
    /// From the end of one: a network that swallows packets lets each last 10 s.
    std::chrono::milliseconds pause{3'000};
};

/// The last try to connect, and what it is part of.
struct Attempt {
    SteadyTime began;
    SteadyTime ended;
    SteadyTime away_since;
};

/// `jitter`, 0 to 1, takes up to a fifth off, so that two hosts do not keep step.
SteadyTime next_look(const Attempt& last, const LookLimits& limits, double jitter);

/// When to say again that it is away, after saying so `now`: at twice the time, at least half a
/// minute and at most an hour later.
SteadyTime next_word(SteadyTime away_since, SteadyTime now);

/// Of a peer that comes and goes: what was said of that, so that it fills no log.
struct Comings {
    SteadyTime began{};    ///< the first change after a calm
    SteadyTime changed{};  ///< the last one
    SteadyTime next_word{};
    unsigned changes = 0;  ///< since `began`
    unsigned unsaid = 0;   ///< of them, since the last word
};
inline constexpr unsigned kSaidAtOnce = 3;
/// So long without a change, and the next one is said at once.
inline constexpr std::chrono::hours kCalm{1};

/// A change of its state; whether that is said now. The first kSaidAtOnce are, and those that come
/// seldom; the others wait for the next word, together: take_unsaid().
bool note_change(Comings& comings, SteadyTime now);
/// What was not said is, `now`; how many changes that were.
unsigned take_unsaid(Comings& comings, SteadyTime now);

}  // namespace zrepd::peer
