// SPDX-License-Identifier: BSD-2-Clause
#include "tests/fakes/plan_steps.hpp"

namespace zrepd::plan {
namespace {

using namespace zrepd::test;  // NOLINT(google-build-using-namespace)

// --- nothing to do ---

TEST(Plan, SkipsWhenNothingWasWrittenSinceTheBase) {
    expect_skip(planned(0, "@zrep_000001:1+s", target("@zrep_000001:1")));
}

TEST(Plan, SkipsWhenOnlyEmptyForeignSnapshotsFollow) {
    expect_skip(planned(0, "@zrep_000001:1+s @daily:2 @hourly:3", target("@zrep_000001:1")));
}

TEST(Plan, TakesOneForAFrozenMasterWhoseNewestIsSomebodyElses) {
    Dataset frozen = master(0);
    const auto there = target("@zrep_000001:1");
    expect_skip(planned(frozen, "@zrep_000001:1+s @daily:2", there));
    frozen.readonly = true;
    // Somebody's own readonly is no role change.
    expect_skip(planned(frozen, "@zrep_000001:1+s @daily:2", there));
    frozen.props[std::string(prop::kInprogress)] = {"freezing", Source::local};
    expect_skip(planned(frozen, "@daily:2 @zrep_000001:1+s", there));
    const auto step = expect_incremental(planned(frozen, "@zrep_000001:1+s @daily:2", there));
    EXPECT_EQ(step.base, "@zrep_000001");
    EXPECT_EQ(step.take, "zrep_000002");
}

/// Else a role change is refused for ever: "lacks the newest acknowledged; sync", "unchanged".
TEST(Plan, TakesOneWhenTheBaseIsOnlyABookmarkThoughNothingWasWritten) {
    const auto there = target("@zrep_000001:1");
    for (const auto* here : {"@older:5 #zrep_1:1", "#zrep_1:1", "#zrep_1:1 @daily:2"}) {
        SCOPED_TRACE(here);
        const auto step = expect_incremental(planned(0, here, there));
        EXPECT_EQ(step.base, "#zrep_1");
        EXPECT_EQ(step.take, "zrep_000002");
    }
    // Once: both have a snapshot again.
    expect_skip(
        planned(0, "@older:5 #zrep_1:1 @zrep_000002:2+s", target("@zrep_000001:1 @zrep_000002:2")));
    // One of ours that waits does as well.
    const auto step = expect_incremental(planned(0, "#zrep_1:1 @zrep_000002:2", there));
    ASSERT_TRUE(step.existing);
    EXPECT_EQ(step.existing->name, "zrep_000002");
}

TEST(Plan, SkipsOnAFullPoolWhenThereIsNothingToSend) {
    Dataset full = master(0);
    full.available_bytes = 0;
    expect_skip(planned(full, "@zrep_000001:1+s", target("@zrep_000001:1")));
}

TEST(Plan, RecordsAnAcknowledgementThatGotLost) {
    const Step step =
        planned(0, "@zrep_000001:1+s @zrep_000002:2+w9", target("@zrep_000001:1 @zrep_000002:2"));
    ASSERT_TRUE(std::holds_alternative<Skip>(step));
    ASSERT_TRUE(std::get<Skip>(step).acknowledge);
    EXPECT_EQ(std::get<Skip>(step).acknowledge->name, "zrep_000002");
    EXPECT_EQ(describe(step, master(0).name),
              std::vector<std::string>{"record tank/fs@zrep_000002 as acknowledged"});
}

TEST(Plan, NeverAcknowledgesAForeignSnapshot) {
    expect_skip(planned(0, "@zrep_000001:1+s @daily:2", target("@zrep_000001:1 @daily:2")));
}

TEST(Plan, RecordsALostAcknowledgementBeforeItSendsFromThatSnapshot) {
    const auto step =
        planned(5, "@zrep_000001:1+s @zrep_000002:2+w9", target("@zrep_000001:1 @zrep_000002:2"));
    const auto* skip = std::get_if<plan::Skip>(&step);
    ASSERT_TRUE(skip != nullptr);
    ASSERT_TRUE(skip->acknowledge);
    EXPECT_EQ(skip->acknowledge->name, "zrep_000002");
    EXPECT_TRUE(skip->more);
}

TEST(Plan, NumbersThatAreNoCountOfOursDoNotMoveTheNextOne) {
    const auto step = expect_incremental(
        planned(5, "@zrep_000001:1+s @zrep_fffffffffffffff:9", target("@zrep_000001:1")));
    EXPECT_EQ(step.existing ? step.existing->name : step.take, "zrep_fffffffffffffff");
    const auto taken =
        expect_incremental(planned(5,
                                   "@zrep_fffffffffffffff:9+s @zrep_000001:1+s",
                                   target("@zrep_fffffffffffffff:9 @zrep_000001:1")));
    EXPECT_EQ(taken.take, "zrep_000002");
}

// --- what is sent, from where ---

TEST(Plan, TakesASnapshotAndSendsItFromTheNewestCommonOne) {
    const auto step = expect_incremental(
        planned(100, "@zrep_000001:1+s @zrep_000002:2+s", target("@zrep_000001:1 @zrep_000002:2")));
    EXPECT_EQ(step.base, "@zrep_000002");
    EXPECT_EQ(step.base_guid, Guid{2});
    EXPECT_EQ(step.take, "zrep_000003");
    EXPECT_FALSE(step.existing);
    EXPECT_FALSE(step.rollback_target);
    EXPECT_FALSE(step.abort_partial);
}

TEST(Plan, KnowsTheBaseByItsGuidWhateverItsName) {
    const auto step =
        expect_incremental(planned(100, "@zrep_000001:1+s @renamed:2+s", target("@zrep_000002:2")));
    EXPECT_EQ(step.base, "@renamed");
}

TEST(Plan, IsNotFooledByTheSameNameWithAnotherGuid) {
    const Step step = planned(100, "@zrep_000001:7", target("@zrep_000001:8"));
    expect_conflict(step, Code::conflict);
}

TEST(Plan, UsesAForeignSnapshotAsBase) {
    const auto step = expect_incremental(planned(100, "@daily:4", target("@daily:4")));
    EXPECT_EQ(step.base, "@daily");
    EXPECT_EQ(step.take, "zrep_000000");
}

TEST(Plan, UsesTheBookmarkWhenTheBaseSnapshotIsGoneHere) {
    const auto step = expect_incremental(planned(
        100, "@zrep_000001:1+s #zrep_2:2 @daily:3", target("@zrep_000001:1 @zrep_000002:2")));
    EXPECT_EQ(step.base, "#zrep_2");
    EXPECT_EQ(step.base_guid, Guid{2});
    EXPECT_EQ(step.take, "zrep_000003");
}

TEST(Plan, PrefersTheSnapshotToItsBookmark) {
    const auto step =
        expect_incremental(planned(100, "@zrep_000001:1+s #zrep_1:1", target("@zrep_000001:1")));
    EXPECT_EQ(step.base, "@zrep_000001");
}

TEST(Plan, SendsWhenOnlyAForeignSnapshotHoldsTheChanges) {
    const auto step =
        expect_incremental(planned(0, "@zrep_000001:1+s @daily:2+w10", target("@zrep_000001:1")));
    EXPECT_EQ(step.take, "zrep_000002");
}

TEST(Plan, NumbersTheNewSnapshotAboveBothSides) {
    const auto step = expect_incremental(
        planned(1, "@zrep_000003:3 @zrep_000001:1+s", target("@zrep_000009:9 @zrep_000001:1")));
    EXPECT_EQ(step.take, "zrep_00000a");
}

TEST(Plan, CountsUnsentOnesOfALegacyZrepWhenNumbering) {
    const auto step = expect_incremental(
        planned(1, "@zrep_000001:1+s @zrep_000007_unsent:2+w1", target("@zrep_000001:1")));
    EXPECT_EQ(step.take, "zrep_000008");
}

TEST(Plan, GrowsTheNumberBeyondSixDigits) {
    const auto step = expect_incremental(planned(1, "@zrep_ffffff:1+s", target("@zrep_ffffff:1")));
    EXPECT_EQ(step.take, "zrep_1000000");
}

// --- pending snapshots ---

TEST(Plan, SendsAPendingSnapshotInsteadOfTakingAnother) {
    const auto step = expect_incremental(
        planned(50, "@zrep_000001:1+s @zrep_000002:2+w9", target("@zrep_000001:1")));
    EXPECT_TRUE(step.take.empty());
    ASSERT_TRUE(step.existing);
    EXPECT_EQ(step.existing->name, "zrep_000002");
}

TEST(Plan, SendsTheNewestOfSeveralPendingOnes) {
    const auto step = expect_incremental(planned(
        50, "@zrep_000001:1+s @zrep_000002:2+w9 @zrep_000003:3+w9", target("@zrep_000001:1")));
    ASSERT_TRUE(step.existing);
    EXPECT_EQ(step.existing->name, "zrep_000003");
}

TEST(Plan, TakesAnotherWhileBelowMaxsnaps) {
    const auto step = expect_incremental(planned(with(master(50), prop::kMaxsnaps, "2"),
                                                 "@zrep_000001:1+s @zrep_000002:2+w9",
                                                 target("@zrep_000001:1")));
    EXPECT_EQ(step.take, "zrep_000003");
}

TEST(Plan, TakesNoOtherWhenNothingWasWrittenAfterThePendingOne) {
    const auto step = expect_incremental(planned(with(master(0), prop::kMaxsnaps, "5"),
                                                 "@zrep_000001:1+s @zrep_000002:2+w9 @daily:3",
                                                 target("@zrep_000001:1")));
    ASSERT_TRUE(step.existing);
    EXPECT_EQ(step.existing->name, "zrep_000002");
}

TEST(Plan, SendsAnEmptyPendingSnapshotSoThatItDoesNotStayPending) {
    const auto step =
        expect_incremental(planned(0, "@zrep_000001:1+s @zrep_000002:2", target("@zrep_000001:1")));
    ASSERT_TRUE(step.existing);
}

TEST(Plan, NeverSendsWhatALegacyZrepGaveUpOn) {
    const auto step = expect_incremental(
        planned(5, "@zrep_000001:1+s @zrep_000002_unsent:2+w9", target("@zrep_000001:1")));
    EXPECT_EQ(step.take, "zrep_000003");
    expect_skip(planned(0, "@zrep_000001:1+s @zrep_000002_unsent:2", target("@zrep_000001:1")));
}

TEST(Plan, SendsAgainWhatTheTargetLostAfterAcknowledgingIt) {
    const auto step = expect_incremental(
        planned(0, "@zrep_000001:1+s @zrep_000002:2+s+w9", target("@zrep_000001:1")));
    ASSERT_TRUE(step.existing);
    EXPECT_EQ(step.existing->name, "zrep_000002");
}

// --- interrupted streams ---

TEST(Plan, ResumesAStreamOfASnapshotNewerThanTheBase) {
    const Step step = planned(
        5, "@zrep_000001:1+s @zrep_000002:2+w9", half_received(target("@zrep_000001:1"), Guid{2}));
    ASSERT_TRUE(std::holds_alternative<Resume>(step));
    EXPECT_EQ(std::get<Resume>(step).snapshot.name, "zrep_000002");
    EXPECT_EQ(std::get<Resume>(step).token, "1-abc");
    EXPECT_EQ(describe(step, master(0).name),
              (std::vector<std::string>{"resume the interrupted stream of tank/fs@zrep_000002",
                                        "acknowledge tank/fs@zrep_000002 on both sides"}));
}

TEST(Plan, ResumesAFirstFullStream) {
    const Step step = planned(5, "@zrep_000000:1", half_received(target(""), Guid{1}));
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
    TokenInfo gone = token("tank/fs@zrep_000001", true);
    gone.gone = true;
    EXPECT_FALSE(may_resume(gone, source));
}

TEST(Plan, KnowsATokenOfOursByTheNameOfItsSnapshot) {
    const auto ours = [](std::optional<SnapshotName> name) {
        TokenInfo token;
        token.gone = true;
        token.snapshot = std::move(name);
        return is_ours(token, dataset_name("tank/fs"));
    };
    EXPECT_TRUE(ours(*SnapshotName::parse("tank/fs@zrep_000001")));
    EXPECT_FALSE(ours(*SnapshotName::parse("tank/fs@daily")));
    EXPECT_FALSE(ours(*SnapshotName::parse("tank/fs/a@zrep_000001")));
    EXPECT_FALSE(ours(std::nullopt));
}

TEST(Plan, DiscardsADeadTokenAndSendsAnew) {
    const TargetView there = target("@zrep_000001:1");
    constexpr auto kHistory = "@zrep_000001:1+s @zrep_000002:2+w9";
    const std::optional<Guid> dead[] = {std::nullopt, Guid{77}, Guid{1}};
    for (const auto& token : dead) {
        const auto step = expect_incremental(planned(5, kHistory, half_received(there, token)));
        EXPECT_TRUE(step.abort_partial);
        EXPECT_EQ(step.base, "@zrep_000001");
    }
}

TEST(Plan, DoesNotGoOnWithWhatSomebodyElseBeganToSend) {
    const TargetView there = half_received(target("@zrep_000001:1"), Guid{2});
    const auto step =
        expect_incremental(planned(5, "@zrep_000001:1+s @autosnap_hourly:2+w9", there));
    EXPECT_TRUE(step.abort_partial);
    EXPECT_EQ(step.take, "zrep_000002");
}

TEST(Plan, BeginsAnewWhenATargetThatWasWrittenToHasAHalfReceivedStream) {
    TargetView there = half_received(target("@zrep_000001:1"), Guid{2});
    there.written_bytes = 3;
    const auto step = expect_incremental(planned(5, "@zrep_000001:1+s @zrep_000002:2+w9", there));
    EXPECT_TRUE(step.abort_partial);
    EXPECT_TRUE(step.rollback_target);
}

/// Else an idle master's failover would be refused for ever: "touched; sync", "unchanged".
TEST(Plan, TakesATouchedTargetBackThoughNothingWasWritten) {
    TargetView there = target("@zrep_000001:1");
    there.written_bytes = 3;
    const auto step = expect_incremental(planned(0, "@zrep_000001:1+s", there));
    EXPECT_TRUE(step.rollback_target);
    EXPECT_EQ(step.take, "zrep_000002");
}

// --- room ---

TEST(Plan, TakesNoSnapshotBelowMinfree) {
    const Dataset tight = with(master(5), prop::kMinfree, "10G");
    const auto there = target("@zrep_000001:1");
    constexpr std::uint64_t kMinfree = std::uint64_t{10} << 30;
    const Error error =
        expect_conflict(planned(tight, "@zrep_000001:1+s", there, kMinfree - 1), Code::no_space);
    expect_in(error.message, "pool tank has 10.0 GiB free, below zrep:minfree of 10.0 GiB");
    expect_incremental(planned(tight, "@zrep_000001:1+s", there, kMinfree));
}

/// What the dataset may still use is bent by quotas, and by reservations that nobody used yet.
TEST(Plan, ComparesMinfreeWithThePoolAndNotWithWhatTheFilesystemMayUse) {
    constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;
    struct Case {
        const char* what;
        std::uint64_t available;
        std::uint64_t pool_free;
        bool goes_on;
    };
    const Case cases[] = {{"quota=20G in a pool with 3 TiB", 20 * kGiB, 3072 * kGiB, true},
                          {"at its quota", 0, 3072 * kGiB, true},
                          {"no quota", 60 * kGiB, 60 * kGiB, true},
                          {"refreservation of 100 GiB, unused", 140 * kGiB, 40 * kGiB, false},
                          {"no quota, little room", 40 * kGiB, 40 * kGiB, false}};
    for (const Case& one : cases) {
        SCOPED_TRACE(one.what);
        Dataset dataset = with(master(5), prop::kMinfree, "50G");
        dataset.available_bytes = one.available;
        const Step step =
            planned(dataset, "@zrep_000001:1+s", target("@zrep_000001:1"), one.pool_free);
        if (one.goes_on)
            EXPECT_EQ(expect_incremental(step).take, "zrep_000002");
        else
            expect_conflict(step, Code::no_space);
    }
}

TEST(Plan, StillSendsAPendingSnapshotBelowMinfree) {
    const auto step = expect_incremental(planned(with(master(5), prop::kMinfree, "10G"),
                                                 "@zrep_000001:1+s @zrep_000002:2+w9",
                                                 target("@zrep_000001:1"),
                                                 /*pool_free=*/1));
    EXPECT_TRUE(step.existing);
}

TEST(Plan, SendsWhatReachedItsQuota) {
    Dataset full = master(5);
    full.available_bytes = 0;
    const auto step =
        expect_incremental(planned(full, "@zrep_000001:1+s", target("@zrep_000001:1")));
    EXPECT_EQ(step.take, "zrep_000002") << "zfs takes it, or says that the pool is full";
}

TEST(Plan, TakesNoSnapshotForAFullTarget) {
    TargetView there = target("@zrep_000001:1");
    there.available_bytes = 0;
    const Error error = expect_conflict(planned(5, "@zrep_000001:1+s", there), Code::no_space);
    expect_in(error.message, "backup/fs on beta has no space left: pool backup");
    expect_in(error.remedy, "on beta free space in backup");
}

// --- words ---

TEST(Plan, DescribesTheStepsInTheOrderInWhichTheyAreTaken) {
    TargetView there = half_received(target("@zrep_000001:1"), std::nullopt);
    there.written_bytes = 1;
    EXPECT_EQ(describe(planned(5, "@zrep_000001:1+s", there), master(0).name),
              (std::vector<std::string>{"take snapshot tank/fs@zrep_000002",
                                        "discard the partly received stream on the target",
                                        "roll the target back to its newest snapshot",
                                        "send tank/fs@zrep_000002 from @zrep_000001",
                                        "acknowledge tank/fs@zrep_000002 on both sides"}));
}

TEST(Plan, DescribesAConflictWithItsRemedy) {
    const auto lines = describe(planned(5, "@a:1", TargetView{}), master(0).name);
    ASSERT_EQ(lines.size(), 1u);
    expect_in(lines[0], "tank/fs: beta has no filesystem 'backup/fs'");
    expect_in(lines[0], "; next: ");
}

}  // namespace
}  // namespace zrepd::plan
