// SPDX-License-Identifier: BSD-2-Clause
// Role changes in which one command fails, lands late, or says something else than what happened.
#include <gtest/gtest.h>

#include "tests/fakes/roles_test.hpp"

namespace zrepd {
namespace {

using failover::Ask;
using test::RolesTest;
using Effect = test::FakeZfs::Effect;

class RoleFaultsTest : public RolesTest {
  protected:
    bool settled(bool alpha_is_master) {
        return alpha_is_master ? is_master(*alpha, "tank/fs") && is_target(*beta, "backup/fs")
                               : is_target(*alpha, "tank/fs") && is_master(*beta, "backup/fs");
    }
    /// The properties of the last set of this dataset that says `word`.
    static std::string last_set(test::TestHost& host, std::string_view word) {
        std::string out;
        for (const std::string& call : host.zfs.calls()) {
            if (call.starts_with("set ") && call.find(word) != call.npos) out = call;
        }
        return out;
    }
};

/// zfs was killed by its time limit, and the kernel did it all the same.
TEST_F(RoleFaultsTest, AHandOverThatLandedIsGoneOnWith) {
    alpha->zfs.fail_at("set tank/fs zrep:master=no", broken(), Effect::done);
    const auto result = change(*alpha, Ask::failover, fs);
    EXPECT_EQ(result.outcome, "done") << result.text;
    expect_roles(false, "2");
}

TEST_F(RoleFaultsTest, AHandOverThatFailsLeavesTheMasterWritable) {
    alpha->zfs.fail_at("set tank/fs zrep:master=no", broken());
    const auto result = change(*alpha, Ask::failover, fs);
    EXPECT_EQ(result.outcome, "failed");
    EXPECT_NE(result.text.find("it is the master still"), std::string::npos) << result.text;
    expect_roles(true, "1");
}

/// It may land behind the look that did not see it: whatever is set next has to undo all of it.
TEST_F(RoleFaultsTest, AHandOverThatLandsLateIsUndoneByTheNextSet) {
    alpha->zfs.at("tank/fs").props["canmount"] = {"on", Source::local};
    alpha->zfs.fail_at("set tank/fs zrep:master=no", broken());
    alpha->zfs.forget_calls();
    ASSERT_EQ(change(*alpha, Ask::failover, fs).outcome, "failed");
    const std::string thaw = last_set(*alpha, "readonly=off");
    for (const char* word : {"zrep:master=yes",
                             "zrep:epoch=1",
                             "zrep:src-host=alpha",
                             "zrep:src-fs=tank/fs",
                             "zrep:dest-host=beta",
                             "zrep:dest-fs=backup/fs",
                             "canmount=on"}) {
        EXPECT_NE(thaw.find(word), std::string::npos) << word << " is not in: " << thaw;
    }
}

/// Nobody knows whether the role was given away: nothing is made writable on a guess.
TEST_F(RoleFaultsTest, NothingIsGuessedWhenTheReadBackFailsToo) {
    alpha->zfs.on_call([this](const std::string& call) {
        if (call.find("zrep:master=no") == call.npos) return;
        alpha->zfs.on_call({});
        alpha->zfs.fail_next("datasets", broken());
    });
    alpha->zfs.fail_at("set tank/fs zrep:master=no", broken(), Effect::done);
    alpha->zfs.forget_calls();
    const auto result = change(*alpha, Ask::failover, fs);
    EXPECT_EQ(result.outcome, "failed");
    EXPECT_NE(result.text.find("not known"), std::string::npos) << result.text;
    EXPECT_EQ(last_set(*alpha, "readonly=off"), "");
    start_loops();
    test::run_until(io, [&] { return settled(false); });
    expect_roles(false, "2");
}

TEST_F(RoleFaultsTest, APromotionWhoseSetFailsIsAskedForAgain) {
    beta->zfs.fail_at("set backup/fs zrep:master=yes", broken());
    start_loops();
    const auto result = change(*alpha, Ask::failover, fs);
    EXPECT_EQ(result.outcome, "failed");
    EXPECT_NE(result.text.find("is no longer the master (epoch 2), and nobody is"),
              std::string::npos)
        << result.text;
    test::run_until(io, [&] { return settled(false); });
    expect_roles(false, "2");
}

/// An old master whose demotion cannot be stored is not taken for settled.
TEST_F(RoleFaultsTest, ADemotionWhoseSetFailsIsTriedAgain) {
    ASSERT_EQ(change(*beta, Ask::takeover_local, target_fs).outcome, "done");
    alpha->zfs.fail_at("set tank/fs zrep:master=no", broken());
    alpha->zfs.fail_at("set tank/fs zrep:master=no", broken());
    bool seen = false;
    start_loops();
    test::run_until(io, [&] {
        const auto trouble = alpha->roles.trouble_of(fs);
        seen = seen || (trouble && trouble->message.find("out of order") != std::string::npos);
        return seen;
    });
    test::run_until(io, [&] { return settled(false); });
    EXPECT_FALSE(alpha->roles.trouble_of(fs));
}

/// Another tool took what was written, nothing came after that, and somebody destroyed the base:
/// its bookmark alone was enough for "unchanged", and a role change that needs it sent one there
/// again.
TEST_F(RoleFaultsTest, ABaseThatIsOnlyABookmarkIsReplacedBeforeTheHandOver) {
    alpha->zfs.write("tank/fs", 700);
    alpha->zfs.take("tank/fs@daily");
    ASSERT_EQ(sync().outcome, "done");
    auto& here = alpha->zfs.at("tank/fs");
    const Guid base = here.snapshots.back().guid;
    std::erase_if(here.snapshots, [](const auto& s) { return s.name != "daily"; });
    ASSERT_TRUE(std::any_of(here.bookmarks.begin(), here.bookmarks.end(), [&](const auto& b) {
        return b.guid == base;
    }));
    ASSERT_EQ(here.written, 0U);
    discover();
    alpha->inventory.note({.dataset = fs, .versions_only = true});
    const auto result = change(*alpha, Ask::failover, fs);
    EXPECT_EQ(result.outcome, "done") << result.text;
    expect_roles(false, "2");
    EXPECT_EQ(alpha->zfs.content("tank/fs"), beta->zfs.content("backup/fs"));
    EXPECT_EQ(here.snapshots.back().guid, beta->zfs.at("backup/fs").snapshots.back().guid);
}

/// A snapshot of somebody else's took what was written with it: that is not nothing.
TEST_F(RoleFaultsTest, WhatAForeignSnapshotSwallowedIsDrainedToo) {
    alpha->zfs.on_call([this](const std::string& call) {
        if (!call.starts_with("flush") || prop_of(*alpha, "tank/fs", "readonly") != "on") return;
        alpha->zfs.on_call({});
        alpha->zfs.write("tank/fs", 3'000);  // mapped pages
        alpha->zfs.take("tank/fs@hourly");
    });
    const auto result = change(*alpha, Ask::failover, fs);
    ASSERT_EQ(result.outcome, "done") << result.text;
    EXPECT_EQ(alpha->zfs.content("tank/fs"), beta->zfs.content("backup/fs"));
    expect_roles(false, "2");
}

/// A virtual machine on its volume, a program with a mapped file: the role does not move.
TEST_F(RoleFaultsTest, AFailoverThatIsWrittenToAllTheTimeLeavesTheMasterWritable) {
    alpha->zfs.on_call([this](const std::string& call) {
        if (call.starts_with("flush") && prop_of(*alpha, "tank/fs", "readonly") == "on")
            alpha->zfs.write("tank/fs", 100);
    });
    const auto result = change(*alpha, Ask::failover, fs);
    EXPECT_EQ(result.outcome, "failed");
    EXPECT_NE(result.text.find("still being written to"), std::string::npos) << result.text;
    expect_roles(true, "1");
}

/// Readonly is enough: nobody who has a file open there is thrown out.
TEST_F(RoleFaultsTest, WhatIsInUseStaysMountedReadonly) {
    alpha->zfs.at("tank/fs").in_use = true;
    const auto result = change(*alpha, Ask::failover, fs);
    EXPECT_EQ(result.outcome, "done") << result.text;
    expect_roles(false, "2");
    EXPECT_TRUE(alpha->zfs.at("tank/fs").mounted);
    EXPECT_EQ(prop_of(*alpha, "tank/fs", "readonly"), "on");
}

/// What is still in memory would be lost.
TEST_F(RoleFaultsTest, AFilesystemThatCannotBeFlushedStaysTheMaster) {
    alpha->zfs.fail_at("sync_files /tank/fs", broken());
    const auto result = change(*alpha, Ask::failover, fs);
    EXPECT_EQ(result.outcome, "failed");
    EXPECT_NE(result.text.find("out of order"), std::string::npos) << result.text;
    expect_roles(true, "1");
}

/// Of a filesystem that is readonly the kernel writes nothing back that it is asked to: so before.
TEST_F(RoleFaultsTest, AnOldMasterWritesBackBeforeItStepsDown) {
    alpha->zfs.write("tank/fs", 5'000);
    ASSERT_EQ(change(*beta, Ask::takeover_local, target_fs).outcome, "done");
    alpha->zfs.on_call([this](const std::string& call) {
        if (!call.starts_with("sync_files")) return;
        alpha->zfs.on_call({});
        EXPECT_NE(prop_of(*alpha, "tank/fs", "readonly"), "on");
        alpha->zfs.write("tank/fs", 7'000);
    });
    start_loops();
    test::run_until(io, [&] { return settled(false); });
    EXPECT_TRUE(alpha->zfs.exists("tank/fs_diverged_2"));
    alpha->zfs.on_call({});
}

/// One that cannot be written back is no reason to stay writable beside another master.
TEST_F(RoleFaultsTest, AnOldMasterThatCannotWriteBackStepsDownAllTheSame) {
    alpha->zfs.write("tank/fs", 5'000);
    ASSERT_EQ(change(*beta, Ask::takeover_local, target_fs).outcome, "done");
    alpha->zfs.fail_at("sync_files /tank/fs", broken());
    start_loops();
    test::run_until(io, [&] { return settled(false); });
}

/// Mapped pages are written back between the copy and the rollback, and the power fails.
TEST_F(RoleFaultsTest, WhatIsWrittenBehindTheCopyIsKeptToo) {
    alpha->zfs.write("tank/fs", 5'000);
    ASSERT_EQ(change(*beta, Ask::takeover_local, target_fs).outcome, "done");
    std::uint64_t last = 0;
    alpha->zfs.on_call([&](const std::string& call) {
        if (!call.starts_with("destroy_snapshots")) return;
        alpha->zfs.on_call({});
        alpha->zfs.write("tank/fs", 700);
        last = alpha->zfs.content("tank/fs");
        alpha->zfs.fail_next("destroy_snapshots", broken());
    });
    alpha->zfs.at("tank/fs");
    // The call that runs into it fails before it destroys anything.
    start_loops();
    test::run_until(io, [&] { return settled(false); });
    ASSERT_NE(last, 0U);
    ASSERT_TRUE(alpha->zfs.exists("tank/fs_diverged_2"));
    EXPECT_EQ(alpha->zfs.content("tank/fs_diverged_2"), last);
}

/// A stream that broke off stands on the newest snapshot: zfs would not destroy that.
TEST_F(RoleFaultsTest, ARescueLetsGoOfAHalfReceivedStream) {
    beta->zfs.write("backup/fs", 3'000);
    beta->zfs.take("backup/fs@zrep_000009");
    beta->zfs.at("backup/fs").partial = test::FakePartial{.token = "1-abc", .guid = Guid{5}};
    give(*beta,
         "backup/fs",
         prop::kInprogress,
         "rejoining base=" + beta->zfs.at("backup/fs").snapshots.front().guid.str());
    discover();
    start_loops();
    test::run_until(io, [&] { return settled(true); });
    EXPECT_EQ(beta->zfs.count("abort_receive backup/fs"), 1U);
    EXPECT_FALSE(beta->zfs.at("backup/fs").partial);
}

/// It went back alone and took the role again: what the other side acknowledged since is too much.
TEST_F(RoleFaultsTest, ATargetOfAnEarlierEpochThatIsAheadGoesBackToo) {
    alpha->zfs.write("tank/fs", 3'000);
    ASSERT_EQ(sync().outcome, "done");
    auto& gone = alpha->zfs.at("tank/fs");
    gone.snapshots.back().held = false;
    gone.snapshots.pop_back();
    gone.content = gone.snapshots.back().content;
    give(*alpha, "tank/fs", prop::kEpoch, "3");
    discover();
    alpha->inventory.note({.dataset = fs, .versions_only = true});
    start_loops();
    alpha->zfs.write("tank/fs", 500);
    sync();
    test::run_until(io, [&] { return beta->zfs.exists("backup/fs_diverged_3"); });
    test::run_until(io, [&] { return settled(true); });
    sync();
    EXPECT_EQ(alpha->zfs.content("tank/fs"), beta->zfs.content("backup/fs"));
}

TEST_F(RoleFaultsTest, ARescueThatHasNoRoomIsNotBegun) {
    alpha->zfs.write("tank/fs", 5'000);
    ASSERT_EQ(change(*beta, Ask::takeover_local, target_fs).outcome, "done");
    alpha->zfs.set_available(1'000);
    start_loops();
    test::run_until(io, [&] {
        const auto trouble = alpha->roles.trouble_of(fs);
        return trouble && trouble->code == Code::no_space;
    });
    EXPECT_EQ(alpha->zfs.count("receive"), 0U);
    EXPECT_NE(alpha->roles.trouble_of(fs)->message.find("4.9 KiB"), std::string::npos)
        << alpha->roles.trouble_of(fs)->message;
    alpha->zfs.set_available(std::uint64_t{1} << 40);
    test::run_until(io, [&] { return settled(false); });
}

/// A role that is given up is not given up "done" while the data that goes with it is not safe.
TEST_F(RoleFaultsTest, SteppingDownIsNotDoneBeforeTheRescueIs) {
    alpha->zfs.write("tank/fs", 5'000);
    alpha->zfs.fail_next("receive", broken());
    const auto result = change(*alpha, Ask::failover_local, fs);
    EXPECT_EQ(result.outcome, "failed");
    EXPECT_NE(result.text.find("zrepd goes on with it"), std::string::npos) << result.text;
    start_loops();
    test::run_until(io, [&] { return settled(false); });
    EXPECT_TRUE(alpha->zfs.exists("tank/fs_diverged_2"));
}

TEST_F(RoleFaultsTest, ADatasetThatVanishesInTheMiddleIsAnError) {
    for (const char* moment : {"flush tank", "versions tank/fs", "datasets tank tank/fs"}) {
        alpha->zfs.on_call([&, this](const std::string& call) {
            const bool frozen =
                alpha->zfs.exists("tank/fs") && prop_of(*alpha, "tank/fs", "readonly") == "on";
            if (!frozen || !call.starts_with(moment)) return;
            alpha->zfs.on_call({});
            alpha->zfs.forget("tank/fs");
        });
        const auto before = alpha->zfs.at("tank/fs");
        const auto result = change(*alpha, Ask::failover, fs);
        EXPECT_EQ(result.outcome, "failed") << moment;
        alpha->zfs.on_call({});
        alpha->zfs.create("tank/fs").at("tank/fs") = before;
        discover();
    }
}

TEST_F(RoleFaultsTest, ASplitThatIsKeptHereEndsThere) {
    split();
    alpha->zfs.write("tank/fs", 5'000);
    beta->zfs.write("backup/fs", 3'000);
    const std::uint64_t only_there = beta->zfs.content("backup/fs");
    const auto result = change(*alpha, Ask::keep_here, fs);
    ASSERT_EQ(result.outcome, "done") << result.text;
    const auto again = change(*alpha, Ask::keep_here, fs);
    EXPECT_EQ(again.outcome, "failed") << "it is no split any more";
    start_loops();
    test::run_until(io, [&] { return settled(true); });
    expect_roles(true, "3");
    ASSERT_TRUE(beta->zfs.exists("backup/fs_diverged_3"));
    EXPECT_EQ(beta->zfs.content("backup/fs_diverged_3"), only_there);
    EXPECT_EQ(sync().outcome, "done");
    EXPECT_EQ(alpha->zfs.content("tank/fs"), beta->zfs.content("backup/fs"));
}

TEST_F(RoleFaultsTest, ASplitThatIsKeptThereEndsHere) {
    split();
    alpha->zfs.write("tank/fs", 5'000);
    const std::uint64_t only_here = alpha->zfs.content("tank/fs");
    start_loops();
    test::run_until(io, [&] {
        const auto trouble = alpha->roles.trouble_of(fs);
        return trouble && trouble->code == Code::split_brain;
    });
    const auto result = change(*alpha, Ask::keep_peer, fs);
    ASSERT_EQ(result.outcome, "done") << result.text;
    test::run_until(io, [&] { return settled(false); });
    ASSERT_TRUE(alpha->zfs.exists("tank/fs_diverged_2"));
    EXPECT_EQ(alpha->zfs.content("tank/fs_diverged_2"), only_here);
    test::run_until(io, [&] { return !alpha->roles.trouble_of(fs); });
}

class ClosedSplit : public RoleFaultsTest, public testing::WithParamInterface<const char*> {};

/// As a fence leaves it: nothing has to make it writable once more before it is given up.
TEST_P(ClosedSplit, IsKeptThere) {
    split();
    give(*alpha, "tank/fs", "readonly", "on");
    give(*alpha, "tank/fs", prop::kInprogress, GetParam());
    discover();
    alpha->zfs.forget_calls();
    const auto result = change(*alpha, Ask::keep_peer, fs);
    EXPECT_EQ(result.outcome, "done") << result.text;
    for (const std::string& call : alpha->zfs.calls())
        EXPECT_EQ(call.find("readonly=off"), call.npos) << call;
    EXPECT_TRUE(is_target(*alpha, "tank/fs"));
    EXPECT_TRUE(is_master(*beta, "backup/fs"));
}

INSTANTIATE_TEST_SUITE_P(Journals, ClosedSplit, testing::Values("freezing", "promoted"));

/// What was acknowledged here is gone there: the base is what both still have, or nothing is done.
TEST_F(RoleFaultsTest, ASplitIsKeptThereOnlyFromASnapshotThatBothHave) {
    split();
    beta->zfs.at("backup/fs").snapshots.clear();
    beta->inventory.note({.dataset = target_fs, .versions_only = true});
    const auto result = change(*alpha, Ask::keep_peer, fs);
    EXPECT_EQ(result.outcome, "failed");
    EXPECT_NE(result.text.find("no snapshot in common"), std::string::npos) << result.text;
    EXPECT_TRUE(is_master(*alpha, "tank/fs"));
}

/// Each asks the other for what it thinks, and neither makes the other ask again.
TEST_F(RoleFaultsTest, TwoMastersOfOneEpochLeaveEachOtherAlone) {
    split();
    start_loops();
    test::run_until(
        io, [&] { return alpha->roles.trouble_of(fs) && beta->roles.trouble_of(target_fs); });
    alpha->zfs.forget_calls();
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(2);
    test::run_until(io, [&] { return std::chrono::steady_clock::now() > until; });
    EXPECT_LE(alpha->zfs.calls().size(), 2U);
}

/// A snapshot arrived, its acknowledgement did not, and the master went back behind it.
TEST_F(RoleFaultsTest, ATargetAheadOfItsMasterGoesBackToo) {
    beta->zfs.write("backup/fs", 3'000);
    beta->zfs.take("backup/fs@zrep_000009");
    const std::uint64_t ahead = beta->zfs.content("backup/fs");
    beta->inventory.note({.dataset = target_fs, .versions_only = true});
    start_loops();
    alpha->zfs.write("tank/fs", 500);
    EXPECT_EQ(sync().outcome, "failed");
    test::run_until(io, [&] { return beta->zfs.exists("backup/fs_diverged_1"); });
    test::run_until(io, [&] { return settled(true); });
    EXPECT_EQ(beta->zfs.content("backup/fs_diverged_1"), ahead);
    alpha->zfs.write("tank/fs", 1'000);
    EXPECT_EQ(sync().outcome, "done");
}

}  // namespace
}  // namespace zrepd
