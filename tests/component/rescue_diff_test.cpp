// SPDX-License-Identifier: BSD-2-Clause
// What a rescue has that its base had not: mounted for the look, and for no longer.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/fakes/two_hosts.hpp"

namespace zrepd {
namespace {

class RescueDiff : public test::TwoHosts {
  protected:
    RescueDiff() {
        EXPECT_EQ(init().outcome, "done");
        alpha->zfs.write("tank/fs", 4096);
        alpha->zfs.take("tank/fs@zrep_diverged_2");
        make("tank/fs_diverged_2", Kind::filesystem);
        alpha->zfs.set_changes({.changes = {{'M', 'F', "/a", ""},
                                            {'R', '/', "/old", "/new"},
                                            {'+', '@', "/link", ""},
                                            {'-', 'P', "/port", ""}}});
    }
    void make(const std::string& name, Kind kind) {
        alpha->zfs.create(name, kind);
        auto& made = alpha->zfs.at(name);
        made.origin = "tank/fs@zrep_000000";
        made.mounted = false;
        made.props[std::string(prop::kRescue)] = {"tank/fs", Source::local};
        alpha->zfs.write(name, 4096);
        alpha->zfs.take(name + "@zrep_diverged_2");
        EXPECT_TRUE(test::run_task(io, alpha->inventory.discover()));
        alpha->zfs.forget_calls();
    }
    Result<rpc::RescueDiffOut> diff(std::uint64_t limit = 1000, const DatasetName* of = nullptr) {
        return test::run_task(io, alpha->copies.diff(of == nullptr ? copy : *of, limit));
    }
    bool is_clean() {
        const auto folder = alpha->config.runtime_dir / "diff";
        const bool none = !std::filesystem::exists(folder) || std::filesystem::is_empty(folder);
        return alpha->zfs.places().empty() && none;
    }
    const DatasetName copy = *DatasetName::parse("tank/fs_diverged_2");
};

TEST_F(RescueDiff, NamesWhatChanged) {
    const auto out = diff();
    ASSERT_TRUE(out) << out.error().text();
    EXPECT_EQ(out->base, "tank/fs@zrep_000000");
    EXPECT_EQ(out->snapshot, "tank/fs_diverged_2@zrep_diverged_2");
    EXPECT_EQ(out->bytes, 4096U);
    EXPECT_TRUE(out->complete);
    ASSERT_EQ(out->changes.size(), 4U);
    EXPECT_EQ(out->changes[0].change, "modified");
    EXPECT_EQ(out->changes[0].type, "file");
    EXPECT_EQ(out->changes[1].change, "renamed");
    EXPECT_EQ(out->changes[1].new_path, "/new");
    EXPECT_EQ(out->changes[2].type, "symlink");
    EXPECT_EQ(out->changes[3].change, "removed");
    EXPECT_EQ(out->changes[3].type, "other");
}

TEST_F(RescueDiff, MountsOnlyWhatIsNotMountedAndUnmountsIt) {
    ASSERT_TRUE(diff());
    EXPECT_EQ(alpha->zfs.count("mount_at tank/fs_diverged_2"), 1U);
    EXPECT_EQ(alpha->zfs.count("mount_at"), 1U);
    EXPECT_EQ(alpha->zfs.count("set "), 0U);
    EXPECT_TRUE(is_clean());
    alpha->zfs.at("tank/fs").mounted = false;
    ASSERT_TRUE(diff());
    EXPECT_EQ(alpha->zfs.count("mount_at"), 3U);
    EXPECT_TRUE(is_clean());
}

TEST_F(RescueDiff, AFilesystemThatIsMountedForItIsLocked) {
    alpha->zfs.at("tank/fs").mounted = false;
    auto held = alpha->locks.try_lock(fs, lock::Scope::node, "sync");
    ASSERT_TRUE(held);
    std::optional<Result<rpc::RescueDiffOut>> out;
    TaskGroup tasks(io.get_executor());
    const auto look = [](failover::Copies* copies, DatasetName of, auto* into) -> Task<> {
        *into = co_await copies->diff(std::move(of), 10);
    };
    tasks.spawn("look", look(&alpha->copies, copy, &out));
    for (int i = 0; i < 200; ++i) io.poll_one();
    EXPECT_FALSE(out);
    EXPECT_EQ(alpha->zfs.count("mount_at"), 0U);
    *held = {};
    test::run_until(io, [&] { return out.has_value(); });
    EXPECT_TRUE(*out);
    EXPECT_TRUE(is_clean());
}

/// It would take what is about to be unmounted for mounted.
TEST_F(RescueDiff, WhatAKillLeftIsTakenAwayBeforeALook) {
    const auto place = alpha->config.runtime_dir / "diff" / "1";
    std::filesystem::create_directories(place / "base");
    std::filesystem::create_directories(place / "copy");
    ASSERT_TRUE(diff());
    const auto& calls = alpha->zfs.calls();
    const auto is = [](std::string_view begin) {
        return [begin](const std::string& call) { return call.starts_with(begin); };
    };
    const auto unmounted = std::find_if(calls.begin(), calls.end(), is("unmount_at"));
    const auto looked = std::find_if(calls.begin(), calls.end(), is("datasets"));
    ASSERT_NE(looked, calls.end());
    EXPECT_LT(unmounted - calls.begin(), looked - calls.begin());
    EXPECT_TRUE(is_clean());
    test::run_task(io, alpha->copies.run());
    ASSERT_TRUE(diff());
    EXPECT_EQ(alpha->zfs.count("unmount_at"), 6U) << "once each, and twice for each look";
}

TEST_F(RescueDiff, ItIsCutWhereToldAndSaysSo) {
    const auto out = diff(2);
    ASSERT_TRUE(out);
    EXPECT_EQ(out->changes.size(), 2U);
    EXPECT_FALSE(out->complete);
    EXPECT_NE(out->note.find("cut after 2"), std::string::npos) << out->note;
    for (const std::uint64_t limit : {std::uint64_t{0}, std::uint64_t{10'001}}) {
        const auto refused = diff(limit);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, Code::invalid_params);
    }
    alpha->zfs.set_changes({.changes = {}, .timed_out = true});
    const auto slow = diff();
    ASSERT_TRUE(slow);
    EXPECT_FALSE(slow->complete);
    EXPECT_NE(slow->note.find("was ended after"), std::string::npos) << slow->note;
}

TEST_F(RescueDiff, WhateverFailsLeavesNothingMounted) {
    for (const char* step : {"mount_at", "diff"}) {
        alpha->zfs.fail_next(step, {.code = Code::zfs_failed, .message = "broken"});
        const auto out = diff();
        ASSERT_FALSE(out) << step;
        EXPECT_NE(out.error().text().find("broken"), std::string::npos);
        EXPECT_TRUE(is_clean()) << step;
    }
    alpha->zfs.fail_next("unmount_at", {.code = Code::busy, .message = "in use"});
    const auto out = diff();
    ASSERT_FALSE(out);
    EXPECT_NE(out.error().remedy.find("umount"), std::string::npos) << out.error().remedy;
    ASSERT_EQ(alpha->zfs.places().size(), 1U);
    // As after a kill: the next start finds it.
    failover::Copies next({alpha->sync, alpha->engine, alpha->peers, alpha->processes});
    test::run_task(io, next.run());
    EXPECT_TRUE(is_clean());
}

TEST_F(RescueDiff, OfAVolumeOnlyTheBytesAreKnown) {
    const auto volume = *DatasetName::parse("tank/vol_diverged_2");
    make(volume.str(), Kind::volume);
    const auto out = diff(1000, &volume);
    ASSERT_TRUE(out) << out.error().text();
    EXPECT_EQ(out->bytes, 4096U);
    EXPECT_TRUE(out->changes.empty());
    EXPECT_FALSE(out->complete);
    EXPECT_NE(out->note.find("volume"), std::string::npos);
    EXPECT_EQ(alpha->zfs.count("mount"), 0U);
}

TEST_F(RescueDiff, OnlyOfARescue) {
    const auto out = diff(1000, &fs);
    ASSERT_FALSE(out);
    EXPECT_EQ(out.error().code, Code::conflict);
    alpha->zfs.at("tank/fs_diverged_2").origin.clear();
    const auto promoted = diff();
    ASSERT_FALSE(promoted);
    EXPECT_EQ(promoted.error().code, Code::conflict);
    alpha->zfs.at("tank/fs_diverged_2").origin = "tank/fs@zrep_000000";
    alpha->zfs.at("tank/fs_diverged_2").encrypted = true;
    alpha->zfs.at("tank/fs_diverged_2").key_loaded = false;
    const auto locked = diff();
    ASSERT_FALSE(locked);
    EXPECT_NE(locked.error().remedy.find("load-key"), std::string::npos);
    EXPECT_EQ(alpha->zfs.count("mount"), 0U);
}

}  // namespace
}  // namespace zrepd
