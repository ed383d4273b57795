// SPDX-License-Identifier: BSD-2-Clause
// Which snapshot is meant, and what keeps a side from going back to it.
#include "daemon/failover/go_back.hpp"

#include <gtest/gtest.h>

#include "daemon/failover/journal.hpp"
#include "tests/fakes/builders.hpp"

namespace zrepd::failover {
namespace {

using test::snaps;

struct GoBackPlan : ::testing::Test {
    plan::Self self{*HostName::parse("beta")};
    Dataset dataset = test::master(0);
    Versions versions = snaps(
        "@zrep_000001:1+s @zrep_000002:2+s @user:3 @zrep_000004:4+s "
        "@zrep_000005:5+s @zrep_000006:6");
};

TEST_F(GoBackPlan, FindsByNameOrByGuid) {
    EXPECT_EQ(find_start(dataset, versions, {.name = "user"})->guid, Guid{3});
    EXPECT_EQ(find_start(dataset, versions, {.guid = Guid{2}})->name, "zrep_000002");
    const auto unknown = find_start(dataset, versions, {.name = "tuesday"});
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().code, Code::not_found);
    EXPECT_NE(unknown.error().message.find("@tuesday"), std::string::npos);
    EXPECT_NE(unknown.error().remedy.find("@zrep_000005, @zrep_000004, @zrep_000002)"),
              std::string::npos)
        << unknown.error().remedy;
    EXPECT_FALSE(find_start(dataset, versions, {.guid = Guid{77}}));
}

TEST_F(GoBackPlan, TheOtherSideMustBeAbleToReturn) {
    EXPECT_TRUE(has_common_before(versions, versions.snapshots[2]));
    versions.snapshots[0].sent.reset();
    versions.snapshots[1].sent.reset();
    EXPECT_FALSE(has_common_before(versions, versions.snapshots[2]));
    EXPECT_TRUE(has_common_before(versions, versions.snapshots[3]));
}

TEST_F(GoBackPlan, OnlyWhatIsNewerCanBeInTheWay) {
    for (Snapshot& s : versions.snapshots)
        s.cloned = s.createtxg <= versions.snapshots[1].createtxg;
    versions.snapshots[1].held = true;
    versions.snapshots[4].held = true;  // ours
    EXPECT_TRUE(blocks_way_back(dataset, versions, versions.snapshots[1]).empty());
    versions.snapshots[2].held = true;
    versions.snapshots[3].cloned = true;
    versions.bookmarks.push_back(
        {.name = "mine", .guid = Guid{9}, .createtxg = versions.snapshots[4].createtxg});
    std::vector<Error> found;
    add_way_back(found, dataset, versions, Guid{2}, self);
    ASSERT_EQ(found.size(), 3U);
    EXPECT_NE(found[0].message.find("@user, which would be rolled back, is held"),
              std::string::npos);
    EXPECT_NE(found[1].message.find("@zrep_000004, which would be rolled back, has clones"),
              std::string::npos);
    EXPECT_NE(found[2].message.find("#mine"), std::string::npos);
    for (const Error& error : found) {
        EXPECT_EQ(error.code, Code::refused);
        EXPECT_TRUE(error.remedy.starts_with("on beta: ")) << error.remedy;
    }
}

TEST_F(GoBackPlan, WhatABrokenStreamLeftIsNotInTheWay) {
    versions.snapshots.back().cloned = true;
    EXPECT_FALSE(blocks_way_back(dataset, versions, versions.snapshots[1]).empty());
    dataset.resume_token = "1-abc";
    EXPECT_TRUE(blocks_way_back(dataset, versions, versions.snapshots[1]).empty());
    versions.snapshots[3].cloned = true;
    EXPECT_FALSE(blocks_way_back(dataset, versions, versions.snapshots[1]).empty());
}

TEST_F(GoBackPlan, WhatIsRolledBackNeedsRoom) {
    dataset.available_bytes = 4096;
    EXPECT_FALSE(no_room(dataset, 4096));
    const auto full = no_room(dataset, 8192);
    ASSERT_TRUE(full);
    EXPECT_NE(full->message.find("no room to keep 8.0 KiB"), std::string::npos) << full->message;
    EXPECT_NE(full->remedy.find("zfs list -o space"), std::string::npos);
}

TEST_F(GoBackPlan, ASideWithoutTheSnapshotSaysWhichThereAre) {
    std::vector<Error> found;
    add_way_back(found, dataset, versions, Guid{77}, self);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_NE(found[0].remedy.find("@zrep_000005"), std::string::npos);
}

TEST_F(GoBackPlan, SaysHowMuchAndSinceWhen) {
    Divergence newer{.base = versions.snapshots[0], .newer = {}, .written_bytes = 1024};
    newer.base.sent = 1'000;
    newer.newer.push_back(versions.snapshots[1]);
    newer.newer.back().written_bytes = 1024;
    EXPECT_EQ(rolled_back_text(newer, 1'090),
              "2.0 KiB in 1 snapshots and since, written after @zrep_000001 (acknowledged "
              "1970-01-01T00:16:40Z, 90 seconds ago)");
    newer.base.sent.reset();
    EXPECT_TRUE(rolled_back_text(newer, 1'090).ends_with("@zrep_000001"));
}

TEST_F(GoBackPlan, TheJournalKeepsThatItWasAskedFor) {
    const Entry entry{.journal = Journal::handed_over, .base = Guid{5}, .back = true};
    EXPECT_EQ(to_text(entry), "handed_over base=5 back=yes");
    EXPECT_TRUE(parse_entry(to_text(entry))->back);
    EXPECT_FALSE(parse_entry("handed_over base=5")->back);
    EXPECT_FALSE(parse_entry("handed_over base=5 back=maybe")->back);
}

}  // namespace
}  // namespace zrepd::failover
