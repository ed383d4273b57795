// SPDX-License-Identifier: BSD-2-Clause
// The administrator's programs in role changes: who refuses what, and who hears of what, how often.
#include <gtest/gtest.h>

#include "tests/fakes/hook_folder.hpp"
#include "tests/fakes/roles_test.hpp"

namespace zrepd {
namespace {

using failover::Ask;
using test::RolesTest;

class RoleHooksTest : public RolesTest {
  protected:
    RoleHooksTest() {
        for (auto* host : {&*alpha, &*beta}) {
            host->config.hooks_dir = directory / (host->config.host.str() + "-hooks");
            for (const char* hook : {"pre-demote", "post-demote", "pre-promote", "post-promote"}) {
                put(*host, hook, "");
            }
        }
    }
    void SetUp() override { test::require_root(); }
    /// Notes "alpha pre-demote failover" and does what `script` says.
    void put(const test::TestHost& host, const std::string& hook, const std::string& script) {
        const std::string words = "echo " + host.config.host.str() + " " + hook +
                                  " $(sed 's/.*\"operation\":\"\\([a-z]*\\)\".*/\\1/') >> " +
                                  heard().string() + "\n";
        test::write_program(host.config.hooks_dir / (hook + ".d") / "10-note",
                            "#!/bin/sh\n" + words + script + "\n");
    }
    std::filesystem::path heard() const { return directory / "heard"; }
    std::string said() const { return test::text_of(heard()); }
    std::size_t times(const std::string& line) const {
        const std::string all = said();
        std::size_t count = 0;
        for (auto at = all.find(line); at != all.npos; at = all.find(line, at + 1)) ++count;
        return count;
    }
};

TEST_F(RoleHooksTest, AFailoverAsksAndTellsInThisOrder) {
    ASSERT_EQ(change(*alpha, Ask::failover, fs).outcome, "done");
    EXPECT_EQ(said(),
              "beta pre-promote failover\nalpha pre-demote failover\n"
              "alpha post-demote failover\nbeta post-promote failover\n");
}

/// Who waits for it goes on to use what its programs start.
TEST_F(RoleHooksTest, ATakeoverEndsAfterTheLastProgram) {
    put(*beta, "post-promote", "sleep 3; echo started >> " + heard().string());
    ASSERT_EQ(change(*beta, Ask::takeover, target_fs).outcome, "done");
    EXPECT_EQ(times("started\n"), 1U) << said();
}

TEST_F(RoleHooksTest, ATargetsProgramRefusesBeforeAnythingIsDone) {
    put(*beta, "pre-promote", "echo not today >&2; exit 1");
    const auto result = change(*alpha, Ask::failover, fs);
    EXPECT_EQ(result.outcome, "failed");
    EXPECT_NE(result.text.find("not today"), std::string::npos) << result.text;
    EXPECT_EQ(said(), "beta pre-promote failover\n");
    EXPECT_EQ(alpha->zfs.count("set tank/fs readonly"), 0U);
    expect_roles(true, "1");
}

/// What its programs stopped is started again.
TEST_F(RoleHooksTest, AMastersProgramRefusesAndIsToldThatItStays) {
    put(*alpha, "pre-demote", "echo busy until noon >&2; exit 1");
    const auto result = change(*alpha, Ask::failover, fs);
    EXPECT_EQ(result.outcome, "failed");
    EXPECT_NE(result.text.find("busy until noon"), std::string::npos) << result.text;
    EXPECT_EQ(said(),
              "beta pre-promote failover\nalpha pre-demote failover\n"
              "alpha post-promote recovery\n");
    EXPECT_EQ(alpha->zfs.count("set tank/fs readonly"), 0U);
    expect_roles(true, "1");
}

TEST_F(RoleHooksTest, ATakeoverAloneIsRefusedToo) {
    put(*beta, "pre-promote", "exit 1");
    EXPECT_EQ(change(*beta, Ask::takeover_local, target_fs).outcome, "failed");
    EXPECT_EQ(said(), "beta pre-promote takeover\n");
    expect_roles(true, "1");
}

TEST_F(RoleHooksTest, AFailoverAloneIsRefusedTooAndToldThatItStays) {
    put(*alpha, "pre-demote", "echo busy until noon >&2; exit 1");
    const auto result = change(*alpha, Ask::failover_local, fs);
    EXPECT_EQ(result.outcome, "failed");
    EXPECT_NE(result.text.find("busy until noon"), std::string::npos) << result.text;
    EXPECT_EQ(said(), "alpha pre-demote failover\nalpha post-promote recovery\n");
    EXPECT_EQ(alpha->zfs.count("set tank/fs"), 0U);
    expect_roles(true, "1");
}

TEST_F(RoleHooksTest, AFailoverAloneThatCannotBeStoredIsToldThatItStays) {
    alpha->zfs.fail_at("set tank/fs zrep:master=no", broken());
    EXPECT_EQ(change(*alpha, Ask::failover_local, fs).outcome, "failed");
    EXPECT_EQ(said(), "alpha pre-demote failover\nalpha post-promote recovery\n");
    expect_roles(true, "1");
}

/// The promotion is asked for again and again; the demotion has happened once.
TEST_F(RoleHooksTest, ADemotionIsToldOnce) {
    for (int i = 0; i < 3; ++i) {
        beta->zfs.fail_at("set backup/fs zrep:master=yes", broken());
    }
    start_loops();
    EXPECT_EQ(change(*alpha, Ask::failover, fs).outcome, "failed");
    test::run_until(io, [&] { return is_master(*beta, "backup/fs"); });
    test::run_until(io, [&] { return is_target(*alpha, "tank/fs"); });
    EXPECT_EQ(times("alpha post-demote"), 1U) << said();
    // The next demotion of the same side is another one.
    ASSERT_EQ(change(*beta, Ask::failover, target_fs).outcome, "done");
    ASSERT_EQ(change(*alpha, Ask::failover, fs).outcome, "done");
    EXPECT_EQ(times("alpha post-demote"), 2U) << said();
}

TEST_F(RoleHooksTest, AReturningMasterRejoins) {
    ASSERT_EQ(change(*beta, Ask::takeover_local, target_fs).outcome, "done");
    start_loops();
    test::run_until(io, [&] { return is_target(*alpha, "tank/fs"); });
    EXPECT_EQ(times("alpha post-demote rejoin"), 1U) << said();
}

/// zrepd was killed between a promotion and its mount: that is set right, nobody rejoins.
TEST_F(RoleHooksTest, APromotionThatWasCutOffIsRecovered) {
    ASSERT_EQ(change(*alpha, Ask::failover, fs).outcome, "done");
    give(*beta, "backup/fs", prop::kInprogress, "promoted");
    beta->zfs.at("backup/fs").mounted = false;
    std::filesystem::remove(heard());
    discover();
    start_loops();
    test::run_until(io, [&] { return is_master(*beta, "backup/fs"); });
    EXPECT_TRUE(beta->zfs.at("backup/fs").mounted);
    EXPECT_EQ(said(), "beta post-promote recovery\n");
}

}  // namespace
}  // namespace zrepd
