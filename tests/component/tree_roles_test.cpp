// SPDX-License-Identifier: BSD-2-Clause
// Role changes of a recursive pair (ADR 0015): the tree goes as one, from anywhere in the middle
// too.
#include <gtest/gtest.h>

#include "tests/fakes/roles_test.hpp"

namespace zrepd {
namespace {

using test::Ask;
using test::TestHost;

const std::vector<std::string> kBelow{"", "/a", "/a/deep", "/vol"};

class TreeRoles : public test::TwoRoles {
  public:
    // Some tests make one after the other.
    void TestBody() override {}

    TreeRoles() {
        alpha->zfs.create("tank/fs/a").create("tank/fs/a/deep");
        alpha->zfs.create("tank/fs/vol", Kind::volume);
        give(*alpha, "tank/fs/a", "mountpoint", "/srv/a");
        for (const auto* name : {"tank/fs/a", "tank/fs/a/deep", "tank/fs/vol"})
            alpha->zfs.write(name, 30'000);
        sync::InitRequest request{.dataset = fs, .host = beta->config.host, .target = target_fs};
        request.recursive = true;
        auto started = test::run_task(io, alpha->engine.start_init(std::move(request)));
        EXPECT_EQ(ended(started).outcome, "done");
        made();
    }

    /// In the tree, one that is no part of it, and a master.
    void make_pair_inside() {
        alpha->zfs.create("tank/fs/db");
        discover();
        const sync::InitRequest request{.dataset = *DatasetName::parse("tank/fs/db"),
                                        .host = beta->config.host,
                                        .target = *DatasetName::parse("backup/db")};
        auto started = test::run_task(io, alpha->engine.start_init(request));
        EXPECT_EQ(ended(started).outcome, "done");
    }

    void write_all(TestHost& host, const std::string& root) {
        for (const auto& below : kBelow) host.zfs.write(root + below, 5'000);
    }
    void expect_equal() {
        for (const auto& below : kBelow) {
            ASSERT_TRUE(alpha->zfs.exists("tank/fs" + below)) << below;
            ASSERT_TRUE(beta->zfs.exists("backup/fs" + below)) << below;
            EXPECT_EQ(alpha->zfs.content("tank/fs" + below), beta->zfs.content("backup/fs" + below))
                << below;
        }
    }
    /// No member says anything of its own any more but how it is served.
    void expect_served(TestHost& host, const std::string& root) {
        for (const auto& below : {"", "/a", "/a/deep"}) {
            EXPECT_TRUE(host.zfs.at(root + below).mounted) << root << below;
            EXPECT_NE(prop_of(host, root + below, "canmount"), "noauto") << root << below;
        }
        EXPECT_NE(prop_of(host, root + "/vol", "volmode"), "none");
        for (const auto& below : {"/a", "/a/deep", "/vol"}) {
            EXPECT_EQ(prop_of(host, root + below, prop::kServe), "") << root << below;
            EXPECT_EQ(prop_of(host, root + below, prop::kInprogress), "") << root << below;
        }
    }
    void expect_hidden(TestHost& host, const std::string& root) {
        for (const auto& below : {"", "/a", "/a/deep"}) {
            EXPECT_FALSE(host.zfs.at(root + below).mounted) << root << below;
            EXPECT_EQ(prop_of(host, root + below, "canmount"), "noauto") << root << below;
            EXPECT_NE(prop_of(host, root + below, prop::kServe), "") << root << below;
        }
        EXPECT_EQ(prop_of(host, root + "/vol", "volmode"), "none");
        for (const auto& below : {"/a", "/a/deep", "/vol"})
            EXPECT_EQ(prop_of(host, root + below, prop::kInprogress), "") << root << below;
    }
    /// A failed set of a member is made up for, though the role change went on without it.
    void expect_settled_soon(bool alpha_is_master) {
        auto& master = alpha_is_master ? *alpha : *beta;
        auto& target = alpha_is_master ? *beta : *alpha;
        const std::string here = alpha_is_master ? "tank/fs" : "backup/fs";
        const std::string there = alpha_is_master ? "backup/fs" : "tank/fs";
        test::run_until(io, [&] {
            bool good = prop_of(master, here + "/vol", "volmode") != "none" &&
                        prop_of(target, there + "/vol", "volmode") == "none";
            for (const auto* below : {"/a", "/a/deep"}) {
                good = good && prop_of(master, here + below, "canmount") != "noauto" &&
                       prop_of(master, here + below, prop::kServe).empty() &&
                       prop_of(target, there + below, "canmount") == "noauto";
            }
            return good && !alpha->runs.active(fs) && !beta->runs.active(target_fs);
        });
    }
    rpc::RunResult sync_from(TestHost& host, const DatasetName& name) {
        auto started = host.engine.start_sync({name}, sync::Freshness::listed);
        if (!started) return sync::failed_result(name, started.error());
        const sync::RunPtr run = host.runs.find(started->run_id);
        test::run_until(io, [&run] { return run->finished(); });
        return run->out().results.at(0);
    }
    static void expect_in(const std::string& text, std::string_view part) {
        EXPECT_NE(text.find(part), text.npos) << "'" << part << "' is not in: " << text;
    }
    using TwoHosts::alpha;
    using TwoHosts::beta;
    using TwoHosts::fs;
    using TwoHosts::io;
    using TwoHosts::target_fs;
    using TwoRoles::change;
    using TwoRoles::discover;
    using TwoRoles::expect_roles;
    using TwoRoles::give;
    using TwoRoles::is_master;
    using TwoRoles::is_target;
    using TwoRoles::prop_of;
    using TwoRoles::start_loops;
};

/// Whatever it is in the middle of: nobody else is the master, and no other way back is printed.
TEST_F(TreeRoles, ARoleThatNobodyTookIsTakenBack) {
    write_all(*alpha, "tank/fs");
    beta->zfs.break_all(broken());
    const auto given = change(*alpha, Ask::failover_local, fs);
    EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kMaster), "no") << given.text;
    // As sanoid takes them, of what is idle, too.
    alpha->zfs.take("tank/fs/a@hourly");
    EXPECT_TRUE(test::run_task(io, alpha->inventory.discover()));
    const auto back = change(*alpha, Ask::takeover_local, fs);
    EXPECT_EQ(back.outcome, "done") << back.text;
    EXPECT_TRUE(is_master(*alpha, "tank/fs"));
}

TEST_F(TreeRoles, ARoleThatIsGivenUpIsTakenBackInTheMiddle) {
    write_all(*alpha, "tank/fs");
    // The rescue has no room.
    alpha->zfs.fail_at("receive tank/fs_diverged_2", broken());
    const auto given = change(*alpha, Ask::failover_local, fs);
    EXPECT_EQ(given.outcome, "failed");
    EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kMaster), "no");
    const auto back = change(*alpha, Ask::takeover_local, fs);
    EXPECT_EQ(back.outcome, "done") << back.text;
    EXPECT_TRUE(is_master(*alpha, "tank/fs"));
    // Nobody else was offered it meanwhile.
    EXPECT_TRUE(is_target(*beta, "backup/fs"));
}

/// Readonly, nothing in it can be deleted to make room.
TEST_F(TreeRoles, ARoleWhoseRescueNeverFitsIsTakenBackToo) {
    write_all(*alpha, "tank/fs");
    const std::uint64_t before = alpha->zfs.content("tank/fs/a");
    alpha->zfs.set_available(1'000);
    EXPECT_EQ(change(*alpha, Ask::failover_local, fs).outcome, "failed");
    EXPECT_EQ(prop_of(*alpha, "tank/fs", "readonly"), "on");
    const auto back = change(*alpha, Ask::takeover_local, fs);
    EXPECT_EQ(back.outcome, "done") << back.text;
    EXPECT_EQ(alpha->zfs.content("tank/fs/a"), before);
    EXPECT_TRUE(is_master(*alpha, "tank/fs"));
    EXPECT_TRUE(is_target(*beta, "backup/fs"));
    expect_served(*alpha, "tank/fs");
}

/// As of a root that only holds others.
TEST_F(TreeRoles, ARoleWhoseRescueNeverFitsIsTakenBackWhereOnlyAMemberHasMore) {
    alpha->zfs.write("tank/fs/a", 5'000);
    const std::uint64_t before = alpha->zfs.content("tank/fs/a");
    alpha->zfs.set_available(1'000);
    EXPECT_EQ(change(*alpha, Ask::failover_local, fs).outcome, "failed");
    const auto back = change(*alpha, Ask::takeover_local, fs);
    EXPECT_EQ(back.outcome, "done") << back.text;
    EXPECT_EQ(alpha->zfs.content("tank/fs/a"), before);
    EXPECT_TRUE(is_master(*alpha, "tank/fs"));
    EXPECT_TRUE(is_target(*beta, "backup/fs"));
}

/// Half of it is back at the base: of two moments it is no master.
TEST_F(TreeRoles, ARoleWhoseRescueIsHalfDoneIsNotTakenBackWithoutTheRest) {
    write_all(*alpha, "tank/fs");
    alpha->zfs.on_call([this](const std::string& call) {
        if (call.starts_with("rollback tank/fs@")) alpha->zfs.set_available(1'000);
    });
    EXPECT_EQ(change(*alpha, Ask::failover_local, fs).outcome, "failed");
    alpha->zfs.on_call({});
    const auto back = change(*alpha, Ask::takeover_local, fs);
    EXPECT_EQ(back.outcome, "failed");
    expect_in(back.text, "no room for");
    EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kMaster), "no");
    alpha->zfs.set_available(std::uint64_t{1} << 40);
    EXPECT_EQ(change(*alpha, Ask::takeover_local, fs).outcome, "done");
    EXPECT_TRUE(is_master(*alpha, "tank/fs"));
    EXPECT_TRUE(is_target(*beta, "backup/fs"));
}

/// It was overtaken: whatever becomes of what is inside, it does not stay writable for that.
TEST_F(TreeRoles, AnOldMasterStepsDownThoughWhatIsInsideCannotBeKeptWritable) {
    make_pair_inside();
    write_all(*alpha, "tank/fs");
    ASSERT_EQ(change(*beta, Ask::takeover_local, target_fs).outcome, "done");
    alpha->zfs.fail_at("set tank/fs/db readonly=off", broken());
    std::string told;
    const auto listening = alpha->events.subscribe([&told](const rpc::EventOut& event) {
        if (event.event == "warning") told += event.text;
        return true;
    });
    start_loops();
    test::run_until(io, [&] { return is_target(*alpha, "tank/fs"); });
    expect_in(told, "tank/fs/db, which is to stay writable");
}

TEST_F(TreeRoles, APairOfItsOwnInsideStaysWritable) {
    make_pair_inside();
    EXPECT_EQ(change(*alpha, Ask::failover, fs).outcome, "done");
    discover();
    const Dataset* inside = alpha->inventory.find(*DatasetName::parse("tank/fs/db"));
    ASSERT_NE(inside, nullptr);
    EXPECT_EQ(inside->local(prop::kMaster), "yes");
    EXPECT_FALSE(inside->readonly);
    EXPECT_TRUE(alpha->inventory.find(fs)->readonly);
    // And its own role is not in the way of anything.
    EXPECT_EQ(change(*alpha, Ask::failover, *DatasetName::parse("tank/fs/db")).outcome, "done");
}

TEST_F(TreeRoles, APairOfItsOwnInsideStaysWritableWhenItsTreeStepsDown) {
    make_pair_inside();
    alpha->zfs.write("tank/fs", 5'000);
    EXPECT_EQ(change(*alpha, Ask::failover_local, fs).outcome, "done");
    discover();
    EXPECT_FALSE(alpha->inventory.find(*DatasetName::parse("tank/fs/db"))->readonly);
}

class RestrictedTree : public TreeRoles {};

TEST_F(RestrictedTree, NoMemberIsMountedWhereTheOtherHostSays) {
    restrict_alpha();
    // Its root may be where this side has it; a member of its own mount point is refused as well.
    give(*beta, "backup/fs", "mountpoint", "/tank/fs");
    discover();
    const auto refused = change(*alpha, Ask::failover, fs);
    EXPECT_EQ(refused.outcome, "failed");
    EXPECT_NE(
        refused.error.value().remedy.find("zfs set mountpoint='/srv/a' 'backup/fs/a' as there"),
        std::string::npos)
        << refused.error->remedy;
    EXPECT_EQ(prop_of(*beta, "backup/fs/a", "mountpoint"), "");
    const auto taken = change(*beta, Ask::takeover_local, target_fs);
    ASSERT_EQ(taken.outcome, "done") << taken.text;
    EXPECT_EQ(prop_of(*beta, "backup/fs/a", "mountpoint"), "");
    EXPECT_TRUE(beta->zfs.at("backup/fs/a").mounted);
}

TEST_F(TreeRoles, AFailoverMovesTheWholeTreeAndBack) {
    write_all(*alpha, "tank/fs");
    const auto there = change(*alpha, Ask::failover, fs);
    ASSERT_EQ(there.outcome, "done") << there.text;
    expect_roles(false, "2");
    expect_equal();
    expect_hidden(*alpha, "tank/fs");
    expect_served(*beta, "backup/fs");
    EXPECT_EQ(prop_of(*beta, "backup/fs/a", "mountpoint"), "/srv/a");
    EXPECT_EQ(prop_of(*beta, "backup/fs/a/deep", "mountpoint"), "");
    write_all(*beta, "backup/fs");
    const auto back = change(*beta, Ask::failover, target_fs);
    ASSERT_EQ(back.outcome, "done") << back.text;
    expect_roles(true, "3");
    expect_equal();
    expect_served(*alpha, "tank/fs");
    expect_hidden(*beta, "backup/fs");
    write_all(*alpha, "tank/fs");
    EXPECT_EQ(sync_from(*alpha, fs).outcome, "done");
    expect_equal();
}

TEST_F(TreeRoles, OneSetMakesAllOfItReadonlyAndOneWritable) {
    ASSERT_EQ(change(*alpha, Ask::failover, fs).outcome, "done");
    for (auto* host : {&*alpha, &*beta}) {
        for (const auto& call : host->zfs.changes()) {
            const bool member = call.starts_with("set ") && call.find("readonly=") != call.npos &&
                                call.find("fs/") != call.npos;
            EXPECT_FALSE(member) << call;
        }
    }
    EXPECT_EQ(alpha->zfs.count("set tank/fs readonly=on"), 2U);  // frozen, handed over
    EXPECT_EQ(beta->zfs.count("set backup/fs readonly=off"), 1U);
}

/// zfs would unmount it with what it is mounted in.
TEST_F(TreeRoles, WhatIsServedInsideAndNoPartOfItStaysMounted) {
    alpha->zfs.create("tank/fs/a/apart");
    give(*alpha, "tank/fs/a/apart", prop::kRescue, "tank/other");
    discover();
    const auto there = change(*alpha, Ask::failover, fs);
    ASSERT_EQ(there.outcome, "done") << there.text;
    expect_in(there.text, "tank/fs stays mounted, readonly: tank/fs/a/apart is served below it");
    for (const auto* name : {"tank/fs", "tank/fs/a", "tank/fs/a/apart"})
        EXPECT_TRUE(alpha->zfs.at(name).mounted) << name;
    EXPECT_FALSE(alpha->zfs.at("tank/fs/a/deep").mounted);
    expect_roles(false, "2");
}

TEST_F(TreeRoles, SomebodyElsesSnapshotOfAMemberIsInNoWay) {
    alpha->zfs.take("tank/fs/a@hourly");
    const auto there = change(*alpha, Ask::failover, fs);
    ASSERT_EQ(there.outcome, "done") << there.text;
    write_all(*beta, "backup/fs");
    const auto back = change(*beta, Ask::failover, target_fs);
    ASSERT_EQ(back.outcome, "done") << back.text;
    expect_roles(true, "3");
    expect_equal();
}

TEST_F(TreeRoles, BackToASnapshotEachMemberKeepsWhatIsNewer) {
    std::map<std::string, std::uint64_t> before;
    for (const auto& below : kBelow) before[below] = alpha->zfs.content("tank/fs" + below);
    write_all(*alpha, "tank/fs");
    ASSERT_EQ(sync_from(*alpha, fs).outcome, "done");
    alpha->zfs.write("tank/fs/a/deep", 1'000);
    discover();
    const auto started = alpha->roles.start_at(Ask::failover, fs, {.name = "zrep_000000"});
    ASSERT_TRUE(started) << started.error().text();
    const auto there = ended(started);
    ASSERT_EQ(there.outcome, "done") << there.text;
    expect_roles(false, "2");
    for (const auto& below : kBelow) {
        EXPECT_EQ(beta->zfs.content("backup/fs" + below), before[below]) << below;
        EXPECT_EQ(alpha->zfs.content("tank/fs" + below), before[below]) << below;
    }
    EXPECT_TRUE(alpha->zfs.exists("tank/fs/a/deep_diverged_2"));
    EXPECT_TRUE(beta->zfs.exists("backup/fs/vol_diverged_1"));
    expect_served(*beta, "backup/fs");
    expect_hidden(*alpha, "tank/fs");
}

TEST_F(TreeRoles, HowMembersWereServedIsKept) {
    give(*alpha, "tank/fs/a", "canmount", "off");
    alpha->zfs.at("tank/fs/a").mounted = false;
    give(*alpha, "tank/fs/a/deep", "canmount", "noauto");
    give(*alpha, "tank/fs/vol", "volmode", "dev");
    discover();
    ASSERT_EQ(change(*alpha, Ask::failover, fs).outcome, "done");
    EXPECT_EQ(prop_of(*beta, "backup/fs/a", "canmount"), "off");
    EXPECT_FALSE(beta->zfs.at("backup/fs/a").mounted);
    EXPECT_EQ(prop_of(*beta, "backup/fs/a/deep", "canmount"), "noauto");
    EXPECT_FALSE(beta->zfs.at("backup/fs/a/deep").mounted);
    EXPECT_EQ(prop_of(*beta, "backup/fs/vol", "volmode"), "dev");
    ASSERT_EQ(change(*beta, Ask::failover, target_fs).outcome, "done");
    EXPECT_EQ(prop_of(*alpha, "tank/fs/a", "canmount"), "off");
    EXPECT_EQ(prop_of(*alpha, "tank/fs/a/deep", "canmount"), "noauto");
    EXPECT_EQ(prop_of(*alpha, "tank/fs/vol", "volmode"), "dev");
}

TEST_F(TreeRoles, AMemberThatWouldStayWritableRefuses) {
    give(*alpha, "tank/fs/a", "readonly", "off");
    discover();
    const auto here = change(*alpha, Ask::failover, fs);
    ASSERT_EQ(here.outcome, "failed");
    EXPECT_EQ(here.error->kind, "refused");
    expect_in(here.error->message, "tank/fs/a on alpha has readonly=off of its own");
    expect_in(here.error->remedy, "zfs inherit readonly 'tank/fs/a'");
    expect_roles(true, "1");
    alpha->zfs.at("tank/fs/a").props.erase("readonly");
    give(*beta, "backup/fs/vol", "readonly", "off");
    discover();
    const auto there = change(*alpha, Ask::failover, fs);
    ASSERT_EQ(there.outcome, "failed");
    expect_in(there.error->message, "backup/fs/vol on beta has readonly=off of its own");
    expect_roles(true, "1");
    EXPECT_EQ(alpha->zfs.count("set tank/fs readonly"), 0U);
}

TEST_F(TreeRoles, WhatIsInTheWayOfAMemberOverThereNamesIt) {
    alpha->zfs.at("tank/fs/a/deep").encrypted = true;
    beta->zfs.at("backup/fs/a/deep").key_loaded = false;
    beta->zfs.at("backup/fs/a/deep").encrypted = true;
    discover();
    beta->zfs.fail_next("try_key", {.code = Code::zfs_failed, .message = "Key load error"});
    const auto refused = change(*alpha, Ask::failover, fs);
    ASSERT_EQ(refused.outcome, "failed");
    expect_in(refused.error->message, "the key of backup/fs/a/deep on beta cannot be loaded");
    expect_roles(true, "1");
}

TEST_F(TreeRoles, ATakeoverBeginsWhereAllOfItIsWhole) {
    // The root and one member get the next snapshot; then the master is gone.
    write_all(*alpha, "tank/fs");
    const auto whole = beta->zfs.content("backup/fs");
    const auto whole_a = beta->zfs.content("backup/fs/a");
    beta->zfs.on_call([&](const std::string& call) {
        if (call.starts_with("receive backup/fs/a/deep@")) beta->zfs.cut_next_receive(1'000);
    });
    ASSERT_EQ(sync_from(*alpha, fs).outcome, "failed");
    beta->zfs.on_call(nullptr);
    ASSERT_NE(beta->zfs.content("backup/fs/a"), whole_a);
    discover();
    const auto taken = change(*beta, Ask::takeover_local, target_fs);
    ASSERT_EQ(taken.outcome, "done") << taken.text;
    EXPECT_TRUE(is_master(*beta, "backup/fs"));
    EXPECT_EQ(beta->zfs.content("backup/fs"), whole);
    EXPECT_EQ(beta->zfs.content("backup/fs/a"), whole_a);
    EXPECT_FALSE(beta->zfs.at("backup/fs/a/deep").partial);
    expect_served(*beta, "backup/fs");
    // Nothing that had come is gone.
    EXPECT_TRUE(beta->zfs.exists("backup/fs_diverged_1"));
    EXPECT_TRUE(beta->zfs.exists("backup/fs/a_diverged_1"));
}

TEST_F(TreeRoles, SteppingDownAfterACutSyncNeverMakesAMasterOfTwoMoments) {
    std::map<std::string, std::uint64_t> before;
    for (const auto& below : kBelow) before[below] = beta->zfs.content("backup/fs" + below);
    write_all(*alpha, "tank/fs");
    beta->zfs.on_call([&](const std::string& call) {
        if (call.starts_with("receive backup/fs/a/deep@")) beta->zfs.cut_next_receive(1'000);
    });
    ASSERT_EQ(sync_from(*alpha, fs).outcome, "failed");
    beta->zfs.on_call(nullptr);
    ASSERT_NE(beta->zfs.content("backup/fs/a"), before["/a"]);
    start_loops();
    change(*alpha, Ask::failover_local, fs);
    test::run_until(io,
                    [&] { return is_master(*beta, "backup/fs") && is_target(*alpha, "tank/fs"); });
    for (const auto& below : kBelow)
        EXPECT_EQ(beta->zfs.content("backup/fs" + below), before[below]) << below;
}

TEST_F(TreeRoles, WhatAMemberWroteSinceItCameIsKeptThoughItHasNoPartOfTheBase) {
    alpha->zfs.create("tank/fs/young");
    alpha->zfs.write("tank/fs/young", 4'000);
    discover();
    beta->zfs.fail_next("acknowledge", broken());
    ASSERT_EQ(sync_from(*alpha, fs).outcome, "failed");
    ASSERT_TRUE(beta->zfs.exists("backup/fs/young"));
    alpha->zfs.write("tank/fs/young", 6'000);
    const auto only_here = alpha->zfs.content("tank/fs/young");
    discover();
    ASSERT_EQ(change(*beta, Ask::takeover_local, target_fs).outcome, "done");
    start_loops();
    test::run_until(io, [&] { return is_target(*alpha, "tank/fs"); });
    write_all(*beta, "backup/fs");
    sync_from(*beta, target_fs);
    ASSERT_TRUE(alpha->zfs.exists("tank/fs/young_diverged_2"));
    EXPECT_EQ(alpha->zfs.content("tank/fs/young_diverged_2"), only_here);
}

TEST_F(TreeRoles, AReturningMasterTakesBackAReadonlyOffOfAMember) {
    give(*alpha, "tank/fs/a", "readonly", "off");
    discover();
    ASSERT_EQ(change(*beta, Ask::takeover_local, target_fs).outcome, "done");
    start_loops();
    test::run_until(io, [&] { return is_target(*alpha, "tank/fs"); });
    EXPECT_EQ(prop_of(*alpha, "tank/fs/a", "readonly"), "");
}

TEST_F(TreeRoles, SteppingDownAloneIsRefusedWhileAMemberWouldStayWritable) {
    give(*alpha, "tank/fs/a", "readonly", "off");
    discover();
    const auto alone = change(*alpha, Ask::failover_local, fs);
    ASSERT_EQ(alone.outcome, "failed");
    expect_in(alone.error->message, "tank/fs/a on alpha has readonly=off of its own");
    expect_roles(true, "1");
}

TEST_F(TreeRoles, AloneItBeginsOnlyWhereAllOfItIsKnownToBeWhole) {
    write_all(*alpha, "tank/fs");
    beta->zfs.on_call([&](const std::string& call) {
        if (call.starts_with("receive backup/fs/a/deep@")) beta->zfs.cut_next_receive(1'000);
    });
    ASSERT_EQ(sync_from(*alpha, fs).outcome, "failed");
    beta->zfs.on_call(nullptr);
    discover();
    const auto started =
        beta->roles.start_at(Ask::takeover_local, target_fs, {.name = "zrep_000001"});
    ASSERT_TRUE(started);
    const sync::RunPtr run = beta->runs.find(started->run_id);
    test::run_until(io, [&run] { return run->finished(); });
    const auto refused = run->out().results.at(0);
    ASSERT_TRUE(refused.error);
    expect_in(refused.error->message, "is not known to be of all of the tree");
    EXPECT_TRUE(is_target(*beta, "backup/fs"));
}

TEST_F(TreeRoles, AReturningMasterKeepsWhatEachMemberNeverSent) {
    std::map<std::string, std::uint64_t> before;
    for (const auto& below : kBelow) before[below] = alpha->zfs.content("tank/fs" + below);
    alpha->zfs.write("tank/fs/a", 9'000);
    alpha->zfs.write("tank/fs/vol", 9'000);
    const auto only_here = alpha->zfs.content("tank/fs/a");
    const auto taken = change(*beta, Ask::takeover_local, target_fs);
    ASSERT_EQ(taken.outcome, "done") << taken.text;
    write_all(*beta, "backup/fs");
    start_loops();
    test::run_until(io, [&] { return is_target(*alpha, "tank/fs"); });
    for (const auto& below : kBelow)
        EXPECT_EQ(alpha->zfs.content("tank/fs" + below), before[below]) << below;
    ASSERT_TRUE(alpha->zfs.exists("tank/fs/a_diverged_2"));
    EXPECT_EQ(alpha->zfs.content("tank/fs/a_diverged_2"), only_here);
    EXPECT_EQ(prop_of(*alpha, "tank/fs/a_diverged_2", prop::kRescue), "tank/fs/a");
    EXPECT_TRUE(alpha->zfs.exists("tank/fs/vol_diverged_2"));
    EXPECT_FALSE(alpha->zfs.exists("tank/fs_diverged_2"));
    EXPECT_FALSE(alpha->zfs.exists("tank/fs/a/deep_diverged_2"));
    expect_hidden(*alpha, "tank/fs");
    const auto synced = sync_from(*beta, target_fs);
    ASSERT_EQ(synced.outcome, "done") << synced.text;
    expect_equal();
}

TEST_F(TreeRoles, WhatWasBornAfterTheLastSyncStaysAsItIs) {
    alpha->zfs.create("tank/fs/young");
    alpha->zfs.write("tank/fs/young", 4'000);
    const auto young = alpha->zfs.content("tank/fs/young");
    discover();
    ASSERT_EQ(change(*beta, Ask::takeover_local, target_fs).outcome, "done");
    start_loops();
    test::run_until(io, [&] { return is_target(*alpha, "tank/fs"); });
    EXPECT_EQ(alpha->zfs.content("tank/fs/young"), young);
    EXPECT_FALSE(alpha->zfs.at("tank/fs/young").mounted);
    EXPECT_EQ(prop_of(*alpha, "tank/fs/young", "canmount"), "noauto");
    write_all(*beta, "backup/fs");
    EXPECT_EQ(sync_from(*beta, target_fs).outcome, "done");
    EXPECT_EQ(alpha->zfs.content("tank/fs/young"), young);
}

TEST_F(TreeRoles, ADryRunOfATakeoverSaysWhatOfACutSyncIsRolledBack) {
    write_all(*alpha, "tank/fs");
    beta->zfs.on_call([&](const std::string& call) {
        if (call.starts_with("receive backup/fs/vol"))
            beta->zfs.fail_next("receive", {.code = Code::stream_failed, .message = "cut"});
    });
    EXPECT_EQ(sync_from(*alpha, fs).outcome, "failed");
    beta->zfs.on_call(nullptr);
    discover();
    const auto dry = test::run_task(
        io, beta->roles.describe(Ask::takeover_local, {target_fs}, std::chrono::seconds(10)));
    ASSERT_TRUE(dry);
    expect_in(join(dry->steps, "\n"), "that came after @zrep_000000, beside what got them");
}

TEST_F(TreeRoles, AnInheritedFenceIsSaidNotToProtectIt) {
    give(*alpha, "tank/fs", prop::kFence, "boot");
    discover();
    const auto trouble = alpha->roles.trouble_of(fs);
    ASSERT_TRUE(trouble);
    expect_in(trouble->text(), "does not protect a recursive pair");
    expect_in(trouble->remedy, "zrepctl set 'tank/fs' zrep:fence=off");
}

/// Every call of either side that changes something fails once, in turn: each time the tree has one
/// master in the end, all of it, and nothing is lost.
void fail_each_call(bool of_alpha, Ask ask, bool from_alpha) {
    for (std::size_t at = 0; at < 60; ++at) {
        TreeRoles world;
        auto& host = of_alpha ? *world.alpha : *world.beta;
        world.write_all(*world.alpha, "tank/fs");
        std::size_t seen = 0;
        std::string failed;
        host.zfs.on_call([&](const std::string& call) {
            const std::string method = call.substr(0, call.find(' '));
            const bool changes = method == "set" || method == "inherit" || method == "mount" ||
                                 method == "unmount" || method == "rollback" ||
                                 method == "destroy_snapshots" || method == "snapshot";
            if (!changes || seen++ != at) return;
            failed = call;
            host.zfs.fail_next(method, {.code = Code::zfs_failed, .message = "out of order"});
        });
        world.start_loops();
        auto& asked = from_alpha ? *world.alpha : *world.beta;
        const auto result = world.change(asked, ask, from_alpha ? world.fs : world.target_fs);
        const bool beta_is_master =
            result.outcome == "done" || world.is_master(*world.beta, "backup/fs");
        const auto settled = [&] {
            return beta_is_master ? world.is_master(*world.beta, "backup/fs") &&
                                        world.is_target(*world.alpha, "tank/fs")
                                  : world.is_master(*world.alpha, "tank/fs") !=
                                        world.is_master(*world.beta, "backup/fs");
        };
        SCOPED_TRACE(failed + ": " + result.text);
        test::run_until(world.io, settled);
        if (failed.empty()) {
            EXPECT_GT(at, 5U) << "calls that were cut";
            return;
        }
        host.zfs.on_call(nullptr);
        const bool alpha_now = world.is_master(*world.alpha, "tank/fs");
        world.expect_settled_soon(alpha_now);
        const auto synced = alpha_now ? world.sync_from(*world.alpha, world.fs)
                                      : world.sync_from(*world.beta, world.target_fs);
        ASSERT_NE(synced.outcome, "failed") << synced.text;
        ASSERT_NO_FATAL_FAILURE(world.expect_equal());
    }
    FAIL() << "more calls than expected";
}

TEST(TreeRolesCut, AnywhereOnTheMasterOfAFailover) {
    fail_each_call(/*of_alpha=*/true, Ask::failover, /*from_alpha=*/true);
}
TEST(TreeRolesCut, AnywhereOnTheTargetOfAFailover) {
    fail_each_call(/*of_alpha=*/false, Ask::failover, /*from_alpha=*/true);
}
TEST(TreeRolesCut, AnywhereOnTheTargetOfATakeover) {
    fail_each_call(/*of_alpha=*/false, Ask::takeover_local, /*from_alpha=*/false);
}
TEST(TreeRolesCut, AnywhereOnAMasterThatReturns) {
    fail_each_call(/*of_alpha=*/true, Ask::takeover_local, /*from_alpha=*/false);
}

}  // namespace
}  // namespace zrepd
