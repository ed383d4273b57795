// SPDX-License-Identifier: BSD-2-Clause
// How members of a tree are hidden and shown in a role change, and what is drained.
#include <gtest/gtest.h>

#include "common/props.hpp"
#include "daemon/failover/tree_ways.hpp"

namespace zrepd::failover {
namespace {

Dataset member(const std::string& canmount = "on", bool mounted = true) {
    Dataset out(*DatasetName::parse("tank/fs/a"));
    out.canmount = canmount;
    out.mounted = mounted;
    out.mountpoint = "/tank/fs/a";
    return out;
}
Dataset volume(const std::string& volmode = "default") {
    Dataset out(*DatasetName::parse("tank/fs/vol"));
    out.kind = Kind::volume;
    out.volmode = volmode;
    return out;
}
void note(Dataset& dataset, std::string serve) {
    dataset.props[std::string(prop::kServe)] = {std::move(serve), Source::local};
}
std::string value_of(const PropertyList& list, std::string_view key) {
    for (const auto& [name, value] : list) {
        if (name == key) return value.empty() ? "(taken away)" : value;
    }
    return "";
}

TEST(TreeWays, AMemberIsHiddenOnceAndSaysHowItWasServed) {
    Dataset one = member();
    const auto hidden = hide_member(one);
    EXPECT_EQ(value_of(hidden, "canmount"), "noauto");
    EXPECT_EQ(value_of(hidden, prop::kServe), "canmount=on mounted=yes");
    one.canmount = "noauto";
    note(one, "canmount=on mounted=yes");
    EXPECT_TRUE(hide_member(one).empty());
    // What it says already is not overwritten by how it is half way.
    one.canmount = "on";
    EXPECT_EQ(value_of(hide_member(one), prop::kServe), "");
    EXPECT_EQ(value_of(hide_member(one), "canmount"), "noauto");
    EXPECT_EQ(value_of(hide_member(volume("dev")), prop::kServe), "volmode=dev");
    EXPECT_EQ(value_of(hide_member(volume("dev")), "volmode"), "none");
}

TEST(TreeWays, APairOfItsOwnIsKeptFromItsRootsReadonly) {
    plan::Datasets all;
    const auto add_one = [&all](const std::string& name) -> Dataset& {
        return all.emplace(*DatasetName::parse(name), Dataset(*DatasetName::parse(name)))
            .first->second;
    };
    const auto apart = [](Dataset& one) {
        one.props[std::string(prop::kMaster)] = {"yes", Source::local};
    };
    for (const char* name : {"tank/fs", "tank/fs/a", "tank/fs/a/db/below", "tank/fs-2", "tank/z"})
        add_one(name);
    apart(add_one("tank/fs/a/db"));
    apart(add_one("tank/fs/own"));
    all.at(*DatasetName::parse("tank/fs/own")).readonly_here = true;
    apart(add_one("tank/fs/target"));
    all.at(*DatasetName::parse("tank/fs/target")).readonly = true;
    apart(add_one("tank/fs-2"));
    // One that says so itself, one that is readonly, and what is not in the tree are left alone.
    EXPECT_EQ(writable_by_root(all, *DatasetName::parse("tank/fs")),
              (std::vector<DatasetName>{*DatasetName::parse("tank/fs/a/db")}));
}

/// Those of an old master are unmounted when the new one is told.
TEST(TreeWays, AMemberIsMountedWhereABootWouldMountIt) {
    EXPECT_EQ(to_text(serve_of_member(member("on", false))), "canmount=on mounted=yes");
    EXPECT_EQ(to_text(serve_of_member(member("noauto", true))), "canmount=noauto mounted=no");
    EXPECT_EQ(to_text(serve_of_member(member("off", false))), "canmount=off mounted=no");
}

TEST(TreeWays, OnlyAMountPointOfItsOwnIsTold) {
    Dataset one = member();
    EXPECT_EQ(serve_of_member(one).mountpoint, "");
    one.mountpoint_here = true;
    one.mountpoint = "/srv/a";
    EXPECT_EQ(to_text(serve_of_member(one)), "canmount=on mounted=yes mountpoint=/srv/a");
}

TEST(TreeWays, ACopyIsServedAsItsMasterWas) {
    Dataset copy = member("noauto", false);
    note(copy, "canmount=on mounted=yes");
    const auto shown = show_member(copy, std::nullopt, true);
    EXPECT_TRUE(shown.mount);
    EXPECT_TRUE(shown.before.empty());
    EXPECT_EQ(value_of(shown.after, "canmount"), "on");
    EXPECT_EQ(value_of(shown.after, prop::kServe), "(taken away)");
    const Serve told{.canmount = "noauto", .mounted = false, .mountpoint = "/srv/a"};
    const auto other = show_member(copy, told, true);
    EXPECT_FALSE(other.mount);
    EXPECT_EQ(value_of(other.before, "mountpoint"), "/srv/a");
    EXPECT_EQ(value_of(other.after, "canmount"), "noauto");
    Dataset disk = volume("none");
    note(disk, "volmode=dev");
    EXPECT_EQ(value_of(show_member(disk, std::nullopt, true).after, "volmode"), "dev");
    EXPECT_FALSE(show_member(disk, std::nullopt, true).mount);
}

TEST(TreeWays, AMountPointOfTheCopysOwnStays) {
    Dataset copy = member("noauto", false);
    copy.mountpoint_here = true;
    const Serve told{.canmount = "on", .mounted = true, .mountpoint = "/srv/a"};
    EXPECT_TRUE(show_member(copy, told, true).before.empty());
}

TEST(TreeWays, WhatIsNoCopyOrIsServedAlreadyIsLeftAlone) {
    const auto nothing = [](const MemberWays& ways) {
        return ways.before.empty() && ways.after.empty() && !ways.mount;
    };
    EXPECT_TRUE(nothing(show_member(member("noauto", false), std::nullopt, false)));
    EXPECT_TRUE(nothing(show_member(member("on", false), std::nullopt, true)));
    EXPECT_TRUE(nothing(show_member(volume(), std::nullopt, true)));
    // A copy of whose master nothing was told yet.
    EXPECT_TRUE(show_member(member("noauto", false), std::nullopt, true).mount);
}

TEST(TreeWays, AMemberIsHalfWayUntilItIsAsItsRootIs) {
    Dataset one = member("on", true);
    EXPECT_FALSE(is_half_way(one, true, true));
    EXPECT_TRUE(is_half_way(one, false, true));
    EXPECT_FALSE(is_half_way(one, false, false)) << "somebody else's";
    note(one, "canmount=on mounted=yes");
    EXPECT_TRUE(is_half_way(one, true, true));
    one.canmount = "noauto";
    EXPECT_FALSE(is_half_way(one, false, true));
}

TEST(TreeWays, AMemberWithReadonlyOffOfItsOwnEscapes) {
    Dataset one = member();
    const auto host = *HostName::parse("alpha");
    EXPECT_FALSE(escapes_readonly(one, host));
    one.readonly_here = true;
    const auto open = escapes_readonly(one, host);
    ASSERT_TRUE(open);
    EXPECT_EQ(open->code, Code::refused);
    EXPECT_EQ(open->remedy, "on alpha: zfs inherit readonly 'tank/fs/a'");
    one.readonly = true;
    EXPECT_FALSE(escapes_readonly(one, host));
}

TEST(TreeWays, DrainedIsWhatIsAcknowledgedAndUnwrittenSince) {
    Dataset one = member();
    Versions versions;
    EXPECT_FALSE(is_drained(one, versions));
    const auto take = [&](std::string name, std::optional<UnixSeconds> sent) {
        Snapshot out;
        out.name = std::move(name);
        out.sent = sent;
        versions.snapshots.push_back(out);
    };
    take("zrep_000001", 5);
    EXPECT_TRUE(is_drained(one, versions));
    one.written_bytes = 1;
    EXPECT_FALSE(is_drained(one, versions));
    one.written_bytes = 0;
    // Then this side could not become the target.
    take("of_somebody", std::nullopt);
    EXPECT_FALSE(is_drained(one, versions));
}

}  // namespace
}  // namespace zrepd::failover
