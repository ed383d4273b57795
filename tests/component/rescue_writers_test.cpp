// SPDX-License-Identifier: BSD-2-Clause
// Rescues of an old master that somebody goes on writing to, although it is readonly: a virtual
// machine on a volume, a program with a mapped file.
#include <gtest/gtest.h>

#include <algorithm>

#include "daemon/failover/rescue_plan.hpp"
#include "tests/fakes/roles_test.hpp"

namespace zrepd {
namespace {

using failover::Ask;

class RescueWritersTest : public test::RolesTest {
  protected:
    RescueWritersTest() {
        alpha->zfs.write("tank/fs", 5'000);
        EXPECT_EQ(change(*beta, Ask::takeover_local, target_fs).outcome, "done");
        alpha->runs.on_part_end([this](const sync::PartEnd& end) {
            if (end.operation == "rejoin") ++tries_;
        });
    }
    /// alpha tries so often to become a target, without the pauses between.
    void try_so_often(unsigned times) {
        start_loops();
        for (unsigned i = 0; i < times; ++i) try_once();
    }
    /// That a session is open ends the pause.
    void try_once() {
        const std::size_t before = tries_;
        alpha->events.hint("peer_up", "beta");
        test::run_until(io, [&] { return tries_ > before || is_target(*alpha, "tank/fs"); });
    }
    std::size_t snapshots_left() {
        const auto& all = alpha->zfs.at("tank/fs").snapshots;
        return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [](const auto& s) {
            return s.name.starts_with("zrep_diverged_");
        }));
    }
    /// The copy has what was there when the writer was stopped.
    void expect_rescued(std::uint64_t content) {
        try_once();
        test::run_until(io, [&] { return is_target(*alpha, "tank/fs"); });
        ASSERT_TRUE(alpha->zfs.exists("tank/fs_diverged_2"));
        EXPECT_EQ(alpha->zfs.content("tank/fs_diverged_2"), content);
        EXPECT_FALSE(alpha->zfs.exists("tank/fs_diverged_2_2"));
    }

    std::size_t tries_ = 0;
};

TEST_F(RescueWritersTest, OneThatWritesOnAndOnCostsNoSnapshot) {
    alpha->zfs.on_call([this](const std::string& call) {
        if (call.starts_with("flush")) alpha->zfs.write("tank/fs", 100);
    });
    try_so_often(12);
    EXPECT_EQ(alpha->zfs.count("snapshot"), 0U);
    EXPECT_EQ(alpha->zfs.count("receive"), 0U);
    const auto trouble = alpha->roles.trouble_of(fs);
    ASSERT_TRUE(trouble);
    EXPECT_NE(trouble->message.find("still being written to"), std::string::npos);
    alpha->zfs.on_call({});
    const std::uint64_t last = alpha->zfs.content("tank/fs");
    expect_rescued(last);
    EXPECT_EQ(alpha->zfs.count("snapshot"), 1U);
}

/// As a database does: what it wrote since the last snapshot does not grow by that.
TEST_F(RescueWritersTest, OneThatWritesOverTheSameBlocksLeavesNoSnapshot) {
    alpha->zfs.on_call([this](const std::string& call) {
        if (!call.starts_with("flush")) return;
        const std::uint64_t before = alpha->zfs.at("tank/fs").written;
        alpha->zfs.write("tank/fs", before == 0 ? 100 : 0);
    });
    try_so_often(8);
    EXPECT_EQ(snapshots_left(), 0U);
    EXPECT_EQ(alpha->zfs.count("receive"), 0U);
    alpha->zfs.on_call({});
    const std::uint64_t last = alpha->zfs.content("tank/fs");
    expect_rescued(last);
}

/// Noted as copied, and then destroyed by somebody before the rollback: nothing that is still here
/// goes without another copy of it.
TEST_F(RescueWritersTest, ARescueThatIsGoneBeforeTheRollbackIsMadeOnceMore) {
    const std::uint64_t only_here = alpha->zfs.content("tank/fs");
    start_loops();
    // Before and after its snapshots went: the filesystem itself still has all of it.
    for (const char* failing : {"destroy_snapshots", "rollback"}) {
        alpha->zfs.fail_next(failing, {.code = Code::busy, .message = "dataset is busy"});
        try_once();
        ASSERT_TRUE(alpha->zfs.exists("tank/fs_diverged_2")) << failing;
        EXPECT_EQ(alpha->zfs.content("tank/fs"), only_here);
        alpha->zfs.forget("tank/fs_diverged_2");
    }
    expect_rescued(only_here);
}

/// One that writes now and then, whenever it is copied.
TEST_F(RescueWritersTest, OneThatWritesDuringEachCopyCostsAHandfulInAll) {
    alpha->zfs.on_call([this](const std::string& call) {
        if (call.starts_with("receive")) alpha->zfs.write("tank/fs", 100);
    });
    try_so_often(8);
    EXPECT_EQ(alpha->zfs.count("snapshot"), failover::kMaxDiverged);
    EXPECT_EQ(snapshots_left(), failover::kMaxDiverged);
    const auto trouble = alpha->roles.trouble_of(fs);
    ASSERT_TRUE(trouble);
    EXPECT_NE(trouble->remedy.find("zfs snapshot 'tank/fs@last'"), std::string::npos)
        << trouble->remedy;
    alpha->zfs.on_call({});
    alpha->zfs.take("tank/fs@last");
    const std::uint64_t last = alpha->zfs.content("tank/fs");
    expect_rescued(last);
}

/// Nobody is there to say that the writer is gone: the next is taken an hour after the last one.
TEST_F(RescueWritersTest, OneThatStoppedWithoutAWordIsRescuedAnHourLater) {
    alpha->zfs.on_call([this](const std::string& call) {
        if (call.starts_with("receive")) alpha->zfs.write("tank/fs", 100);
    });
    try_so_often(8);
    alpha->zfs.on_call({});
    try_once();
    EXPECT_EQ(alpha->zfs.count("snapshot"), failover::kMaxDiverged);
    for (auto& s : alpha->zfs.at("tank/fs").snapshots) s.created -= 3601;
    const std::uint64_t last = alpha->zfs.content("tank/fs");
    expect_rescued(last);
    EXPECT_EQ(alpha->zfs.count("snapshot"), failover::kMaxDiverged + 1);
}

/// Its rollback waits for somebody to release a hold, perhaps for days.
TEST_F(RescueWritersTest, WhatIsWrittenWhileASnapshotIsHeldIsKeptToo) {
    alpha->zfs.take("tank/fs@theirs");
    alpha->zfs.at("tank/fs").snapshots.back().foreign_hold = true;
    alpha->zfs.write("tank/fs", 300);
    start_loops();
    try_once();
    ASSERT_TRUE(alpha->zfs.exists("tank/fs_diverged_2"));
    EXPECT_FALSE(is_target(*alpha, "tank/fs"));
    alpha->zfs.write("tank/fs", 700);
    try_once();
    alpha->zfs.write("tank/fs", 900);
    const std::uint64_t last = alpha->zfs.content("tank/fs");
    for (auto& s : alpha->zfs.at("tank/fs").snapshots) s.foreign_hold = false;
    try_once();
    test::run_until(io, [&] { return is_target(*alpha, "tank/fs"); });
    EXPECT_EQ(alpha->zfs.content("tank/fs_diverged_2_2"), last);
}

}  // namespace
}  // namespace zrepd
