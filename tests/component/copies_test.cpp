// SPDX-License-Identifier: BSD-2-Clause
// Drills and rescues: what is destroyed is only ever what says of itself that it is zrepd's.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/fakes/two_hosts.hpp"

namespace zrepd {
namespace {

class CopiesTest : public test::TwoHosts {
  protected:
    CopiesTest() {
        EXPECT_EQ(init().outcome, "done");
        EXPECT_TRUE(test::run_task(io, beta->inventory.discover()));
        beta->zfs.forget_calls();
    }
    rpc::RunResult ended(const Result<rpc::RunStarted>& started) {
        if (!started) return sync::failed_result(target_fs, started.error());
        const sync::RunPtr run = beta->runs.find(started->run_id);
        test::run_until(io, [&run] { return run->finished(); });
        return run->out().results.at(0);
    }
};

TEST_F(CopiesTest, ADrillLeavesNothingAndTouchesNothing) {
    const auto before = beta->zfs.at("backup/fs").content;
    const auto result = ended(beta->copies.start_drill(target_fs, "/bin/true"));
    EXPECT_EQ(result.outcome, "done") << result.text;
    EXPECT_NE(result.text.find("@zrep_000000 is usable"), std::string::npos) << result.text;
    EXPECT_FALSE(beta->zfs.exists("backup/fs_drill"));
    EXPECT_EQ(beta->zfs.at("backup/fs").content, before);
    EXPECT_EQ(beta->zfs.count("mount backup/fs_drill"), 1U);
    EXPECT_EQ(beta->zfs.count("set "), 0U);
    EXPECT_FALSE(beta->zfs.at("backup/fs").mounted);
}

TEST_F(CopiesTest, ADrillWhoseProgramIsNotContentFailsAndLeavesNothing) {
    const auto result = ended(beta->copies.start_drill(target_fs, "/bin/false"));
    EXPECT_EQ(result.outcome, "failed");
    ASSERT_TRUE(result.error);
    EXPECT_EQ(result.error->kind, "refused");
    EXPECT_FALSE(beta->zfs.exists("backup/fs_drill"));
    const auto relative = beta->copies.start_drill(target_fs, "true");
    ASSERT_FALSE(relative);
    EXPECT_EQ(relative.error().code, Code::invalid_params);
}

TEST_F(CopiesTest, ADrillThatLoadsAKeySaysSo) {
    beta->zfs.at("backup/fs").encrypted = true;
    beta->zfs.at("backup/fs").key_loaded = false;
    const auto result = ended(beta->copies.start_drill(target_fs, ""));
    EXPECT_EQ(result.outcome, "done") << result.text;
    EXPECT_NE(result.text.find("zfs unload-key"), std::string::npos) << result.text;
}

/// zfs makes folders that everybody may enter, for what is mounted nowhere else.
TEST_F(CopiesTest, OnlyRootGetsToWhatADrillMounts) {
    namespace fs = std::filesystem;
    const fs::path drills = beta->config.runtime_dir / "drill";
    const auto open = fs::perms::owner_all | fs::perms::group_exec | fs::perms::others_exec;
    fs::create_directories(drills);
    fs::permissions(drills, open);
    fs::perms then = open;
    beta->zfs.on_call([&](const std::string& call) {
        if (call.starts_with("mount backup/fs_drill")) then = fs::status(drills).permissions();
    });
    const auto result = ended(beta->copies.start_drill(target_fs, "/bin/true"));
    EXPECT_EQ(result.outcome, "done") << result.text;
    EXPECT_EQ(then, fs::perms::owner_all);
    EXPECT_EQ(beta->zfs.count("mount backup/fs_drill"), 1U);
    fs::remove(drills);
    std::ofstream(drills) << "in the way";
    EXPECT_EQ(ended(beta->copies.start_drill(target_fs, "")).error->kind, "io_error");
    EXPECT_FALSE(beta->zfs.exists("backup/fs_drill"));
}

/// What is about to be rolled back is nowhere else.
TEST_F(CopiesTest, ARescueUnderWayIsNotDropped) {
    beta->zfs.create("backup/fs_diverged_2");
    beta->zfs.at("backup/fs_diverged_2").props[std::string(prop::kRescue)] = {"backup/fs",
                                                                              Source::local};
    beta->zfs.at("backup/fs").props[std::string(prop::kInprogress)] = {"rejoining base=1",
                                                                       Source::local};
    EXPECT_TRUE(test::run_task(io, beta->inventory.discover()));
    const auto copy = *DatasetName::parse("backup/fs_diverged_2");
    const auto result = ended(beta->copies.start_drop(copy));
    EXPECT_EQ(result.outcome, "failed");
    ASSERT_TRUE(result.error);
    EXPECT_EQ(result.error->kind, "busy");
    EXPECT_TRUE(beta->zfs.exists("backup/fs_diverged_2"));
}

TEST_F(CopiesTest, ADrillDestroysNoDatasetOfThatNameThatIsNotItsOwn) {
    beta->zfs.create("backup/fs_drill");
    const auto result = ended(beta->copies.start_drill(target_fs, ""));
    EXPECT_EQ(result.outcome, "failed");
    EXPECT_TRUE(beta->zfs.exists("backup/fs_drill"));
    EXPECT_EQ(beta->zfs.count("destroy"), 0U);
}

TEST_F(CopiesTest, WhatACutLeftOfADrillIsDestroyedAtTheNextStart) {
    beta->zfs.fail_next("unmount", {.code = Code::busy, .message = "in use"});
    EXPECT_EQ(ended(beta->copies.start_drill(target_fs, "")).outcome, "failed");
    ASSERT_TRUE(beta->zfs.exists("backup/fs_drill"));
    EXPECT_TRUE(test::run_task(io, beta->inventory.discover()));
    test::run_task(io, beta->copies.run());
    EXPECT_FALSE(beta->zfs.exists("backup/fs_drill"));
}

TEST_F(CopiesTest, OnlyARescueIsDropped) {
    const auto refused = beta->copies.start_drop(target_fs);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::conflict);
    beta->zfs.create("backup/fs_diverged_2");
    beta->zfs.at("backup/fs_diverged_2").props[std::string(prop::kRescue)] = {"backup/fs",
                                                                              Source::local};
    beta->zfs.take("backup/fs_diverged_2@zrep_diverged_2");
    EXPECT_TRUE(test::run_task(io, beta->inventory.discover()));
    const auto result = ended(beta->copies.start_drop(*DatasetName::parse("backup/fs_diverged_2")));
    EXPECT_EQ(result.outcome, "done") << result.text;
    EXPECT_FALSE(beta->zfs.exists("backup/fs_diverged_2"));
    EXPECT_TRUE(beta->zfs.exists("backup/fs"));
}

/// A tree with a filesystem in a filesystem, and a volume.
class TreeDrill : public test::TwoHosts {
  protected:
    TreeDrill() {
        alpha->zfs.create("tank/fs/a").create("tank/fs/a/deep");
        alpha->zfs.create("tank/fs/vol", Kind::volume);
        EXPECT_EQ(init_tree().outcome, "done");
        EXPECT_TRUE(test::run_task(io, beta->inventory.discover()));
        beta->zfs.forget_calls();
    }
    rpc::RunResult init_tree() {
        sync::InitRequest request{.dataset = fs, .host = beta->config.host, .target = target_fs};
        request.recursive = true;
        return ended(*alpha, test::run_task(io, alpha->engine.start_init(std::move(request))));
    }
    rpc::RunResult ended(test::TestHost& host, const Result<rpc::RunStarted>& started) {
        if (!started) return sync::failed_result(fs, started.error());
        const sync::RunPtr run = host.runs.find(started->run_id);
        test::run_until(io, [&run] { return run->finished(); });
        return run->out().results.at(0);
    }
    rpc::RunResult drill(const std::string& program) {
        return ended(*beta, beta->copies.start_drill(target_fs, program));
    }
    void expect_none_left() {
        for (const auto* below : {"", "/a", "/a/deep", "/vol"})
            EXPECT_FALSE(beta->zfs.exists(std::string("backup/fs_drill") + below)) << below;
    }
};

TEST_F(TreeDrill, AllMembersAreTriedAtOnce) {
    const auto result = drill("/bin/true");
    EXPECT_EQ(result.outcome, "done") << result.text;
    EXPECT_NE(result.text.find("with its parts of the 3 below it"), result.text.npos)
        << result.text;
    EXPECT_EQ(beta->zfs.count("clone"), 4U);
    EXPECT_EQ(beta->zfs.count("mount backup/fs_drill"), 3U);
    EXPECT_EQ(beta->zfs.count("set "), 0U);
    expect_none_left();
}

TEST_F(TreeDrill, TheProgramGetsAPathForEachMember) {
    const auto result = drill("/bin/echo");
    EXPECT_NE(result.text.find("/drill/"), result.text.npos) << result.text;
    EXPECT_NE(result.text.find("/dev/zvol/backup/fs_drill/vol"), result.text.npos) << result.text;
    expect_none_left();
}

TEST_F(TreeDrill, AMemberWithoutAPartIsLeftOutWithWhatLiesBelowItAndNamed) {
    beta->zfs.create("backup/fs/young");
    beta->zfs.take("backup/fs/young@zrep_000009");
    beta->zfs.create("backup/fs/young/below");
    beta->zfs.take("backup/fs/young/below@zrep_000000");
    const auto result = drill("");
    EXPECT_EQ(result.outcome, "done");
    EXPECT_NE(result.text.find("without backup/fs/young, backup/fs/young/below"), result.text.npos)
        << result.text;
    EXPECT_EQ(beta->zfs.count("clone"), 4U);
}

/// The copy's data is its master's: a link in it must not lead a mount anywhere.
TEST(DrillPlace, IsInsideTheRootOnlyWhereNoLinkIsOnTheWay) {
    namespace fs = std::filesystem;
    const test::TempFolder temp;
    const fs::path root = temp.path / "run";
    fs::create_directories(root / "a/deep");
    fs::create_directories(temp.path / "elsewhere/deep");
    fs::create_symlink(temp.path / "elsewhere", root / "link");
    fs::create_symlink("a", root / "near");
    const auto place = [&](const char* relative) {
        return failover::place_below(root.string(), relative, 3);
    };
    EXPECT_EQ(place("a"), (root / "a").string());
    EXPECT_EQ(place("a/deep"), (root / "a/deep").string());
    for (const char* outside : {"link", "link/deep", "near", "near/deep", "none"})
        EXPECT_EQ(place(outside), root.string() + "_3") << outside;
}

TEST_F(TreeDrill, WhereOneOfThemCannotBeMountedNothingIsLeft) {
    beta->zfs.on_call([&](const std::string& call) {
        if (call != "mount backup/fs_drill/a/deep") return;
        beta->zfs.fail_next("mount", {.code = Code::zfs_failed, .message = "out of order"});
    });
    const auto result = drill("/bin/true");
    EXPECT_EQ(result.outcome, "failed");
    expect_none_left();
}

TEST_F(TreeDrill, WhatACutLeftGoesChildrenFirst) {
    beta->zfs.fail_next("unmount", {.code = Code::busy, .message = "in use"});
    EXPECT_EQ(drill("").outcome, "failed");
    EXPECT_TRUE(test::run_task(io, beta->inventory.discover()));
    test::run_task(io, beta->copies.run());
    expect_none_left();
}

}  // namespace
}  // namespace zrepd
