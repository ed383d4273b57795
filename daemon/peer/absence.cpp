// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/peer/absence.hpp"

#include <algorithm>
#include <utility>

namespace zrepd::peer {
namespace {

constexpr std::chrono::seconds kFirstWord{30};
constexpr std::chrono::hours kLastWord{1};

}  // namespace

bool is_absence(Code code) {
    return code == Code::peer_unreachable || code == Code::unknown_host ||
           code == Code::peer_no_zrepd;
}

SteadyTime next_look(const Attempt& last, const LookLimits& limits, double jitter) {
    const double part = 1.0 - 0.2 * std::clamp(jitter, 0.0, 1.0);
    const std::chrono::milliseconds wait(
        static_cast<std::int64_t>(static_cast<double>(limits.every.count()) * part));
    return std::max(last.began + wait, last.ended + limits.pause);
}

SteadyTime next_word(SteadyTime away_since, SteadyTime now) {
    const SteadyTime::duration passed = now - away_since;
    return now + std::clamp<SteadyTime::duration>(passed, kFirstWord, kLastWord);
}

bool note_change(Comings& comings, SteadyTime now) {
    const bool calm = comings.changes == 0 || now - comings.changed >= kCalm;
    if (calm && comings.unsaid == 0) comings = {.began = now, .next_word = now};
    comings.changed = now;
    ++comings.changes;
    const bool seldom = comings.unsaid == 0 && now >= comings.next_word;
    if (comings.changes > kSaidAtOnce && !seldom) {
        ++comings.unsaid;
        return false;
    }
    comings.next_word = next_word(comings.began, now);
    return true;
}

unsigned take_unsaid(Comings& comings, SteadyTime now) {
    comings.next_word = next_word(comings.began, now);
    return std::exchange(comings.unsaid, 0);
}

}  // namespace zrepd::peer
