// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/plan/displaced.hpp"

#include <gtest/gtest.h>

#include "common/props.hpp"

namespace zrepd::plan {
namespace {

const Self kAlpha{*HostName::parse("alpha")};

class Displaced : public ::testing::Test {
  protected:
    /// A dataset of alpha's called `now`, with what init stored when it was tank/fs.
    Dataset make(const std::string& now, bool master) {
        Dataset out(*DatasetName::parse(now));
        give(out, prop::kSrcHost, master ? "alpha" : "beta");
        give(out, prop::kSrcFs, master ? "tank/fs" : "data/fs");
        give(out, prop::kDestHost, master ? "beta" : "alpha");
        give(out, prop::kDestFs, master ? "backup/fs" : "tank/fs");
        give(out, prop::kMaster, master ? "yes" : "no");
        return out;
    }
    static void give(Dataset& dataset, std::string_view key, std::string value) {
        dataset.props[std::string(key)] = {std::move(value), Source::local};
    }
};

TEST_F(Displaced, ARenamedMasterIsToldOfWithBothWaysBack) {
    const auto found = displaced(make("tank/moved", /*master=*/true), kAlpha);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->code, Code::not_configured);
    EXPECT_EQ(found->message,
              "tank/moved is the master of a pair with beta:backup/fs by the name of tank/fs: it "
              "was renamed, and is not synced");
    EXPECT_NE(found->remedy.find("zfs rename 'tank/moved' 'tank/fs'"), std::string::npos);
    EXPECT_NE(found->remedy.find("on beta zrepctl changeconfig -d 'backup/fs' alpha 'tank/moved', "
                                 "then here zrepctl changeconfig 'tank/moved' beta 'backup/fs'"),
              std::string::npos)
        << found->remedy;
}

TEST_F(Displaced, ARenamedCopyNamesTheOptionForItsSide) {
    const auto found = displaced(make("tank/moved", /*master=*/false), kAlpha);
    ASSERT_TRUE(found);
    EXPECT_NE(found->message.find("is the copy of a pair with beta:data/fs"), std::string::npos);
    EXPECT_NE(
        found->remedy.find("here zrepctl changeconfig -d 'tank/moved' beta 'data/fs', then on "
                           "beta zrepctl changeconfig 'data/fs' alpha 'tank/moved'"),
        std::string::npos)
        << found->remedy;
}

TEST_F(Displaced, WhatIsNoNameIsShown) {
    Dataset fs = make("tank/fs", /*master=*/true);
    give(fs, prop::kDestFs, "//no such//name");
    const auto found = displaced(fs, kAlpha);
    ASSERT_TRUE(found);
    EXPECT_NE(found->message.find("zrep:dest-fs='//no such//name'"), std::string::npos)
        << found->message;
    EXPECT_NE(found->remedy.find("zrepctl changeconfig 'tank/fs' HOST"), std::string::npos);
    Dataset host = make("tank/fs", /*master=*/true);
    give(host, prop::kDestHost, "-oProxyCommand");
    EXPECT_TRUE(displaced(host, kAlpha));
}

TEST_F(Displaced, IsNotSaidOfPairsOfOtherHostsAndOfCopiesWithReceivedProperties) {
    EXPECT_FALSE(displaced(make("tank/fs", /*master=*/true), kAlpha));
    EXPECT_FALSE(displaced(make("tank/fs", /*master=*/false), kAlpha));
    EXPECT_FALSE(displaced(Dataset(*DatasetName::parse("tank/plain")), kAlpha));
    Dataset copied = make("tank/copied", /*master=*/true);
    for (auto& [key, property] : copied.props) property.source = Source::received;
    EXPECT_FALSE(displaced(copied, kAlpha));
    Dataset child = make("tank/fs/child", /*master=*/true);
    for (auto& [key, property] : child.props) property.source = Source::inherited;
    EXPECT_FALSE(displaced(child, kAlpha));
    Dataset foreign = make("tank/fs", /*master=*/true);
    give(foreign, prop::kSrcHost, "old");
    EXPECT_FALSE(displaced(foreign, kAlpha));
    Dataset local = make("tank/fs", /*master=*/true);
    give(local, prop::kDestHost, "localhost");
    EXPECT_FALSE(displaced(local, kAlpha));
}

TEST_F(Displaced, AnEpochThatIsNoNumberIsAConflict) {
    Dataset fs = make("tank/fs", /*master=*/true);
    EXPECT_FALSE(unreadable_epoch(fs, kAlpha));
    give(fs, prop::kEpoch, "7");
    EXPECT_FALSE(unreadable_epoch(fs, kAlpha));
    give(fs, prop::kEpoch, "seven");
    const auto found = unreadable_epoch(fs, kAlpha);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->code, Code::conflict);
    EXPECT_TRUE(found->remedy.starts_with(
        "look at the other side's (on beta zfs get zrep:epoch 'backup/fs') and make it the same, "
        "on alpha: zfs set zrep:epoch=NUMBER 'tank/fs'; where both are master, or"))
        << found->remedy;
}

TEST_F(Displaced, OfSeveralTheFirstIsNamedAndTheOldNameIsFound) {
    std::map<DatasetName, Dataset> all;
    for (const char* name : {"tank/a", "tank/b"}) {
        const Dataset one = make(name, /*master=*/true);
        all.emplace(one.name, one);
    }
    const auto found = displaced_pairs(all, kAlpha);
    ASSERT_TRUE(found);
    EXPECT_NE(found->message.find("tank/a is the master"), std::string::npos);
    EXPECT_NE(found->message.find("and 1 more"), std::string::npos);
    EXPECT_TRUE(renamed_from(*DatasetName::parse("tank/fs"), all, kAlpha));
    EXPECT_FALSE(renamed_from(*DatasetName::parse("tank/x"), all, kAlpha));
    EXPECT_FALSE(displaced_pairs({}, kAlpha));
}

}  // namespace
}  // namespace zrepd::plan
