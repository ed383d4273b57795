// SPDX-License-Identifier: BSD-2-Clause
// init and sync between two daemons: the decisions around streams that break, wait or are refused.
#include <gtest/gtest.h>

#include "tests/fakes/two_hosts.hpp"

namespace zrepd {
namespace {

using Sync = test::TwoHosts;

Error busy() {
    return {.code = Code::busy, .message = "an earlier receive is about to end"};
}

TEST_F(Sync, InitAndSyncLeaveEqualContent) {
    const rpc::RunResult made = init();
    ASSERT_EQ(made.outcome, "done") << made.text;
    EXPECT_EQ(alpha->zfs.content("tank/fs"), beta->zfs.content("backup/fs"));
    alpha->zfs.write("tank/fs", 5'000);
    const rpc::RunResult synced = sync();
    ASSERT_EQ(synced.outcome, "done") << synced.text;
    EXPECT_EQ(alpha->zfs.content("tank/fs"), beta->zfs.content("backup/fs"));
    EXPECT_EQ(alpha->zfs.at("tank/fs").snapshots.back().sent,
              beta->zfs.at("backup/fs").snapshots.back().sent);
}

TEST_F(Sync, AnUnchangedFilesystemCostsNoSnapshotAndNoStream) {
    ASSERT_EQ(init().outcome, "done");
    alpha->zfs.forget_calls();
    EXPECT_EQ(sync().outcome, "unchanged");
    EXPECT_EQ(alpha->zfs.count("snapshot"), 0U);
    EXPECT_EQ(alpha->zfs.count("send"), 0U);
}

TEST_F(Sync, ResumesAStreamThatWasCut) {
    ASSERT_EQ(init().outcome, "done");
    alpha->zfs.write("tank/fs", 50'000);
    beta->zfs.cut_next_receive(20'000);
    const rpc::RunResult cut = sync();
    ASSERT_EQ(cut.outcome, "failed");
    EXPECT_TRUE(beta->zfs.at("backup/fs").partial);
    const rpc::RunResult resumed = sync();
    ASSERT_EQ(resumed.outcome, "done") << resumed.text;
    EXPECT_TRUE(resumed.resumed);
    EXPECT_LT(resumed.bytes, 50'000U);
    EXPECT_EQ(alpha->zfs.content("tank/fs"), beta->zfs.content("backup/fs"));
}

TEST_F(Sync, ResumesAnInitThatWasCut) {
    beta->zfs.cut_next_receive(20'000);
    ASSERT_EQ(init().outcome, "failed");
    const rpc::RunResult resumed = init();
    ASSERT_EQ(resumed.outcome, "done") << resumed.text;
    EXPECT_TRUE(resumed.resumed);
    EXPECT_EQ(alpha->zfs.at("tank/fs").snapshots.size(), 1U);
    EXPECT_EQ(alpha->zfs.content("tank/fs"), beta->zfs.content("backup/fs"));
}

TEST_F(Sync, WaitsForATargetThatIsBusyForAMoment) {
    ASSERT_EQ(init().outcome, "done");
    alpha->zfs.write("tank/fs", 5'000);
    beta->zfs.fail_next("receive", busy());
    const rpc::RunResult synced = sync();
    ASSERT_EQ(synced.outcome, "done") << synced.text;
    EXPECT_EQ(beta->zfs.count("receive"), 3U);  // init's, the refused one, and the good one
    EXPECT_EQ(alpha->zfs.content("tank/fs"), beta->zfs.content("backup/fs"));
}

TEST_F(Sync, InitWaitsForATargetThatIsBusyForAMoment) {
    beta->zfs.fail_next("receive", busy());
    const rpc::RunResult made = init();
    ASSERT_EQ(made.outcome, "done") << made.text;
    EXPECT_EQ(alpha->zfs.at("tank/fs").snapshots.size(), 1U);
    EXPECT_EQ(alpha->zfs.content("tank/fs"), beta->zfs.content("backup/fs"));
}

TEST_F(Sync, SecondSyncOfOneFilesystemIsToldTheRunUnderWay) {
    ASSERT_EQ(init().outcome, "done");
    alpha->zfs.write("tank/fs", 5'000);
    const auto first = alpha->engine.start_sync({fs}, sync::Freshness::listed);
    ASSERT_TRUE(first);
    const auto second = alpha->engine.start_sync({fs}, sync::Freshness::listed);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Code::already_running);
    EXPECT_EQ(second.error().run_id, first->run_id);
    EXPECT_EQ(ended(first).outcome, "done");
    EXPECT_EQ(alpha->zfs.count("send"), 2U);
}

TEST_F(Sync, APeerThatDoesNotAcceptUsGetsNothing) {
    beta->zfs.at("backup").props.clear();
    const rpc::RunResult refused = init();
    ASSERT_EQ(refused.outcome, "failed");
    ASSERT_TRUE(refused.error);
    EXPECT_EQ(refused.error->kind, "not_accepted");
    EXPECT_FALSE(beta->zfs.exists("backup/fs"));
    EXPECT_TRUE(alpha->zfs.at("tank/fs").snapshots.empty());
}

TEST_F(Sync, AFullTargetLosesNothingAndGoesOnLater) {
    ASSERT_EQ(init().outcome, "done");
    alpha->zfs.write("tank/fs", 5'000);
    beta->zfs.fail_next("receive", {.code = Code::no_space, .message = "out of space"});
    const rpc::RunResult full = sync();
    ASSERT_EQ(full.outcome, "failed");
    EXPECT_EQ(full.error->kind, "no_space");
    ASSERT_EQ(sync().outcome, "done");
    EXPECT_EQ(alpha->zfs.content("tank/fs"), beta->zfs.content("backup/fs"));
    EXPECT_EQ(alpha->zfs.at("tank/fs").snapshots.size(), 2U);
}

TEST_F(Sync, AFailedAcknowledgementIsMadeUpForWithoutAStream) {
    ASSERT_EQ(init().outcome, "done");
    alpha->zfs.write("tank/fs", 5'000);
    alpha->zfs.fail_next("acknowledge", {.code = Code::timed_out, .message = "too slow"});
    ASSERT_EQ(sync().outcome, "failed");
    alpha->zfs.forget_calls();
    const rpc::RunResult again = sync();
    ASSERT_EQ(again.outcome, "done") << again.text;
    EXPECT_EQ(alpha->zfs.count("send"), 0U);
    EXPECT_TRUE(alpha->zfs.at("tank/fs").snapshots.back().sent);
}

}  // namespace
}  // namespace zrepd
