// SPDX-License-Identifier: BSD-2-Clause
// The target of a recursive pair goes back to an acknowledged snapshot, all of it, or none of it;
// a tree that something else made is adopted.
#include <gtest/gtest.h>

#include "tests/fakes/two_hosts.hpp"

namespace zrepd {
namespace {

const std::vector<std::string> kAll{"", "/a", "/a/deep", "/vol"};

class TreeBack : public test::TwoHosts {
  protected:
    TreeBack() {
        alpha->zfs.create("tank/fs/a").create("tank/fs/a/deep");
        alpha->zfs.create("tank/fs/vol", Kind::volume);
    }
    void make_pair() {
        sync::InitRequest request{.dataset = fs, .host = beta->config.host, .target = target_fs};
        request.recursive = true;
        ASSERT_EQ(ended(test::run_task(io, alpha->engine.start_init(request))).outcome, "done");
        first = contents();
        for (int i = 0; i < 2; ++i) {
            for (const auto& below : kAll) alpha->zfs.write("tank/fs" + below, 4'000);
            ASSERT_EQ(sync().outcome, "done");
        }
        newest = contents();
        alpha->zfs.forget_calls();
        beta->zfs.forget_calls();
    }
    std::vector<std::uint64_t> contents() {
        std::vector<std::uint64_t> out;
        for (const auto& below : kAll) out.push_back(alpha->zfs.content("tank/fs" + below));
        return out;
    }
    std::vector<std::uint64_t> copies() {
        std::vector<std::uint64_t> out;
        for (const auto& below : kAll) out.push_back(beta->zfs.content("backup/fs" + below));
        return out;
    }
    rpc::RunResult back(const std::string& snapshot) {
        return ended(alpha->engine.start_put_back({.dataset = fs, .snapshot = snapshot}));
    }
    std::size_t changes_there() { return beta->zfs.changes().size(); }
    static void expect_in(const std::string& text, std::string_view part) {
        EXPECT_NE(text.find(part), text.npos) << "'" << part << "' is not in: " << text;
    }

    std::vector<std::uint64_t> first;
    std::vector<std::uint64_t> newest;
};

TEST_F(TreeBack, AllOfItGoesBackStaysThereAndComesForwardAgain) {
    make_pair();
    const auto done = back("zrep_000000");
    ASSERT_EQ(done.outcome, "done") << done.text << (done.error ? done.error->message : "");
    expect_in(done.text, "with the 3 below it, is at @zrep_000000: 8 newer snapshots");
    EXPECT_EQ(copies(), first);
    EXPECT_EQ(contents(), newest);
    for (const auto& below : kAll) {
        const auto& base = beta->zfs.at("backup/fs" + below).snapshots.back();
        EXPECT_EQ(base.name, "zrep_000000") << below;
        EXPECT_TRUE(base.held) << below;
        EXPECT_TRUE(alpha->zfs.at("tank/fs" + below).snapshots.front().held) << below;
        EXPECT_FALSE(alpha->zfs.at("tank/fs" + below).snapshots.back().sent) << below;
    }
    EXPECT_EQ(alpha->zfs.at("tank/fs").props.at(std::string(prop::kPaused)).value, "yes");
    const auto forward = sync();
    ASSERT_EQ(forward.outcome, "done") << forward.text;
    EXPECT_EQ(copies(), newest);
}

/// They have their own schedule, and would inherit the pause without a word.
TEST_F(TreeBack, PairsInsideThatPauseWithItAreNamed) {
    make_pair();
    for (const std::string name : {"own", "apart"}) {
        alpha->zfs.create("tank/fs/" + name).write("tank/fs/" + name, 1'000);
        sync::InitRequest inside{.dataset = *DatasetName::parse("tank/fs/" + name),
                                 .host = beta->config.host,
                                 .target = *DatasetName::parse("backup/" + name)};
        ASSERT_EQ(ended(test::run_task(io, alpha->engine.start_init(inside))).outcome, "done");
    }
    alpha->zfs.at("tank/fs/apart").props[std::string(prop::kPaused)] = {"no", Source::local};
    const auto dry = test::run_task(
        io, alpha->engine.describe_put_back({fs, "zrep_000000"}, std::chrono::seconds(10)));
    ASSERT_GT(dry.steps.size(), 2U);
    EXPECT_EQ(dry.steps[0], "pause tank/fs");
    EXPECT_EQ(dry.steps[1],
              "pause with it the pairs below it: 'tank/fs/own'; to let them go on: zrepctl "
              "unpause 'tank/fs/own'");
    const auto done = back("zrep_000000");
    ASSERT_EQ(done.outcome, "done") << done.text;
    expect_in(done.text, "paused with it are the pairs below it: 'tank/fs/own'; to let them go on");
    EXPECT_EQ(done.text.find("apart"), done.text.npos) << done.text;
}

/// A takeover in the middle begins at the root's newest: members may be ahead of it, not behind.
TEST_F(TreeBack, TheRootGoesFirst) {
    make_pair();
    ASSERT_EQ(back("zrep_000001").outcome, "done");
    std::vector<std::string> rolled;
    for (const auto& call : beta->zfs.changes()) {
        if (call.starts_with("rollback ")) rolled.push_back(call);
    }
    ASSERT_EQ(rolled.size(), kAll.size());
    expect_in(rolled.front(), "backup/fs@zrep_000001");
}

TEST_F(TreeBack, WhatOnlyOneMemberHasKeepsAllOfIt) {
    make_pair();
    beta->zfs.take("backup/fs/a/deep@mine");
    const auto refused = back("zrep_000000");
    EXPECT_EQ(refused.outcome, "failed");
    ASSERT_TRUE(refused.error);
    EXPECT_EQ(refused.error->kind, "conflict");
    expect_in(refused.error->message,
              "backup/fs/a/deep on beta has snapshots that are not zrepd's");
    EXPECT_EQ(changes_there(), 0U);
    EXPECT_EQ(copies(), newest);
    EXPECT_FALSE(alpha->zfs.at("tank/fs").props.contains(std::string(prop::kPaused)));
}

TEST_F(TreeBack, ASnapshotOfBeforeAMemberIsRefused) {
    make_pair();
    alpha->zfs.create("tank/fs/young");
    ASSERT_EQ(sync().outcome, "done");
    beta->zfs.forget_calls();
    const auto refused = back("zrep_000001");
    ASSERT_TRUE(refused.error);
    EXPECT_EQ(refused.error->kind, "refused");
    expect_in(refused.error->message, "tank/fs/young has no part of @zrep_000001");
    EXPECT_EQ(changes_there(), 0U);
}

TEST_F(TreeBack, ADryRunSaysTheStepsOfEachAndChangesNothing) {
    make_pair();
    const auto dry = test::run_task(
        io, alpha->engine.describe_put_back({fs, "zrep_000001"}, std::chrono::seconds(10)));
    const std::string steps = join(dry.steps, "\n");
    for (const auto* part : {"pause tank/fs\n",
                             "hold and bookmark tank/fs/a/deep@zrep_000001",
                             "destroy backup/fs/vol@zrep_000002 on beta",
                             "roll backup/fs/a on beta back to @zrep_000001",
                             "take tank/fs/a@zrep_000002 for not acknowledged any more"})
        expect_in(steps, part);
    EXPECT_EQ(changes_there(), 0U);
    EXPECT_TRUE(alpha->zfs.changes().empty());
}

/// Cut at each of its changing calls, the same command again finishes, and a sync does, too.
TEST_F(TreeBack, CutAnywhereItIsFinishedByTheSameCommandOrByASync) {
    make_pair();
    for (std::size_t at = 0; at < 40; ++at) {
        std::size_t seen = 0;
        std::string failed;
        beta->zfs.on_call([&](const std::string& call) {
            const std::string method = call.substr(0, call.find(' '));
            const bool changes = method == "hold" || method == "release" ||
                                 method == "destroy_snapshots" || method == "rollback";
            if (!changes || seen++ != at) return;
            failed = call;
            beta->zfs.fail_next(method, {.code = Code::zfs_failed, .message = "out of order"});
        });
        const auto cut = back("zrep_000001");
        beta->zfs.on_call(nullptr);
        if (failed.empty()) {
            EXPECT_GT(at, 8U) << "calls that were cut";
            return;
        }
        SCOPED_TRACE(failed);
        EXPECT_EQ(cut.outcome, "failed");
        if (at % 2 == 0) {
            const auto again = back("zrep_000001");
            ASSERT_EQ(again.outcome, "done") << (again.error ? again.error->message : "");
        }
        const auto synced = sync();
        ASSERT_NE(synced.outcome, "failed") << (synced.error ? synced.error->message : "");
        ASSERT_EQ(copies(), newest);
    }
    FAIL() << "more calls than expected";
}

/// As `syncoid -r` leaves it: the same snapshot everywhere, and nothing of ours.
class TreeAdopt : public TreeBack {
  protected:
    TreeAdopt() {
        std::vector<SnapshotName> names;
        for (const auto& below : kAll)
            names.push_back(*SnapshotName::parse("tank/fs" + below + "@daily"));
        for (const auto& taken : test::run_task(io, alpha->zfs.snapshot(std::move(names))))
            EXPECT_TRUE(taken);
        beta->zfs.create("backup/fs").create("backup/fs/a").create("backup/fs/a/deep");
        beta->zfs.create("backup/fs/vol", Kind::volume);
        for (const auto& below : kAll) {
            auto& copy = beta->zfs.at("backup/fs" + below);
            copy.snapshots = alpha->zfs.at("tank/fs" + below).snapshots;
            copy.content = copy.snapshots.back().content;
        }
        beta->zfs.at("backup/fs/a").props["readonly"] = {"on", Source::local};
        alpha->zfs.forget_calls();
        beta->zfs.forget_calls();
    }
    sync::InitRequest request() {
        sync::InitRequest out{
            .dataset = fs, .host = beta->config.host, .target = target_fs, .adopt = true};
        out.recursive = true;
        return out;
    }
    rpc::RunResult adopt() {
        return ended(test::run_task(io, alpha->engine.start_init(request())));
    }
    std::size_t full_streams() {
        std::size_t out = 0;
        for (const auto& call : alpha->zfs.calls())
            out += call.starts_with("send") && call.find(" from ") == call.npos ? 1 : 0;
        return out;
    }
};

TEST_F(TreeAdopt, MakesAPairOfAllAndSendsWhatIsNewer) {
    for (const auto& below : kAll) alpha->zfs.write("tank/fs" + below, 3'000);
    const auto made = adopt();
    ASSERT_EQ(made.outcome, "done") << made.text << (made.error ? made.error->message : "");
    EXPECT_LT(made.bytes, 4U * 20'000U);
    EXPECT_EQ(copies(), contents());
    EXPECT_EQ(beta->zfs.at("backup/fs").props.at(std::string(prop::kTree)).value, "on");
    EXPECT_EQ(beta->zfs.at("backup/fs").props.at("readonly").value, "on");
    const auto& member = beta->zfs.at("backup/fs/a").props;
    EXPECT_FALSE(member.contains("readonly")) << "it has to follow its root";
    EXPECT_EQ(member.at("canmount").value, "noauto");
    EXPECT_EQ(beta->zfs.at("backup/fs/vol").props.at("volmode").value, "none");
    EXPECT_EQ(alpha->zfs.at("tank/fs").props.at(std::string(prop::kMaster)).value, "yes");
    for (const auto& below : {"", "/a", "/a/deep"})
        EXPECT_FALSE(beta->zfs.at(std::string("backup/fs") + below).mounted) << below;
}

TEST_F(TreeAdopt, WhatIsNotThereYetIsSentWhole) {
    alpha->zfs.create("tank/fs/new");
    alpha->zfs.write("tank/fs/new", 9'000);
    ASSERT_EQ(adopt().outcome, "done");
    EXPECT_EQ(alpha->zfs.content("tank/fs/new"), beta->zfs.content("backup/fs/new"));
    EXPECT_EQ(copies(), contents());
}

TEST_F(TreeAdopt, OneMemberThatCannotBeAdoptedKeepsAllAsTheyAre) {
    auto& deep = beta->zfs.at("backup/fs/a/deep");
    const auto good = deep;
    const std::vector<std::pair<const char*, std::function<void()>>> table{
        {"written to", [&] { deep.written = 7; }},
        {"no common snapshot", [&] { deep.snapshots.back().guid = Guid{77}; }},
        {"a volume", [&] { deep.kind = Kind::volume; }},
        {"a rescue",
         [&] {
             deep.props[std::string(prop::kRescue)] = {"x", Source::local};
         }},
    };
    for (const auto& [what, spoil] : table) {
        SCOPED_TRACE(what);
        spoil();
        EXPECT_TRUE(test::run_task(io, beta->inventory.discover()));
        const auto refused = adopt();
        EXPECT_EQ(refused.outcome, "failed") << refused.text;
        ASSERT_TRUE(refused.error);
        expect_in(refused.error->message, "backup/fs/a/deep");
        EXPECT_EQ(changes_there(), 0U);
        EXPECT_TRUE(alpha->zfs.at("tank/fs").props.empty());
        deep = good;
    }
    EXPECT_TRUE(test::run_task(io, beta->inventory.discover()));
    EXPECT_EQ(adopt().outcome, "done");
}

TEST_F(TreeAdopt, IsGoneOnWithAfterACut) {
    for (const auto& below : kAll) alpha->zfs.write("tank/fs" + below, 3'000);
    beta->zfs.cut_next_receive(500);
    const auto cut = adopt();
    ASSERT_EQ(cut.outcome, "failed");
    expect_in(cut.error->remedy, "zrepctl init --adopt -r");
    const auto done = adopt();
    ASSERT_EQ(done.outcome, "done") << (done.error ? done.error->message : done.text);
    EXPECT_EQ(copies(), contents());
}

/// Of the first stream of what was not there.
TEST_F(TreeAdopt, IsGoneOnWithAfterACutOfAMembersFirstStream) {
    alpha->zfs.create("tank/fs/new");
    alpha->zfs.write("tank/fs/new", 90'000);
    beta->zfs.on_call([&](const std::string& call) {
        if (call.starts_with("receive backup/fs/new")) beta->zfs.cut_next_receive(500);
    });
    ASSERT_EQ(adopt().outcome, "failed");
    beta->zfs.on_call(nullptr);
    ASSERT_TRUE(beta->zfs.exists("backup/fs/new"));
    EXPECT_TRUE(test::run_task(io, beta->inventory.discover()));
    const auto done = adopt();
    ASSERT_EQ(done.outcome, "done") << (done.error ? done.error->message : done.text);
    EXPECT_EQ(alpha->zfs.content("tank/fs/new"), beta->zfs.content("backup/fs/new"));
    EXPECT_EQ(copies(), contents());
}

/// Between the look and the set that makes it readonly.
TEST_F(TreeAdopt, WhatIsWrittenMeanwhileIsNotRolledBack) {
    beta->zfs.on_call([&](const std::string& call) {
        if (call.starts_with("set backup/fs readonly=on"))
            beta->zfs.at("backup/fs/a/deep").written = 7;
    });
    const auto refused = adopt();
    beta->zfs.on_call(nullptr);
    EXPECT_EQ(refused.outcome, "failed");
    ASSERT_TRUE(refused.error);
    EXPECT_EQ(refused.error->kind, "conflict");
    expect_in(refused.error->message, "backup/fs/a/deep on beta has more than its source");
    EXPECT_EQ(beta->zfs.count("rollback"), 0U);
    EXPECT_EQ(beta->zfs.at("backup/fs/a/deep").written, 7U);
}

/// As pairs that were cleared leave them: what was acknowledged for those was never all of a tree.
TEST_F(TreeAdopt, WhatAnEarlierPairHadAcknowledgedCountsForNothing) {
    for (auto* host : {&*alpha, &*beta}) {
        host->zfs.at(host == &*alpha ? "tank/fs" : "backup/fs").snapshots.back().sent =
            1'700'000'000;
        EXPECT_TRUE(test::run_task(io, host->inventory.discover()));
    }
    beta->zfs.on_call([&](const std::string& call) {
        if (call.starts_with("receive ")) beta->zfs.cut_next_receive(500);
    });
    alpha->zfs.write("tank/fs/a", 3'000);
    ASSERT_EQ(adopt().outcome, "failed");
    beta->zfs.on_call(nullptr);
    EXPECT_FALSE(beta->zfs.at("backup/fs").snapshots.front().sent);
    const auto done = adopt();
    ASSERT_EQ(done.outcome, "done") << (done.error ? done.error->message : done.text);
    EXPECT_TRUE(beta->zfs.at("backup/fs").snapshots.back().held);
    EXPECT_TRUE(alpha->zfs.at("tank/fs").snapshots.back().held);
}

TEST_F(TreeAdopt, ADryRunSaysWhatBecomesOfEach) {
    alpha->zfs.create("tank/fs/new");
    beta->zfs.create("backup/fs/other");
    beta->zfs.forget_calls();
    const auto steps =
        test::run_task(io, alpha->engine.describe_init(request(), std::chrono::seconds(5)));
    ASSERT_TRUE(steps) << steps.error().text();
    const std::string text = join(*steps, "\n");
    for (const auto* part : {"make backup/fs on beta readonly and the target of alpha:tank/fs",
                             "make backup/fs/a part of it, unmounted, from @daily on, and have it "
                             "inherit readonly",
                             "send tank/fs/new@zrep_000000 whole",
                             "leave backup/fs/other, which has no original in tank/fs, as it is"})
        expect_in(text, part);
    EXPECT_EQ(changes_there(), 0U);
    EXPECT_TRUE(alpha->zfs.at("tank/fs").props.empty());
}

}  // namespace
}  // namespace zrepd
