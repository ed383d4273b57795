// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/plan/members.hpp"

#include <gtest/gtest.h>

#include "common/props.hpp"
#include "tests/fakes/builders.hpp"

namespace zrepd::plan {
namespace {

using test::dataset_name;

const Self kMemberSelf{HostName::parse("alpha").value()};

class Members : public ::testing::Test {
  protected:
    Dataset& add(std::string_view name) {
        const DatasetName parsed = dataset_name(name);
        return all.insert_or_assign(parsed, Dataset(parsed)).first->second;
    }
    static void set(Dataset& dataset, std::string_view key, std::string value) {
        dataset.props[std::string(key)] = {std::move(value), Source::local};
    }
    void make_pair(std::string_view name, std::string_view there) {
        Dataset& dataset = all.at(dataset_name(name));
        set(dataset, prop::kSrcHost, "alpha");
        set(dataset, prop::kSrcFs, std::string(name));
        set(dataset, prop::kDestHost, "beta");
        set(dataset, prop::kDestFs, std::string(there));
        set(dataset, prop::kMaster, "yes");
        set(dataset, prop::kEpoch, "3");
    }
    void make_tree(std::string_view name, std::string_view there) {
        make_pair(name, there);
        set(all.at(dataset_name(name)), prop::kTree, "on");
    }
    std::vector<std::string> members(std::string_view root) const {
        std::vector<std::string> out;
        for (const auto& name : members_of(all, dataset_name(root))) out.push_back(name.str());
        return out;
    }
    Datasets all;
};

using Names = std::vector<std::string>;

TEST_F(Members, AreTheRootAndWhatLiesBelowParentsFirst) {
    for (const auto* name :
         {"tank", "tank/a", "tank/a b", "tank/a-x", "tank/a/b", "tank/a/b/c", "tank/ab"})
        add(name);
    EXPECT_EQ(members("tank/a"), (Names{"tank/a", "tank/a/b", "tank/a/b/c"}));
}

TEST_F(Members, AreNotWhatHasAPairOfItsOwnNorWhatLiesBelowThat) {
    for (const auto* name : {"tank/a", "tank/a/b", "tank/a/b/c", "tank/a/d"}) add(name);
    make_tree("tank/a", "backup/a");
    make_pair("tank/a/b", "backup/b");
    EXPECT_EQ(members("tank/a"), (Names{"tank/a", "tank/a/d"}));
    EXPECT_FALSE(tree_around(all, dataset_name("tank/a/b/c"), kMemberSelf));
    EXPECT_TRUE(tree_around(all, dataset_name("tank/a/d"), kMemberSelf));
}

TEST_F(Members, AreNotRescuesAndDrills) {
    for (const auto* name : {"tank/a", "tank/a/kept", "tank/a/tried"}) add(name);
    set(all.at(dataset_name("tank/a/kept")), prop::kRescue, "tank/a/x");
    set(all.at(dataset_name("tank/a/tried")), prop::kDrill, "tank/a/x");
    EXPECT_EQ(members("tank/a"), Names{"tank/a"});
}

TEST_F(Members, InheritedPropertiesMakeNobodyStandApart) {
    add("tank/a");
    Dataset& child = add("tank/a/b");
    for (const auto key : prop::kPair)
        child.props[std::string(key)] = {"from above", Source::inherited};
    EXPECT_EQ(members("tank/a"), (Names{"tank/a", "tank/a/b"}));
}

TEST_F(Members, AnUnfinishedPairStandsApartToo) {
    for (const auto* name : {"tank/a", "tank/a/b"}) add(name);
    set(all.at(dataset_name("tank/a/b")), prop::kDestHost, "somewhere");
    EXPECT_EQ(members("tank/a"), Names{"tank/a"});
}

TEST_F(Members, HaveTheRootsRoleAndEpochAndTheirOwnSettings) {
    for (const auto* name : {"tank/a", "tank/a/b"}) add(name);
    make_tree("tank/a", "backup/x/a");
    Dataset& child = all.at(dataset_name("tank/a/b"));
    set(child, prop::kSavecount, "9");
    const auto root = pair_of(all.at(dataset_name("tank/a")), kMemberSelf);
    ASSERT_TRUE(root);
    EXPECT_TRUE(root->tree);
    const auto member = member_pair(*root, child);
    ASSERT_TRUE(member);
    EXPECT_EQ(member->dataset.str(), "tank/a/b");
    EXPECT_EQ(member->peer_dataset.str(), "backup/x/a/b");
    EXPECT_EQ(member->role, Role::master);
    EXPECT_EQ(member->epoch, 3U);
    EXPECT_EQ(member->settings.retention.savecount, 9U);
}

TEST_F(Members, AFenceIsNoneForATree) {
    add("tank/a");
    make_tree("tank/a", "backup/a");
    set(all.at(dataset_name("tank/a")), prop::kFence, "boot");
    EXPECT_EQ(pair_of(all.at(dataset_name("tank/a")), kMemberSelf)->settings.fence, Fence::off);
}

TEST_F(Members, OfAPlainPairThereAreNone) {
    for (const auto* name : {"tank/a", "tank/a/b"}) add(name);
    make_pair("tank/a", "backup/a");
    EXPECT_FALSE(tree_around(all, dataset_name("tank/a/b"), kMemberSelf));
}

TEST(MemberName, IsTakenBelowTheRootAndNowhereElse) {
    const DatasetName root = dataset_name("backup/a");
    EXPECT_EQ(member_name(root, "")->str(), "backup/a");
    EXPECT_EQ(member_name(root, "b/c d")->str(), "backup/a/b/c d");
    const std::string long_name(300, 'x');
    for (const std::string& bad : {std::string(".."),
                                   std::string("../other"),
                                   std::string("b/../../c"),
                                   std::string("/b"),
                                   std::string("b/"),
                                   std::string("b//c"),
                                   std::string("b@x"),
                                   std::string("b#x"),
                                   std::string("b\nc"),
                                   std::string("b%c"),
                                   long_name}) {
        EXPECT_FALSE(member_name(root, bad)) << bad;
    }
}

TEST(MemberName, GoesBothWays) {
    const DatasetName root = dataset_name("tank/a");
    EXPECT_EQ(relative_name(root, dataset_name("tank/a/b/c")), "b/c");
    EXPECT_EQ(relative_name(root, root), "");
}

/// Received, the parts of one moment have transaction groups of their own.
TEST(PartOf, IsFoundByNameAndOfOneAcknowledgement) {
    const Versions root = test::snaps("@zrep_000001:1+s @zrep_000002:2");
    const Versions member = test::snaps("@other:9 @zrep_000001:7+s @zrep_000002:8");
    ASSERT_NE(part_of(member, root.snapshots[0]), nullptr);
    EXPECT_EQ(part_of(member, root.snapshots[0])->guid, Guid{7});
    EXPECT_EQ(part_of(member, root.snapshots[1])->guid, Guid{8});
    Snapshot earlier = root.snapshots[0];
    earlier.sent = *earlier.sent - 1;
    EXPECT_EQ(part_of(member, earlier), nullptr);
    EXPECT_EQ(part_of(test::snaps("@other:9"), root.snapshots[0]), nullptr);
}

TEST_F(Members, HaveTheSavecountOfTheirRootUnlessOneIsSetCloser) {
    for (const auto* name : {"tank", "tank/a", "tank/a/b", "tank/a/b/c", "tank/a/d"}) add(name);
    set(all.at(dataset_name("tank/a")), prop::kSavecount, "9");
    set(all.at(dataset_name("tank/a/b")), prop::kSavecount, "3");
    all.at(dataset_name("tank/a/b/c")).props[std::string(prop::kSavecount)] = {"3",
                                                                               Source::inherited};
    all.at(dataset_name("tank/a/d")).props[std::string(prop::kSavecount)] = {"9",
                                                                             Source::inherited};
    const std::pair<const char*, unsigned> table[] = {
        {"tank/a", 7}, {"tank/a/b", 3}, {"tank/a/b/c", 3}, {"tank/a/d", 7}};
    for (const auto& [name, count] : table) {
        const Dataset then =
            with_savecount(all, dataset_name("tank/a"), all.at(dataset_name(name)), 7);
        EXPECT_EQ(settings_of(then).retention.savecount, count) << name;
    }
}

}  // namespace
}  // namespace zrepd::plan
