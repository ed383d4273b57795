// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/plan/plan.hpp"

#include <gtest/gtest.h>

#include "tests/fakes/builders.hpp"

namespace zrepd::plan {
namespace {

using test::master;
using test::snaps;
using test::target;

Step plan(const Dataset& dataset, std::string_view history, const TargetView& there) {
    const Versions versions = snaps(history);
    return plan_sync({&dataset, &versions}, there);
}

Step plan(std::uint64_t written, std::string_view history, const TargetView& there) {
    return plan(master(written), history, there);
}

Dataset with(Dataset dataset, std::string_view key, std::string value) {
    dataset.props[std::string(key)] = {std::move(value), Source::local};
    return dataset;
}

TargetView half_received(TargetView there, std::optional<Guid> token_guid) {
    there.resume_token = "1-abc";
    there.token_guid = token_guid;
    return there;
}

void expect_skip(const Step& step) {
    ASSERT_TRUE(std::holds_alternative<Skip>(step)) << describe(step, master(0).name).front();
    EXPECT_FALSE(std::get<Skip>(step).acknowledge);
}

Incremental expect_incremental(const Step& step) {
    const auto* found = std::get_if<Incremental>(&step);
    EXPECT_NE(found, nullptr) << describe(step, master(0).name).front();
    return found == nullptr ? Incremental{} : *found;
}

Error expect_conflict(const Step& step, Code code) {
    const auto* found = std::get_if<Conflict>(&step);
    EXPECT_NE(found, nullptr) << describe(step, master(0).name).front();
    if (found == nullptr) return {};
    EXPECT_EQ(info(found->error.code).name, info(code).name) << found->error.message;
    EXPECT_FALSE(found->error.remedy.empty());
    return found->error;
}

void expect_in(const std::string& text, std::string_view part) {
    EXPECT_NE(text.find(part), std::string::npos) << "'" << part << "' is not in: " << text;
}

// --- nothing to do ---

TEST(Plan, SkipsWhenNothingWasWrittenSinceTheBase) {
    expect_skip(plan(0, "@zrep_000001:1+s", target("@zrep_000001:1")));
}

TEST(Plan, SkipsWhenOnlyEmptyForeignSnapshotsFollow) {
    expect_skip(plan(0, "@zrep_000001:1+s @daily:2 @hourly:3", target("@zrep_000001:1")));
}

TEST(Plan, SkipsWhenTheBaseIsOnlyABookmarkAndNothingFollows) {
    expect_skip(plan(0, "@older:5 #zrep_1:1", target("@zrep_000001:1")));
}

TEST(Plan, SkipsOnAFullPoolWhenThereIsNothingToSend) {
    Dataset full = master(0);
    full.available_bytes = 0;
    expect_skip(plan(full, "@zrep_000001:1+s", target("@zrep_000001:1")));
}

TEST(Plan, RecordsAnAcknowledgementThatGotLost) {
    const Step step =
        plan(0, "@zrep_000001:1+s @zrep_000002:2+w9", target("@zrep_000001:1 @zrep_000002:2"));
    ASSERT_TRUE(std::holds_alternative<Skip>(step));
    ASSERT_TRUE(std::get<Skip>(step).acknowledge);
    EXPECT_EQ(std::get<Skip>(step).acknowledge->name, "zrep_000002");
    EXPECT_EQ(describe(step, master(0).name),
              std::vector<std::string>{"record tank/fs@zrep_000002 as acknowledged"});
}

TEST(Plan, NeverAcknowledgesAForeignSnapshot) {
    expect_skip(plan(0, "@zrep_000001:1+s @daily:2", target("@zrep_000001:1 @daily:2")));
}

TEST(Plan, SendsFromASnapshotWhoseAcknowledgementGotLost) {
    const auto step = expect_incremental(
        plan(5, "@zrep_000001:1+s @zrep_000002:2+w9", target("@zrep_000001:1 @zrep_000002:2")));
    EXPECT_EQ(step.base, "@zrep_000002");
    EXPECT_EQ(step.take, "zrep_000003");
}

// --- what is sent, from where ---

TEST(Plan, TakesASnapshotAndSendsItFromTheNewestCommonOne) {
    const auto step = expect_incremental(
        plan(100, "@zrep_000001:1+s @zrep_000002:2+s", target("@zrep_000001:1 @zrep_000002:2")));
    EXPECT_EQ(step.base, "@zrep_000002");
    EXPECT_EQ(step.base_guid, Guid{2});
    EXPECT_EQ(step.take, "zrep_000003");
    EXPECT_FALSE(step.existing);
    EXPECT_FALSE(step.rollback_target);
    EXPECT_FALSE(step.abort_partial);
}

TEST(Plan, KnowsTheBaseByItsGuidWhateverItsName) {
    const auto step =
        expect_incremental(plan(100, "@zrep_000001:1+s @renamed:2+s", target("@zrep_000002:2")));
    EXPECT_EQ(step.base, "@renamed");
}

TEST(Plan, IsNotFooledByTheSameNameWithAnotherGuid) {
    const Step step = plan(100, "@zrep_000001:7", target("@zrep_000001:8"));
    expect_conflict(step, Code::conflict);
}

TEST(Plan, UsesAForeignSnapshotAsBase) {
    const auto step = expect_incremental(plan(100, "@daily:4", target("@daily:4")));
    EXPECT_EQ(step.base, "@daily");
    EXPECT_EQ(step.take, "zrep_000000");
}

TEST(Plan, UsesTheBookmarkWhenTheBaseSnapshotIsGoneHere) {
    const auto step = expect_incremental(
        plan(100, "@zrep_000001:1+s #zrep_2:2 @daily:3", target("@zrep_000001:1 @zrep_000002:2")));
    EXPECT_EQ(step.base, "#zrep_2");
    EXPECT_EQ(step.base_guid, Guid{2});
    EXPECT_EQ(step.take, "zrep_000003");
}

TEST(Plan, PrefersTheSnapshotToItsBookmark) {
    const auto step =
        expect_incremental(plan(100, "@zrep_000001:1+s #zrep_1:1", target("@zrep_000001:1")));
    EXPECT_EQ(step.base, "@zrep_000001");
}

TEST(Plan, SendsWhenOnlyAForeignSnapshotHoldsTheChanges) {
    const auto step =
        expect_incremental(plan(0, "@zrep_000001:1+s @daily:2+w10", target("@zrep_000001:1")));
    EXPECT_EQ(step.take, "zrep_000002");
}

TEST(Plan, NumbersTheNewSnapshotAboveBothSides) {
    const auto step = expect_incremental(
        plan(1, "@zrep_000003:3 @zrep_000001:1+s", target("@zrep_000009:9 @zrep_000001:1")));
    EXPECT_EQ(step.take, "zrep_00000a");
}

TEST(Plan, CountsUnsentOnesOfALegacyZrepWhenNumbering) {
    const auto step = expect_incremental(
        plan(1, "@zrep_000001:1+s @zrep_000007_unsent:2+w1", target("@zrep_000001:1")));
    EXPECT_EQ(step.take, "zrep_000008");
}

TEST(Plan, GrowsTheNumberBeyondSixDigits) {
    const auto step = expect_incremental(plan(1, "@zrep_ffffff:1+s", target("@zrep_ffffff:1")));
    EXPECT_EQ(step.take, "zrep_1000000");
}

// --- pending snapshots ---

TEST(Plan, SendsAPendingSnapshotInsteadOfTakingAnother) {
    const auto step = expect_incremental(
        plan(50, "@zrep_000001:1+s @zrep_000002:2+w9", target("@zrep_000001:1")));
    EXPECT_TRUE(step.take.empty());
    ASSERT_TRUE(step.existing);
    EXPECT_EQ(step.existing->name, "zrep_000002");
}

TEST(Plan, SendsTheNewestOfSeveralPendingOnes) {
    const auto step = expect_incremental(
        plan(50, "@zrep_000001:1+s @zrep_000002:2+w9 @zrep_000003:3+w9", target("@zrep_000001:1")));
    ASSERT_TRUE(step.existing);
    EXPECT_EQ(step.existing->name, "zrep_000003");
}

TEST(Plan, TakesAnotherWhileBelowMaxsnaps) {
    const auto step = expect_incremental(plan(with(master(50), prop::kMaxsnaps, "2"),
                                              "@zrep_000001:1+s @zrep_000002:2+w9",
                                              target("@zrep_000001:1")));
    EXPECT_EQ(step.take, "zrep_000003");
}

TEST(Plan, TakesNoOtherWhenNothingWasWrittenAfterThePendingOne) {
    const auto step = expect_incremental(plan(with(master(0), prop::kMaxsnaps, "5"),
                                              "@zrep_000001:1+s @zrep_000002:2+w9 @daily:3",
                                              target("@zrep_000001:1")));
    ASSERT_TRUE(step.existing);
    EXPECT_EQ(step.existing->name, "zrep_000002");
}

TEST(Plan, SendsAnEmptyPendingSnapshotSoThatItDoesNotStayPending) {
    const auto step =
        expect_incremental(plan(0, "@zrep_000001:1+s @zrep_000002:2", target("@zrep_000001:1")));
    ASSERT_TRUE(step.existing);
}

TEST(Plan, NeverSendsWhatALegacyZrepGaveUpOn) {
    const auto step = expect_incremental(
        plan(5, "@zrep_000001:1+s @zrep_000002_unsent:2+w9", target("@zrep_000001:1")));
    EXPECT_EQ(step.take, "zrep_000003");
    expect_skip(plan(0, "@zrep_000001:1+s @zrep_000002_unsent:2", target("@zrep_000001:1")));
}

TEST(Plan, SendsAgainWhatTheTargetLostAfterAcknowledgingIt) {
    const auto step = expect_incremental(
        plan(0, "@zrep_000001:1+s @zrep_000002:2+s+w9", target("@zrep_000001:1")));
    ASSERT_TRUE(step.existing);
    EXPECT_EQ(step.existing->name, "zrep_000002");
}

// --- interrupted streams ---

TEST(Plan, ResumesAStreamOfASnapshotNewerThanTheBase) {
    const Step step = plan(
        5, "@zrep_000001:1+s @zrep_000002:2+w9", half_received(target("@zrep_000001:1"), Guid{2}));
    ASSERT_TRUE(std::holds_alternative<Resume>(step));
    EXPECT_EQ(std::get<Resume>(step).snapshot.name, "zrep_000002");
    EXPECT_EQ(std::get<Resume>(step).token, "1-abc");
    EXPECT_EQ(describe(step, master(0).name),
              std::vector<std::string>{"resume the interrupted stream of tank/fs@zrep_000002"});
}

TEST(Plan, ResumesAFirstFullStream) {
    const Step step = plan(5, "@zrep_000000:1", half_received(target(""), Guid{1}));
    ASSERT_TRUE(std::holds_alternative<Resume>(step));
}

TEST(Plan, TrustsATokenOnlyForItsOwnDatasetAndForEncryptedOnesOnlyRaw) {
    const auto token = [](const char* name, bool raw) {
        TokenInfo out;
        out.snapshot = *SnapshotName::parse(name);
        out.raw = raw;
        return out;
    };
    Dataset source = master(0);
    EXPECT_TRUE(may_resume(token("tank/fs@zrep_000001", false), source));
    EXPECT_FALSE(may_resume(token("tank/other@zrep_000001", false), source));
    EXPECT_FALSE(may_resume(TokenInfo{}, source));
    source.encrypted = true;
    EXPECT_FALSE(may_resume(token("tank/fs@zrep_000001", false), source));
    EXPECT_TRUE(may_resume(token("tank/fs@zrep_000001", true), source));
}

TEST(Plan, DiscardsADeadTokenAndSendsAnew) {
    const TargetView there = target("@zrep_000001:1");
    constexpr auto kHistory = "@zrep_000001:1+s @zrep_000002:2+w9";
    const std::optional<Guid> dead[] = {std::nullopt, Guid{77}, Guid{1}};
    for (const auto& token : dead) {
        const auto step = expect_incremental(plan(5, kHistory, half_received(there, token)));
        EXPECT_TRUE(step.abort_partial);
        EXPECT_EQ(step.base, "@zrep_000001");
    }
}

TEST(Plan, BeginsAnewWhenATargetThatWasWrittenToHasAHalfReceivedStream) {
    TargetView there = half_received(target("@zrep_000001:1"), Guid{2});
    there.written_bytes = 3;
    const auto step = expect_incremental(plan(5, "@zrep_000001:1+s @zrep_000002:2+w9", there));
    EXPECT_TRUE(step.abort_partial);
    EXPECT_TRUE(step.rollback_target);
}

// --- the target is not as it was left ---

TEST(Plan, RollsBackATargetThatWasWrittenTo) {
    TargetView there = target("@zrep_000001:1");
    there.written_bytes = 4096;
    const auto step = expect_incremental(plan(5, "@zrep_000001:1+s", there));
    EXPECT_TRUE(step.rollback_target);
    EXPECT_EQ(step.base_guid, Guid{1});
}

TEST(Plan, RefusesATargetWithNewerSnapshotsAndNamesThem) {
    const Step step =
        plan(5, "@zrep_000001:1+s", target("@zrep_000001:1+s @mine:8+w1048576 @yours:9+w1048576"));
    const Error error = expect_conflict(step, Code::conflict);
    expect_in(error.message, "backup/fs on beta has 2 snapshots (2.0 MiB)");
    expect_in(error.message, "@mine, @yours");
    expect_in(error.message, "@zrep_000001 (acknowledged 2023-11-14T22:13:20Z)");
    expect_in(error.remedy, "zfs list -t snapshot backup/fs");
    expect_in(error.remedy, "zrepctl sync tank/fs");
}

TEST(Plan, RefusesNewerSnapshotsEvenWithATokenOrWrites) {
    TargetView there = half_received(target("@zrep_000001:1 @mine:8"), Guid{2});
    there.written_bytes = 9;
    expect_conflict(plan(5, "@zrep_000001:1+s @zrep_000002:2", there), Code::conflict);
}

TEST(Plan, ShowsOnlySomeOfManyNewerSnapshots) {
    const Step step = plan(5, "@z:1", target("@z:1 @a:11 @b:12 @c:13 @d:14 @e:15 @f:16 @g:17"));
    const Error error = expect_conflict(step, Code::conflict);
    expect_in(error.message, "7 snapshots");
    expect_in(error.message, "@a, @b, @c, @d, @e and 2 more");
}

TEST(Plan, RefusesSidesWithNothingInCommonAndSaysWhatEachHas) {
    const Error error =
        expect_conflict(plan(5, "@zrep_000004:4", target("@zrep_000009:9")), Code::conflict);
    expect_in(error.message, "@zrep_000004 with guid 4");
    expect_in(error.message, "@zrep_000009 with guid 9");
    expect_in(error.remedy, "zrepctl init tank/fs beta backup/fs");
}

TEST(Plan, RefusesAMissingTarget) {
    const Error error = expect_conflict(plan(5, "@zrep_000001:1+s", TargetView{}), Code::conflict);
    expect_in(error.remedy, "zrepctl clear tank/fs");
    expect_in(error.remedy, "zrepctl init tank/fs beta backup/fs");
}

TEST(Plan, RefusesATargetOfAnotherPair) {
    TargetView there = target("@zrep_000001:1");
    there.is_pair = false;
    expect_conflict(plan(5, "@zrep_000001:1+s", there), Code::conflict);
}

TEST(Plan, CallsTwoMastersOfOneEpochASplitBrain) {
    TargetView there = target("@zrep_000001:1");
    there.master = true;
    there.is_pair = false;  // its own direction is the other way round
    const Error error = expect_conflict(plan(5, "@zrep_000001:1+s", there), Code::split_brain);
    expect_in(error.message, "epoch 1 there, 1 here");
}

TEST(Plan, SaysThatTheOtherSideTookOver) {
    TargetView there = target("@zrep_000001:1");
    there.master = true;
    there.epoch = 2;
    const Error error = expect_conflict(plan(5, "@zrep_000001:1+s", there), Code::conflict);
    expect_in(error.message, "the other side took over");
    expect_in(error.message, "epoch 2 there, 1 here");
}

TEST(Plan, RefusesAMasterThatMissedARoleChange) {
    TargetView there = target("@zrep_000001:1");
    there.master = true;
    there.epoch = 0;
    expect_in(expect_conflict(plan(5, "@zrep_000001:1+s", there), Code::conflict).message,
              "missed a role change");
}

TEST(Plan, RefusesATargetWithAHigherEpoch) {
    TargetView there = target("@zrep_000001:1");
    there.epoch = 4;
    const Error error = expect_conflict(plan(5, "@zrep_000001:1+s", there), Code::conflict);
    expect_in(error.message, "epoch 4 there, 1 here");
    expect_in(error.remedy, "zfs set zrep:epoch=4 tank/fs");
}

TEST(Plan, SendsToATargetWithALowerEpoch) {
    TargetView there = target("@zrep_000001:1");
    there.epoch = 0;
    expect_incremental(plan(5, "@zrep_000001:1+s", there));
}

TEST(Plan, WaitsForAReceiveThatIsUnderWay) {
    TargetView there = target("@zrep_000001:1");
    there.receiving = true;
    const Error error = expect_conflict(plan(5, "@zrep_000001:1+s", there), Code::busy);
    EXPECT_TRUE(info(error.code).retryable);
}

// --- room ---

TEST(Plan, TakesNoSnapshotBelowMinfree) {
    Dataset tight = with(master(5), prop::kMinfree, "10G");
    tight.available_bytes = (std::uint64_t{10} << 30) - 1;
    const Error error =
        expect_conflict(plan(tight, "@zrep_000001:1+s", target("@zrep_000001:1")), Code::no_space);
    expect_in(error.message, "below zrep:minfree of 10.0 GiB");
    tight.available_bytes += 1;
    expect_incremental(plan(tight, "@zrep_000001:1+s", target("@zrep_000001:1")));
}

TEST(Plan, StillSendsAPendingSnapshotBelowMinfree) {
    Dataset tight = with(master(5), prop::kMinfree, "10G");
    tight.available_bytes = 1;
    const auto step = expect_incremental(
        plan(tight, "@zrep_000001:1+s @zrep_000002:2+w9", target("@zrep_000001:1")));
    EXPECT_TRUE(step.existing);
}

TEST(Plan, TakesNoSnapshotInAFullPool) {
    Dataset full = master(5);
    full.available_bytes = 0;
    expect_conflict(plan(full, "@zrep_000001:1+s", target("@zrep_000001:1")), Code::no_space);
}

TEST(Plan, TakesNoSnapshotForAFullTarget) {
    TargetView there = target("@zrep_000001:1");
    there.available_bytes = 0;
    const Error error =
        expect_conflict(plan(5, "@zrep_000001:1+s", there), Code::no_space);
    expect_in(error.message, "backup/fs on beta has no space left: pool backup");
    expect_in(error.remedy, "on beta free space in backup");
}

// --- words ---

TEST(Plan, DescribesTheStepsInTheOrderInWhichTheyAreTaken) {
    TargetView there = half_received(target("@zrep_000001:1"), std::nullopt);
    there.written_bytes = 1;
    EXPECT_EQ(describe(plan(5, "@zrep_000001:1+s", there), master(0).name),
              (std::vector<std::string>{"take snapshot tank/fs@zrep_000002",
                                        "discard the partly received stream on the target",
                                        "roll the target back to its newest snapshot",
                                        "send tank/fs@zrep_000002 from @zrep_000001"}));
}

TEST(Plan, DescribesAConflictWithItsRemedy) {
    const auto lines = describe(plan(5, "@a:1", TargetView{}), master(0).name);
    ASSERT_EQ(lines.size(), 1u);
    expect_in(lines[0], "tank/fs: beta has no filesystem 'backup/fs'");
    expect_in(lines[0], "; next: ");
}

}  // namespace
}  // namespace zrepd::plan
