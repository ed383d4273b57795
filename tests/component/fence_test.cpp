// SPDX-License-Identifier: BSD-2-Clause
// zrep:fence=boot between two daemons in one process: what is stored, who is mounted after a
// reboot, and on whose word.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/fakes/roles_test.hpp"

namespace zrepd {
namespace {

using failover::Ask;

class FenceTest : public test::RolesTest {
  protected:
    FenceTest() {
        // As if mounted by zfs at the boot.
        alpha->zfs.at("tank/fs").mounted = true;
    }
    void set_fence(test::TestHost& host, std::string_view dataset, const std::string& value) {
        give(host, dataset, prop::kFence, value);
        EXPECT_TRUE(test::run_task(io, host.inventory.discover()));
        host.roles.look_again();
    }
    void start(test::TestHost& host) { loops.spawn("roles", host.roles.run()); }
    /// alpha's fence is closed as by a reboot: fenced before, nothing mounted now.
    void reboot_fenced() {
        give(*alpha, "tank/fs", prop::kFence, "boot");
        give(*alpha, "tank/fs", prop::kCanmount, "on");
        give(*alpha, "tank/fs", "canmount", "noauto");
        alpha->zfs.at("tank/fs").mounted = false;
        discover();
    }
    void cut_link() { test::run_task(io, beta->server.stop()); }
    /// alpha has asked beta in vain.
    void wait_for_silence() {
        test::run_until(io, [&] {
            return alpha->peers.state(beta->config.host) == peer::PeerState::unreachable;
        });
        test::run_ready(io);
    }
    bool is_mounted() { return alpha->zfs.at("tank/fs").mounted; }
    /// How often alpha has said it.
    auto told(std::string_view event) {
        const auto events = alpha->events.recent(100);
        return std::count_if(events.begin(), events.end(), [&](const rpc::EventOut& one) {
            return one.event == event && one.dataset == "tank/fs";
        });
    }
};

TEST_F(FenceTest, IsStoredAndTakenBackOnARunningMaster) {
    discover();
    start(*alpha);
    set_fence(*alpha, "tank/fs", "boot");
    test::run_until(io, [&] { return prop_of(*alpha, "tank/fs", "canmount") == "noauto"; });
    EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kCanmount), "on");
    EXPECT_TRUE(is_mounted());
    EXPECT_FALSE(alpha->roles.is_fenced(fs));
    EXPECT_EQ(alpha->zfs.count("unmount"), 0U);
    set_fence(*alpha, "tank/fs", "off");
    test::run_until(io, [&] { return prop_of(*alpha, "tank/fs", "canmount") == "on"; });
    EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kCanmount), "");
    EXPECT_TRUE(is_mounted());
}

TEST_F(FenceTest, AMasterIsMountedWhenItsPeerSaysThatItDidNotTakeOver) {
    reboot_fenced();
    EXPECT_TRUE(alpha->roles.is_fenced(fs));
    const auto trouble = alpha->roles.trouble_of(fs);
    ASSERT_TRUE(trouble);
    EXPECT_NE(trouble->remedy.find("zrepctl unfence 'tank/fs'"), std::string::npos)
        << trouble->remedy;
    EXPECT_FALSE(is_mounted());
    start(*alpha);
    test::run_until(io, [&] { return is_mounted() && !alpha->roles.is_fenced(fs); });
    EXPECT_EQ(prop_of(*alpha, "tank/fs", "canmount"), "noauto");
    EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kEpoch), "1");
    EXPECT_FALSE(alpha->roles.trouble_of(fs));
    test::run_until(io, [&] { return told("fence_over") != 0; });
    alpha->roles.look_again();
    test::run_ready(io);
    EXPECT_EQ(told("fence_waits"), 1);
    EXPECT_EQ(told("fence_over"), 1);
}

TEST_F(FenceTest, AnOldMasterIsNeverMounted) {
    ASSERT_EQ(change(*beta, Ask::takeover_local, target_fs).outcome, "done");
    reboot_fenced();
    alpha->zfs.forget_calls();
    start(*alpha);
    test::run_until(io, [&] {
        return prop_of(*alpha, "tank/fs", prop::kMaster) == "no" &&
               prop_of(*alpha, "tank/fs", prop::kInprogress).empty();
    });
    EXPECT_EQ(alpha->zfs.count("mount tank/fs"), 0U);
    EXPECT_FALSE(is_mounted());
    EXPECT_EQ(prop_of(*alpha, "tank/fs", "readonly"), "on");
    EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kCanmount), "");
    // What the next master is told: how it is mounted without the fence.
    EXPECT_TRUE(prop_of(*alpha, "tank/fs", prop::kServe).starts_with("canmount=on mounted=yes"))
        << prop_of(*alpha, "tank/fs", prop::kServe);
    alpha->roles.look_again();
    test::run_ready(io);
    EXPECT_EQ(told("fence_waits"), 1);
    EXPECT_EQ(told("fence_over"), 0) << "it is a target";
}

/// beta's zrepd is up before its pool is imported: what it does not know yet, it is asked again.
TEST_F(FenceTest, APeerThatDoesNotKnowThePairYetIsAskedAgain) {
    reboot_fenced();
    const auto copy = beta->zfs.at("backup/fs");
    beta->zfs.forget("backup/fs");
    discover();
    start(*alpha);
    test::run_until(
        io, [&] { return alpha->peers.state(beta->config.host) == peer::PeerState::connected; });
    const auto later = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    test::run_until(io, [&] { return std::chrono::steady_clock::now() > later; });
    EXPECT_FALSE(is_mounted());
    beta->zfs.create("backup/fs").at("backup/fs") = copy;
    discover();
    test::run_until(io, [&] { return is_mounted(); });
    EXPECT_FALSE(alpha->roles.trouble_of(fs));
}

/// What cannot be mounted is not served: hooks wait, status says why, and it is tried again.
TEST_F(FenceTest, AMountThatFailsIsTriedAgain) {
    reboot_fenced();
    alpha->zfs.fail_at("mount tank/fs", {.code = Code::zfs_failed, .message = "out of order"});
    alpha->zfs.fail_at("mount tank/fs", {.code = Code::zfs_failed, .message = "out of order"});
    start(*alpha);
    test::run_until(io, [&] {
        const auto trouble = alpha->roles.trouble_of(fs);
        return trouble && trouble->text().find("out of order") != std::string::npos;
    });
    EXPECT_TRUE(alpha->roles.is_fenced(fs));
    test::run_until(io, [&] { return is_mounted(); });
    test::run_until(io, [&] { return !alpha->roles.trouble_of(fs); });
}

TEST_F(FenceTest, WithoutThePeerOnlyAnOperatorOpensIt) {
    cut_link();
    reboot_fenced();
    start(*alpha);
    wait_for_silence();
    EXPECT_FALSE(is_mounted());
    EXPECT_TRUE(alpha->roles.is_fenced(fs));
    EXPECT_EQ(told("fence_over"), 0);
    const auto result = change(*alpha, Ask::unfence, fs);
    EXPECT_EQ(result.outcome, "done") << result.text;
    EXPECT_TRUE(is_mounted());
    EXPECT_FALSE(alpha->roles.is_fenced(fs));
    test::run_until(io, [&] { return told("fence_over") != 0; });
    const auto again = change(*alpha, Ask::unfence, fs);
    ASSERT_TRUE(again.error);
    EXPECT_EQ(again.error->kind, "refused");
    EXPECT_EQ(told("fence_waits"), 1);
    EXPECT_EQ(told("fence_over"), 1);
}

/// Cut off in a failover: readonly until the peer was heard, which may have taken over.
TEST_F(FenceTest, AnInterruptedFailoverIsNotThawedWithoutThePeer) {
    cut_link();
    reboot_fenced();
    give(*alpha, "tank/fs", "readonly", "on");
    give(*alpha, "tank/fs", prop::kInprogress, "freezing");
    discover();
    start(*alpha);
    wait_for_silence();
    EXPECT_EQ(prop_of(*alpha, "tank/fs", "readonly"), "on");
    const auto result = change(*alpha, Ask::unfence, fs);
    EXPECT_EQ(result.outcome, "done") << result.text;
    EXPECT_NE(prop_of(*alpha, "tank/fs", "readonly"), "on");
    EXPECT_TRUE(is_mounted());
}

TEST_F(FenceTest, FailoversCarryWhatCanmountReallyIs) {
    discover();
    start(*alpha);
    start(*beta);
    set_fence(*alpha, "tank/fs", "boot");
    set_fence(*beta, "backup/fs", "boot");
    test::run_until(io, [&] { return prop_of(*alpha, "tank/fs", "canmount") == "noauto"; });
    const auto there = change(*alpha, Ask::failover, fs);
    ASSERT_EQ(there.outcome, "done") << there.text;
    EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kCanmount), "");
    EXPECT_EQ(prop_of(*beta, "backup/fs", "canmount"), "noauto");
    EXPECT_EQ(prop_of(*beta, "backup/fs", prop::kCanmount), "on");
    EXPECT_TRUE(beta->zfs.at("backup/fs").mounted);
    set_fence(*alpha, "tank/fs", "off");
    const auto back = change(*beta, Ask::failover, target_fs);
    ASSERT_EQ(back.outcome, "done") << back.text;
    EXPECT_EQ(prop_of(*alpha, "tank/fs", "canmount"), "on");
    EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kCanmount), "");
    EXPECT_TRUE(is_mounted());
}

TEST_F(FenceTest, WhatWasMountedSinceBeforeIsLeftAlone) {
    reboot_fenced();
    alpha->zfs.at("tank/fs").mounted = true;
    discover();
    cut_link();
    start(*alpha);
    wait_for_silence();
    EXPECT_TRUE(is_mounted());
    EXPECT_FALSE(alpha->roles.is_fenced(fs));
    EXPECT_EQ(alpha->zfs.count("mount tank/fs"), 0U);
    EXPECT_EQ(told("fence_waits") + told("fence_over"), 0);
}

}  // namespace
}  // namespace zrepd
