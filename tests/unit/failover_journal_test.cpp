// SPDX-License-Identifier: BSD-2-Clause
// The texts that a role change leaves on disk, and the properties of each of its steps.
#include <gtest/gtest.h>

#include <algorithm>

#include "common/props.hpp"
#include "daemon/failover/changes.hpp"
#include "daemon/failover/rescue_plan.hpp"
#include "tests/fakes/builders.hpp"

namespace zrepd::failover {
namespace {

using test::snaps;

TEST(FailoverJournal, IsReadBackAsItWasWritten) {
    const Entry entry{.journal = Journal::rejoining,
                      .base = Guid{12'345'678'901'234'567'890U},
                      .copied = Guid{7},
                      .readonly_was_here = false};
    EXPECT_EQ(to_text(entry), "rejoining base=12345678901234567890 copied=7");
    const auto read = parse_entry(to_text(entry));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->journal, entry.journal);
    EXPECT_EQ(read->base, entry.base);
    EXPECT_EQ(read->copied, entry.copied);
    EXPECT_TRUE(parse_entry("freezing readonly=here")->readonly_was_here);
}

TEST(FailoverJournal, IsNoneWhereItIsNotOurs) {
    for (const char* text : {"", "init", "none", "promote", "FREEZING", " freezing"}) {
        EXPECT_FALSE(parse_entry(text)) << text;
    }
    Dataset dataset = test::master(0);
    dataset.props[std::string(prop::kInprogress)] = {"promoted", Source::received};
    EXPECT_EQ(entry_of(dataset).journal, Journal::none) << "a peer's stream brought it";
}

TEST(FailoverJournal, ServeKeepsAMountpointWithSpaces) {
    const Serve serve{.canmount = "on",
                      .mounted = true,
                      .mountpoint = "/srv/my data=1",
                      .volmode = "",
                      .interval = "1m"};
    EXPECT_EQ(to_text(serve), "canmount=on mounted=yes interval=1m mountpoint=/srv/my data=1");
    EXPECT_EQ(parse_serve(to_text(serve)), serve);
}

TEST(FailoverJournal, AMountpointOfWhoMayNotChooseIsAWish) {
    EXPECT_EQ(without_choice("canmount=on mounted=yes interval=1m mountpoint=/etc/my hooks"),
              "canmount=on mounted=yes interval=1m wished=/etc/my hooks");
    EXPECT_EQ(without_choice("canmount=on mounted=no"), "canmount=noauto mounted=no")
        << "what is not mounted now is not at the next boot";
    const auto serve = parse_serve("canmount=on mounted=yes wished=/etc/my hooks");
    ASSERT_TRUE(serve);
    EXPECT_EQ(serve->wished, "/etc/my hooks");
    EXPECT_EQ(serve->mountpoint, "");
    for (const char* text : {"", "volmode=dev", "what", "canmount=on mounted=yes wished=/srv"}) {
        EXPECT_EQ(without_choice(text), text);
    }
}

TEST(FailoverJournal, WhatIsSetHereCountsMoreThanWhereTheMasterHasIt) {
    Dataset dataset(*DatasetName::parse("backup/fs"));
    dataset.mountpoint = "/backup/fs";
    EXPECT_EQ(place_of({.mountpoint = "/srv"}, dataset), "/srv");
    EXPECT_EQ(place_of({.wished = "/srv"}, dataset), "/backup/fs");
    dataset.mountpoint_here = true;
    EXPECT_EQ(place_of({.mountpoint = "/srv"}, dataset), "/backup/fs");
}

TEST(FailoverJournal, ServeOfAPeerIsChecked) {
    for (const char* text : {"mountpoint=relative",
                             "canmount=perhaps",
                             "sharenfs=on",
                             "mounted",
                             "mountpoint=/a\nb",
                             "volmode=evil"}) {
        EXPECT_FALSE(parse_serve(text)) << text;
    }
}

std::string value(const PropertyList& list, std::string_view key) {
    const auto found =
        std::find_if(list.begin(), list.end(), [&](const auto& p) { return p.first == key; });
    return found == list.end() ? "(none)" : found->second;
}

plan::Pair journal_pair_of(const Dataset& dataset) {
    return *plan::pair_of(dataset, plan::Self{*HostName::parse("alpha")});
}

TEST(FailoverChanges, SteppingDownIsOneSetOfAllThatBelongsTogether) {
    Dataset dataset = test::master(0);
    dataset.canmount = "on";
    dataset.mounted = true;
    dataset.mountpoint = "/tank/fs";
    const Stored wanted{.epoch = 2, .journal = Journal::handed_over};
    const auto list = properties_for(dataset,
                                     journal_pair_of(dataset),
                                     wanted,
                                     {.journal = Journal::handed_over, .base = Guid{9}});
    EXPECT_EQ(value(list, "readonly"), "on");
    EXPECT_EQ(value(list, prop::kMaster), "no");
    EXPECT_EQ(value(list, prop::kEpoch), "2");
    EXPECT_EQ(value(list, prop::kSrcHost), "beta");
    EXPECT_EQ(value(list, prop::kSrcFs), "backup/fs");
    EXPECT_EQ(value(list, prop::kDestHost), "alpha");
    EXPECT_EQ(value(list, prop::kDestFs), "tank/fs");
    EXPECT_EQ(value(list, "canmount"), "noauto");
    EXPECT_EQ(value(list, prop::kServe), "canmount=on mounted=yes mountpoint=/tank/fs");
    EXPECT_EQ(value(list, prop::kInprogress), "handed_over base=9");
    EXPECT_EQ(value(list, "mountpoint"), "(none)") << "that would unmount it";
}

/// A hand-over that was given up may land before it: all of that is taken back.
TEST(FailoverChanges, ThawingSaysAllOfTheRole) {
    Dataset dataset = test::master(0);
    dataset.readonly = true;
    const Stored wanted{.master = true, .writable = true, .epoch = 1};
    const auto list = properties_for(dataset, journal_pair_of(dataset), wanted, {});
    EXPECT_EQ(value(list, "readonly"), "off");
    EXPECT_EQ(value(list, prop::kMaster), "yes");
    EXPECT_EQ(value(list, prop::kEpoch), "1");
    EXPECT_EQ(value(list, prop::kSrcHost), "alpha");
    EXPECT_EQ(value(list, prop::kDestFs), "backup/fs");
    EXPECT_EQ(value(list, prop::kInprogress), "");
}

/// The target's dataset as its own host sees it, on a host named beta with the same dataset name.
TEST(FailoverChanges, BecomingMasterIsServedAsTheOldOneWas) {
    Dataset dataset = test::master(0);
    dataset.props[std::string(prop::kMaster)] = {"no", Source::local};
    dataset.props[std::string(prop::kSrcHost)] = {"beta", Source::local};
    dataset.props[std::string(prop::kSrcFs)] = {"backup/fs", Source::local};
    dataset.props[std::string(prop::kDestHost)] = {"alpha", Source::local};
    dataset.props[std::string(prop::kDestFs)] = {"tank/fs", Source::local};
    dataset.props[std::string(prop::kServe)] = {
        "canmount=on mounted=yes interval=1m mountpoint=/srv/data", Source::local};
    dataset.readonly = true;
    dataset.mountpoint = "/tank/fs";
    const Stored wanted{.master = true, .writable = true, .epoch = 2, .journal = Journal::promoted};
    auto list =
        properties_for(dataset, journal_pair_of(dataset), wanted, {.journal = Journal::promoted});
    EXPECT_EQ(value(list, "readonly"), "off");
    EXPECT_EQ(value(list, prop::kMaster), "yes");
    EXPECT_EQ(value(list, prop::kSrcHost), "alpha");
    EXPECT_EQ(value(list, "canmount"), "on");
    EXPECT_EQ(value(list, "mountpoint"), "/srv/data");
    EXPECT_EQ(value(list, prop::kInterval), "1m");
    // What an administrator set on this side counts.
    dataset.mountpoint_here = true;
    dataset.props[std::string(prop::kInterval)] = {"1h", Source::inherited};
    list =
        properties_for(dataset, journal_pair_of(dataset), wanted, {.journal = Journal::promoted});
    EXPECT_EQ(value(list, "mountpoint"), "(none)");
    EXPECT_EQ(value(list, prop::kInterval), "(none)");
}

TEST(FailoverRescue, CopiesEverythingNewerThanTheBaseInOrder) {
    Dataset dataset = test::master(0);
    const Versions here = snaps("@zrep_000001:1+s @mine:2+w10 @zrep_000002:3+w5");
    const auto found = divergence(dataset, here, Guid{1});
    ASSERT_TRUE(found);
    EXPECT_EQ(found->bytes(), 15U);
    auto steps = copy_steps(*found, {});
    ASSERT_TRUE(steps);
    ASSERT_EQ(steps->size(), 2U);
    EXPECT_EQ(steps->at(0).from.name, "zrep_000001");
    EXPECT_EQ(steps->at(0).snapshot.name, "mine");
    EXPECT_TRUE(steps->at(0).first);
    EXPECT_EQ(steps->at(1).from.name, "mine");
    EXPECT_FALSE(steps->at(1).first);
    // Cut off after the first: the rest.
    steps = copy_steps(*found, snaps("@mine:2"));
    ASSERT_TRUE(steps);
    ASSERT_EQ(steps->size(), 1U);
    EXPECT_EQ(steps->at(0).snapshot.name, "zrep_000002");
    EXPECT_FALSE(is_complete(*found, snaps("@mine:2")));
    EXPECT_TRUE(is_complete(*found, snaps("@mine:2 @zrep_000002:3")));
}

TEST(FailoverRescue, RefusesACopyOfSomethingElse) {
    const Versions here = snaps("@zrep_000001:1+s @mine:2");
    const auto found = divergence(test::master(0), here, Guid{1});
    ASSERT_TRUE(found);
    EXPECT_FALSE(copy_steps(*found, snaps("@other:99")));
}

TEST(FailoverRescue, RollsBackNothingWithoutTheBase) {
    const auto found = divergence(test::master(0), snaps("@mine:2"), Guid{1});
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, Code::conflict);
    Dataset copy = test::master(0);
    const auto give = [&](std::string_view key, std::string value) {
        copy.props[std::string(key)] = {std::move(value), Source::local};
    };
    give(prop::kSrcHost, "beta");
    give(prop::kSrcFs, "backup/a b");
    give(prop::kDestHost, "alpha");
    give(prop::kDestFs, "tank/fs");
    const std::string start_over =
        "to start over and keep the data here: zrepctl clear tank/fs, zfs rename tank/fs "
        "tank/fs_old";
    EXPECT_EQ(divergence(copy, snaps("@mine:2"), Guid{1}).error().remedy,
              start_over +
                  ", zrepctl set tank zrep:accept=+beta; then on beta: zrepctl clear 'backup/a b' "
                  "and zrepctl init 'backup/a b' alpha tank/fs");
    give(prop::kAccept, "beta");
    give(prop::kTree, "on");
    EXPECT_EQ(divergence(copy, snaps("@mine:2"), Guid{1}).error().remedy,
              start_over +
                  "; then on beta: zrepctl clear 'backup/a b' and zrepctl init -r 'backup/a b' "
                  "alpha tank/fs");
    EXPECT_FALSE(divergence(test::master(0), snaps("@mine:2"), Guid{}));
}

TEST(FailoverRescue, LeavesForeignBookmarksAlone) {
    const Versions here = snaps("@zrep_000001:1+s @zrep_000002:2 #zrep_2:2");
    auto drop = bookmarks_to_drop(test::dataset_name("tank/fs"), here, here.snapshots[0]);
    ASSERT_TRUE(drop);
    EXPECT_EQ(*drop, std::vector<std::string>{"zrep_2"});
    const Versions foreign = snaps("@zrep_000001:1+s @zrep_000002:2 #keep:2");
    drop = bookmarks_to_drop(test::dataset_name("tank/fs"), foreign, foreign.snapshots[0]);
    ASSERT_FALSE(drop);
    EXPECT_EQ(drop.error().code, Code::conflict);
}

TEST(FailoverRescue, NamesTheCopyBesideIt) {
    const auto places = [](const std::string& name) {
        return rescue_places(test::dataset_name(name));
    };
    EXPECT_EQ(places("tank/a/fs"),
              (std::vector<std::string>{"tank/a/fs_", "tank/a/zrep_", "tank/zrep_"}));
    EXPECT_EQ(places("tank"), std::vector<std::string>{"tank/"});
    EXPECT_EQ(rescue_name("tank/fs_", 8, 1)->str(), "tank/fs_diverged_8");
    EXPECT_EQ(rescue_name("tank/fs_", 8, 2)->str(), "tank/fs_diverged_8_2");
    EXPECT_EQ(diverged_snapshot(snaps("@zrep_diverged_8:1"), 8), "zrep_diverged_8_2");
}

TEST(RescuePlan, CountsTheSnapshotsThatARescueOfThisEpochTook) {
    const auto all = snaps("@zrep_diverged_8:1 @zrep_diverged_8_2:2 @zrep_diverged_80:3 @mine:4");
    EXPECT_EQ(count_diverged(all.snapshots, 8), 2U);
    EXPECT_EQ(count_diverged(all.snapshots, 80), 1U);
    EXPECT_EQ(count_diverged(all.snapshots, 9), 0U);
}

TEST(RescuePlan, TakesTheSixthAnHourAfterTheFifth) {
    auto all = snaps(
                   "@zrep_diverged_8:1 @zrep_diverged_8_2:2 @zrep_diverged_8_3:3 "
                   "@zrep_diverged_8_4:4 @zrep_diverged_8_5:5 @mine:6")
                   .snapshots;
    for (Snapshot& s : all) s.created = 1'000'000;
    all.back().created = 2'000'000;
    const auto fs = test::dataset_name("tank/fs");
    const auto early = may_take_diverged(fs, all, 8, 1'003'599);
    ASSERT_FALSE(early);
    EXPECT_EQ(early.error().code, Code::busy);
    EXPECT_NE(early.error().message.find("not taken before 1970-01-12T14:46:40Z"),
              std::string::npos)
        << early.error().message;
    EXPECT_NE(early.error().remedy.find("zfs snapshot 'tank/fs@last'"), std::string::npos);
    EXPECT_TRUE(may_take_diverged(fs, all, 8, 1'003'600));
    EXPECT_TRUE(may_take_diverged(fs, all, 9, 1'000'001)) << "another role change's";
    EXPECT_TRUE(may_take_diverged(fs, all, 8, 999'999)) << "taken with a clock that was ahead";
    all.erase(all.begin());
    EXPECT_TRUE(may_take_diverged(fs, all, 8, 1'000'001)) << "the fifth";
}

TEST(RescuePlan, WaitsLongerForEachFurtherOne) {
    using namespace std::chrono_literals;
    EXPECT_EQ(wait_after_diverged(0), 0s);
    EXPECT_EQ(wait_after_diverged(kMaxDiverged - 1), 0s);
    EXPECT_EQ(wait_after_diverged(kMaxDiverged), 1h);
    EXPECT_EQ(wait_after_diverged(kMaxDiverged + 1), 2h);
    EXPECT_EQ(wait_after_diverged(kMaxDiverged + 1'000), 1'024h);
}

TEST(FailoverRescue, ACopyNeedsRoomForItsSnapshotsNames) {
    const auto newer = snaps("@zrep_diverged_8:1 @" + std::string(40, 's') + ":2").snapshots;
    const auto name = [](std::size_t size) {
        return test::dataset_name("tank/" + std::string(size - 5, 'n'));
    };
    EXPECT_TRUE(has_room(name(255 - 41), newer));
    EXPECT_FALSE(has_room(name(255 - 40), newer));
}

}  // namespace
}  // namespace zrepd::failover
