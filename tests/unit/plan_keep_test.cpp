// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/plan/keep.hpp"

#include <gtest/gtest.h>

#include "daemon/plan/prune.hpp"

namespace zrepd::plan {
namespace {

constexpr UnixSeconds kHour = 3600;
constexpr UnixSeconds kDay = 24 * kHour;
constexpr UnixSeconds kStart = 20'000 * kDay;  // a midnight

Versions every(UnixSeconds step, unsigned count) {
    Versions out;
    for (unsigned i = 0; i < count; ++i) {
        Snapshot s;
        s.name = zrep_snapshot_name(i);
        s.guid = Guid{i + 1};
        s.createtxg = i + 1;
        s.created = kStart + step * i;
        out.snapshots.push_back(s);
    }
    return out;
}

std::vector<std::uint64_t> kept(const Versions& versions, std::string_view grid) {
    std::vector<std::uint64_t> out;
    for (const Guid guid : kept_by_grid(versions, *parse_keep(grid))) out.push_back(guid.value);
    return out;
}

TEST(Keep, ReadsWhatItWrites) {
    for (const char* text : {"none", "1d:1h", "1d:1h,30d:1d", "1h:1m,1d:1h,52w:1w"}) {
        const auto grid = parse_keep(text);
        ASSERT_TRUE(grid) << text << ": " << grid.error().text();
        EXPECT_EQ(parse_keep(to_text(*grid)).value(), *grid) << text;
    }
    EXPECT_EQ(parse_keep(" 24h : 1h , 30d:1d ").value(), parse_keep("1d:1h,30d:1d").value());
}

TEST(Keep, RefusesWhatIsNoGrid) {
    for (const char* text : {"",
                             "24h",
                             "24h:",
                             ":1h",
                             "24h:1h,",
                             "24h:0s",
                             "1h:24h",
                             "x:1h",
                             "24h:1h,24h:2h",
                             "24h:1h,30d:1m",
                             "30d:1d,24h:1h",
                             "-1d:1h",
                             "off"}) {
        const auto grid = parse_keep(text);
        ASSERT_FALSE(grid) << text;
        EXPECT_EQ(grid.error().code, Code::invalid_params);
        EXPECT_NE(grid.error().remedy.find("24h:1h,30d:1d"), std::string::npos);
    }
    std::string many;
    for (int i = 1; i <= 11; ++i) many += (i > 1 ? "," : "") + std::to_string(i) + "d:1h";
    EXPECT_FALSE(parse_keep(many));
}

TEST(Keep, KeepsOnePerStretchOfTimeAndTheOldestOfIt) {
    // Every 30 minutes for 3 hours: 0:00 0:30 1:00 1:30 2:00 2:30.
    EXPECT_EQ(kept(every(kHour / 2, 6), "1d:1h"), (std::vector<std::uint64_t>{1, 3, 5}));
    // 2:30 minus 2 h: what is older than 0:30 is out of reach.
    EXPECT_EQ(kept(every(kHour / 2, 6), "2h:1h"), (std::vector<std::uint64_t>{3, 5}));
    EXPECT_TRUE(kept(every(kHour, 6), "none").empty());
}

/// What an hourly rule let go of cannot be had by a daily one: the day's has to be among the
/// hours'.
TEST(Keep, ADailyOneStaysFromItsFirstHourToItsLastDay) {
    const Versions all = every(kHour, 10 * 24);
    Versions seen;
    std::set<Guid> alive;
    for (const Snapshot& s : all.snapshots) {
        seen.snapshots.push_back(s);
        alive = kept_by_grid(seen, *parse_keep("1d:1h,30d:1d"));
        std::erase_if(seen.snapshots,
                      [&](const Snapshot& one) { return !alive.contains(one.guid); });
    }
    std::size_t midnights = 0;
    for (const Snapshot& s : seen.snapshots) midnights += s.created % kDay == 0;
    EXPECT_EQ(midnights, 10U);
    EXPECT_EQ(seen.snapshots.size(), 10U + 23U);
}

TEST(Keep, WhatIsNotOursCountsForNothingAndAnUnknownAgeIsKept) {
    Versions versions = every(kHour / 2, 4);
    versions.snapshots[0].name = "theirs";
    versions.snapshots[2].created = 0;
    EXPECT_EQ(kept(versions, "1d:1h"), (std::vector<std::uint64_t>{2, 3, 4}));
}

TEST(Keep, StandsBesideSavecount) {
    const Versions versions = every(kHour / 2, 8);
    const Guid base{8};
    const auto gone = [&](const Retention& retention) {
        return to_destroy(prune(versions, base, retention)).size();
    };
    EXPECT_EQ(gone({.savecount = 2}), 6U);
    EXPECT_EQ(gone({.savecount = 2, .keep = *parse_keep("1d:1h")}), 3U);
    EXPECT_EQ(gone({.savecount = 2, .everything = true}), 0U);
    const auto verdicts = prune(versions, base, {.savecount = 2, .keep = *parse_keep("1d:1h")});
    EXPECT_EQ(verdicts.front().reason, "kept by 1d:1h");
}

}  // namespace
}  // namespace zrepd::plan
