// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/render/check.hpp"

#include <gtest/gtest.h>

namespace zrepd::ctl {
namespace {

rpc::PairStatus pair(const std::string& dataset, std::optional<std::int64_t> lag) {
    rpc::PairStatus out;
    out.dataset = dataset;
    out.role = "master";
    out.health = "ok";
    out.lag_seconds = lag;
    out.backlog_bytes = 100;
    return out;
}

rpc::StatusOut of(std::vector<rpc::PairStatus> pairs) {
    rpc::StatusOut out;
    out.host = "alpha";
    out.pairs = std::move(pairs);
    return out;
}

rpc::PairStatus broken(const std::string& dataset, const std::string& health) {
    rpc::PairStatus out = pair(dataset, 10);
    out.health = health;
    out.last_error = rpc::Trouble{"conflict", "it | is\nbroken", "mend it", ""};
    return out;
}

TEST(Check, TellsTheOldestCopyWhenAllIsWell) {
    const auto found = check(of({pair("tank/a", 5), pair("tank/b", 65), pair("tank/c", {})}), {});
    EXPECT_EQ(found.verdict, Verdict::ok);
    EXPECT_EQ(found.line,
              "ZREPD OK - 3 pairs, oldest copy 1 min 5 s (tank/b) | "
              "pairs=3 warning=0 critical=0 lag=65s;;;0 backlog=300B");
    EXPECT_TRUE(found.findings.empty());
}

TEST(Check, TellsTheWorstWholeAndCountsTheOthers) {
    rpc::PairStatus late = pair("tank/a", 500);
    late.health = "late";
    const auto found = check(of({late, broken("tank/b", "conflict")}), {});
    EXPECT_EQ(found.verdict, Verdict::critical);
    EXPECT_EQ(found.line,
              "ZREPD CRITICAL - tank/b: it / is?broken; mend it; and 1 more: zrepctl status | "
              "pairs=2 warning=1 critical=1 lag=500s;;;0 backlog=200B");
    ASSERT_EQ(found.findings.size(), 2U);
    EXPECT_EQ(found.findings[1].dataset, "tank/a");
    EXPECT_EQ(found.findings[1].verdict, Verdict::warning);
}

TEST(Check, JudgesEachStateOfAPair) {
    rpc::PairStatus late = pair("tank/a", {});
    late.health = "late";
    rpc::PairStatus paused = pair("tank/a", 5);
    paused.paused = true;
    rpc::PairStatus rescue = pair("tank/a", 5);
    rescue.rescues = {"tank/a_diverged_2"};
    rpc::PairStatus silent = pair("tank/a", 5);
    silent.health = "failing";
    rpc::PairStatus writable = pair("tank/a", 5);
    writable.warning = rpc::Trouble{"writable", "mounted writable", "zfs unmount 'tank/a'", ""};
    const std::tuple<rpc::PairStatus, Verdict, std::string> table[] = {
        {pair("tank/a", 5), Verdict::ok, "1 pair, oldest copy 5 s (tank/a)"},
        {writable, Verdict::warning, "tank/a: mounted writable; zfs unmount 'tank/a'"},
        {late, Verdict::warning, "tank/a: late: the copy is not there yet"},
        {paused, Verdict::warning, "tank/a: paused; zrepctl unpause 'tank/a'"},
        {rescue,
         Verdict::warning,
         "tank/a: data that the other side never got is kept in tank/a_diverged_2; look at it, then "
         "zrepctl rescue drop 'tank/a_diverged_2'"},
        {silent, Verdict::critical, "tank/a: failing"},
        {broken("tank/a", "split_brain"), Verdict::critical, "tank/a: it / is?broken; mend it"}};
    for (const auto& [status, verdict, text] : table) {
        const auto found = check(of({status}), {});
        EXPECT_EQ(found.verdict, verdict) << found.line;
        EXPECT_NE(found.line.find(std::string(name(verdict)) + " - " + text + " | "),
                  std::string::npos)
            << found.line;
    }
}

TEST(Check, LimitsCountWhateverTheInterval) {
    const CheckLimits limits{.warning = 60, .critical = 600};
    const std::pair<std::int64_t, Verdict> table[] = {{59, Verdict::ok},
                                                      {60, Verdict::warning},
                                                      {599, Verdict::warning},
                                                      {600, Verdict::critical}};
    for (const auto& [lag, verdict] : table) {
        const auto found = check(of({pair("tank/a", lag)}), limits);
        EXPECT_EQ(found.verdict, verdict) << lag;
        EXPECT_NE(found.line.find("s;60;600;0 "), std::string::npos) << found.line;
    }
}

/// As after a start whose listing of snapshots failed.
TEST(Check, AnAgeThatIsNotKnownIsWithinNoLimit) {
    auto one = pair("tank/a", 5);
    one.lag_seconds.reset();
    EXPECT_EQ(check(of({one}), {}).verdict, Verdict::ok);
    EXPECT_EQ(check(of({one}), {.warning = 60, .critical = {}}).verdict, Verdict::unknown);
    EXPECT_EQ(check(of({one}), {.warning = {}, .critical = 600}).verdict, Verdict::unknown);
    auto late = one;
    late.health = "late";
    EXPECT_EQ(check(of({late}), {.warning = 60, .critical = {}}).verdict, Verdict::warning);
    one.role = "initializing";
    EXPECT_EQ(check(of({one}), {.warning = 60, .critical = {}}).verdict, Verdict::ok);
}

TEST(Check, WhatIsNotKnownIsOkForNobody) {
    EXPECT_EQ(check(of({}), {}).verdict, Verdict::unknown);
    auto status = of({pair("tank/a", 5)});
    status.problem = rpc::Trouble{"pool_unavailable", "pool gone", "import it", ""};
    EXPECT_EQ(check(status, {}).verdict, Verdict::unknown);
    EXPECT_NE(check(status, {}).line.find("UNKNOWN - pool gone; import it |"), std::string::npos);
    status.pairs.push_back(broken("tank/b", "failing"));
    EXPECT_EQ(check(status, {}).verdict, Verdict::critical);
    EXPECT_EQ(unknown_line("no | zrepd"), "ZREPD UNKNOWN - no / zrepd");
}

}  // namespace
}  // namespace zrepd::ctl
