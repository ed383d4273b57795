// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/peer/absence.hpp"

#include <gtest/gtest.h>

namespace zrepd::peer {
namespace {

using namespace std::chrono_literals;

const SteadyTime kNow{1000h};
const LookLimits kLimits;

SteadyTime::duration wait_after(Attempt attempt, double jitter) {
    return next_look(attempt, kLimits, jitter) - attempt.began;
}

TEST(Absence, IsAWayThatIsCutAndNothingThatNeedsAHand) {
    for (const Code code : {Code::peer_unreachable, Code::unknown_host, Code::peer_no_zrepd}) {
        EXPECT_TRUE(is_absence(code)) << info(code).name;
    }
    for (const Code code : {Code::peer_auth,
                            Code::peer_host_key,
                            Code::peer_protocol,
                            Code::access_denied,
                            Code::timed_out,
                            Code::stalled,
                            Code::busy,
                            Code::conflict}) {
        EXPECT_FALSE(is_absence(code)) << info(code).name;
    }
}

TEST(NextLook, ComesSevenSecondsAfterTheLastOneBeganAndSpreadsByAFifth) {
    const Attempt refused{.began = kNow, .ended = kNow, .away_since = kNow - 24h};
    EXPECT_EQ(wait_after(refused, 0), 7s);
    EXPECT_EQ(wait_after(refused, 1), 5600ms);
    EXPECT_EQ(wait_after(refused, 9), 5600ms) << "bounded";
}

TEST(NextLook, LeavesAPauseAfterOneThatTookLong) {
    const Attempt swallowed{.began = kNow, .ended = kNow + 10s, .away_since = kNow - 24h};
    EXPECT_EQ(wait_after(swallowed, 0), 13s);
    EXPECT_EQ(wait_after(swallowed, 1), 13s);
}

TEST(NextLook, FindsAHostWithinTenSecondsOfItsReturn) {
    // TCP sends its first packet after 0, 1, 3 and 7 s; a try that none of them ended lasts 10 s. A
    // name that is looked up again, the greeting and the first sync have the rest.
    const Attempt swallowed{.began = kNow, .ended = kNow + 10s, .away_since = kNow};
    EXPECT_LE(wait_after(swallowed, 0) - 7s, 7s);
    const Attempt refused{.began = kNow, .ended = kNow, .away_since = kNow};
    EXPECT_LE(wait_after(refused, 0), 7s);
}

TEST(NextWord, ComesAtTwiceTheTimeUpToAnHour) {
    const std::pair<SteadyTime::duration, SteadyTime::duration> table[] = {
        {0s, 30s}, {10s, 30s}, {60s, 60s}, {10min, 10min}, {1h, 1h}, {300h, 1h}};
    for (const auto& [passed, wait] : table) {
        EXPECT_EQ(next_word(kNow - passed, kNow) - kNow, wait);
    }
}

TEST(NextWord, MakesOfADayThirtyLines) {
    SteadyTime now = kNow;
    int lines = 0;
    for (; now < kNow + 24h; now = next_word(kNow, now)) ++lines;
    EXPECT_LE(lines, 31);
    EXPECT_GE(lines, 24);
}

TEST(Comings, OfAPeerThatComesAndGoesAreToldAsOftenAsTheBackOffHasSteps) {
    Comings comings;
    unsigned lines = 0;
    unsigned told = 0;
    // A greeting and its end every seven seconds, for a day.
    for (SteadyTime now = kNow; now < kNow + 24h; now += 3500ms) {
        if (comings.unsaid != 0 && now >= comings.next_word) {
            told += take_unsaid(comings, now);
            ++lines;
        }
        if (!note_change(comings, now)) continue;
        ++told;
        ++lines;
    }
    EXPECT_LE(lines, kSaidAtOnce + 8 + 24)
        << "doubled from half a minute to an hour, then each hour";
    EXPECT_EQ(told + comings.unsaid, comings.changes) << "none is lost from the count";
}

TEST(Comings, ThatAreSeldomAreToldAtOnce) {
    Comings comings;
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(note_change(comings, kNow + i * 1h)) << i;
    for (unsigned i = 0; i < kSaidAtOnce - 1; ++i)
        EXPECT_TRUE(note_change(comings, kNow + 40h + i * 1s)) << "lost and back at once: " << i;
}

}  // namespace
}  // namespace zrepd::peer
