// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/plan/tree.hpp"

#include <gtest/gtest.h>

#include <deque>

#include "common/props.hpp"
#include "daemon/plan/members.hpp"
#include "tests/fakes/builders.hpp"

namespace zrepd::plan {
namespace {

using Kind = MemberStep::Kind;
using test::dataset_name;
using test::snaps;

/// A tree of members, each given by its two histories. A snapshot's place in its text is its
/// createtxg: one moment is the same place.
class Tree : public ::testing::Test {
  protected:
    /// `there`: "-" when it does not exist over there.
    TreeMember& add(std::string name,
                    std::string_view here,
                    std::string_view there,
                    std::uint64_t written = 0) {
        Dataset& dataset = datasets_.emplace_back(dataset_name(name));
        dataset.written_bytes = written;
        dataset.available_bytes = 1'000'000;
        if (members.empty()) {
            const auto set = [&](std::string_view key, std::string value) {
                dataset.props[std::string(key)] = {std::move(value), Source::local};
            };
            set(prop::kSrcHost, "alpha");
            set(prop::kSrcFs, name);
            set(prop::kDestHost, "beta");
            set(prop::kDestFs, "backup/a");
            set(prop::kMaster, "yes");
            set(prop::kEpoch, "1");
            set(prop::kTree, "on");
        }
        TreeMember member{.source = {&dataset, &versions_.emplace_back(snaps(here)), 1'000'000},
                          .target = {},
                          .peer_dataset = dataset_name("backup/a" + name.substr(6))};
        if (there != "-") {
            member.target.exists = true;
            member.target.is_pair = true;
            member.target.epoch = 1;
            member.target.available_bytes = 1'000'000;
            member.target.snapshots = snaps(there).snapshots;
        }
        members.push_back(std::move(member));
        return members.back();
    }
    TreeStep plan(bool founding = false) const {
        const auto root =
            pair_of(*members.front().source.dataset, Self{HostName::parse("alpha").value()});
        return plan_tree(root.value(), members, founding);
    }
    TreeSend sent(bool founding = false) const {
        const TreeStep step = plan(founding);
        const auto* out = std::get_if<TreeSend>(&step);
        EXPECT_NE(out, nullptr) << describe(step, members).front();
        return out == nullptr ? TreeSend{} : *out;
    }
    std::vector<Kind> kinds(bool founding = false) const {
        std::vector<Kind> out;
        for (const auto& step : sent(founding).steps) out.push_back(step.kind);
        return out;
    }
    Error refused(Code code = Code::conflict) const {
        const TreeStep step = plan();
        const auto* out = std::get_if<Conflict>(&step);
        EXPECT_NE(out, nullptr) << describe(step, members).front();
        if (out == nullptr) return {};
        EXPECT_EQ(info(out->error.code).name, info(code).name) << out->error.message;
        EXPECT_FALSE(out->error.remedy.empty());
        return out->error;
    }
    void expect_unchanged() const {
        const TreeStep step = plan();
        EXPECT_TRUE(std::holds_alternative<TreeUnchanged>(step)) << describe(step, members).front();
    }
    void freeze() {
        for (Dataset& dataset : datasets_) {
            dataset.readonly = true;
            dataset.props[std::string(prop::kInprogress)] = {"freezing", Source::inherited};
        }
    }
    static void expect_in(const std::string& text, std::string_view part) {
        EXPECT_NE(text.find(part), text.npos) << "'" << part << "' is not in: " << text;
    }
    std::vector<TreeMember> members;

  private:
    std::deque<Dataset> datasets_;
    std::deque<Versions> versions_;
};

using Kinds = std::vector<Kind>;

TEST_F(Tree, IsTakenWhenFrozenAndTheNewestOfAMemberIsSomebodyElses) {
    add("tank/a", "@zrep_000000:1+s", "@zrep_000000:1");
    add("tank/a/b", "@zrep_000000:2+s @daily:3", "@zrep_000000:2");
    expect_unchanged();
    freeze();
    EXPECT_EQ(sent().snapshot, "zrep_000001");
    EXPECT_TRUE(sent().take);
}

TEST_F(Tree, IsUnchangedWhenNoMemberWasWrittenTo) {
    add("tank/a", "@zrep_000001:1+s", "@zrep_000001:1");
    add("tank/a/b", "@zrep_000001:2+s", "@zrep_000001:2");
    expect_unchanged();
}

TEST_F(Tree, IsSnapshotWholeWhenOneMemberWasWrittenTo) {
    add("tank/a", "@zrep_000001:1+s", "@zrep_000001:1");
    add("tank/a/b", "@zrep_000001:2+s", "@zrep_000001:2", 5);
    const TreeSend send = sent();
    EXPECT_TRUE(send.take);
    EXPECT_EQ(send.snapshot, "zrep_000002");
    EXPECT_EQ(kinds(), (Kinds{Kind::incremental, Kind::incremental}));
    EXPECT_EQ(send.steps[1].base, "@zrep_000001");
    EXPECT_EQ(send.steps[1].base_guid, Guid{2});
    EXPECT_FALSE(send.steps[1].snapshot);
}

TEST_F(Tree, NumbersItsSnapshotAboveThoseOfEveryMemberAndCopy) {
    add("tank/a", "@zrep_000001:1+s", "@zrep_000001:1", 5);
    add("tank/a/b", "@zrep_000007:2+s", "@zrep_000007:2");
    add("tank/a/c", "@x:8", "@x:8 @zrep_000009:9");
    members.back().target.snapshots.erase(members.back().target.snapshots.begin());
    // The last one's copy shares nothing: only the numbers of the others count then.
    members.pop_back();
    EXPECT_EQ(sent().snapshot, "zrep_000008");
}

TEST_F(Tree, SendsWhatAppearedWhole) {
    add("tank/a", "@zrep_000001:1+s", "@zrep_000001:1");
    add("tank/a/new", "", "-");
    const TreeSend send = sent();
    EXPECT_TRUE(send.take);
    EXPECT_EQ(kinds(), (Kinds{Kind::incremental, Kind::full}));
    EXPECT_FALSE(send.steps[1].abort_partial);
}

TEST_F(Tree, SendsWholeAgainWhatIsGoneOverThere) {
    add("tank/a", "@zrep_000001:1+s", "@zrep_000001:1");
    add("tank/a/b", "@zrep_000001:2+s", "-");
    EXPECT_EQ(kinds(), (Kinds{Kind::incremental, Kind::full}));
}

TEST_F(Tree, FinishesASnapshotBeforeItTakesAnother) {
    add("tank/a", "@zrep_000001:1+s @zrep_000002:2", "@zrep_000001:1 @zrep_000002:2", 7);
    add("tank/a/b", "@zrep_000001:3+s @zrep_000002:4", "@zrep_000001:3", 7);
    const TreeSend send = sent();
    EXPECT_FALSE(send.take);
    EXPECT_EQ(send.snapshot, "zrep_000002");
    EXPECT_EQ(kinds(), (Kinds{Kind::have, Kind::incremental}));
    EXPECT_EQ(send.steps[1].snapshot->guid, Guid{4});
}

TEST_F(Tree, AcknowledgesWhatAllHaveWithoutAStream) {
    add("tank/a", "@zrep_000001:1+s @zrep_000002:2", "@zrep_000001:1 @zrep_000002:2");
    add("tank/a/b", "@zrep_000001:3+s @zrep_000002:4", "@zrep_000001:3 @zrep_000002:4");
    EXPECT_FALSE(sent().take);
    EXPECT_EQ(kinds(), (Kinds{Kind::have, Kind::have}));
}

TEST_F(Tree, AcknowledgesAgainWhenOnlySomeMembersWere) {
    add("tank/a", "@zrep_000001:1+s", "@zrep_000001:1");
    add("tank/a/b", "@zrep_000001:2", "@zrep_000001:2");
    EXPECT_EQ(kinds(), (Kinds{Kind::have, Kind::have}));
}

TEST_F(Tree, LeavesWhatAppearedLaterOutOfAnUnfinishedSnapshot) {
    add("tank/a", "@zrep_000001:1+s @zrep_000002:2", "@zrep_000001:1");
    add("tank/a/late", "", "-");
    EXPECT_EQ(kinds(), (Kinds{Kind::incremental, Kind::apart}));
}

TEST_F(Tree, ASnapshotOfThatNameFromAnotherMomentIsNoPartOfIt) {
    add("tank/a", "@zrep_000001:1+s @zrep_000002:2", "@zrep_000001:1");
    add("tank/a/b", "@zrep_000001:3+s @other:9 @zrep_000002:4", "@zrep_000001:3");
    EXPECT_EQ(kinds(), (Kinds{Kind::incremental, Kind::apart}));
}

TEST_F(Tree, ResumesTheMembersStreamThatWasCut) {
    add("tank/a", "@zrep_000001:1+s @zrep_000002:2", "@zrep_000001:1 @zrep_000002:2");
    TreeMember& b = add("tank/a/b", "@zrep_000001:3+s @zrep_000002:4", "@zrep_000001:3");
    b.target.resume_token = "1-abc";
    b.target.token_guid = Guid{4};
    const TreeSend send = sent();
    EXPECT_EQ(kinds(), (Kinds{Kind::have, Kind::resume}));
    EXPECT_EQ(send.steps[1].token, "1-abc");
}

TEST_F(Tree, DoesNotResumeIntoACopyThatWasTouched) {
    add("tank/a", "@zrep_000001:1+s @zrep_000002:2", "@zrep_000001:1 @zrep_000002:2");
    TreeMember& b = add("tank/a/b", "@zrep_000001:3+s @zrep_000002:4", "@zrep_000001:3");
    b.target.resume_token = "1-abc";
    b.target.token_guid = Guid{4};
    b.target.written_bytes = 1;
    EXPECT_EQ(kinds(), (Kinds{Kind::have, Kind::incremental}));
    EXPECT_TRUE(sent().steps[1].rollback_target && sent().steps[1].abort_partial);
}

TEST_F(Tree, ThrowsAwayADeadTokenOfAMemberThatHasABase) {
    add("tank/a", "@zrep_000001:1+s @zrep_000002:2", "@zrep_000001:1 @zrep_000002:2");
    TreeMember& b = add("tank/a/b", "@zrep_000001:3+s @zrep_000002:4", "@zrep_000001:3");
    b.target.resume_token = "1-abc";
    EXPECT_TRUE(sent().steps[1].abort_partial);
    EXPECT_EQ(kinds(), (Kinds{Kind::have, Kind::incremental}));
}

TEST_F(Tree, ResumesAFirstStreamAndThrowsNobodysElseAway) {
    add("tank/a", "@zrep_000001:1+s @zrep_000002:2", "@zrep_000001:1 @zrep_000002:2");
    TreeMember& b = add("tank/a/new", "@first:5 @zrep_000002:4", "");
    b.target.resume_token = "1-abc";
    b.target.token_guid = Guid{4};
    b.target.written_bytes = 4096;  // what it has of that stream
    EXPECT_EQ(kinds(), (Kinds{Kind::have, Kind::resume}));
    b.target.token_guid.reset();
    const Error error = refused();
    expect_in(error.message, "backup/a/new on beta");
    expect_in(error.remedy, "zfs receive -A 'backup/a/new'");
}

/// What it was of vanished, and its name came back: one child must not stop the whole tree.
TEST_F(Tree, ThrowsAwayHalfAFirstStreamOfWhatHadAMembersNameBefore) {
    add("tank/a", "@zrep_000001:1+s", "@zrep_000001:1");
    TreeMember& b = add("tank/a/new", "", "");
    b.target.resume_token = "1-abc";
    b.target.token_ours = true;
    b.target.written_bytes = 4096;
    EXPECT_EQ(kinds(), (Kinds{Kind::incremental, Kind::full}));
    EXPECT_TRUE(sent().steps[1].abort_partial);
    const auto lines = describe(plan(), members);
    ASSERT_EQ(lines.size(), 5U);
    EXPECT_EQ(lines[2], "discard the partly received stream in backup/a/new");
    // Something whole in its place is no such half.
    b.target.snapshots = snaps("@zrep_000001:9").snapshots;
    expect_in(refused().message, "no snapshot in common");
}

TEST_F(Tree, ADatasetInAMembersPlaceIsAConflictThatSaysHowToMoveIt) {
    add("tank/a", "@zrep_000001:1+s", "@zrep_000001:1", 5);
    add("tank/a/new", "", "");
    const Error error = refused();
    expect_in(error.message, "backup/a/new on beta is in the place of tank/a/new");
    expect_in(error.remedy, "zfs rename 'backup/a/new' 'backup/a/new_old'");
    expect_in(error.remedy, "zrepctl sync 'tank/a'");
}

TEST_F(Tree, APairInAMembersPlaceIsAConflict) {
    add("tank/a", "@zrep_000001:1+s", "@zrep_000001:1", 5);
    add("tank/a/b", "@zrep_000001:2+s", "@zrep_000001:2").target.is_pair = false;
    expect_in(refused().message, "part of something else");
}

TEST_F(Tree, AMemberThatWasMadeAnewUnderItsNameIsAConflict) {
    add("tank/a", "@zrep_000001:1+s", "@zrep_000001:1", 5);
    add("tank/a/b", "", "@zrep_000001:2");
    expect_in(refused().message, "no snapshot in common");
}

TEST_F(Tree, ARootThatHasNothingInCommonStartsOverAsATree) {
    add("tank/a", "@zrep_000003:7", "@zrep_000001:1");
    add("tank/a/b", "@zrep_000003:8", "@zrep_000001:2");
    const std::string remedy = refused().remedy;
    expect_in(remedy, "zrepctl clear backup/a and zfs rename backup/a backup/a_old");
    expect_in(remedy, "zrepctl clear tank/a and zrepctl init -r tank/a beta backup/a");
}

TEST_F(Tree, NewerSnapshotsOfACopyStopTheTreeAndTheRemedyIsForTheRoot) {
    add("tank/a", "@zrep_000001:1+s", "@zrep_000001:1", 5);
    add("tank/a/b", "@zrep_000001:2+s", "@zrep_000001:2 @theirs:9");
    const Error error = refused();
    expect_in(error.message, "backup/a/b on beta has 1 snapshot");
    expect_in(error.remedy, "here: zrepctl sync tank/a");
}

TEST_F(Tree, SaysTheConflictsOfAllItsMembers) {
    add("tank/a", "@zrep_000001:1+s", "@zrep_000001:1", 5);
    for (const auto* name : {"tank/a/b", "tank/a/c", "tank/a/d", "tank/a/e"}) add(name, "", "@x:9");
    const Error error = refused();
    expect_in(error.message, "backup/a/b");
    expect_in(error.message, "backup/a/c");
    expect_in(error.message, "1 more of the tree");
}

TEST_F(Tree, RollsATouchedCopyBackWithTheNextSnapshot) {
    add("tank/a", "@zrep_000001:1+s", "@zrep_000001:1");
    add("tank/a/b", "@zrep_000001:2+s", "@zrep_000001:2").target.written_bytes = 9;
    EXPECT_TRUE(sent().steps[1].rollback_target);
    EXPECT_FALSE(sent().steps[0].rollback_target);
}

TEST_F(Tree, TakesNothingForAFullPoolOnEitherSide) {
    add("tank/a", "@zrep_000001:1+s", "@zrep_000001:1");
    TreeMember& b = add("tank/a/b", "@zrep_000001:2+s", "@zrep_000001:2", 5);
    b.target.available_bytes = 0;
    expect_in(refused(Code::no_space).message, "backup/a/b on beta has no space left");
}

TEST_F(Tree, ComparesMinfreeWithThePoolAndNotWithWhatAMemberMayUse) {
    add("tank/a", "@zrep_000001:1+s", "@zrep_000001:1");
    add("tank/a/b", "@zrep_000001:2+s", "@zrep_000001:2", 5);
    auto* root = const_cast<Dataset*>(members[0].source.dataset);
    auto* quota = const_cast<Dataset*>(members[1].source.dataset);
    root->props[std::string(prop::kMinfree)] = {"500K", Source::local};
    quota->available_bytes = 1'000;
    EXPECT_TRUE(sent().take);
    quota->available_bytes = 1'000'000;
    for (TreeMember& member : members) member.source.pool_free_bytes = 1'000;
    expect_in(refused(Code::no_space).message, "pool tank has 1000 B free");
}

TEST_F(Tree, TheRootsRolesDecideForAll) {
    add("tank/a", "@zrep_000001:1+s", "@zrep_000001:1", 5).target.master = true;
    add("tank/a/b", "@zrep_000001:2+s", "@zrep_000001:2");
    refused(Code::split_brain);
}

TEST_F(Tree, ARootThatIsGoneIsAConflictButForAnInit) {
    add("tank/a", "", "-");
    add("tank/a/b", "", "-");
    refused();
    EXPECT_EQ(kinds(/*founding=*/true), (Kinds{Kind::full, Kind::full}));
}

TEST_F(Tree, PutsNoPlainMemberBelowAnEncryptedOne) {
    add("tank/a", "@zrep_000001:1+s", "@zrep_000001:1");
    add("tank/a/b", "", "-");
    const_cast<Dataset*>(members[0].source.dataset)->encrypted = true;
    expect_in(refused().message, "tank/a/b is not encrypted, and its parent is");
    expect_in(refused().remedy, "zfs rename 'tank/a/b' 'tank/b'; then here: zrepctl sync 'tank/a'");
}

TEST_F(Tree, AMemberWhoseNameLeavesNoRoomIsNamed) {
    add("tank/a", "@zrep_000001:1+s", "@zrep_000001:1");
    add("tank/a/" + std::string(230, 'x'), "", "-");
    expect_in(refused().remedy, "zfs rename");
}

TEST_F(Tree, SaysItsStepsForEachMember) {
    add("tank/a", "@zrep_000001:1+s", "@zrep_000001:1");
    add("tank/a/new", "", "-");
    const auto lines = describe(plan(), members);
    ASSERT_EQ(lines.size(), 4U);
    EXPECT_EQ(lines[0], "take snapshot @zrep_000002 of tank/a and of 1 below it, at one moment");
    EXPECT_EQ(lines[1], "send tank/a@zrep_000002 from @zrep_000001");
    expect_in(lines[2], "send tank/a/new@zrep_000002 whole");
    expect_in(lines[3], "acknowledge @zrep_000002 of all of them");
}

}  // namespace
}  // namespace zrepd::plan
