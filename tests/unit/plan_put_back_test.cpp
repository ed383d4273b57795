// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/plan/put_back.hpp"

#include <gtest/gtest.h>

#include "tests/fakes/builders.hpp"

namespace zrepd::plan {
namespace {

using test::snaps;
using Kind = RollBackStep::Kind;

Result<PutBack> on_master(std::string_view history, const std::string& snapshot) {
    return put_back(test::master(0), snaps(history), snapshot);
}

TEST(PutBack, TakesAnAcknowledgedSnapshotAndForgetsTheLaterAcknowledgements) {
    const auto found =
        on_master("@zrep_000000:1+s @zrep_000001:2+s @mine:3 @zrep_000002:4+s+h @zrep_000003:5",
                  "zrep_000001");
    ASSERT_TRUE(found) << found.error().text();
    EXPECT_EQ(found->base.guid, Guid{2});
    EXPECT_EQ(found->newer, (std::vector<Guid>{Guid{3}, Guid{4}, Guid{5}}));
    EXPECT_EQ(found->forgotten, std::vector<std::string>{"zrep_000002"});
}

TEST(PutBack, TheNewestIsAPauseAlone) {
    const auto found = on_master("@zrep_000000:1+s @zrep_000001:2+s", "zrep_000001");
    ASSERT_TRUE(found);
    EXPECT_TRUE(found->newer.empty());
    EXPECT_TRUE(found->forgotten.empty());
}

TEST(PutBack, PairsBelowPauseWithItUnlessSomethingBetweenSaysOtherwise) {
    std::map<DatasetName, Dataset> all;
    const auto add = [&](const std::string& name, std::string_view paused, bool pair) {
        Dataset one = test::master(0);
        if (!pair) one.props.clear();
        one.name = test::dataset_name(name);
        one.props[std::string(prop::kSrcFs)] = {name, pair ? Source::local : Source::inherited};
        if (!paused.empty())
            one.props[std::string(prop::kPaused)] = {std::string(paused), Source::local};
        all.insert_or_assign(one.name, one);
    };
    add("tank/fs", "", true);
    add("tank/fs/own", "", true);
    add("tank/fs/awake", "no", true);
    add("tank/fs/between", "no", false);
    add("tank/fs/between/deep", "", true);
    add("tank/fs/member", "", false);
    add("tank/other", "", true);
    const auto along = paused_along(
        all, test::dataset_name("tank/fs"), {.host = HostName::parse("alpha").value()});
    EXPECT_EQ(along, std::vector<DatasetName>{test::dataset_name("tank/fs/own")});
}

TEST(PutBack, NamesThoseToChooseFrom) {
    const auto none = on_master("@zrep_000000:1+s @zrep_000001:2+s", "zrep_000007");
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, Code::not_found);
    EXPECT_NE(none.error().remedy.find("@zrep_000001, @zrep_000000"), std::string::npos)
        << none.error().remedy;
    const auto unsent = on_master("@zrep_000000:1+s @zrep_000001:2", "zrep_000001");
    ASSERT_FALSE(unsent);
    EXPECT_EQ(unsent.error().code, Code::refused);
    EXPECT_NE(unsent.error().message.find("never acknowledged"), std::string::npos);
    EXPECT_FALSE(on_master("@mine:1", "mine"));
}

TEST(PutBack, SaysTheMastersStepsInOrder) {
    const auto found =
        on_master("@zrep_000000:1+s @zrep_000001:2+s @zrep_000002:3+s", "zrep_000000");
    ASSERT_TRUE(found);
    const auto steps = describe(*found, test::master(0).name);
    EXPECT_EQ(steps.before, std::vector<std::string>{"hold and bookmark tank/fs@zrep_000000"});
    ASSERT_EQ(steps.after.size(), 1U);
    EXPECT_NE(steps.after[0].find("tank/fs@zrep_000001, @zrep_000002"), std::string::npos);
}

/// Of a tree: the part of the root's snapshot, by its name.
TEST(PutBack, AMemberGoesToItsPartOrSaysWhyNot) {
    const Snapshot base = snaps("@zrep_000001:2+s").snapshots.back();
    Dataset member(*DatasetName::parse("tank/fs/a"));
    const auto part = put_back_member(member, snaps("@zrep_000001:12+s @zrep_000002:13+s"), base);
    ASSERT_TRUE(part);
    ASSERT_TRUE(*part);
    EXPECT_EQ((*part)->base.guid, Guid{12});
    EXPECT_EQ((*part)->forgotten, std::vector<std::string>{"zrep_000002"});
    const auto late = put_back_member(member, snaps("@zrep_000002:13+s"), base);
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, Code::refused);
    EXPECT_NE(late.error().message.find("tank/fs/a has no part of @zrep_000001"),
              std::string::npos);
    const auto unsent = put_back_member(member, snaps("@zrep_000002:13"), base);
    ASSERT_TRUE(unsent);
    EXPECT_FALSE(*unsent) << "nothing of it is there";
}

/// The target's side; the master has the guids 2 to 9 after the base, which is 1.
class RollBackTo : public ::testing::Test {
  protected:
    Result<RollBack> at(std::string_view history, Guid base = Guid{1}) {
        versions = snaps(history);
        for (Snapshot& s : versions.snapshots) s.foreign_hold = s.name.starts_with("zrep_0000f");
        RollBackAsked asked{.base = base, .newer = {}, .host = "beta", .master = "alpha"};
        for (std::uint64_t i = 2; i < 10; ++i) asked.newer.push_back(Guid{i});
        return roll_back(dataset, versions, asked);
    }
    static std::vector<Kind> kinds(const RollBack& found) {
        std::vector<Kind> out;
        for (const auto& step : found.steps) out.push_back(step.kind);
        return out;
    }
    Dataset dataset{test::dataset_name("backup/fs")};
    Versions versions;
};

TEST_F(RollBackTo, HoldsReleasesDestroysAndRollsBack) {
    const auto found = at("@zrep_000000:1+s @zrep_000001:2+s+w100 @zrep_000002:3+s+h+w24");
    ASSERT_TRUE(found) << found.error().text();
    EXPECT_EQ(kinds(*found),
              (std::vector{Kind::hold, Kind::release, Kind::destroy, Kind::roll_back}));
    EXPECT_EQ(found->destroyed, (std::vector<std::string>{"zrep_000001", "zrep_000002"}));
    EXPECT_EQ(found->lost_bytes, 0U);
    EXPECT_EQ(found->steps[1].names, std::vector<std::string>{"zrep_000002"});
    EXPECT_EQ(found->steps[2].text,
              "destroy backup/fs@zrep_000001, @zrep_000002 on beta (124 B; alpha has the same)");
    EXPECT_EQ(found->steps[3].text, "roll backup/fs on beta back to @zrep_000000");
    EXPECT_EQ(found->steps[3].names, std::vector<std::string>{"zrep_000000"});
}

TEST_F(RollBackTo, SaysWhatWasWrittenThereAndIsLost) {
    dataset.written_bytes = 4096;
    const auto found = at("@zrep_000000:1+s @zrep_000001:2+s");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->lost_bytes, 4096U);
    EXPECT_NE(found->steps.back().text.find("lose 4.0 KiB that were written there after "
                                            "@zrep_000001"),
              std::string::npos)
        << found->steps.back().text;
}

/// Also what a power cut between the destroy and the rollback leaves.
TEST_F(RollBackTo, ATouchedTargetWithNothingNewerIsRolledBack) {
    dataset.written_bytes = 4096;
    const auto found = at("@zrep_000000:1+s");
    ASSERT_TRUE(found);
    EXPECT_EQ(kinds(*found), (std::vector{Kind::hold, Kind::roll_back}));
    dataset.written_bytes = 0;
    const auto there = at("@zrep_000000:1+s");
    ASSERT_TRUE(there);
    EXPECT_EQ(kinds(*there), std::vector{Kind::hold});
}

TEST_F(RollBackTo, LetsGoOfAPartlyReceivedStreamAndOfItsOwnBookmarksFirst) {
    dataset.resume_token = "1-abc";
    const auto found = at("@zrep_000000:1+s @zrep_000001:2+s+c #zrep_2:2 #zrep_1:1");
    ASSERT_TRUE(found) << found.error().text();
    EXPECT_EQ(
        kinds(*found),
        (std::vector{
            Kind::abort_partial, Kind::hold, Kind::drop_bookmark, Kind::destroy, Kind::roll_back}));
    EXPECT_EQ(found->steps[2].names, std::vector<std::string>{"zrep_2"});
}

TEST_F(RollBackTo, AnythingThatTheMasterHasNotIsARefusalThatNamesIt) {
    struct Case {
        const char* history;
        Code code;
        const char* said;
        const char* next;
    };
    const Case table[] = {
        {"@zrep_000000:1+s @mine:20", Code::conflict, "@mine", "zfs destroy 'backup/fs@mine'"},
        // Also when the master has a copy of it by chance.
        {"@zrep_000000:1+s @mine:2", Code::conflict, "not zrepd's", "zfs destroy"},
        {"@zrep_000000:1+s @zrep_000001:2 @zrep_000002:77+s",
         Code::conflict,
         "@zrep_000002, which alpha has not got",
         "zfs list -t snapshot 'backup/fs'"},
        {"@zrep_000000:1+s @zrep_000001:2 #mine:2", Code::conflict, "#mine", "'backup/fs#mine'"},
        {"@zrep_000000:1+s @zrep_000001:2+c", Code::refused, "clones of @zrep_000001", "zfs get"},
        {"@zrep_000000:1+s @zrep_0000f1:2+h", Code::refused, "others hold", "zfs release TAG"},
        {"@zrep_000000:5+s", Code::conflict, "has not got that snapshot", "@zrep_000000"},
        {"@zrep_000000:1 @zrep_000001:2+s", Code::conflict, "no record", "@zrep_000001"},
    };
    for (const Case& c : table) {
        SCOPED_TRACE(c.history);
        const auto found = at(c.history);
        ASSERT_FALSE(found);
        EXPECT_EQ(found.error().code, c.code);
        EXPECT_NE(found.error().message.find(c.said), std::string::npos) << found.error().message;
        EXPECT_NE(found.error().remedy.find(c.next), std::string::npos) << found.error().remedy;
    }
    EXPECT_FALSE(at("@zrep_000000:1+s", Guid{}));
}

TEST_F(RollBackTo, WhatIsOlderOrTheBaseItselfIsInNobodysWay) {
    const auto found = at("@mine:20+c @zrep_0000f0:1+s+h+c #old:1 @zrep_000001:2+s");
    ASSERT_TRUE(found) << found.error().text();
    EXPECT_EQ(found->destroyed, std::vector<std::string>{"zrep_000001"});
}

}  // namespace
}  // namespace zrepd::plan
