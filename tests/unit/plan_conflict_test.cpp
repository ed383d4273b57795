// SPDX-License-Identifier: BSD-2-Clause
// What the planner does about a target that is not as it was left.
#include "tests/fakes/plan_steps.hpp"

namespace zrepd::plan {
namespace {

using namespace zrepd::test;  // NOLINT(google-build-using-namespace)

TEST(PlanConflict, RollsBackATargetThatWasWrittenTo) {
    TargetView there = target("@zrep_000001:1");
    there.written_bytes = 4096;
    const auto step = expect_incremental(planned(5, "@zrep_000001:1+s", there));
    EXPECT_TRUE(step.rollback_target);
    EXPECT_EQ(step.base_guid, Guid{1});
}

TEST(PlanConflict, RefusesATargetWithNewerSnapshotsAndNamesThem) {
    const Step step = planned(
        5, "@zrep_000001:1+s", target("@zrep_000001:1+s @mine:8+w1048576 @yours:9+w1048576"));
    const Error error = expect_conflict(step, Code::conflict);
    expect_in(error.message, "backup/fs on beta has 2 snapshots (2.0 MiB)");
    expect_in(error.message, "@mine, @yours");
    expect_in(error.message, "@zrep_000001 (acknowledged 2023-11-14T22:13:20Z)");
    expect_in(error.remedy, "zfs list -t snapshot backup/fs");
    expect_in(error.remedy, "then zfs destroy backup/fs@mine%yours; here: zrepctl sync tank/fs");
}

TEST(PlanConflict, NamesWithSpacesCanBePasted) {
    Versions here = snaps("@ab:1+s");
    TargetView there = target("@ab:1 @mine:8");
    here.snapshots[0].name = there.snapshots[0].name = "a b";
    const Dataset fs = master(5);
    const Step step = plan_sync({&fs, &here}, there);
    expect_in(expect_conflict(step, Code::conflict).remedy, "zfs send -i '@a b' backup/fs@mine");
}

/// As after a rollback of the master by hand.
TEST(PlanConflict, NamesTheHoldThatIsInTheWay) {
    const Step step = planned(5, "@zrep_000001:1+s", target("@zrep_000001:1+s @zrep_000002:2+s"));
    expect_in(expect_conflict(step, Code::conflict).remedy,
              "then zfs release zrep_base backup/fs@zrep_000002 and "
              "zfs destroy backup/fs@zrep_000002; here:");
    const Step behind =
        planned(5, "@zrep_000001:1+s", target("@zrep_000001:1+s @zrep_000002:2+s @theirs:9"));
    expect_in(expect_conflict(behind, Code::conflict).remedy,
              "then zfs release zrep_base backup/fs@zrep_000002 and "
              "zfs destroy backup/fs@zrep_000002%theirs; here:");
}

TEST(PlanConflict, RefusesNewerSnapshotsEvenWithATokenOrWrites) {
    TargetView there = half_received(target("@zrep_000001:1 @mine:8"), Guid{2});
    there.written_bytes = 9;
    expect_conflict(planned(5, "@zrep_000001:1+s @zrep_000002:2", there), Code::conflict);
}

TEST(PlanConflict, ShowsOnlySomeOfManyNewerSnapshots) {
    const Step step = planned(5, "@z:1", target("@z:1 @a:11 @b:12 @c:13 @d:14 @e:15 @f:16 @g:17"));
    const Error error = expect_conflict(step, Code::conflict);
    expect_in(error.message, "7 snapshots");
    expect_in(error.message, "@a, @b, @c, @d, @e and 2 more");
}

TEST(PlanConflict, RefusesSidesWithNothingInCommonAndSaysWhatEachHas) {
    const Error error =
        expect_conflict(planned(5, "@zrep_000004:4", target("@zrep_000009:9")), Code::conflict);
    expect_in(error.message, "@zrep_000004 with guid 4");
    expect_in(error.message, "@zrep_000009 with guid 9");
    expect_in(error.remedy, "zrepctl init tank/fs beta backup/fs");
}

TEST(PlanConflict, RefusesAMissingTarget) {
    const Error error =
        expect_conflict(planned(5, "@zrep_000001:1+s", TargetView{}), Code::conflict);
    expect_in(error.remedy, "zrepctl clear tank/fs");
    expect_in(error.remedy, "zrepctl init tank/fs beta backup/fs");
}

TEST(PlanConflict, RefusesATargetOfAnotherPair) {
    TargetView there = target("@zrep_000001:1");
    there.is_pair = false;
    const Error error = expect_conflict(planned(5, "@zrep_000001:1+s", there), Code::conflict);
    expect_in(error.remedy, "on beta zrepctl clear backup/fs unless it is in no pair there");
    expect_in(error.remedy,
              "zrepctl clear tank/fs and zrepctl init --adopt tank/fs beta backup/fs;");
}

TEST(PlanConflict, CallsTwoMastersOfOneEpochASplitBrain) {
    TargetView there = target("@zrep_000001:1");
    there.master = true;
    there.is_pair = false;  // its own direction is the other way round
    const Error error = expect_conflict(planned(5, "@zrep_000001:1+s", there), Code::split_brain);
    expect_in(error.message, "epoch 1 there, 1 here");
}

TEST(PlanConflict, SaysThatTheOtherSideTookOver) {
    TargetView there = target("@zrep_000001:1");
    there.master = true;
    there.epoch = 2;
    const Error error = expect_conflict(planned(5, "@zrep_000001:1+s", there), Code::conflict);
    expect_in(error.message, "the other side took over");
    expect_in(error.message, "epoch 2 there, 1 here");
}

TEST(PlanConflict, RefusesAMasterThatMissedARoleChange) {
    TargetView there = target("@zrep_000001:1");
    there.master = true;
    there.epoch = 0;
    expect_in(expect_conflict(planned(5, "@zrep_000001:1+s", there), Code::conflict).message,
              "missed a role change");
}

TEST(PlanConflict, RefusesATargetWithAHigherEpoch) {
    TargetView there = target("@zrep_000001:1");
    there.epoch = 4;
    const Error error = expect_conflict(planned(5, "@zrep_000001:1+s", there), Code::conflict);
    expect_in(error.message, "epoch 4 there, 1 here");
    expect_in(error.remedy, "zfs set zrep:epoch=4 tank/fs");
    // What that costs, and how to keep it.
    expect_in(error.remedy, "rolls back");
    expect_in(error.remedy, "zfs snapshot backup/fs@keep");
}

TEST(PlanConflict, SendsToATargetWithALowerEpoch) {
    TargetView there = target("@zrep_000001:1");
    there.epoch = 0;
    expect_incremental(planned(5, "@zrep_000001:1+s", there));
}

TEST(PlanConflict, TellsATargetTheEpochWhenThereIsNothingElseToSend) {
    TargetView there = target("@zrep_000001:1");
    there.epoch = 0;
    const Step step = planned(0, "@zrep_000001:1+s", there);
    const auto* skip = std::get_if<Skip>(&step);
    ASSERT_NE(skip, nullptr);
    ASSERT_TRUE(skip->acknowledge);
    EXPECT_EQ(skip->acknowledge->name, "zrep_000001");
    EXPECT_FALSE(skip->more);
}

TEST(PlanConflict, WaitsForAReceiveThatIsUnderWay) {
    TargetView there = target("@zrep_000001:1");
    there.receiving = true;
    const Error error = expect_conflict(planned(5, "@zrep_000001:1+s", there), Code::busy);
    EXPECT_TRUE(info(error.code).retryable);
    expect_in(error.remedy, "six times");
}

}  // namespace
}  // namespace zrepd::plan
