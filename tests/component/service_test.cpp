// SPDX-License-Identifier: BSD-2-Clause
// What the daemon answers about pairs, on pools in memory; service_health_test.cpp has how they
// are.
#include <gtest/gtest.h>

#include "common/time.hpp"
#include "ctl/render/table.hpp"
#include "daemon/sync/refusals.hpp"
#include "tests/fakes/service_test.hpp"

namespace zrepd {
namespace {

using namespace std::chrono_literals;

class ServiceTest : public test::ServiceFixture {};

/// Beside it, renamed, and above it where there was no room; each once, whatever it is called.
TEST_F(ServiceTest, StatusNamesEachRescueOnce) {
    for (const char* name : {"tank/zrep", "tank/zrep/fs"}) alpha->zfs.create(name);
    store_pair("tank/zrep/fs", /*target=*/false);
    const std::vector<std::string> kept{
        "tank/zrep/fs_diverged_2", "tank/zrep/fsold", "tank/zrep_diverged_3"};
    for (const std::string& name : kept) {
        alpha->zfs.create(name);
        set(name, prop::kRescue, "tank/zrep/fs");
    }
    alpha->zfs.create("tank/zrep/fs_diverged_4");
    look();
    EXPECT_EQ(status({"tank/zrep/fs"})->pairs.at(0).rescues, kept);
}

TEST_F(ServiceTest, StatusDoesNotCallAHostEmptyBeforeItLooked) {
    const auto early = status();
    ASSERT_TRUE(early);
    ASSERT_TRUE(early->problem);
    EXPECT_EQ(early->problem->kind, "busy");
    EXPECT_FALSE(status({"tank/fs"}));
    look();
    EXPECT_FALSE(status()->problem);
}

TEST_F(ServiceTest, StatusSaysWhyNothingIsKnown) {
    alpha->zfs.fail_next("datasets", {.code = Code::unsupported, .message = "no module"});
    EXPECT_FALSE(test::run_task(io, alpha->inventory.discover()));
    const auto blind = status();
    ASSERT_TRUE(blind);
    ASSERT_TRUE(blind->problem);
    EXPECT_EQ(blind->problem->message, "no module");
    const auto named = status({"tank/fs"});
    ASSERT_FALSE(named);
    EXPECT_EQ(named.error().code, Code::unsupported);
}

TEST_F(ServiceTest, StatusShowsTheTargetInASuspendedPool) {
    alpha->zfs.create("tank/copy");
    store_pair("tank/copy", /*target=*/true);
    look();
    EXPECT_EQ(status()->pairs.at(0).health, "ok");
    alpha->zfs.set_pool_trouble("tank", "SUSPENDED");
    look();
    const auto seen = status();
    ASSERT_EQ(seen->pairs.size(), 1U);
    EXPECT_EQ(seen->pairs[0].health, "failing");
    EXPECT_EQ(seen->pairs[0].last_error.value().kind, "pool_unavailable");
}

TEST_F(ServiceTest, StatusTellsOfAPoolWhosePairsItMayNotKnow) {
    alpha->zfs.set_pool_trouble("tank", "SUSPENDED");
    look();
    const auto seen = status();
    ASSERT_TRUE(seen);
    ASSERT_TRUE(seen->problem);
    EXPECT_EQ(seen->problem->kind, "pool_unavailable");
    EXPECT_EQ(status({"tank/fs"}).error().code, Code::pool_unavailable);
    const auto all = sync_all();
    ASSERT_FALSE(all) << "cron has to notice";
    EXPECT_EQ(all.error().message, "pool tank is SUSPENDED; which pairs are on it is not known");
}

TEST_F(ServiceTest, SyncAllWaitsForTheFirstLook) {
    store_pair("tank/fs", /*target=*/true);
    alpha->zfs.delay_next_datasets();
    TaskGroup group(io.get_executor());
    group.spawn("discovery", discover_and_forget());
    test::run_ready(io);
    std::string note;
    group.spawn("sync", sync_all_into(&note));
    test::run_ready(io);
    EXPECT_EQ(note, "");
    alpha->zfs.let_answer();
    test::run_until(io, [&] { return group.size() == 0; });
    EXPECT_NE(note.find("1 the target here"), std::string::npos) << note;
}

TEST_F(ServiceTest, StatusOfAHundredPairsAsksZfsNothing) {
    for (int i = 0; i < 100; ++i) {
        const std::string name = "tank/d" + std::to_string(i);
        alpha->zfs.create(name);
        store_pair(name, /*target=*/false);
    }
    look();
    alpha->zfs.forget_calls();
    const auto seen = status();
    ASSERT_TRUE(seen);
    EXPECT_EQ(seen->pairs.size(), 100U);
    EXPECT_TRUE(alpha->zfs.calls().empty());
}

/// Every user of the host may ask, one time after the other.
TEST_F(ServiceTest, ReadersShareALookAndRootHasItsOwn) {
    const control::Caller reader{.uid = 1000, .pid = 1, .access = control::Access::read};
    const auto list = [&](control::Caller caller) {
        const auto out = test::run_task(io, service.list({}, caller));
        return out ? out->pairs.size() : 99;
    };
    alpha->zfs.forget_calls();
    EXPECT_EQ(list(reader), 0U);
    EXPECT_EQ(alpha->zfs.count("datasets"), 1U);
    store_pair("tank/fs", /*target=*/false);
    alpha->inventory.note({});
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(list(reader), 0U) << "as it was less than 10 s ago";
        EXPECT_TRUE(test::run_task(io, service.rescues({}, reader)));
    }
    EXPECT_EQ(alpha->zfs.count("datasets"), 1U);
    EXPECT_EQ(list(kRoot), 1U);
    EXPECT_EQ(alpha->zfs.count("datasets"), 2U);
    EXPECT_EQ(list(reader), 1U) << "what root saw";
    EXPECT_TRUE(test::run_task(io, service.rescues({}, kRoot)));
    EXPECT_EQ(alpha->zfs.count("datasets"), 3U);
}

TEST_F(ServiceTest, ReadersAreToldWhatWentWrongAtTheLastLook) {
    look();
    alpha->zfs.fail_next("datasets", {.code = Code::unsupported, .message = "no module"});
    EXPECT_FALSE(test::run_task(io, service.list({}, kRoot)));
    const auto blind = test::run_task(io, service.list({}, control::Caller{.uid = 1000}));
    ASSERT_FALSE(blind);
    EXPECT_EQ(blind.error().message, "no module");
}

TEST_F(ServiceTest, SettingsOfASuspendedPoolAreRefusedWithItsName) {
    look();
    alpha->zfs.set_pool_trouble("tank", "SUSPENDED");
    rpc::SetIn in;
    in.dataset = "tank/fs";
    in.settings = {{"zrep:savecount", "3"}};
    const auto refused = test::run_task(io, service.set(std::move(in), control::Caller{}));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::pool_unavailable);
    EXPECT_NE(refused.error().message.find("pool tank"), std::string::npos);
}

/// What cron runs must not look done while a pair is left out; a paused one is meant to be.
TEST_F(ServiceTest, SyncAllFailsForWhatItCannotReach) {
    for (const std::string name : {"tank/begun", "tank/renamed", "tank/paused"}) {
        alpha->zfs.create(name);
        store_pair(name, /*target=*/false);
    }
    set("tank/begun", prop::kMaster, "");
    set("tank/begun", prop::kInprogress, "init");
    set("tank/renamed", prop::kSrcFs, "tank/before");
    set("tank/paused", prop::kSrcFs, "tank/earlier");
    set("tank/paused", prop::kPaused, "yes");
    look();
    const auto missed = sync::not_reached_by_all(alpha->sync, plan::Role::master);
    const std::vector<DatasetName> both{*DatasetName::parse("tank/begun"),
                                        *DatasetName::parse("tank/renamed")};
    EXPECT_EQ(missed, both);
    EXPECT_TRUE(sync::not_reached_by_all(alpha->sync, plan::Role::target).empty());
}

/// It was written on alpha, for its users.
TEST(Remedies, OfAnotherHostNameTheHostTheyAreFor) {
    const HostName alpha = *HostName::parse("alpha");
    const auto said = [&](std::string text) { return sync::remedy_from(alpha, std::move(text)); };
    EXPECT_EQ(said("free space in tank"), "on alpha: free space in tank");
    EXPECT_EQ(said("on beta: zfs destroy x@y; here: zrepctl sync a"),
              "on beta: zfs destroy x@y; on alpha: zrepctl sync a");
    EXPECT_EQ(said("to start over: on beta run zrepctl clear b, then here zrepctl clear a"),
              "to start over: on beta run zrepctl clear b, then on alpha zrepctl clear a");
    EXPECT_EQ(said("install the key of root on this host"), "install the key of root on alpha");
    EXPECT_EQ(said("zrepctl list on both hosts shows the pairs"),
              "zrepctl list on both hosts shows the pairs");
    EXPECT_EQ(said("say where the data here counts"), "on alpha: say where the data here counts");
    EXPECT_EQ(said(""), "");
}

TEST_F(ServiceTest, SyncAllOfNothingSaysWhatThereIsInstead) {
    look();
    EXPECT_EQ(sync_all()->note, "no pairs here; zrepctl init makes one");
    alpha->zfs.create("tank/copy");
    store_pair("tank/copy", /*target=*/true);
    store_pair("tank/fs", /*target=*/false);
    set("tank/fs", prop::kPaused, "yes");
    look();
    const auto nothing = sync_all();
    ASSERT_TRUE(nothing);
    EXPECT_EQ(nothing->note,
              "no pair to work on; 1 paused, 1 the target here, whose masters are on other hosts; "
              "zrepctl list shows them");
    EXPECT_TRUE(nothing->run_id.empty());
}

template <class In>
In all_of_them() {
    In in;
    in.all = true;
    return in;
}

TEST_F(ServiceTest, AllOfARoleThatNoneHasSaysWhatThereIsInstead) {
    store_pair("tank/fs", /*target=*/false);
    look();
    const auto taken =
        test::run_task(io, service.takeover(all_of_them<rpc::RoleIn>(), control::Caller{}));
    const auto refreshed =
        test::run_task(io, service.refresh(all_of_them<rpc::SyncIn>(), control::Caller{}));
    for (const auto* nothing : {&taken, &refreshed}) {
        ASSERT_TRUE(*nothing);
        EXPECT_EQ((*nothing)->note,
                  "no pair to work on; 1 the master here, whose copies are on other hosts; zrepctl "
                  "list shows them");
    }
    store_pair("tank/fs", /*target=*/true);
    set("tank/fs", prop::kPaused, "yes");
    look();
    const auto paused =
        test::run_task(io, service.refresh(all_of_them<rpc::SyncIn>(), control::Caller{}));
    ASSERT_TRUE(paused);
    EXPECT_EQ(paused->note, "no pair to work on; 1 paused; zrepctl list shows them");
}

TEST_F(ServiceTest, StatusSaysThatPairsBelongToTheNameThisHostHadBefore) {
    store_pair("tank/fs", /*target=*/false);
    set("tank/fs", prop::kSrcHost, "oldname");
    look();
    const auto seen = status();
    ASSERT_TRUE(seen);
    EXPECT_TRUE(seen->pairs.empty());
    ASSERT_TRUE(seen->problem);
    EXPECT_EQ(seen->problem->kind, "not_configured");
    EXPECT_EQ(
        seen->problem->message,
        "1 filesystem (tank/fs) belongs to a pair of host oldname; this host is called alpha");
    EXPECT_NE(seen->problem->remedy.find("host-name = oldname"), std::string::npos);
    const auto named = status({"tank/fs"});
    ASSERT_FALSE(named);
    EXPECT_NE(named.error().message.find("host oldname"), std::string::npos)
        << named.error().message;
}

TEST_F(ServiceTest, StatusShowsASettingThatCannotBeRead) {
    store_synced(/*seconds_ago=*/10);
    set("tank", prop::kInterval, "1min");
    look();
    const auto seen = status_of_fs();
    EXPECT_EQ(seen.health, "failing");
    ASSERT_TRUE(seen.last_error);
    EXPECT_EQ(seen.last_error->kind, "invalid_params");
    EXPECT_NE(seen.last_error->message.find("zrep:interval"), std::string::npos);
    EXPECT_NE(seen.last_error->message.find("'1min'"), std::string::npos);
    EXPECT_NE(seen.last_error->remedy.find("zrep:interval=10m"), std::string::npos);
    alpha->runs.memory(fs).error = Error{.code = Code::no_space, .message = "full"};
    EXPECT_EQ(status_of_fs().last_error.value().kind, "no_space");
}

TEST_F(ServiceTest, AnIntervalOfNoneSwitchesTheInheritedOneOffAndIsNoTrouble) {
    store_synced(/*seconds_ago=*/1'000);
    set("tank", prop::kInterval, "1m");
    look();
    EXPECT_EQ(status_of_fs().interval, "1m");
    EXPECT_EQ(status_of_fs().health, "late");
    for (const char* value : {"none", "Off"}) {
        set("tank/fs", prop::kInterval, value);
        look();
        const auto seen = status_of_fs();
        EXPECT_FALSE(seen.interval) << value;
        EXPECT_FALSE(seen.next_run) << value;
        EXPECT_FALSE(seen.last_error) << value;
        EXPECT_EQ(seen.health, "ok") << value;
    }
}

TEST_F(ServiceTest, StatusSaysHowAnInitGoesOnThatWasCutOffByARestart) {
    store_pair("tank/fs", /*target=*/false);
    alpha->zfs.at("tank/fs").props.erase(std::string(prop::kMaster));
    set("tank/fs", prop::kInprogress, "init");
    look();
    const auto seen = status_of_fs();
    EXPECT_EQ(seen.role, "initializing");
    EXPECT_EQ(seen.health, "failing");
    ASSERT_TRUE(seen.last_error);
    EXPECT_EQ(seen.last_error->kind, "wrong_role");
    EXPECT_NE(seen.last_error->remedy.find("zrepctl init 'tank/fs' beta 'other/fs' again"),
              std::string::npos)
        << seen.last_error->remedy;
    const auto refused = sync();
    EXPECT_EQ(refused.error.value().message, seen.last_error->message);
    EXPECT_EQ(refused.error->remedy, seen.last_error->remedy);
}

/// It has moved to a group of its own parent's, where no kill of a group reaches it.
TEST_F(ServiceTest, AProcessThatNoKillEndsIsListedUntilItDies) {
    look();
    EXPECT_TRUE(status()->abandoned.empty());
    const char* out_of_reach =
        "import os, time; os.setpgid(0, os.getpgid(os.getppid())); time.sleep(600)";
    std::vector<std::string> argv{"python3", "-c", out_of_reach, "-r", "tank", "tank/fs@zrep_1"};
    const auto ended =
        test::run_task(io, alpha->processes.run(std::move(argv), std::chrono::seconds(2)));
    ASSERT_FALSE(ended);
    const auto listed = status();
    ASSERT_TRUE(listed);
    ASSERT_EQ(listed->abandoned.size(), 1U);
    const rpc::AbandonedProcess& one = listed->abandoned.front();
    EXPECT_NE(ended.error().message.find(std::to_string(one.pid)), std::string::npos);
    EXPECT_NE(one.command.find("tank/fs@zrep_1"), std::string::npos) << one.command;
    EXPECT_EQ(one.dataset, "tank/fs");
    EXPECT_GE(from_rfc3339(listed->time).value() - from_rfc3339(one.since).value(), 10);
    EXPECT_NE(one.remedy.find("zpool status 'tank'"), std::string::npos) << one.remedy;
    const std::string shown = ctl::status_text(*listed);
    EXPECT_NE(shown.find("process " + std::to_string(one.pid) +
                         " did not end even when killed, of tank/fs"),
              std::string::npos)
        << shown;
    ::kill(static_cast<pid_t>(one.pid), SIGKILL);
    test::run_until(io, [this] { return status()->abandoned.empty(); });
}

/// Any user of the host may ask that.
TEST_F(ServiceTest, ManyListsAtOnceCostTwoLooks) {
    look();
    alpha->zfs.forget_calls();
    alpha->zfs.delay_next_datasets();
    std::size_t answered = 0;
    TaskGroup clients(io.get_executor());
    for (int i = 0; i < 200; ++i) clients.spawn("list", list_and_count(&answered));
    test::run_ready(io);
    alpha->zfs.let_answer();
    test::run_until(io, [&] { return clients.size() == 0; });
    EXPECT_EQ(answered, 200U);
    EXPECT_EQ(alpha->zfs.count("datasets"), 2U);
}

}  // namespace
}  // namespace zrepd
