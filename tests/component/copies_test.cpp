// SPDX-License-Identifier: BSD-2-Clause
// Drills and rescues: what is destroyed is only ever what says of itself that it is zrepd's.
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace zrepd
