// SPDX-License-Identifier: BSD-2-Clause
// Role changes between two daemons in one process: what is stored at which step, what a failure at
// each of them leaves, and that what was cut off goes on by itself.
#include <gtest/gtest.h>

#include "tests/fakes/roles_test.hpp"
#include "tests/fakes/served_host.hpp"

namespace zrepd {
namespace {

using failover::Ask;
using test::RolesTest;

TEST_F(RolesTest, FailoverMovesRoleAndDataAndBack) {
    alpha->zfs.write("tank/fs", 5'000);
    const auto there = change(*alpha, Ask::failover, fs);
    ASSERT_EQ(there.outcome, "done") << there.text;
    expect_roles(false, "2");
    EXPECT_EQ(alpha->zfs.content("tank/fs"), beta->zfs.content("backup/fs"));
    EXPECT_EQ(prop_of(*beta, "backup/fs", prop::kSrcHost), "beta");
    EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kSrcHost), "beta");
    EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kDestFs), "tank/fs");
    EXPECT_TRUE(beta->zfs.at("backup/fs").mounted);
    EXPECT_FALSE(alpha->zfs.at("tank/fs").mounted);
    beta->zfs.write("backup/fs", 7'000);
    const auto back = change(*beta, Ask::failover, target_fs);
    ASSERT_EQ(back.outcome, "done") << back.text;
    expect_roles(true, "3");
    EXPECT_EQ(alpha->zfs.content("tank/fs"), beta->zfs.content("backup/fs"));
}

/// With a key that is for `zrepctl peer` alone, through the socket and by the words of that
/// command.
TEST_F(RolesTest, AFailoverOverARestrictedKeyMountsWhereTheOtherSideSaysSo) {
    restrict_alpha();
    const auto refused = change(*alpha, Ask::failover, fs);
    EXPECT_EQ(refused.outcome, "failed");
    expect_roles(true, "1");
    const std::string remedy = refused.error.value().remedy;
    EXPECT_NE(remedy.find("on beta: zfs set mountpoint='/tank/fs' 'backup/fs' as there"),
              std::string::npos)
        << remedy;
    give(*beta, "backup/fs", "mountpoint", "/srv/here");
    discover();
    const auto there = change(*alpha, Ask::failover, fs);
    ASSERT_EQ(there.outcome, "done") << there.text;
    expect_roles(false, "2");
    EXPECT_EQ(prop_of(*beta, "backup/fs", "mountpoint"), "/srv/here");
    EXPECT_TRUE(beta->zfs.at("backup/fs").mounted);
}

TEST_F(RolesTest, ATakeoverAfterARestrictedKeyMountsWhereItIsHereAndSaysHowElse) {
    restrict_alpha();
    alpha->zfs.write("tank/fs", 5'000);
    ASSERT_EQ(sync().outcome, "done");
    EXPECT_NE(prop_of(*beta, "backup/fs", prop::kServe).find("wished=/tank/fs"), std::string::npos);
    const auto taken = change(*beta, Ask::takeover_local, target_fs);
    ASSERT_EQ(taken.outcome, "done") << taken.text;
    EXPECT_TRUE(beta->zfs.at("backup/fs").mounted);
    EXPECT_EQ(prop_of(*beta, "backup/fs", "mountpoint"), "");
    EXPECT_NE(taken.text.find("zfs set mountpoint='/tank/fs' 'backup/fs' as there"),
              std::string::npos)
        << taken.text;
}

/// As sanoid takes them every hour, of what is idle too.
TEST_F(RolesTest, SomebodyElsesSnapshotOfAnIdleMasterIsInNoWay) {
    alpha->zfs.take("tank/fs@hourly");
    const auto there = change(*alpha, Ask::failover, fs);
    ASSERT_EQ(there.outcome, "done") << there.text;
    expect_roles(false, "2");
    beta->zfs.write("backup/fs", 7'000);
    const auto back = change(*beta, Ask::failover, target_fs);
    ASSERT_EQ(back.outcome, "done") << back.text;
    expect_roles(true, "3");
}

TEST_F(RolesTest, OnlyTheSameFailoverIsFollowedInsteadOfBegun) {
    const auto first = alpha->roles.start(Ask::failover, {fs});
    ASSERT_TRUE(first);
    const auto same = alpha->roles.start(Ask::failover, {fs});
    ASSERT_FALSE(same);
    EXPECT_EQ(same.error().code, Code::already_running);
    EXPECT_EQ(same.error().run_id, first->run_id);
    const auto alone = alpha->roles.start(Ask::failover_local, {fs});
    ASSERT_FALSE(alone);
    EXPECT_EQ(alone.error().code, Code::busy);
    const auto back = alpha->roles.start_at(Ask::failover, fs, {.name = "zrep_000000"});
    ASSERT_FALSE(back);
    EXPECT_EQ(back.error().code, Code::busy);
    EXPECT_EQ(ended(first).outcome, "done");
}

/// What went well needs no recovery: that would lock, ask and show a run that nobody asked for.
TEST_F(RolesTest, AFailoverIsNotRecoveredFrom) {
    start_loops();
    alpha->zfs.write("tank/fs", 5'000);
    std::vector<std::string> ended;
    const auto note = [&ended](const rpc::EventOut& event) {
        if (event.event == "run_finished" && event.run) ended.push_back(event.run->operation);
        return true;
    };
    const auto here = alpha->events.subscribe(note);
    const auto there = beta->events.subscribe(note);
    ASSERT_EQ(change(*alpha, Ask::failover, fs).outcome, "done");
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    test::run_until(io, [&] { return std::chrono::steady_clock::now() > until; });
    std::sort(ended.begin(), ended.end());
    EXPECT_EQ(ended, (std::vector<std::string>{"failover", "promote", "receive", "sync"}));
}

/// While nobody can write, processes are what costs time: they are few, and always the same.
TEST_F(RolesTest, AnIdleFilesystemIsReadonlyForAFewProcesses) {
    ASSERT_EQ(change(*alpha, Ask::failover, fs).outcome, "done");
    const auto& here = alpha->zfs.calls();
    const auto frozen = std::find_if(here.begin(), here.end(), [](const std::string& call) {
        return call.find("readonly=on") != call.npos;
    });
    ASSERT_NE(frozen, here.end());
    const auto handed = std::find_if(frozen + 1, here.end(), [](const std::string& call) {
        return call.find("zrep:master=no") != call.npos;
    });
    ASSERT_NE(handed, here.end());
    const std::vector<std::string> between(frozen + 1, handed);
    EXPECT_EQ(
        between,
        (std::vector<std::string>{"flush tank", "datasets tank tank/fs", "versions tank/fs"}));
    // What is in memory is written while it can be.
    EXPECT_EQ(*(frozen - 1), "sync_files /tank/fs");
    const auto& there = beta->zfs.calls();
    const auto promoted = std::find_if(there.begin(), there.end(), [](const std::string& call) {
        return call.find("zrep:master=yes") != call.npos;
    });
    ASSERT_NE(promoted, there.end());
    // On the other side nothing but the look before it, and the mount behind it.
    EXPECT_EQ(*(promoted - 1), "datasets backup backup/fs");
    EXPECT_EQ(*(promoted + 1), "mount backup/fs");
}

TEST_F(RolesTest, WhatFailsBeforeTheHandOverLeavesTheMasterWritable) {
    alpha->zfs.fail_next("set", broken());  // freezing
    const auto frozen = change(*alpha, Ask::failover, fs);
    EXPECT_EQ(frozen.outcome, "failed");
    expect_roles(true, "1");
    alpha->zfs.write("tank/fs", 5'000);
    alpha->zfs.fail_next("flush", broken());  // the first sync's is survived; draining's is not
    alpha->zfs.fail_next("flush", broken());
    const auto drained = change(*alpha, Ask::failover, fs);
    EXPECT_EQ(drained.outcome, "failed");
    EXPECT_NE(drained.text.find("it is the master still"), std::string::npos) << drained.text;
    expect_roles(true, "1");
}

TEST_F(RolesTest, ATargetThatSaysNoChangesNothing) {
    beta->zfs.at("backup/fs").props[std::string(prop::kPaused)] = {"yes", Source::local};
    const auto refused = change(*alpha, Ask::failover, fs);
    EXPECT_EQ(refused.outcome, "failed");
    ASSERT_TRUE(refused.error);
    EXPECT_EQ(refused.error->kind, "refused");
    EXPECT_NE(refused.error->remedy.find("zrepctl unpause"), std::string::npos);
    expect_roles(true, "1");
    EXPECT_EQ(alpha->zfs.count("set tank/fs readonly"), 0U);
}

/// What zfs change-key did on the master comes with a stream; what is loaded stays as it was.
TEST_F(RolesTest, AKeyThatWasChangedOnTheMasterIsLoadedAnewBeforeTheMount) {
    for (auto* host : {&*alpha, &*beta}) {
        host->zfs.at(host == &*alpha ? "tank/fs" : "backup/fs").encrypted = true;
        EXPECT_TRUE(test::run_task(io, host->inventory.discover()));
    }
    beta->zfs.at("backup/fs").key_changed = true;
    beta->zfs.at("backup/fs").mounted = false;
    const auto done = change(*alpha, Ask::failover, fs);
    ASSERT_EQ(done.outcome, "done") << done.text;
    EXPECT_TRUE(beta->zfs.at("backup/fs").mounted);
    EXPECT_EQ(beta->zfs.count("unload_key"), 1U);
}

/// Typed by hand, say: nobody may be there who knows it.
TEST_F(RolesTest, AKeyThatCouldNotBeLoadedAgainStaysLoaded) {
    beta->zfs.at("backup/fs").encrypted = true;
    beta->zfs.at("backup/fs").key_changed = true;
    beta->zfs.at("backup/fs").mounted = false;
    EXPECT_TRUE(test::run_task(io, beta->inventory.discover()));
    beta->zfs.on_call([this](const std::string& call) {
        if (!call.starts_with("try_key")) return;
        beta->zfs.fail_next("try_key", {.code = Code::zfs_failed, .message = "too short"});
    });
    const auto done = change(*alpha, Ask::failover, fs);
    ASSERT_EQ(done.outcome, "done") << done.text;
    EXPECT_EQ(beta->zfs.count("mount backup/fs"), 1U);
    EXPECT_TRUE(beta->zfs.at("backup/fs").key_loaded);
    EXPECT_EQ(beta->zfs.count("unload_key"), 0U);
}

TEST_F(RolesTest, AKeyThatIsNoneAnyMoreOverThereIsSeenBeforeAnythingIsChanged) {
    beta->zfs.at("backup/fs").encrypted = true;
    EXPECT_TRUE(test::run_task(io, beta->inventory.discover()));
    beta->zfs.fail_next("try_key", {.code = Code::refused, .message = "Incorrect key provided"});
    const auto refused = change(*alpha, Ask::failover, fs);
    ASSERT_EQ(refused.outcome, "failed");
    EXPECT_NE(refused.error->message.find(
                  "the key of backup/fs on beta that lies at its keylocation is not"),
              std::string::npos)
        << refused.error->message;
    EXPECT_TRUE(is_master(*alpha, "tank/fs"));
    // One that cannot be tried, as with keylocation=prompt, is loaded all the same.
    beta->zfs.fail_next("try_key", {.code = Code::zfs_failed, .message = "Passphrase too short"});
    EXPECT_EQ(change(*alpha, Ask::failover, fs).outcome, "done");
}

TEST_F(RolesTest, APromotionThatFailsIsAskedForAgain) {
    // peer.check writes zrep:serve only when it differs, so the promotion is the second set at
    // most.
    alpha->zfs.write("tank/fs", 5'000);
    beta->zfs.fail_next("mount", broken());
    start_loops();
    const auto result = change(*alpha, Ask::failover, fs);
    EXPECT_EQ(result.outcome, "done") << result.text;
    test::run_until(io,
                    [&] { return is_master(*beta, "backup/fs") && is_target(*alpha, "tank/fs"); });
    expect_roles(false, "2");
}

TEST_F(RolesTest, AFailoverSaysWhatWentWrongOnTheNewMaster) {
    beta->zfs.fail_next("mount", {.code = Code::busy, .message = "/tank/fs is in use"});
    const auto result = change(*alpha, Ask::failover, fs);
    EXPECT_EQ(result.outcome, "done") << result.text;
    EXPECT_NE(result.text.find("; beta: /tank/fs is in use; next: zfs mount 'backup/fs'"),
              std::string::npos)
        << result.text;
    expect_roles(false, "2");
}

/// The master dies in the middle of a planned takeover: nobody who says so waits until that is
/// seen.
TEST_F(RolesTest, ATakeoverAloneDoesNotWaitForOneThatAsksTheMaster) {
    auto slow = alpha->locks.try_lock(fs, lock::Scope::node, "something slow");
    ASSERT_TRUE(slow);
    const auto asks = beta->roles.start(Ask::takeover, {target_fs});
    ASSERT_TRUE(asks);
    test::run_until(io, [this] { return alpha->runs.active(fs) != nullptr; });
    const auto other = beta->roles.start(Ask::failover, {target_fs});
    EXPECT_FALSE(other);
    const auto dry = test::run_task(
        io, beta->roles.describe(Ask::takeover_local, {target_fs}, std::chrono::seconds(1)));
    ASSERT_TRUE(dry);
    EXPECT_TRUE(dry->results.empty());
    EXPECT_EQ(change(*beta, Ask::takeover_local, target_fs).outcome, "done");
    EXPECT_TRUE(is_master(*beta, "backup/fs"));
    const sync::RunPtr asking = beta->runs.find(asks->run_id);
    test::run_until(io, [&asking] { return asking->finished(); });
    EXPECT_EQ(asking->out().results.at(0).outcome, "done");
}

TEST_F(RolesTest, AnOldMasterStepsDownAndKeepsWhatItNeverSent) {
    alpha->zfs.write("tank/fs", 5'000);
    const std::uint64_t only_here = alpha->zfs.content("tank/fs");
    const std::uint64_t common = beta->zfs.content("backup/fs");
    ASSERT_EQ(change(*beta, Ask::takeover_local, target_fs).outcome, "done");
    EXPECT_TRUE(is_master(*beta, "backup/fs"));
    start_loops();
    test::run_until(io, [&] { return is_target(*alpha, "tank/fs"); });
    expect_roles(false, "2");
    EXPECT_EQ(alpha->zfs.content("tank/fs"), common);
    ASSERT_TRUE(alpha->zfs.exists("tank/fs_diverged_2"));
    EXPECT_EQ(alpha->zfs.content("tank/fs_diverged_2"), only_here);
    EXPECT_EQ(prop_of(*alpha, "tank/fs_diverged_2", prop::kRescue), "tank/fs");
    EXPECT_NE(alpha->zfs.at("tank/fs_diverged_2").origin, "");
}

TEST_F(RolesTest, WhatSyncsOfAnOldMasterComplainedOfIsNoTroubleOfTheTarget) {
    test::ServedHost served{*alpha};
    const auto status = [&] { return served.service.status({.datasets = {}})->pairs.at(0); };
    alpha->zfs.write("tank/fs", 5'000);
    alpha->zfs.fail_next("snapshot", {.code = Code::no_space, .message = "out of space"});
    ASSERT_EQ(sync().outcome, "failed");
    ASSERT_EQ(status().health, "failing");
    ASSERT_EQ(change(*beta, Ask::takeover_local, target_fs).outcome, "done");
    start_loops();
    test::run_until(io, [&] { return is_target(*alpha, "tank/fs") && !alpha->runs.active(fs); });
    EXPECT_FALSE(alpha->runs.remembered(fs)->error);
    EXPECT_EQ(status().role, "target");
    EXPECT_EQ(status().health, "ok");
}

/// One that is asked for, and not found out, is the same.
TEST_F(RolesTest, ASplitThatASyncFoundIsNoTroubleOfTheSideThatGaveWay) {
    split();
    ASSERT_EQ(sync().outcome, "failed");
    ASSERT_TRUE(alpha->runs.remembered(fs)->error);
    ASSERT_EQ(change(*alpha, Ask::keep_peer, fs).outcome, "done");
    start_loops();
    test::run_until(io, [&] { return is_target(*alpha, "tank/fs") && !alpha->runs.active(fs); });
    EXPECT_FALSE(alpha->runs.remembered(fs)->error);
}

TEST_F(RolesTest, NothingIsRolledBackThatCouldNotBeCopied) {
    alpha->zfs.write("tank/fs", 5'000);
    const std::uint64_t only_here = alpha->zfs.content("tank/fs");
    for (int i = 0; i < 3; ++i) {
        alpha->zfs.fail_next("receive", {.code = Code::no_space, .message = "out of space"});
    }
    ASSERT_EQ(change(*beta, Ask::takeover_local, target_fs).outcome, "done");
    start_loops();
    test::run_until(io, [&] {
        const auto trouble = alpha->roles.trouble_of(fs);
        return trouble && trouble->code == Code::no_space;
    });
    // Readonly and no master any more, with all its data.
    EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kMaster), "no");
    EXPECT_EQ(prop_of(*alpha, "tank/fs", "readonly"), "on");
    EXPECT_EQ(alpha->zfs.content("tank/fs"), only_here);
    EXPECT_EQ(alpha->zfs.count("rollback"), 0U);
    test::run_until(io, [&] { return is_target(*alpha, "tank/fs"); });
    EXPECT_EQ(alpha->zfs.content("tank/fs_diverged_2"), only_here);
}

/// As a master of epoch 0 it would look overtaken, and whoever waits for its word free to serve.
TEST_F(RolesTest, AMasterWhoseEpochIsNoNumberGivesWayToNobodyAndVouchesForNobody) {
    alpha->zfs.write("tank/fs", 5'000);
    ASSERT_EQ(change(*beta, Ask::takeover_local, target_fs).outcome, "done");
    give(*beta, "backup/fs", prop::kEpoch, "seven");
    discover();
    rpc::RolesIn in;
    in.sides.push_back({.source = "tank/fs", .target = "backup/fs", .master = true, .epoch = 1});
    const auto answer = test::run_task(io, beta->roles.roles("alpha", in));
    ASSERT_TRUE(answer);
    EXPECT_FALSE(answer->sides.at(0).known);
    start_loops();
    test::run_until(io, [&] { return beta->roles.trouble_of(target_fs).has_value(); });
    EXPECT_NE(beta->roles.trouble_of(target_fs)->message.find("is no number"), std::string::npos);
    EXPECT_TRUE(is_master(*beta, "backup/fs"));
    EXPECT_EQ(beta->zfs.count("rollback"), 0U);
    give(*beta, "backup/fs", prop::kEpoch, "2");
    discover();
    beta->events.hint("peer_up", "alpha");
    alpha->events.hint("peer_up", "beta");
    test::run_until(io, [&] { return is_target(*alpha, "tank/fs"); });
    EXPECT_TRUE(is_master(*beta, "backup/fs"));
}

/// Between the tries of a rescue nothing holds the lock; the other side's sync would roll back.
TEST_F(RolesTest, ASideThatHasNotRescuedYetTakesNoStream) {
    auto& copy = beta->zfs.at("backup/fs");
    copy.props[std::string(prop::kInprogress)] = {"rejoining base=1", Source::local};
    beta->zfs.write("backup/fs", 3'000);
    const std::uint64_t only_there = copy.content;
    rpc::ReceiveIn in;
    in.source = "tank/fs";
    in.target = "backup/fs";
    in.snapshot = "zrep_000001";
    in.mode = "incremental";
    in.base = copy.snapshots.back().guid;
    in.rollback = true;
    const auto opened = test::run_task(io, beta->target.open_receive("alpha", in));
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Code::busy);
    EXPECT_EQ(beta->zfs.count("rollback"), 0U);
    EXPECT_EQ(copy.content, only_there);
}

/// It goes back behind what would be recorded, and its master would count that as a copy.
TEST_F(RolesTest, ASideThatHasNotRescuedYetRecordsNoAcknowledgement) {
    for (const char* journal : {"stepping_down base=1", "rejoining base=1"}) {
        auto& copy = beta->zfs.at("backup/fs");
        copy.props[std::string(prop::kInprogress)] = {journal, Source::local};
        discover();
        const auto& newest = copy.snapshots.back();
        rpc::CommitIn in;
        in.sent = 1'800'000'000;
        in.items.push_back({"tank/fs", "backup/fs", newest.name, newest.guid, 9, ""});
        const auto out = test::run_task(io, beta->target.commit("alpha", in));
        ASSERT_TRUE(out);
        ASSERT_TRUE(out->items.at(0).error) << journal;
        EXPECT_EQ(out->items.at(0).error->kind, "busy");
        EXPECT_NE(copy.snapshots.back().sent, in.sent);
        EXPECT_EQ(prop_of(*beta, "backup/fs", prop::kEpoch), "1");
    }
}

TEST_F(RolesTest, StepsDownAloneAndIsFollowed) {
    alpha->zfs.write("tank/fs", 5'000);
    start_loops();
    const auto result = change(*alpha, Ask::failover_local, fs);
    EXPECT_EQ(result.outcome, "done") << result.text;
    test::run_until(io,
                    [&] { return is_master(*beta, "backup/fs") && is_target(*alpha, "tank/fs"); });
    expect_roles(false, "2");
    EXPECT_TRUE(alpha->zfs.exists("tank/fs_diverged_2"));
}

/// The third question in a row that fails waits 8 s; one that its call brought about waits anew.
TEST_F(RolesTest, APeerThatCallsIsAskedAgainSoon) {
    split();
    unsigned asked = 0;
    beta->zfs.on_call([&](const std::string& call) {
        if (!call.starts_with("datasets")) return;
        if (asked++ < 3) beta->zfs.fail_next("datasets", broken());
    });
    loops.spawn("alpha's roles", alpha->roles.run());
    test::run_until(io, [&] { return asked >= 2; });
    EXPECT_TRUE(test::run_task(io, alpha->roles.roles("beta", {})));
    test::run_until(io, [&] { return asked >= 3; });
    const auto since = std::chrono::steady_clock::now();
    test::run_until(io, [&] { return alpha->roles.trouble_of(fs).has_value(); });
    EXPECT_LT(std::chrono::steady_clock::now() - since, std::chrono::seconds(5));
}

TEST_F(RolesTest, ResolveIsRefusedWhereThereIsNoSplit) {
    const auto refused = change(*alpha, Ask::keep_here, fs);
    EXPECT_EQ(refused.outcome, "failed");
    EXPECT_EQ(refused.error->kind, "wrong_role");
    expect_roles(true, "1");
}

TEST_F(RolesTest, APeerPromotesAndAsksOnlyItsOwn) {
    rpc::PromoteIn in;
    in.source = "tank/fs";
    in.target = "backup/fs";
    in.epoch = 2;
    const auto out = test::run_task(io, beta->roles.promote("gamma", in));
    ASSERT_FALSE(out);
    EXPECT_EQ(out.error().code, Code::not_accepted);
    rpc::RolesIn ask;
    ask.sides.push_back({"tank/fs", "backup/fs", true, 7});
    const auto told = test::run_task(io, beta->roles.roles("gamma", ask));
    ASSERT_TRUE(told);
    EXPECT_FALSE(told->sides.at(0).known);
    EXPECT_TRUE(told->sides.at(0).snapshots.empty());
}

/// As a master that was started anew in the middle, it knows no such run, and says so.
TEST_F(RolesTest, ATakeoverDoesNotWaitForARunThatIsGone) {
    alpha->zfs.on_call([this](const std::string& call) {
        if (!call.starts_with("flush")) return;
        alpha->zfs.on_call({});
        give(*alpha, "tank/fs", prop::kDestHost, "gamma");
    });
    const auto before = std::chrono::steady_clock::now();
    const auto result = change(*beta, Ask::takeover, target_fs);
    EXPECT_EQ(result.outcome, "failed") << result.text;
    EXPECT_NE(result.text.find("was restarted since"), std::string::npos) << result.text;
    EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(10));
}

TEST_F(RolesTest, ALatePromotionChangesNothing) {
    ASSERT_EQ(change(*alpha, Ask::failover, fs).outcome, "done");
    ASSERT_EQ(change(*beta, Ask::failover, target_fs).outcome, "done");
    rpc::PromoteIn in;
    in.source = "tank/fs";
    in.target = "backup/fs";
    in.epoch = 2;
    const auto out = test::run_task(io, beta->roles.promote("alpha", in));
    ASSERT_TRUE(out);
    EXPECT_FALSE(out->master);
    EXPECT_EQ(out->epoch, 3U);
    expect_roles(true, "3");
}

}  // namespace
}  // namespace zrepd
