// SPDX-License-Identifier: BSD-2-Clause
// What the properties of a dataset say: its pair, another host's, and settings that say nothing.
#include "daemon/plan/pair.hpp"

#include <gtest/gtest.h>

#include "common/props.hpp"
#include "daemon/plan/foreign.hpp"

namespace zrepd::plan {
namespace {

const Self kAlpha{*HostName::parse("alpha")};

Dataset dataset(const std::string& name) {
    return Dataset(*DatasetName::parse(name));
}

Dataset side(const std::string& name,
             const std::string& src_host,
             const std::string& src_fs,
             const std::string& dest_host,
             const std::string& dest_fs) {
    Dataset out = dataset(name);
    out.props[std::string(prop::kSrcHost)] = {src_host, Source::local};
    out.props[std::string(prop::kSrcFs)] = {src_fs, Source::local};
    out.props[std::string(prop::kDestHost)] = {dest_host, Source::local};
    out.props[std::string(prop::kDestFs)] = {dest_fs, Source::local};
    return out;
}

std::string unreadable_of(std::string_view key,
                          const std::string& value,
                          Role role = Role::master) {
    Dataset one = dataset("tank/fs");
    one.props[std::string(key)] = {value, Source::local};
    const auto found = unreadable_setting(one, role);
    return found ? found->message : "";
}

TEST(ForeignHost, IsTheOneWhoseSideOfThePairThisIs) {
    EXPECT_EQ(foreign_host(side("tank/fs", "old", "tank/fs", "beta", "backup/fs"), kAlpha), "old");
    EXPECT_EQ(foreign_host(side("tank/fs", "beta", "data/fs", "old", "tank/fs"), kAlpha), "old");
    EXPECT_EQ(foreign_host(side("tank/fs", "beta", "tank/fs", "old", "tank/fs"), kAlpha), "old");
    Dataset master = side("tank/fs", "old", "tank/fs", "beta", "tank/fs");
    master.props[std::string(prop::kMaster)] = {"yes", Source::local};
    EXPECT_EQ(foreign_host(master, kAlpha), "old");
}

TEST(ForeignHost, IsNobodyForOurPairsAndForWhatIsNoSideOfAny) {
    for (const Dataset& ours : {side("tank/fs", "alpha", "tank/fs", "beta", "backup/fs"),
                                side("tank/fs", "ALPHA", "tank/fs", "beta", "backup/fs"),
                                side("tank/fs", "beta", "data/fs", "alpha", "tank/fs"),
                                side("tank/fs", "localhost", "tank/fs", "localhost", "dozer/fs"),
                                side("tank/child", "old", "tank/fs", "beta", "backup/fs"),
                                dataset("tank/fs")}) {
        EXPECT_FALSE(foreign_host(ours, kAlpha)) << ours.name.str();
    }
    Dataset inherits = side("tank/fs", "old", "tank/fs", "beta", "backup/fs");
    for (auto& [key, property] : inherits.props) property.source = Source::inherited;
    EXPECT_FALSE(foreign_host(inherits, kAlpha));
}

TEST(ForeignPairs, AreCountedNamedAndGivenAWayBack) {
    std::map<DatasetName, Dataset> all;
    EXPECT_FALSE(foreign_pairs(all, kAlpha, "/etc/zrepd/zrepd.conf"));
    for (int i = 1; i <= 7; ++i) {
        const std::string name = "tank/" + std::to_string(i);
        const Dataset one = side(name, "old", name, "beta", "backup/x");
        all.emplace(one.name, one);
    }
    const auto found = foreign_pairs(all, kAlpha, "/etc/zrepd/zrepd.conf");
    ASSERT_TRUE(found);
    EXPECT_EQ(
        found->message,
        "7 filesystems (tank/1, tank/2, tank/3, tank/4, tank/5 and 2 more) belong to pairs of "
        "host old; this host is called alpha");
    EXPECT_NE(found->remedy.find("set host-name = old in /etc/zrepd/zrepd.conf"),
              std::string::npos);
    const Dataset other = side("tank/8", "older", "tank/8", "beta", "backup/x");
    all.emplace(other.name, other);
    EXPECT_NE(foreign_pairs(all, kAlpha, "")->message.find("of hosts old, older;"),
              std::string::npos);
}

TEST(UnreadableSetting, NamesPropertyValueWhatCountsAndAnExample) {
    EXPECT_EQ(unreadable_of(prop::kInterval, "1min"),
              "zrep:interval: '1min' is not a duration; nothing is scheduled");
    EXPECT_EQ(unreadable_of(prop::kMinfree, "lots"),
              "zrep:minfree: 'lots' is not a size; no limit counts instead");
    EXPECT_EQ(unreadable_of(prop::kLimit, "10 mbit"),
              "zrep:limit: '10 mbit' is not a size; no limit counts instead");
    EXPECT_EQ(unreadable_of(prop::kSavecount, "five"),
              "zrep:savecount='five': it must be a number from 2 to 1000000; nothing expires");
    EXPECT_EQ(unreadable_of(prop::kSavecount, "1"),
              "zrep:savecount='1': it must be a number from 2 to 1000000; 2 counts instead");
    EXPECT_EQ(unreadable_of(prop::kMaxsnaps, "0"),
              "zrep:maxsnaps='0': it must be a number from 1 to 1000000; 1 counts instead");
    EXPECT_NE(unreadable_of(prop::kPaused, "tomorrow").find("it counts as yes"), std::string::npos);
}

TEST(UnreadableSetting, TakesWhatIsRead) {
    const std::pair<std::string_view, const char*> table[] = {{prop::kInterval, "1m"},
                                                              {prop::kInterval, ""},
                                                              {prop::kInterval, "none"},
                                                              {prop::kInterval, "Off"},
                                                              {prop::kMinfree, "5G"},
                                                              {prop::kLimit, "1.5M"},
                                                              {prop::kSavecount, "2"},
                                                              {prop::kMaxsnaps, "1"},
                                                              {prop::kPaused, "on"},
                                                              {prop::kPaused, "no"},
                                                              {prop::kPaused, "1700000000"}};
    for (const auto& [key, value] : table) EXPECT_EQ(unreadable_of(key, value), "") << value;
}

TEST(UnreadableSetting, OnATargetOnlySavecountCounts) {
    EXPECT_EQ(unreadable_of(prop::kInterval, "1min", Role::target), "");
    EXPECT_NE(unreadable_of(prop::kSavecount, "five", Role::target), "");
}

TEST(UnreadableSetting, SaysWhereAnInheritedValueIsToBeChanged) {
    Dataset one = dataset("tank/fs");
    one.props[std::string(prop::kInterval)] = {"1min", Source::inherited};
    EXPECT_EQ(
        unreadable_setting(one, Role::master).value().remedy,
        "zrepctl set DATASET zrep:interval=10m, or the value that you want; DATASET is where it "
        "comes from: zfs get zrep:interval 'tank/fs'");
    one.props[std::string(prop::kInterval)].source = Source::local;
    EXPECT_EQ(unreadable_setting(one, Role::master).value().remedy,
              "zrepctl set 'tank/fs' zrep:interval=10m, or the value that you want");
}

TEST(CheckSetting, ACountThatIsRefusedNamesBothLimits) {
    for (const char* value : {"1", "1000001", "2000000", "-1", "many"}) {
        const auto checked = check_setting("savecount", value);
        ASSERT_FALSE(checked) << value;
        EXPECT_NE(checked.error().text().find("from 2 to 1000000"), std::string::npos)
            << checked.error().text();
    }
    EXPECT_TRUE(check_setting("savecount", "1000000"));
    EXPECT_NE(check_setting("maxsnaps", "0").error().text().find("from 1 to 1000000"),
              std::string::npos);
}

TEST(CheckSetting, AnIntervalOfNoneOrOffIsStoredAsNone) {
    for (const char* value : {"none", "None", "off", "OFF"}) {
        const auto checked = check_setting("interval", value);
        ASSERT_TRUE(checked) << value;
        EXPECT_EQ(checked->second, "none");
    }
    for (const char* value : {"nonee", "no", "never", "1min"}) {
        const auto checked = check_setting("interval", value);
        ASSERT_FALSE(checked) << value;
        EXPECT_NE(checked.error().remedy.find("none"), std::string::npos) << checked.error().remedy;
    }
}

TEST(SettingsOf, AnIntervalOfNoneOverridesTheInheritedOne) {
    Dataset child = dataset("tank/fs/child");
    child.props[std::string(prop::kInterval)] = {"1m", Source::inherited};
    EXPECT_TRUE(settings_of(child).interval);
    for (const char* value : {"none", "None", "off", "OFF"}) {
        child.props[std::string(prop::kInterval)] = {value, Source::local};
        EXPECT_FALSE(settings_of(child).interval) << value;
    }
}

}  // namespace
}  // namespace zrepd::plan
