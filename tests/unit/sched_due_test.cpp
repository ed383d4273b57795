// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sched/due.hpp"

#include <gtest/gtest.h>

namespace zrepd::sched {
namespace {

using namespace std::chrono_literals;

const Clock::time_point kNow{1000h};

TEST(Backoff, DoublesUpToFiveMinutes) {
    const std::pair<unsigned, std::chrono::seconds> table[] = {
        {1, 2s}, {2, 4s}, {3, 8s}, {5, 32s}, {8, 256s}, {9, 300s}, {40, 300s}, {4000000000u, 300s}};
    for (const auto& [failures, pause] : table) {
        EXPECT_EQ(backoff(failures, 0.5), pause) << failures;
    }
}

TEST(Backoff, SpreadsByAFifthWithinItsBounds) {
    EXPECT_EQ(backoff(3, 0), 6400ms);
    EXPECT_EQ(backoff(3, 1), 9600ms);
    EXPECT_EQ(backoff(20, 1), kMaxBackoff);
    for (unsigned failures = 0; failures < 100; ++failures) {
        for (const double jitter : {-1.0, 0.0, 0.3, 1.0, 7.0}) {
            EXPECT_GE(backoff(failures, jitter), 1s);
            EXPECT_LE(backoff(failures, jitter), kMaxBackoff);
        }
    }
}

TEST(NextRun, IsNowForAPairThatNeverRan) {
    EXPECT_EQ(next_run({.interval = 60s}, kNow), kNow);
}

TEST(NextRun, IsNeverWithoutAnIntervalOrWhilePaused) {
    EXPECT_FALSE(next_run({}, kNow));
    EXPECT_FALSE(next_run({.last_start = kNow, .failures = 3}, kNow));
    EXPECT_FALSE(next_run({.interval = 60s, .paused = true}, kNow));
}

TEST(NextRun, IsAnIntervalAfterTheLastStart) {
    EXPECT_EQ(next_run({.interval = 60s, .last_start = kNow - 10s}, kNow), kNow + 50s);
    EXPECT_EQ(next_run({.interval = 60s, .last_start = kNow - 100s}, kNow), kNow - 40s)
        << "overdue";
}

TEST(NextRun, WaitsLongerAfterFailuresAndTheIntervalForWhatNeedsSomebody) {
    PairTiming often{.interval = 1s, .last_start = kNow, .failures = 4, .jitter = 0.5};
    EXPECT_EQ(next_run(often, kNow), kNow + 16s);
    often.failed_at = kNow + 3s;
    EXPECT_EQ(next_run(often, kNow), kNow + 19s);
    PairTiming seldom{.interval = 24h, .last_start = kNow, .failures = 4, .jitter = 0.5};
    EXPECT_EQ(next_run(seldom, kNow), kNow + 24h)
        << "a conflict is looked at as often as it is due";
    seldom.failed_at = kNow + 5h;
    EXPECT_EQ(next_run(seldom, kNow), kNow + 5h + 16s)
        << "what may pass by itself is not left for a day, nor begun anew at once";
    seldom.failures = 100;
    EXPECT_EQ(next_run(seldom, kNow), kNow + 5h + kMaxBackoff);
    seldom.failures = 0;
    EXPECT_EQ(next_run(seldom, kNow), kNow + 5h + 2s) << "its peer was heard of meanwhile";
}

TEST(NextRun, IsTheNextLookForAPeerThatItWaitsFor) {
    PairTiming waits{.interval = 60s, .last_start = kNow - 2h, .failures = 9, .jitter = 1};
    waits.looked_for = kNow + 5s;
    EXPECT_EQ(next_run(waits, kNow), kNow + 5s);
    waits.looked_for = kNow - 5s;
    EXPECT_EQ(next_run(waits, kNow), kNow) << "it is being looked for";
    waits.paused = true;
    EXPECT_FALSE(next_run(waits, kNow));
}

TEST(WaitAfterReturn, IsNoneButForAPeerThatComesAndGoes) {
    EXPECT_EQ(wait_after_return(1, 0.5), 0ms);
    EXPECT_EQ(wait_after_return(2, 0.5), 4s);
    EXPECT_EQ(wait_after_return(5, 0.5), 32s);
    EXPECT_EQ(wait_after_return(50, 0.5), kMaxBackoff);
}

TEST(Paused, ReadsWordsAndTimes) {
    constexpr UnixSeconds kThen = 1'700'000'000;  // 2023-11-14T22:13:20Z
    const std::pair<const char*, bool> table[] = {{"", false},
                                                  {"no", false},
                                                  {"off", false},
                                                  {"-", false},
                                                  {"0", false},
                                                  {" no ", false},
                                                  {"yes", true},
                                                  {"on", true},
                                                  {"1", true},
                                                  {"YES", true},
                                                  {"tomorrow", true},
                                                  {"2023-11-14T22:13:21Z", true},
                                                  {"2023-11-14T22:13:20Z", false},
                                                  {"2020-01-01T00:00:00Z", false},
                                                  {"1700000001", true},
                                                  {"1700000000", false},
                                                  {"1600000000", false},
                                                  {"-5", true}};
    for (const auto& [value, paused] : table) {
        EXPECT_EQ(is_paused(value, kThen), paused) << "'" << value << "'";
    }
}

TEST(Paused, KnowsWhatItCannotRead) {
    using Kind = Pause::Kind;
    const std::pair<const char*, Kind> table[] = {{"", Kind::no},
                                                  {"off", Kind::no},
                                                  {"yes", Kind::yes},
                                                  {"1", Kind::yes},
                                                  {"1700000001", Kind::until},
                                                  {"2023-11-14T22:13:21Z", Kind::until},
                                                  {"tomorrow", Kind::unreadable},
                                                  {"2h", Kind::unreadable},
                                                  {"-5", Kind::unreadable}};
    for (const auto& [value, kind] : table) EXPECT_EQ(read_pause(value).kind, kind) << value;
    EXPECT_EQ(read_pause("1700000001").until, 1'700'000'001);
}

}  // namespace
}  // namespace zrepd::sched
