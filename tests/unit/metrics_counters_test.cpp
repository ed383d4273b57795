// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/metrics/counters.hpp"

#include <gtest/gtest.h>

namespace zrepd::metrics {
namespace {

TEST(MetricsCounters, CountsHowRunsEndedOfEachFilesystem) {
    Counters counters;
    counters.note({"tank/a", "sync", "done", 100, 2});
    counters.note({"tank/a", "sync", "unchanged", 0, 1});
    counters.note({"tank/a", "sync", "failed", 50, 4});
    counters.note({"tank/a", "receive", "done", 7, 1});
    counters.note({"tank/b", "sync", "done", 1, 1});
    const Counters::Pair& pair = counters.pairs().at("tank/a");
    const Counters::Runs& runs = pair.operations.at("sync");
    EXPECT_EQ(runs.done, 1U);
    EXPECT_EQ(runs.unchanged, 1U);
    EXPECT_EQ(runs.failed, 1U);
    EXPECT_EQ(runs.count(), 3U);
    EXPECT_DOUBLE_EQ(runs.seconds, 7);
    EXPECT_EQ(pair.sent_bytes, 150U) << "what was cut off was moved as well";
    EXPECT_EQ(pair.received_bytes, 7U);
}

TEST(MetricsCounters, SortsTimesIntoBucketsThatHoldTheSmallerOnesToo) {
    Counters counters;
    for (const double seconds : {0.2, 0.5, 4.0, 1e6}) {
        counters.note({"tank/a", "sync", "done", 0, seconds});
    }
    const Counters::Histogram& all = counters.operations().at("sync");
    EXPECT_EQ(all.up_to.front(), 2U) << "a limit belongs to its bucket";
    EXPECT_EQ(all.up_to[3], 3U) << "up to 5 s";
    EXPECT_EQ(all.up_to.back(), 3U);
    EXPECT_EQ(all.count, 4U);
    EXPECT_DOUBLE_EQ(all.sum, 1000004.7);
}

TEST(MetricsCounters, ForgetsPairsThatAreGoneButNotWhatAllHadTogether) {
    Counters counters;
    counters.note({"tank/a", "sync", "done", 1, 1});
    counters.note({"tank/b", "sync", "done", 1, 1});
    counters.keep_only({"tank/b", "tank/c"});
    EXPECT_EQ(counters.pairs().size(), 1U);
    EXPECT_TRUE(counters.pairs().contains("tank/b"));
    EXPECT_EQ(counters.operations().at("sync").count, 2U);
}

TEST(MetricsCounters, HasALimit) {
    Counters counters;
    for (std::size_t i = 0; i < Counters::kMostPairs + 10; ++i) {
        counters.note({"tank/" + std::to_string(i), "init", "failed", 0, 0});
    }
    EXPECT_EQ(counters.pairs().size(), Counters::kMostPairs);
    counters.note({"tank/0", "init", "done", 0, 0});
    EXPECT_EQ(counters.pairs().at("tank/0").operations.at("init").count(), 2U);
}

}  // namespace
}  // namespace zrepd::metrics
