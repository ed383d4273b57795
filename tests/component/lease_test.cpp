// SPDX-License-Identifier: BSD-2-Clause
// zrep:fence=lease: who makes the master readonly when, and how long a takeover waits for that.
#include <gtest/gtest.h>

#include "tests/fakes/lease_test.hpp"

namespace zrepd {
namespace {

using failover::Ask;
using namespace std::chrono_literals;

using test::kLeaseTime;
using LeaseTest = test::LeaseTest;

TEST_F(LeaseTest, IsNotedOnTheTargetBeforeItCountsAndRenewedWithoutAProcess) {
    begin();
    EXPECT_EQ(prop_of(*beta, "backup/fs", prop::kLease), "wait=12500ms");
    EXPECT_EQ(prop_of(*alpha, "tank/fs", "canmount"), "noauto") << "as the fence boot";
    EXPECT_FALSE(alpha->roles.trouble_of(fs));
    alpha->zfs.forget_calls();
    beta->zfs.forget_calls();
    run_for(3 * kLeaseTime);
    EXPECT_TRUE(is_writable());
    EXPECT_EQ(alpha->zfs.count(""), 0U);
    EXPECT_EQ(beta->zfs.count(""), 0U);
}

TEST_F(LeaseTest, IsSaidToBeUnconfirmedUntilThePeerAnswers) {
    discover();
    cut_link();
    start_loops();
    run_for(100ms);
    lease(*alpha, "tank/fs");
    test::run_until(io, [&] { return alpha->roles.trouble_of(fs).has_value(); });
    EXPECT_NE(alpha->roles.trouble_of(fs)->text().find("not confirmed yet"), std::string::npos);
    run_for(2 * kLeaseTime);
    EXPECT_TRUE(is_writable()) << "nobody counts on it";
    EXPECT_FALSE(alpha->roles.is_fenced(fs));
}

TEST_F(LeaseTest, AMasterThatNobodyConfirmsIsReadonlyInTimeAndWritableAgainWhenItIsHeard) {
    begin();
    alpha->zfs.forget_calls();
    const auto cut_at = boot_now();
    cut_link();
    test::run_until(io, [&] { return is_closed(); });
    EXPECT_LT(boot_now() - cut_at, kLeaseTime + 1s);
    EXPECT_EQ(alpha->zfs.count("set tank/fs"), 1U) << "one set says all";
    EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kInprogress), "freezing lease=out")
        << "as lost_lease() of the verb table has it";
    EXPECT_EQ(alpha->zfs.count("unmount"), 0U);
    EXPECT_EQ(alpha->zfs.count("sync_files /tank/fs"), 1U) << "while it can be written";
    EXPECT_TRUE(alpha->roles.is_fenced(fs));
    const auto trouble = alpha->roles.trouble_of(fs);
    ASSERT_TRUE(trouble);
    EXPECT_NE(trouble->remedy.find("zrepctl unfence 'tank/fs'"), std::string::npos);
    EXPECT_TRUE(saw("lease_lost"));
    heal_link();
    test::run_until(io, [&] { return is_writable() && saw("lease_back"); });
    EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kInprogress), "");
    EXPECT_FALSE(alpha->roles.is_fenced(fs));
    EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kEpoch), "1");
}

TEST_F(LeaseTest, ALockThatASyncHoldsDelaysNothing) {
    begin();
    auto sync = alpha->locks.try_lock(fs, lock::Scope::node, "sync");
    ASSERT_TRUE(sync);
    cut_link();
    test::run_until(io, [&] { return is_closed(); });
}

/// It would be readonly for as long as the stream takes.
TEST_F(LeaseTest, ASyncThatHoldsTheLockIsEndedBeforeItIsWritableAgain) {
    begin();
    const sync::RunPtr run = alpha->runs.start("sync", {fs});
    auto guard = alpha->locks.try_lock(fs, lock::Scope::node, "sync", run->id());
    ASSERT_TRUE(guard);
    alpha->sync.sends.add(fs, [&] {
        *guard = lock::LockTable::Guard();
        alpha->runs.fail(*run, fs, broken());
    });
    cut_link();
    test::run_until(io, [&] { return is_closed(); });
    heal_link();
    test::run_until(io, [&] { return is_writable(); });
    EXPECT_TRUE(run->finished());
    alpha->sync.sends.remove(fs);
}

/// Another sync may wait meanwhile.
TEST_F(LeaseTest, TheStreamOfARoleChangeIsNotEndedForItsJournal) {
    begin();
    const sync::RunPtr waits = alpha->runs.start("sync", {fs});
    auto guard = alpha->locks.try_lock(fs, lock::Scope::node, "failover");
    ASSERT_TRUE(guard);
    bool ended = false;
    alpha->sync.sends.add(fs, [&] { ended = true; });
    give(*alpha, "tank/fs", "readonly", "on");
    give(*alpha, "tank/fs", prop::kInprogress, "freezing");
    discover();
    alpha->roles.look_again();
    run_for(500ms);
    EXPECT_FALSE(ended);
    alpha->sync.sends.remove(fs);
    alpha->runs.fail(*waits, fs, broken());
}

TEST_F(LeaseTest, WhileARoleChangeIsUnderWayItIsReadonlyAndTheJournalFollows) {
    begin();
    {
        auto change = alpha->locks.try_lock(fs, lock::Scope::node, "failover");
        ASSERT_TRUE(change);
        cut_link();
        test::run_until(io, [&] { return !is_writable(); });
        EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kInprogress), "");
        EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kLease), "out") << "a restart knows of it";
    }
    test::run_until(io, [&] { return is_closed(); });
    EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kLease), "");
    heal_link();
    test::run_until(io, [&] { return is_writable(); });
}

TEST_F(LeaseTest, AFailoverThatFindsItOutBlamesNobody) {
    give(*alpha, "tank/fs", "readonly", "on");
    give(*alpha, "tank/fs", prop::kLease, "out");
    give(*alpha, "tank/fs", prop::kFence, "lease");
    discover();
    for (const bool dry : {true, false}) {
        std::optional<rpc::ItemError> error;
        if (dry) {
            const auto would =
                test::run_task(io, alpha->roles.describe(Ask::failover, {fs}, 4s)).value();
            error = would.results.at(0).error;
        } else {
            error = change(*alpha, Ask::failover, fs).error;
        }
        ASSERT_TRUE(error) << dry;
        EXPECT_EQ(error->kind, "refused");
        EXPECT_NE(error->message.find("its lease ran out"), std::string::npos) << error->message;
        EXPECT_NE(error->remedy.find("as soon as beta answers"), std::string::npos);
    }
    EXPECT_EQ(alpha->zfs.count("set tank/fs"), 0U);
}

/// As a takeover whose hooks and mount took longer than the lease.
TEST_F(LeaseTest, OneThatRunsOutBeforeAPromotionIsSettledHealsByItself) {
    begin();
    {
        auto change = alpha->locks.try_lock(fs, lock::Scope::node, "takeover");
        ASSERT_TRUE(change);
        give(*alpha, "tank/fs", prop::kInprogress, "promoted");
        EXPECT_TRUE(test::run_task(io, alpha->inventory.discover()));
        cut_link();
        test::run_until(io, [&] { return !is_writable(); });
        EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kInprogress), "promoted");
    }
    alpha->roles.look_again();
    test::run_until(io, [&] { return is_closed(); });
    EXPECT_TRUE(alpha->roles.is_fenced(fs));
    heal_link();
    test::run_until(io, [&] { return is_writable(); });
    EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kInprogress), "");
    EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kLease), "");
}

/// What an earlier zrepd left that was killed when the lease ran out in a role change.
TEST_F(LeaseTest, OneThatRanOutInARoleChangeOfAnEarlierZrepdIsWritableAgain) {
    give(*alpha, "tank/fs", "readonly", "on");
    give(*alpha, "tank/fs", prop::kLease, "out");
    give(*alpha, "tank/fs", prop::kFence, "lease");
    discover();
    start_loops();
    test::run_until(io, [&] { return is_writable() && saw("lease_back"); });
    EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kInprogress), "");
    EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kLease), "");
}

/// Its note says that it was closed once; what a role change opens meanwhile is closed again.
TEST_F(LeaseTest, OneThatIsOpenedInARoleChangeIsClosedAgain) {
    begin();
    auto change = alpha->locks.try_lock(fs, lock::Scope::node, "failover");
    ASSERT_TRUE(change);
    cut_link();
    test::run_until(io, [&] { return !is_writable(); });
    EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kLease), "out");
    give(*alpha, "tank/fs", "readonly", "off");
    EXPECT_TRUE(test::run_task(io, alpha->inventory.discover()));
    alpha->roles.look_again();
    test::run_until(io, [&] { return !is_writable(); });
    EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kLease), "out");
}

/// The lease runs out between the checks and the freeze: what the note says of readonly goes into
/// the journal, not what the lease made of it.
TEST_F(LeaseTest, AFreezeAfterItKnowsHowReadonlyWasBefore) {
    for (const bool was_here : {false, true}) {
        const failover::ClosedNote note{.readonly_was_here = was_here};
        // The last thing that the target is asked before: how it would be served.
        beta->zfs.on_call([&](const std::string& call) {
            if (!call.starts_with("set backup/fs zrep:serve=")) return;
            const PropertyList closed{{"readonly", "on"},
                                      {std::string(prop::kLease), to_text(note)}};
            for (const auto& [key, value] : closed) give(*alpha, "tank/fs", key, value);
            alpha->inventory.note_set(fs, closed);
        });
        alpha->zfs.forget_calls();
        const auto result = this->change(*alpha, Ask::failover, fs);
        beta->zfs.on_call(nullptr);
        std::string freeze;
        for (const auto& call : alpha->zfs.calls()) {
            if (call.find("zrep:inprogress=freezing") != call.npos && freeze.empty()) freeze = call;
        }
        ASSERT_NE(freeze, "") << result.text;
        EXPECT_EQ(freeze.find("readonly=here") != freeze.npos, was_here) << freeze;
        ASSERT_EQ(result.outcome, "done") << result.text;
        ASSERT_EQ(this->change(*beta, Ask::failover, target_fs).outcome, "done");
        give(*alpha, "tank/fs", "readonly", "off");
        discover();
    }
}

TEST_F(LeaseTest, ASetThatFailsIsTriedAgain) {
    begin();
    alpha->zfs.fail_at("set tank/fs", broken());
    cut_link();
    test::run_until(io, [&] { return is_closed(); });
}

TEST_F(LeaseTest, AnOperatorsWordOpensItUntilThePeerConfirmsItAgain) {
    begin();
    cut_link();
    test::run_until(io, [&] { return is_closed(); });
    const auto result = change(*alpha, Ask::unfence, fs);
    EXPECT_EQ(result.outcome, "done") << result.text;
    EXPECT_TRUE(is_writable());
    run_for(2 * kLeaseTime);
    EXPECT_TRUE(is_writable());
    seen.clear();
    heal_link();
    test::run_until(io, [&] { return saw("lease_confirmed"); });
    cut_link();
    test::run_until(io, [&] { return is_closed(); });
}

/// The old master hears of the decision, or of nothing: either way it is readonly first.
TEST_F(LeaseTest, ATakeoverWithoutTheMasterWaitsUntilThatIsReadonly) {
    begin();
    const auto dry = test::run_task(
        io, beta->roles.describe(Ask::takeover_local, {target_fs}, std::chrono::seconds(1)));
    ASSERT_TRUE(dry);
    ASSERT_GE(dry->steps.size(), 2U);
    EXPECT_NE(dry->steps[1].find("wait until the lease of alpha has run out"), std::string::npos);
    const auto asked_at = boot_now();
    const auto started = beta->roles.start(Ask::takeover_local, {target_fs});
    ASSERT_TRUE(started);
    const sync::RunPtr run = beta->runs.find(started->run_id);
    test::run_until(io, [&] { return is_closed(); });
    EXPECT_FALSE(run->finished());
    EXPECT_EQ(prop_of(*beta, "backup/fs", "readonly"), "on");
    const auto progress = beta->runs.progress_of(target_fs);
    ASSERT_TRUE(progress);
    EXPECT_TRUE(progress->phase.starts_with("waiting until the lease of alpha has run out: "))
        << progress->phase;
    test::run_until(io, [&] { return run->finished(); });
    EXPECT_EQ(run->out().results.at(0).outcome, "done") << run->out().results.at(0).text;
    EXPECT_GE(boot_now() - asked_at, 10s);
    EXPECT_EQ(prop_of(*beta, "backup/fs", prop::kLease), "");
    test::run_until(io, [&] { return is_target(*alpha, "tank/fs"); });
    expect_roles(/*alpha_is_master=*/false, "2");
}

TEST_F(LeaseTest, AnOperatorWhoSawThatTheMasterIsOffNeedNotWait) {
    begin();
    cut_link();
    test::run_until(io, [&] { return is_closed(); });
    const auto asked_at = boot_now();
    const auto started =
        beta->roles.start(Ask::takeover_local, {target_fs}, failover::OldMaster::off);
    ASSERT_TRUE(started);
    const sync::RunPtr run = beta->runs.find(started->run_id);
    test::run_until(io, [&] { return run->finished(); });
    EXPECT_EQ(run->out().results.at(0).outcome, "done");
    EXPECT_LT(boot_now() - asked_at, 5s);
    heal_link();
    test::run_until(io, [&] { return is_target(*alpha, "tank/fs"); });
}

/// It would stay writable however long the target waits: there is no note of its lease, or the note
/// says that nobody confirmed it yet.
TEST_F(LeaseTest, AMasterThatMayCountOnNoneIsNotTakenOverWithoutTheOperatorsWord) {
    cut_link();
    lease(*beta, "backup/fs");
    for (const bool noted : {false, true}) {
        if (noted)
            give(*beta,
                 "backup/fs",
                 prop::kLease,
                 to_text(failover::LeaseNote{.wait = 1s, .open = true}));
        discover();
        const auto would = test::run_task(
            io, beta->roles.describe(Ask::takeover_local, {target_fs}, std::chrono::seconds(4)));
        ASSERT_TRUE(would);
        ASSERT_EQ(would->results.size(), 1U) << noted;
        ASSERT_TRUE(would->results[0].error);
        EXPECT_EQ(would->results[0].error->kind, "refused");
        EXPECT_EQ(would->steps.size(), 0U);
        const auto refused = change(*beta, Ask::takeover_local, target_fs);
        ASSERT_TRUE(refused.error) << noted;
        EXPECT_EQ(refused.error->kind, "refused");
        EXPECT_NE(refused.error->remedy.find("takeover -L --master-is-off 'backup/fs'"),
                  std::string::npos)
            << refused.error->remedy;
        EXPECT_TRUE(is_target(*beta, "backup/fs")) << noted;
    }
    const auto would = test::run_task(
        io,
        beta->roles.describe(
            Ask::takeover_local, {target_fs}, std::chrono::seconds(4), failover::OldMaster::off));
    ASSERT_TRUE(would);
    EXPECT_TRUE(would->results.empty());
}

TEST_F(LeaseTest, AStoppingDaemonEndsTheWait) {
    begin();
    const auto started = beta->roles.start(Ask::takeover_local, {target_fs});
    ASSERT_TRUE(started);
    const sync::RunPtr run = beta->runs.find(started->run_id);
    test::run_until(io, [&] { return beta->runs.progress_of(target_fs).has_value(); });
    test::run_ready(io);
    test::run_task(io, beta->roles.stop());
    ASSERT_TRUE(run->finished());
    EXPECT_EQ(run->out().results.at(0).error->kind, "cancelled");
    EXPECT_NE(prop_of(*beta, "backup/fs", prop::kMaster), "yes");
}

TEST_F(LeaseTest, APlannedChangeNeedsNoWaitAndLeavesNoNote) {
    begin();
    const auto asked_at = boot_now();
    const auto result = change(*alpha, Ask::failover, fs);
    EXPECT_EQ(result.outcome, "done") << result.text;
    EXPECT_LT(boot_now() - asked_at, 8s);
    expect_roles(/*alpha_is_master=*/false, "2");
    EXPECT_EQ(prop_of(*beta, "backup/fs", prop::kLease), "");
    EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kLease), "");
}

TEST_F(LeaseTest, TheTargetForgetsALeaseThatIsNoneAnyMore) {
    begin();
    give(*alpha, "tank/fs", prop::kFence, "boot");
    EXPECT_TRUE(test::run_task(io, alpha->inventory.discover()));
    alpha->roles.look_again();
    test::run_until(io, [&] { return prop_of(*beta, "backup/fs", prop::kLease).empty(); });
    cut_link();
    run_for(2 * kLeaseTime);
    EXPECT_TRUE(is_writable());
}

/// The confirmation that comes then is of the lease: the target has not been told that it is none.
TEST_F(LeaseTest, OneThatIsGivenUpWhileItIsRenewedIsForgottenByTheTarget) {
    begin();  // which ends while the answer to a renewal is on its way
    give(*alpha, "tank/fs", prop::kFence, "boot");
    alpha->inventory.note_set(fs, {{std::string(prop::kFence), "boot"}});
    alpha->roles.look_again();
    test::run_until(io, [&] { return prop_of(*beta, "backup/fs", prop::kLease).empty(); });
}

}  // namespace
/// What a slip of a hand makes of it; it would count as 0, and no lease of that ever runs out.
TEST_F(LeaseTest, AnEpochThatNobodyConfirmsRunsOutAndStaysToBeSeen) {
    begin();
    // The last one is confirmed, too, until it is taken back.
    for (const char* wrong : {"seven", "0", "30"}) {
        if (std::string_view(wrong) == "30") {
            for (const char* typed : {wrong, "1"}) {
                give(*alpha, "tank/fs", prop::kEpoch, typed);
                discover();
                alpha->roles.look_again();
                run_for(std::chrono::milliseconds(1'500));
            }
            run_for(2 * test::kLeaseTime);
            EXPECT_TRUE(is_writable()) << "it is confirmed again";
            continue;
        }
        give(*alpha, "tank/fs", prop::kEpoch, wrong);
        discover();
        alpha->roles.look_again();
        test::run_until(io, [&] { return !is_writable(); });
        run_for(std::chrono::milliseconds(700));
        const auto sets = alpha->zfs.count("set tank/fs");
        EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kEpoch), wrong);
        EXPECT_FALSE(is_writable());
        EXPECT_TRUE(is_bound()) << "a takeover waits for it";
        run_for(std::chrono::milliseconds(700));
        EXPECT_LE(alpha->zfs.count("set tank/fs"), sets + 1) << "once, and not again and again";
        give(*alpha, "tank/fs", prop::kEpoch, "1");
        discover();
        alpha->roles.look_again();
        test::run_until(io, [&] { return is_writable(); });
    }
}

}  // namespace zrepd
