// SPDX-License-Identifier: BSD-2-Clause
// A target that asks its master for a sync, between two daemons in one process.
#include <gtest/gtest.h>

#include "tests/fakes/roles_test.hpp"

namespace zrepd {
namespace {

class Refresh : public test::RolesTest {
  protected:
    rpc::RunResult refresh(test::TestHost& host, const DatasetName& dataset, bool all = false) {
        const auto started = host.roles.start_refresh({dataset}, all);
        if (!started) return sync::failed_result(dataset, started.error());
        const sync::RunPtr run = host.runs.find(started->run_id);
        test::run_until(io, [&run] { return run->finished(); });
        return run->out().results.at(0);
    }
};

TEST_F(Refresh, IsASyncOfTheMasterAndSaysWhatCameOfIt) {
    alpha->zfs.write("tank/fs", 5'000);
    const auto result = refresh(*beta, target_fs);
    EXPECT_EQ(result.outcome, "done") << result.text;
    EXPECT_NE(result.text.find("sent tank/fs@zrep_000001"), std::string::npos) << result.text;
    EXPECT_EQ(alpha->zfs.content("tank/fs"), beta->zfs.content("backup/fs"));
    EXPECT_EQ(refresh(*beta, target_fs).outcome, "done");
}

/// The sync that is under way there took its snapshot before.
TEST_F(Refresh, SyncsWhatWasWrittenSinceTheRunThatItJoinedBegan) {
    alpha->zfs.write("tank/fs", 5'000);
    auto guard = alpha->locks.try_lock(fs, lock::Scope::node, "something slow");
    ASSERT_TRUE(alpha->engine.start_sync({fs}, sync::Freshness::listed));
    const auto started = beta->roles.start_refresh({target_fs}, /*all=*/false);
    ASSERT_TRUE(started);
    const sync::RunPtr run = beta->runs.find(started->run_id);
    test::run_until(io, [&] {
        const auto progress = beta->runs.progress_of(target_fs);
        return progress && progress->phase == "alpha syncs";
    });
    alpha->zfs.on_call([this](const std::string& call) {
        if (!call.starts_with("send ")) return;
        alpha->zfs.on_call({});
        alpha->zfs.write("tank/fs", 7'000);
    });
    *guard = {};
    test::run_until(io, [&run] { return run->finished(); });
    const auto result = run->out().results.at(0);
    EXPECT_EQ(result.outcome, "done") << result.text;
    EXPECT_NE(result.text.find("zrep_000002"), std::string::npos) << result.text;
    EXPECT_EQ(alpha->zfs.content("tank/fs"), beta->zfs.content("backup/fs"));
}

TEST_F(Refresh, SaysWhyTheMasterCouldNot) {
    alpha->zfs.write("tank/fs", 5'000);
    alpha->zfs.fail_next("snapshot", {.code = Code::no_space, .message = "full"});
    const auto result = refresh(*beta, target_fs);
    ASSERT_TRUE(result.error);
    EXPECT_EQ(result.error->kind, "no_space");
    EXPECT_NE(result.error->message.find("alpha"), std::string::npos) << result.error->message;
}

TEST_F(Refresh, IsNotForAMaster) {
    const auto result = refresh(*alpha, fs);
    ASSERT_TRUE(result.error);
    EXPECT_EQ(result.error->kind, "wrong_role");
    EXPECT_EQ(result.error->remedy, "zrepctl sync 'tank/fs'");
}

TEST_F(Refresh, OfAPeerIsOnlyForWhatIsItsOwn) {
    const std::tuple<const char*, const char*, const char*, Code> table[] = {
        {"gamma", "backup/fs", "tank/fs", Code::not_accepted},
        {"beta", "backup/other", "tank/fs", Code::not_accepted},
        {"beta", "backup/fs", "tank/none", Code::not_accepted},
        {"beta", "backup/fs", "-F", Code::invalid_params}};
    for (const auto& [peer, source, target, code] : table) {
        const auto out =
            test::run_task(io, alpha->roles.refresh(peer, {source, target, false, {}}));
        ASSERT_FALSE(out) << peer << " " << target;
        EXPECT_EQ(out.error().code, code) << out.error().text();
    }
    EXPECT_EQ(alpha->zfs.count("snapshot"), 0U);
}

/// As `zrepctl sync FILESYSTEM@SNAPSHOT` leaves a pair: the pause is the master's alone.
TEST_F(Refresh, OfAllLeavesAPausedMasterAlone) {
    give(*alpha, "tank/fs", prop::kPaused, "yes");
    give(*alpha, "tank/fs", prop::kBack, alpha->zfs.at("tank/fs").snapshots.back().guid.str());
    discover();
    alpha->zfs.write("tank/fs", 5'000);
    const auto result = refresh(*beta, target_fs, /*all=*/true);
    EXPECT_EQ(result.outcome, "unchanged") << result.text;
    EXPECT_NE(result.text.find("tank/fs on alpha is paused: its copy was put back"),
              std::string::npos)
        << result.text;
    EXPECT_NE(result.text.find("on alpha: zrepctl unpause 'tank/fs'"), std::string::npos);
    const auto would = test::run_task(
        io, beta->roles.describe_refresh({target_fs}, std::chrono::seconds(10), /*all=*/true));
    ASSERT_TRUE(would);
    EXPECT_TRUE(would->steps.empty());
    EXPECT_EQ(would->results.at(0).text, result.text);
    EXPECT_EQ(alpha->zfs.count("snapshot"), 0U);
    EXPECT_EQ(refresh(*beta, target_fs).outcome, "done") << "by name it was meant";
    EXPECT_EQ(alpha->zfs.content("tank/fs"), beta->zfs.content("backup/fs"));
    const auto forward = refresh(*beta, target_fs, /*all=*/true);
    EXPECT_EQ(forward.outcome, "unchanged") << "it is paused all the same";
    EXPECT_NE(forward.text.find("tank/fs on alpha is paused; nothing was sent"), std::string::npos)
        << forward.text;
}

TEST_F(Refresh, DryRunSaysWhatTheMasterWouldDo) {
    alpha->zfs.write("tank/fs", 5'000);
    const auto found =
        test::run_task(io, beta->roles.describe_refresh({target_fs}, std::chrono::seconds(10)));
    ASSERT_TRUE(found);
    ASSERT_FALSE(found->steps.empty());
    EXPECT_NE(found->steps.front().find("snapshot"), std::string::npos) << found->steps.front();
    EXPECT_EQ(alpha->zfs.count("snapshot"), 0U);
}

}  // namespace
}  // namespace zrepd
