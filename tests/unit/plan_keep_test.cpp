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

/// Hourly snapshots, thinned after each as a sync does it.
class Thinned {
  public:
    /// What was destroyed, oldest first.
    std::vector<UnixSeconds> take(UnixSeconds created) {
        Snapshot s;
        s.name = zrep_snapshot_name(taken_);
        s.guid = Guid{++taken_};
        s.createtxg = taken_;
        s.created = created;
        all.snapshots.push_back(s);
        const auto kept = kept_by_grid(all, grid_);
        std::vector<UnixSeconds> gone;
        for (const Snapshot& one : all.snapshots)
            if (!kept.contains(one.guid)) gone.push_back(one.created);
        std::erase_if(all.snapshots, [&](const Snapshot& one) { return !kept.contains(one.guid); });
        return gone;
    }
    Versions all;

  private:
    KeepGrid grid_ = *parse_keep("1d:1h,30d:1d");
    std::uint64_t taken_ = 0;
};

/// 30 days and 24 hours of history; then the clock is wrong for some hours, and right again.
TEST(Keep, AClockThatJumpsCostsOneStretchAtMost) {
    const std::tuple<const char*, UnixSeconds, int> table[] = {
        {"a day ahead", kDay, 1},
        {"a day, for half a day", kDay, 12},
        {"ten years ahead", 3650 * kDay, 1},
        {"and for two days", 3650 * kDay, 48},
        {"an hour back", -kHour, 5},
        {"ten days back", -10 * kDay, 1},
        {"and for two days", -10 * kDay, 48},
        {"to 1970", -kStart - 40 * kDay, 3}};
    for (const auto& [what, jump, hours] : table) {
        Thinned side;
        UnixSeconds now = kStart;
        for (int i = 0; i < 33 * 24; ++i, now += kHour) side.take(now);
        const std::size_t before = side.all.snapshots.size();
        std::size_t days_lost = 0;
        for (int i = 0; i < hours; ++i, now += kHour)
            for (const UnixSeconds gone : side.take(now + jump + 1)) days_lost += gone % kDay == 0;
        EXPECT_LE(days_lost, 1U + static_cast<std::size_t>(hours) / 24) << what;
        EXPECT_GE(side.all.snapshots.size() + 24, before) << what;
        for (int i = 0; i < 33 * 24; ++i, now += kHour) side.take(now);
        EXPECT_EQ(side.all.snapshots.size(), before) << what << ": thinned as ever";
    }
}

/// Only a time in which nothing was taken is left out: what there is stays longer.
TEST(Keep, ATimeWithoutSnapshotsCountsForOneStep) {
    Thinned side;
    for (int day = 0; day < 20; ++day) side.take(kStart + 7 * day * kDay);
    EXPECT_EQ(side.all.snapshots.size(), 20U) << "one a week is not older than one a day";
}

TEST(Keep, AForeignSnapshotOfTheFutureAgesNothing) {
    Versions versions = every(kHour, 6);
    const auto before = kept(versions, "6h:1h");
    Snapshot& theirs = versions.snapshots.emplace_back();
    theirs.name = "theirs";
    theirs.guid = Guid{99};
    theirs.createtxg = 99;
    theirs.created = kStart + 900 * kDay;
    EXPECT_EQ(kept(versions, "6h:1h"), before);
    EXPECT_EQ(before.size(), 6U);
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
