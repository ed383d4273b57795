// SPDX-License-Identifier: BSD-2-Clause
// Role changes to a snapshot, between two daemons in one process: the new master begins at it, and
// what is newer is in a rescue on the side that had it, wherever it is cut off.
#include <gtest/gtest.h>

#include "tests/fakes/roles_test.hpp"

namespace zrepd {
namespace {

using failover::Ask;

class GoBack : public test::RolesTest {
  protected:
    GoBack() {
        first = alpha->zfs.content("tank/fs");
        alpha->zfs.write("tank/fs", 5'000);
        EXPECT_EQ(sync().outcome, "done");
        second = alpha->zfs.content("tank/fs");
        alpha->zfs.forget_calls();
        beta->zfs.forget_calls();
    }

    rpc::RunResult change(test::TestHost& host,
                          Ask ask,
                          const DatasetName& dataset,
                          const std::string& snapshot = "zrep_000000") {
        const auto started = host.roles.start_at(ask, dataset, {.name = snapshot});
        if (!started) return sync::failed_result(dataset, started.error());
        const sync::RunPtr run = host.runs.find(started->run_id);
        test::run_until(io, [&run] { return run->finished(); });
        return run->out().results.at(0);
    }
    sync::DryRun described(test::TestHost& host, Ask ask, const DatasetName& dataset) {
        auto out =
            test::run_task(io,
                           host.roles.describe_at(
                               ask, dataset, {.name = "zrep_000000"}, std::chrono::seconds(10)));
        EXPECT_TRUE(out);
        return out ? std::move(*out) : sync::DryRun{};
    }
    bool settled(bool alpha_is_master) {
        auto& master = alpha_is_master ? *alpha : *beta;
        auto& target = alpha_is_master ? *beta : *alpha;
        const char* here = alpha_is_master ? "tank/fs" : "backup/fs";
        const char* there = alpha_is_master ? "backup/fs" : "tank/fs";
        return prop_of(master, here, prop::kMaster) == "yes" &&
               prop_of(master, here, "readonly") != "on" &&
               prop_of(target, there, prop::kMaster) != "yes" &&
               prop_of(target, there, "readonly") == "on" &&
               prop_of(master, here, prop::kInprogress).empty() &&
               prop_of(target, there, prop::kInprogress).empty() &&
               prop_of(master, here, prop::kEpoch) == prop_of(target, there, prop::kEpoch);
    }
    /// Both begin at the first snapshot, and what was newer is in a rescue on both sides.
    void expect_back(const std::string& epoch_here, const std::string& epoch_there) {
        EXPECT_EQ(alpha->zfs.content("tank/fs"), first);
        EXPECT_EQ(beta->zfs.content("backup/fs"), first);
        EXPECT_EQ(alpha->zfs.content("tank/fs_diverged_" + epoch_here), second);
        EXPECT_EQ(beta->zfs.content("backup/fs_diverged_" + epoch_there), second);
    }
    std::string join_steps(const sync::DryRun& found) {
        std::string out;
        for (const auto& step : found.steps) out += step + "\n";
        for (const auto& result : found.results) out += result.text + "\n";
        return out;
    }

    std::uint64_t first = 0;
    std::uint64_t second = 0;
};

TEST_F(GoBack, AForeignHoldOnWhatIsNewerIsSeenBeforeAnythingChanges) {
    for (bool here : {true, false}) {
        auto& host = here ? *alpha : *beta;
        auto& newest = host.zfs.at(here ? "tank/fs" : "backup/fs").snapshots.back();
        newest.foreign_hold = true;
        const auto result = change(*alpha, Ask::failover, fs);
        EXPECT_EQ(result.outcome, "failed");
        ASSERT_TRUE(result.error);
        EXPECT_EQ(result.error->kind, "refused");
        EXPECT_NE(
            result.error->message.find("@" + newest.name + ", which would be rolled back, is held"),
            std::string::npos)
            << result.error->message;
        EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kMaster), "yes");
        EXPECT_NE(prop_of(*alpha, "tank/fs", "readonly"), "on");
        newest.foreign_hold = false;
    }
}

TEST_F(GoBack, TheNewMasterBeginsAtTheSnapshotAndBothKeepWhatIsNewer) {
    const auto there = change(*alpha, Ask::failover, fs);
    ASSERT_EQ(there.outcome, "done") << there.text;
    EXPECT_TRUE(settled(false));
    expect_back("2", "1");
    EXPECT_NE(there.text.find("tank/fs_diverged_2"), std::string::npos) << there.text;
    EXPECT_TRUE(beta->zfs.at("backup/fs").mounted);
    // Nothing was sent: it is not wanted there.
    EXPECT_EQ(alpha->zfs.count("send tank/fs@zrep_000002"), 0U);
    beta->zfs.write("backup/fs", 700);
    const auto next = test::run_task(io, beta->engine.sync_now(target_fs));
    EXPECT_EQ(next.outcome, "done") << next.text;
    EXPECT_EQ(alpha->zfs.content("tank/fs"), beta->zfs.content("backup/fs"));
}

TEST_F(GoBack, WhatWasNeverSentIsKeptAsWell) {
    alpha->zfs.write("tank/fs", 900);
    const auto third = alpha->zfs.content("tank/fs");
    ASSERT_EQ(change(*alpha, Ask::failover, fs).outcome, "done");
    EXPECT_TRUE(settled(false));
    EXPECT_EQ(beta->zfs.content("backup/fs"), first);
    EXPECT_EQ(alpha->zfs.content("tank/fs_diverged_2"), third);
}

TEST_F(GoBack, TheNewestSnapshotIsAnOrdinaryFailover) {
    ASSERT_EQ(change(*alpha, Ask::failover, fs, "zrep_000001").outcome, "done");
    EXPECT_TRUE(settled(false));
    EXPECT_EQ(beta->zfs.content("backup/fs"), second);
    EXPECT_FALSE(alpha->zfs.exists("tank/fs_diverged_2"));
    EXPECT_FALSE(beta->zfs.exists("backup/fs_diverged_1"));
}

TEST_F(GoBack, ForeignSnapshotsThatBothHaveWillDo) {
    alpha->zfs.take("tank/fs@monday");
    alpha->zfs.write("tank/fs", 10);
    ASSERT_EQ(sync().outcome, "done");
    if (beta->zfs.at("backup/fs").snapshots.size() == alpha->zfs.at("tank/fs").snapshots.size()) {
        ASSERT_EQ(change(*alpha, Ask::failover, fs, "monday").outcome, "done");
        EXPECT_TRUE(settled(false));
        EXPECT_EQ(beta->zfs.content("backup/fs"), second);
        return;
    }
    const auto refused = change(*alpha, Ask::failover, fs, "monday");
    ASSERT_TRUE(refused.error);
    EXPECT_EQ(refused.error->kind, "refused");
    EXPECT_TRUE(settled(true));
}

TEST_F(GoBack, WithoutTheOtherSideItFollowsLater) {
    // Its first answer is an error.
    beta->zfs.fail_next("flush", {.code = Code::zfs_failed, .message = "out of order"});
    const auto there = change(*alpha, Ask::failover_local, fs);
    ASSERT_EQ(there.outcome, "done") << there.text;
    EXPECT_EQ(alpha->zfs.content("tank/fs"), first);
    EXPECT_NE(prop_of(*alpha, "tank/fs", prop::kInprogress).find("back=yes"), std::string::npos);
    start_loops();
    test::run_until(io, [&] { return settled(false); });
    expect_back("2", "1");
}

TEST_F(GoBack, ATargetAsksItsMasterForIt) {
    const auto here = change(*beta, Ask::takeover, target_fs);
    ASSERT_EQ(here.outcome, "done") << here.text;
    EXPECT_TRUE(settled(false));
    expect_back("2", "1");
}

TEST_F(GoBack, ADeadMastersTargetGoesBackAloneAndTheMasterReturnsToIt) {
    const auto here = change(*beta, Ask::takeover_local, target_fs);
    ASSERT_EQ(here.outcome, "done") << here.text;
    EXPECT_EQ(beta->zfs.content("backup/fs"), first);
    EXPECT_EQ(beta->zfs.content("backup/fs_diverged_1"), second);
    EXPECT_EQ(prop_of(*beta, "backup/fs", prop::kMaster), "yes");
    start_loops();
    test::run_until(io, [&] { return settled(false); });
    EXPECT_EQ(alpha->zfs.content("tank/fs"), first);
    EXPECT_EQ(alpha->zfs.content("tank/fs_diverged_2"), second);
}

TEST_F(GoBack, ATakeoverThatFailsInTheMiddleIsATargetAgainAndCanBeRepeated) {
    beta->zfs.fail_next("rollback", {.code = Code::zfs_failed, .message = "out of order"});
    EXPECT_EQ(change(*beta, Ask::takeover_local, target_fs).outcome, "failed");
    EXPECT_NE(prop_of(*beta, "backup/fs", prop::kMaster), "yes");
    start_loops();
    test::run_until(io, [&] { return settled(true); });
    EXPECT_EQ(beta->zfs.content("backup/fs"), first);
    EXPECT_EQ(beta->zfs.content("backup/fs_diverged_1"), second);
    // The old master lives: it is synced forward, and the same rescue serves once more.
    ASSERT_EQ(sync().outcome, "done");
    ASSERT_EQ(change(*beta, Ask::takeover_local, target_fs).outcome, "done");
    EXPECT_EQ(beta->zfs.content("backup/fs"), first);
    EXPECT_EQ(prop_of(*beta, "backup/fs", prop::kMaster), "yes");
}

TEST_F(GoBack, ARescueOfTheSameEpochIsNotTouched) {
    beta->zfs.create("backup/fs_diverged_1");
    beta->zfs.at("backup/fs_diverged_1").props[std::string(prop::kRescue)] = {"backup/fs",
                                                                              Source::local};
    beta->zfs.take("backup/fs_diverged_1@zrep_diverged_1");
    discover();
    const auto before = beta->zfs.content("backup/fs_diverged_1");
    ASSERT_EQ(change(*alpha, Ask::failover, fs).outcome, "done");
    EXPECT_TRUE(settled(false));
    EXPECT_EQ(beta->zfs.content("backup/fs_diverged_1"), before);
    EXPECT_EQ(beta->zfs.content("backup/fs_diverged_1_2"), second);
}

TEST_F(GoBack, EachFailureOnTheWayEndsInOrder) {
    struct Case {
        test::TestHost* host;
        const char* step;
    };
    const Case cases[] = {{&*alpha, "receive"},
                          {&*alpha, "destroy_snapshots"},
                          {&*alpha, "rollback"},
                          {&*beta, "receive"},
                          {&*beta, "destroy_snapshots"},
                          {&*beta, "rollback"}};
    start_loops();
    bool alpha_is_master = true;
    for (const Case& c : cases) {
        SCOPED_TRACE(std::string(c.host == &*alpha ? "alpha " : "beta ") + c.step);
        auto& master = alpha_is_master ? *alpha : *beta;
        const DatasetName& name = alpha_is_master ? fs : target_fs;
        master.zfs.write(name.str(), 100);
        ASSERT_EQ(test::run_task(io, master.engine.sync_now(name)).outcome, "done");
        const std::string start = master.zfs.at(name.str()).snapshots.back().name;
        const auto content = master.zfs.content(name.str());
        master.zfs.write(name.str(), 100);
        ASSERT_EQ(test::run_task(io, master.engine.sync_now(name)).outcome, "done");
        c.host->zfs.fail_next(c.step, {.code = Code::zfs_failed, .message = "out of order"});
        change(master, Ask::failover, name, start);
        alpha_is_master = !alpha_is_master;
        test::run_until(io, [&] { return settled(alpha_is_master); });
        EXPECT_EQ(alpha->zfs.content("tank/fs"), content);
        EXPECT_EQ(beta->zfs.content("backup/fs"), content);
    }
}

TEST_F(GoBack, WhatIsInTheWayIsSaidBeforeAnythingChanges) {
    beta->zfs.at("backup/fs").snapshots.back().cloned = true;
    auto refused = change(*alpha, Ask::failover, fs);
    ASSERT_TRUE(refused.error);
    EXPECT_EQ(refused.error->kind, "refused");
    EXPECT_NE(refused.text.find("has clones"), std::string::npos) << refused.text;
    beta->zfs.at("backup/fs").snapshots.back().cloned = false;

    alpha->zfs.take("tank/fs@keep");
    alpha->zfs.at("tank/fs").snapshots.back().held = true;
    refused = change(*alpha, Ask::failover, fs);
    ASSERT_TRUE(refused.error);
    EXPECT_NE(refused.text.find("is held"), std::string::npos) << refused.text;
    alpha->zfs.at("tank/fs").snapshots.back().held = false;

    // beta has not got that one.
    refused = change(*alpha, Ask::failover, fs, "keep");
    ASSERT_TRUE(refused.error);
    EXPECT_EQ(refused.error->kind, "refused");
    EXPECT_NE(refused.error->remedy.find("@zrep_000001, @zrep_000000"), std::string::npos)
        << refused.error->remedy;
    refused = change(*alpha, Ask::failover_local, fs, "keep");
    ASSERT_TRUE(refused.error);
    EXPECT_NE(refused.text.find("never acknowledged"), std::string::npos) << refused.text;

    refused = change(*alpha, Ask::failover, fs, "nothing");
    ASSERT_TRUE(refused.error);
    EXPECT_EQ(refused.error->kind, "not_found");
    EXPECT_NE(refused.error->remedy.find("@zrep_000001"), std::string::npos);
    refused = change(*beta, Ask::failover, target_fs);
    ASSERT_TRUE(refused.error);
    EXPECT_EQ(refused.error->kind, "wrong_role");
    refused = change(*alpha, Ask::takeover_local, fs);
    ASSERT_TRUE(refused.error);
    EXPECT_EQ(refused.error->kind, "wrong_role");
    EXPECT_TRUE(settled(true));
    EXPECT_EQ(alpha->zfs.count("set tank/fs readonly"), 0U);
}

TEST_F(GoBack, ADryRunSaysHowMuchAndWhere) {
    for (const auto ask : {Ask::failover, Ask::failover_local}) {
        const std::string steps = join_steps(described(*alpha, ask, fs));
        EXPECT_NE(steps.find("4.9 KiB in 1 snapshots"), std::string::npos) << steps;
        EXPECT_NE(steps.find("seconds ago"), std::string::npos) << steps;
        EXPECT_NE(steps.find("in tank/fs_diverged_2"), std::string::npos) << steps;
        EXPECT_NE(steps.find("back to @zrep_000000"), std::string::npos) << steps;
    }
    std::string steps = join_steps(described(*beta, Ask::takeover, target_fs));
    EXPECT_NE(steps.find("in tank/fs_diverged_2"), std::string::npos) << steps;
    steps = join_steps(described(*beta, Ask::takeover_local, target_fs));
    EXPECT_NE(steps.find("in backup/fs_diverged_1"), std::string::npos) << steps;
    beta->zfs.at("backup/fs").snapshots.back().cloned = true;
    steps = join_steps(described(*alpha, Ask::failover, fs));
    EXPECT_NE(steps.find("has clones"), std::string::npos) << steps;
    EXPECT_TRUE(settled(true));
    EXPECT_EQ(alpha->zfs.count("set "), 0U);
    EXPECT_EQ(beta->zfs.count("set "), 0U);
}

/// Nothing is synced before it, so nothing is healed by a sync.
TEST_F(GoBack, ADryRunPromisesNothingThatTheRunRefuses) {
    give(*alpha, "tank/fs", prop::kEpoch, "2");
    discover();
    const auto found = described(*alpha, Ask::failover, fs);
    EXPECT_TRUE(found.steps.empty()) << join_steps(found);
    ASSERT_EQ(found.results.size(), 1U);
    ASSERT_TRUE(found.results[0].error);
    EXPECT_NE(found.results[0].error->message.find("the epochs disagree"), std::string::npos)
        << found.results[0].error->message;
    const auto run = change(*alpha, Ask::failover, fs);
    ASSERT_TRUE(run.error) << run.text;
    EXPECT_EQ(run.error->kind, found.results[0].error->kind);
    EXPECT_NE(run.error->message.find(found.results[0].error->message), std::string::npos)
        << run.error->message;
}

}  // namespace
}  // namespace zrepd
