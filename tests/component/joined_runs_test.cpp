// SPDX-License-Identifier: BSD-2-Clause
// A call that meets a run: joined when that run does the same, else waited for or refused; and what
// a run of each kind leaves for status and schedule.
#include <gtest/gtest.h>

#include "tests/fakes/two_hosts.hpp"

namespace zrepd {
namespace {

using sync::Freshness;

class JoinedRuns : public test::TwoHosts {
  protected:
    /// Two complete pairs, each with something to send.
    void two_pairs() {
        ASSERT_EQ(init().outcome, "done");
        alpha->zfs.create("tank/second");
        const auto made = ended(start_init(second, "backup/second"));
        ASSERT_EQ(made.outcome, "done") << made.text;
        alpha->zfs.write("tank/fs", 5'000);
        alpha->zfs.write("tank/second", 5'000);
        alpha->zfs.forget_calls();
    }
    Result<rpc::RunStarted> start_init(const DatasetName& dataset, std::string_view target) {
        sync::InitRequest request{
            .dataset = dataset, .host = beta->config.host, .target = *DatasetName::parse(target)};
        return test::run_task(io, alpha->engine.start_init(std::move(request)));
    }
    std::size_t sends_of(const std::string& dataset) const {
        const auto& calls = alpha->zfs.calls();
        return static_cast<std::size_t>(
            std::count_if(calls.begin(), calls.end(), [&](const std::string& call) {
                return call.starts_with("send ") && call.find(dataset + "@") != call.npos;
            }));
    }

    const DatasetName second = *DatasetName::parse("tank/second");
};

TEST_F(JoinedRuns, SyncOfTwoJoinsTheRunThatSendsOneOfThem) {
    two_pairs();
    const auto first = alpha->engine.start_sync({fs}, Freshness::listed);
    ASSERT_TRUE(first);
    const auto both = alpha->engine.start_sync({fs, second}, Freshness::listed);
    ASSERT_TRUE(both);
    EXPECT_EQ(both->joined, std::vector<std::string>{first->run_id});
    const sync::RunPtr own = alpha->runs.find(both->run_id);
    ASSERT_TRUE(own);
    EXPECT_FALSE(own->has(fs));
    EXPECT_EQ(ended(first).outcome, "done");
    EXPECT_EQ(ended(both).outcome, "done");
    EXPECT_EQ(sends_of("tank/fs"), 1U);
    EXPECT_EQ(sends_of("tank/second"), 1U);
}

TEST_F(JoinedRuns, ExpireHoldsOnlyWhatItWorksOn) {
    two_pairs();
    auto guard = alpha->locks.try_lock(second, lock::Scope::node, "something slow");
    const auto expiring = alpha->engine.start_expire({fs, second}, /*local_only=*/false);
    ASSERT_TRUE(expiring);
    const sync::RunPtr run = alpha->runs.find(expiring->run_id);
    test::run_until(io, [&] { return !run->pending(fs); });
    EXPECT_FALSE(alpha->locks.conflicting(fs, lock::Scope::node));
    EXPECT_FALSE(beta->locks.conflicting(target_fs, lock::Scope::node));
    EXPECT_TRUE(run->pending(second));
    *guard = {};
    EXPECT_EQ(ended(expiring).outcome, "done");
}

TEST_F(JoinedRuns, APeerLocksNothingThatIsNotItsOwn) {
    two_pairs();
    auto guard = beta->locks.try_lock(target_fs, lock::Scope::node, "something slow");
    rpc::CommitIn in;
    in.sent = 1'700'000'000;
    in.items.push_back({"tank/fs", "backup/fs", "zrep_000000", Guid{1}, 1, ""});
    // Answered at once: it does not even wait for the lock.
    const auto out = test::run_task(io, beta->target.commit("gamma", in));
    ASSERT_TRUE(out);
    ASSERT_TRUE(out->items.at(0).error);
    EXPECT_EQ(out->items.at(0).error->kind, "not_accepted");
}

TEST_F(JoinedRuns, BookkeepingOfATargetIsNoReceive) {
    two_pairs();
    auto guard = beta->locks.try_lock(target_fs, lock::Scope::node, "bookkeeping for alpha");
    rpc::LookIn in;
    in.pairs.push_back({"tank/fs", "backup/fs"});
    const auto out = test::run_task(io, beta->target.look("alpha", in));
    ASSERT_TRUE(out);
    EXPECT_FALSE(out->targets.at(0).receiving);
}

TEST_F(JoinedRuns, SyncDuringAnExpireIsNotServedByIt) {
    two_pairs();
    const auto expiring = alpha->engine.start_expire({fs}, /*local_only=*/true);
    ASSERT_TRUE(expiring);
    const auto refused = alpha->engine.start_sync({fs}, Freshness::listed);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::busy);
    EXPECT_EQ(refused.error().run_id, expiring->run_id);
    EXPECT_NE(refused.error().message.find("expire of tank/fs"), std::string::npos);
    EXPECT_NE(refused.error().message.find(expiring->run_id), std::string::npos);
    EXPECT_NE(refused.error().remedy.find("zrepctl status"), std::string::npos);
    EXPECT_EQ(ended(expiring).outcome, "done");
}

TEST_F(JoinedRuns, SyncOfSeveralWaitsForTheOneThatExpires) {
    two_pairs();
    const auto expiring = alpha->engine.start_expire({fs}, /*local_only=*/true);
    const auto both = alpha->engine.start_sync({fs, second}, Freshness::listed);
    ASSERT_TRUE(both);
    EXPECT_TRUE(both->joined.empty());
    EXPECT_EQ(ended(expiring).outcome, "done");
    ended(both);
    for (const auto& result : alpha->runs.find(both->run_id)->out().results) {
        EXPECT_EQ(result.outcome, "done") << result.text;
    }
    EXPECT_EQ(sends_of("tank/fs"), 1U);
}

TEST_F(JoinedRuns, ExpireOfBothSidesIsNotServedByOneOfThisSide) {
    two_pairs();
    const auto here = alpha->engine.start_expire({fs}, /*local_only=*/true);
    const auto refused = alpha->engine.start_expire({fs}, /*local_only=*/false);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::busy);
    const auto same = alpha->engine.start_expire({fs}, /*local_only=*/true);
    ASSERT_FALSE(same);
    EXPECT_EQ(same.error().code, Code::already_running);
    EXPECT_EQ(ended(here).outcome, "done");
}

TEST_F(JoinedRuns, InitToAnotherTargetDuringAnInitIsRefused) {
    alpha->zfs.stall_next_send(1'000);
    const auto first = start_init(fs, "backup/fs");
    ASSERT_TRUE(first);
    const auto other = start_init(fs, "backup/elsewhere");
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().code, Code::busy);
    EXPECT_EQ(other.error().run_id, first->run_id);
    EXPECT_NE(other.error().message.find("beta:backup/fs"), std::string::npos)
        << other.error().message;
    const auto same = start_init(fs, "backup/fs");
    ASSERT_FALSE(same);
    EXPECT_EQ(same.error().code, Code::already_running);
    EXPECT_EQ(same.error().run_id, first->run_id);
}

TEST_F(JoinedRuns, SyncOfATargetThatReceivesNamesTheMaster) {
    two_pairs();
    ASSERT_TRUE(test::run_task(io, beta->inventory.discover()));
    const auto receive = beta->runs.start("receive", {target_fs});
    const auto refused = beta->engine.start_sync({target_fs}, Freshness::listed);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::wrong_role);
    EXPECT_NE(refused.error().remedy.find("'tank/fs' on alpha"), std::string::npos)
        << refused.error().remedy;
}

TEST_F(JoinedRuns, AnExpireLeavesTheErrorOfASyncAndItsSchedule) {
    two_pairs();
    alpha->zfs.fail_next("snapshot", {.code = Code::zfs_failed, .message = "no snapshot today"});
    ASSERT_EQ(sync().outcome, "failed");
    const sync::PairMemory before = *alpha->runs.remembered(fs);
    ASSERT_TRUE(before.error);
    ASSERT_EQ(ended(alpha->engine.start_expire({fs}, /*local_only=*/true)).outcome, "done");
    const sync::PairMemory& after = *alpha->runs.remembered(fs);
    ASSERT_TRUE(after.error);
    EXPECT_EQ(after.error->message, "no snapshot today");
    EXPECT_EQ(after.failures, before.failures);
    EXPECT_EQ(after.last_start, before.last_start);
    EXPECT_EQ(sync().outcome, "done");
    EXPECT_FALSE(alpha->runs.remembered(fs)->error);
}

TEST_F(JoinedRuns, AFailedExpireIsNoFailedSync) {
    two_pairs();
    ASSERT_EQ(sync().outcome, "done");
    const sync::PairMemory before = *alpha->runs.remembered(fs);
    alpha->zfs.set_pool_trouble("tank", "SUSPENDED");
    ASSERT_EQ(ended(alpha->engine.start_expire({fs}, /*local_only=*/true)).outcome, "failed");
    alpha->zfs.set_pool_trouble("tank", "");
    EXPECT_FALSE(alpha->runs.remembered(fs)->error);
    EXPECT_EQ(alpha->runs.remembered(fs)->failures, before.failures);
}

}  // namespace
}  // namespace zrepd
