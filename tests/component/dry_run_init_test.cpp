// SPDX-License-Identifier: BSD-2-Clause
// A dry run of an init says what the run then does, of one filesystem and of a tree, also where an
// earlier try was cut off: what is sent how, and what is destroyed on both sides.
#include <gtest/gtest.h>

#include "common/text.hpp"
#include "tests/fakes/destroyed.hpp"

namespace zrepd {
namespace {

using test::Destroyed;

const std::vector<std::string> kMembers{"", "/a", "/a/deep"};

class DryRunOfInit : public test::TwoHosts {
  protected:
    std::vector<std::string> dry_run() {
        const auto found =
            test::run_task(io, alpha->engine.describe_init(request, std::chrono::seconds(10)));
        EXPECT_TRUE(found) << found.error().text();
        return found ? *found : std::vector<std::string>{};
    }
    rpc::RunResult run() { return ended(test::run_task(io, alpha->engine.start_init(request))); }
    Destroyed all() {
        Destroyed out;
        for (const auto& below : kMembers) {
            out.merge(test::snapshots_of(*alpha, "tank/fs" + below, ""));
            out.merge(test::snapshots_of(*beta, "backup/fs" + below, " on beta"));
        }
        return out;
    }
    static void give(test::TestHost& host,
                     const char* dataset,
                     std::string_view key,
                     const char* v) {
        host.zfs.at(dataset).props[std::string(key)] = {v, Source::local};
    }
    static bool says(const std::vector<std::string>& steps, std::string_view part) {
        return join(steps, "\n").find(part) != std::string::npos;
    }
    /// What it says would be destroyed is what the run destroys, `count` of them.
    void expect_names_what_goes(std::size_t count) {
        const auto steps = dry_run();
        const Destroyed before = all();
        const auto done = run();
        ASSERT_EQ(done.outcome, "done") << (done.error ? done.error->message : done.text);
        const Destroyed gone = test::minus(before, all());
        EXPECT_EQ(gone.size(), count);
        EXPECT_EQ(test::destroy_lines(steps), gone);
        EXPECT_FALSE(says(steps, "again"));
    }

    sync::InitRequest request{.dataset = fs, .host = beta->config.host, .target = target_fs};
};

/// Older ones of a pair of before.
class DryRunOfOne : public DryRunOfInit {
  protected:
    DryRunOfOne() {
        for (unsigned i = 0; i < 7; ++i) alpha->zfs.take("tank/fs@" + zrep_snapshot_name(i));
        alpha->zfs.write("tank/fs", 50'000);
    }
};

TEST_F(DryRunOfOne, NamesWhatGoesHere) {
    EXPECT_TRUE(says(dry_run(), "take snapshot tank/fs@zrep_000007"));
    expect_names_what_goes(3);
}

TEST_F(DryRunOfOne, GoesOnWithAStreamThatWasCut) {
    beta->zfs.cut_next_receive(500);
    ASSERT_EQ(run().outcome, "failed");
    alpha->zfs.write("tank/fs", 5'000);
    EXPECT_TRUE(says(dry_run(), "continue the interrupted stream to beta:backup/fs"));
    EXPECT_FALSE(says(dry_run(), "take snapshot"));
    expect_names_what_goes(3);
}

TEST_F(DryRunOfOne, BeginsAnewWhereTheSnapshotOfTheStreamIsGone) {
    beta->zfs.cut_next_receive(500);
    ASSERT_EQ(run().outcome, "failed");
    auto& here = alpha->zfs.at("tank/fs").snapshots;
    std::erase_if(here, [](const auto& s) { return s.name == "zrep_000007"; });
    alpha->zfs.write("tank/fs", 5'000);
    EXPECT_TRUE(says(dry_run(), "discard the partly received stream in beta:backup/fs"));
    expect_names_what_goes(3);
}

TEST_F(DryRunOfOne, UsesTheSnapshotOfATryThatReachedNobody) {
    alpha->zfs.fail_next("hold", {.code = Code::timed_out, .message = "too slow"});
    ASSERT_EQ(run().outcome, "failed");
    ASSERT_EQ(alpha->zfs.at("tank/fs").snapshots.back().name, "zrep_000007");
    EXPECT_TRUE(says(dry_run(), "use the snapshot that is there, tank/fs@zrep_000007"));
    expect_names_what_goes(3);
    EXPECT_EQ(alpha->zfs.at("tank/fs").snapshots.back().name, "zrep_000007");
}

/// Each of other data than the one before; a week of them would fill the pool.
TEST_F(DryRunOfOne, TriesThatReachNobodyLeaveOneSnapshotTogether) {
    const auto try_in_vain = [&] {
        beta->zfs.fail_next("receive", {.code = Code::stream_failed, .message = "cut off"});
        ASSERT_EQ(run().outcome, "failed");
        alpha->zfs.write("tank/fs", 5'000);
    };
    for (int i = 0; i < 4; ++i) try_in_vain();
    ASSERT_EQ(alpha->zfs.at("tank/fs").snapshots.size(), 8U);
    EXPECT_EQ(alpha->zfs.at("tank/fs").snapshots.back().name, "zrep_00000a");
    EXPECT_TRUE(says(dry_run(), "destroy tank/fs@zrep_00000a"));
    expect_names_what_goes(4);
}

/// What somebody else needs of them, and what was there before, is not ours to destroy.
TEST_F(DryRunOfOne, WhatOthersNeedOfEarlierTriesStays) {
    for (int i = 0; i < 2; ++i) {
        beta->zfs.fail_next("receive", {.code = Code::stream_failed, .message = "cut off"});
        ASSERT_EQ(run().outcome, "failed");
        alpha->zfs.write("tank/fs", 5'000);
        auto& newest = alpha->zfs.at("tank/fs").snapshots.back();
        (i == 0 ? newest.foreign_hold : newest.cloned) = true;
    }
    EXPECT_FALSE(says(dry_run(), "destroy tank/fs@zrep_000007"));
    EXPECT_FALSE(says(dry_run(), "destroy tank/fs@zrep_000008"));
    ASSERT_EQ(run().outcome, "done");
    std::vector<std::string> left;
    for (const auto& snapshot : alpha->zfs.at("tank/fs").snapshots) left.push_back(snapshot.name);
    for (const auto* name : {"zrep_000007", "zrep_000008", "zrep_000009"})
        EXPECT_NE(std::find(left.begin(), left.end(), name), left.end()) << name;
}

TEST_F(DryRunOfOne, RecordsWhatWasReceived) {
    beta->zfs.fail_next("acknowledge", {.code = Code::timed_out, .message = "too slow"});
    ASSERT_EQ(run().outcome, "failed");
    EXPECT_EQ(dry_run().at(1), "acknowledge it on both sides and make this side the master");
    expect_names_what_goes(3);
}

class DryRunOfTrees : public DryRunOfInit {
  protected:
    DryRunOfTrees() {
        alpha->zfs.create("tank/fs/a").create("tank/fs/a/deep");
        request.recursive = true;
    }
};

/// As often as it is given, until nothing cuts it off: what was acknowledged by then expires.
TEST_F(DryRunOfTrees, AnInitThatGoesOnNamesWhatGoesOnBothSides) {
    ASSERT_EQ(run().outcome, "done");
    for (int i = 0; i < 3; ++i) {
        for (const auto& below : kMembers) alpha->zfs.write("tank/fs" + below, 4'000);
        ASSERT_EQ(sync().outcome, "done");
    }
    alpha->zfs.write("tank/fs/a", 4'000);
    give(*alpha, "tank/fs", prop::kMaster, "no");
    give(*alpha, "tank/fs", prop::kInprogress, "init");
    give(*beta, "backup/fs", prop::kSavecount, "2");
    give(*beta, "backup/fs/a/deep", prop::kSavecount, "4");
    give(*alpha, "tank/fs/a", prop::kSavecount, "4");
    request.savecount = 3;
    // Five each: here two of the root's, one of what keeps four; there three, three and one.
    expect_names_what_goes(2 + 1 + 1 + 3 + 3 + 1);
}

/// What a pair of before left on both sides, and something newer that both have.
class DryRunOfAdoptedTrees : public DryRunOfTrees {
  protected:
    DryRunOfAdoptedTrees() {
        request.adopt = true;
        for (const auto& below : kMembers) beta->zfs.create("backup/fs" + below);
        for (unsigned i = 0; i < 6; ++i) take(zrep_snapshot_name(i));
    }
    void take(const std::string& name) {
        std::vector<SnapshotName> names;
        for (const auto& below : kMembers)
            names.push_back(*SnapshotName::parse("tank/fs" + below + "@" + name));
        EXPECT_TRUE(test::run_task(io, alpha->zfs.snapshot_together(std::move(names))));
    }
    void copy() {
        for (const auto& below : kMembers) {
            auto& there = beta->zfs.at("backup/fs" + below);
            there.snapshots = alpha->zfs.at("tank/fs" + below).snapshots;
            there.content = there.snapshots.back().content;
        }
    }
};

TEST_F(DryRunOfAdoptedTrees, NameWhatGoesOnBothSides) {
    take("zrep_000006");
    take("daily");
    copy();
    // Somebody destroyed the newest of ours there: it is not finished, another is taken.
    for (const auto& below : kMembers)
        std::erase_if(beta->zfs.at("backup/fs" + below).snapshots,
                      [](const auto& s) { return s.name == "zrep_000006"; });
    for (const auto& below : kMembers) alpha->zfs.write("tank/fs" + below, 3'000);
    give(*alpha, "tank/fs/a", prop::kSavecount, "7");
    give(*beta, "backup/fs/a/deep", prop::kSavecount, "2");
    // Here seven and the new one: three of the root's, one of each that keeps seven; there six and
    // the new one: two, two, and five of the one that keeps two.
    expect_names_what_goes(3 + 1 + 1 + 2 + 2 + 5);
}

/// As zrep's own `clear` leaves a master: the highest number is on the copy.
TEST_F(DryRunOfAdoptedTrees, CountOnFromTheNumbersOfTheCopy) {
    take("daily");
    copy();
    for (const auto& below : kMembers)
        std::erase_if(alpha->zfs.at("tank/fs" + below).snapshots,
                      [](const auto& s) { return s.name.starts_with("zrep_"); });
    for (const auto& below : kMembers) alpha->zfs.write("tank/fs" + below, 3'000);
    EXPECT_TRUE(says(dry_run(), "take snapshot @zrep_000006"));
    // Here the new one alone; there six and the new one.
    expect_names_what_goes(2 * 3);
}

TEST_F(DryRunOfAdoptedTrees, SayWhatIsSentHow) {
    take("daily");
    copy();
    alpha->zfs.create("tank/fs/new");
    alpha->zfs.write("tank/fs/a", 3'000);
    for (const auto& below : kMembers)
        std::erase_if(beta->zfs.at("backup/fs" + below).snapshots,
                      [](const auto& s) { return s.name == "zrep_000005"; });
    const auto steps = dry_run();
    for (const auto* part : {"make backup/fs on beta readonly and the target of alpha:tank/fs",
                             "make backup/fs/a part of it, unmounted, from @daily on",
                             "store the pair's properties on tank/fs",
                             "take snapshot @zrep_000006 of tank/fs and of 3 below it",
                             "send tank/fs/a@zrep_000006 from @daily",
                             "send tank/fs/new@zrep_000006 whole, about 0 B, to backup/fs/new",
                             "acknowledge @zrep_000006 of all of them on both sides"})
        EXPECT_TRUE(says(steps, part)) << part << " is not in:\n" << join(steps, "\n");
    EXPECT_TRUE(beta->zfs.changes().empty());
    ASSERT_EQ(run().outcome, "done");
    EXPECT_EQ(alpha->zfs.at("tank/fs/new").snapshots.back().name, "zrep_000006");
    EXPECT_EQ(beta->zfs.content("backup/fs/a"), alpha->zfs.content("tank/fs/a"));
}

/// The newest of ours is on both sides: that is recorded first, then the run looks again.
TEST_F(DryRunOfAdoptedTrees, SayThatTheRunLooksAgain) {
    copy();
    for (const auto& below : kMembers) alpha->zfs.write("tank/fs" + below, 3'000);
    const auto steps = dry_run();
    EXPECT_FALSE(says(steps, "take snapshot"));
    EXPECT_TRUE(says(steps, "acknowledge @zrep_000005 of all of them on both sides"));
    EXPECT_TRUE(says(steps, "look at tank/fs again, send what was written since"));
    const Destroyed before = all();
    const auto done = run();
    ASSERT_EQ(done.outcome, "done") << (done.error ? done.error->message : done.text);
    const Destroyed gone = test::minus(before, all());
    for (const auto& line : test::destroy_lines(steps)) EXPECT_TRUE(gone.contains(line)) << line;
    EXPECT_EQ(test::destroy_lines(steps).size(), 6U) << "the oldest of each, on both sides";
}

TEST_F(DryRunOfTrees, ASyncThatResumesLooksAgain) {
    ASSERT_EQ(run().outcome, "done");
    alpha->zfs.write("tank/fs", 9'000);
    beta->zfs.cut_next_receive(500);
    ASSERT_EQ(sync().outcome, "failed");
    const auto found =
        test::run_task(io, alpha->engine.describe_sync({fs}, std::chrono::seconds(10)));
    ASSERT_TRUE(found);
    EXPECT_TRUE(says(found->steps, "resume the interrupted stream of tank/fs@zrep_000001"));
    EXPECT_TRUE(found->steps.back().starts_with("look at tank/fs again"));
}

}  // namespace
}  // namespace zrepd
