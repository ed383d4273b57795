// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/failover/fence.hpp"

#include <gtest/gtest.h>

#include "common/props.hpp"
#include "daemon/failover/journal.hpp"
#include "tests/fakes/builders.hpp"

namespace zrepd::failover {
namespace {

void set(Dataset& dataset, std::string_view key, const std::string& value) {
    dataset.props[std::string(key)] = {value, Source::local};
}

/// A master with this fence, mounted as usual.
Dataset master(const std::string& fence) {
    Dataset out = test::master(0);
    out.canmount = "on";
    out.mounted = true;
    out.mountpoint = "/tank/fs";
    if (!fence.empty()) set(out, prop::kFence, fence);
    return out;
}

/// The same as zrepd stores it.
Dataset fenced_master() {
    Dataset out = master("boot");
    out.canmount = "noauto";
    set(out, prop::kCanmount, "on");
    return out;
}

plan::Pair pair_of(const Dataset& dataset) {
    return *plan::pair_of(dataset, plan::Self{*HostName::parse("alpha")});
}

std::string work_on(const Dataset& dataset) {
    std::string out;
    for (const auto& [key, value] : fence_work(dataset, pair_of(dataset))) {
        out += key + "=" + value + " ";
    }
    return out;
}

TEST(Fence, IsStoredByOneSetAndTakenBackByOne) {
    EXPECT_EQ(work_on(master("")), "");
    EXPECT_EQ(work_on(master("off")), "");
    EXPECT_EQ(work_on(master("boot")), "canmount=noauto zrep:canmount=on ");
    EXPECT_EQ(work_on(fenced_master()), "");
    Dataset off = fenced_master();
    set(off, prop::kFence, "off");
    EXPECT_EQ(work_on(off), "canmount=on zrep:canmount= ");
}

TEST(Fence, WhatAnAdministratorSetSinceCounts) {
    Dataset dataset = fenced_master();
    dataset.canmount = "on";
    EXPECT_EQ(work_on(dataset), "canmount=noauto zrep:canmount=on ");
    dataset.canmount = "off";
    EXPECT_EQ(canmount_of(dataset), "off");
    EXPECT_EQ(work_on(dataset), "");
    set(dataset, prop::kFence, "off");
    EXPECT_EQ(work_on(dataset), "zrep:canmount= ");
    // Whoever has noauto mounts it himself.
    dataset = master("boot");
    dataset.canmount = "noauto";
    dataset.mounted = false;
    EXPECT_EQ(work_on(dataset), "");
    EXPECT_FALSE(must_hear_peer(dataset, pair_of(dataset), false));
}

TEST(Fence, AnUnreadableOneIsABootFence) {
    EXPECT_EQ(work_on(master("lease?")), "canmount=noauto zrep:canmount=on ");
    EXPECT_TRUE(plan::unreadable_setting(master("lease?"), plan::Role::master));
    EXPECT_FALSE(plan::check_setting("fence", "lease?"));
    EXPECT_EQ(plan::check_setting("fence", "boot")->second, "boot");
}

TEST(Fence, IsLeftAloneWhileARoleChangeIsUnfinished) {
    Dataset dataset = master("boot");
    set(dataset, prop::kInprogress, "freezing");
    EXPECT_EQ(work_on(dataset), "");
}

TEST(Fence, OnlyWhatIsNotServedWaitsForThePeer) {
    Dataset dataset = fenced_master();
    EXPECT_FALSE(must_hear_peer(dataset, pair_of(dataset), false)) << "mounted since before";
    dataset.mounted = false;
    EXPECT_TRUE(must_hear_peer(dataset, pair_of(dataset), false));
    EXPECT_FALSE(must_hear_peer(dataset, pair_of(dataset), true)) << "unmounted by somebody";
    set(dataset, prop::kFence, "off");
    EXPECT_FALSE(must_hear_peer(dataset, pair_of(dataset), false));
    dataset = fenced_master();
    dataset.mounted = false;
    set(dataset, prop::kMaster, "no");
    auto target = pair_of(dataset);
    target.role = plan::Role::target;
    EXPECT_FALSE(must_hear_peer(dataset, target, false));
}

TEST(Fence, WhatWasCutOffInARoleChangeWaitsToo) {
    Dataset dataset = fenced_master();
    set(dataset, prop::kInprogress, "freezing");
    EXPECT_TRUE(must_hear_peer(dataset, pair_of(dataset), false)) << "mounted, but readonly";
    EXPECT_TRUE(must_hear_peer(dataset, pair_of(dataset), true));
    set(dataset, prop::kInprogress, "promoted");
    EXPECT_FALSE(must_hear_peer(dataset, pair_of(dataset), false)) << "zrepd alone was restarted";
    dataset.mounted = false;
    EXPECT_TRUE(must_hear_peer(dataset, pair_of(dataset), false));
    // Also where nothing is mounted by anybody but a hook.
    dataset = master("boot");
    dataset.kind = Kind::volume;
    dataset.mounted = false;
    EXPECT_FALSE(must_hear_peer(dataset, pair_of(dataset), false));
    set(dataset, prop::kInprogress, "promoted");
    EXPECT_TRUE(must_hear_peer(dataset, pair_of(dataset), false));
}

TEST(Fence, TheOtherSideIsToldWhatCanmountReallyIs) {
    Dataset dataset = fenced_master();
    dataset.mounted = false;
    EXPECT_EQ(to_text(serve_of(dataset)), "canmount=on mounted=yes mountpoint=/tank/fs");
    dataset.canmount = "off";
    EXPECT_EQ(to_text(serve_of(dataset)), "canmount=off mounted=no mountpoint=/tank/fs");
}

TEST(Fence, SaysWhereItDoesNotProtect) {
    Dataset dataset = master("boot");
    EXPECT_FALSE(unfenceable(dataset, pair_of(dataset)));
    dataset.mountpoint = "legacy";
    ASSERT_TRUE(unfenceable(dataset, pair_of(dataset)));
    EXPECT_NE(unfenceable(dataset, pair_of(dataset))->remedy.find("mountpoint=/PATH"),
              std::string::npos);
    dataset = master("boot");
    dataset.kind = Kind::volume;
    EXPECT_EQ(work_on(dataset), "");
    EXPECT_TRUE(unfenceable(dataset, pair_of(dataset)));
    set(dataset, prop::kFence, "off");
    EXPECT_FALSE(unfenceable(dataset, pair_of(dataset)));
}

}  // namespace
}  // namespace zrepd::failover
