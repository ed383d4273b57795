// SPDX-License-Identifier: BSD-2-Clause
// What the daemon answers about pairs, on pools in memory.
#include "daemon/service.hpp"
#include "daemon/sync/refusals.hpp"

#include <gtest/gtest.h>

#include "common/time.hpp"
#include "ctl/render/table.hpp"
#include "daemon/sync/refusals.hpp"
#include "tests/fakes/served_host.hpp"
#include "tests/fakes/two_hosts.hpp"

namespace zrepd {
namespace {

using namespace std::chrono_literals;

using Source = zrepd::Source;

class ServiceTest : public test::TwoHosts {
  protected:
    Result<rpc::StatusOut> status(std::vector<std::string> names = {}) {
        return service.status({.datasets = std::move(names)});
    }
    void look() {
        const Result<void> seen = test::run_task(io, alpha->inventory.discover());
        EXPECT_TRUE(seen.has_value());
    }
    /// With the snapshots: a look alone takes those of known pairs from memory.
    void list_again() {
        const auto seen =
            test::run_task(io, alpha->inventory.refresh_one(fs, sync::Freshness::listed));
        EXPECT_TRUE(seen.has_value());
    }
    Task<> discover_and_forget() {
        auto seen = co_await alpha->inventory.discover();
        EXPECT_TRUE(seen.has_value());
    }
    Task<> sync_all_into(std::string* note) {
        rpc::SyncIn all;
        all.all = true;
        auto out = co_await service.sync(std::move(all), control::Caller{});
        EXPECT_TRUE(out);
        if (out) *note = out->note.value_or("nothing said");
    }
    Task<> list_and_count(std::size_t* answered) {
        auto out = co_await service.list({});
        *answered += out ? 1U : 0U;
    }
    Result<rpc::RunStarted> sync_all() {
        rpc::SyncIn all;
        all.all = true;
        return test::run_task(io, service.sync(std::move(all), control::Caller{}));
    }
    void set(std::string_view dataset, std::string_view key, std::string value) {
        alpha->zfs.at(dataset).props[std::string(key)] = {std::move(value), Source::local};
    }
    rpc::PairStatus status_of_fs() { return status({"tank/fs"})->pairs.at(0); }
    /// tank/fs as a master whose newest snapshot was acknowledged so long ago.
    void store_synced(std::int64_t seconds_ago) {
        store_pair("tank/fs", /*target=*/false);
        alpha->zfs.take("tank/fs@zrep_000001");
        alpha->zfs.at("tank/fs").snapshots.back().sent = unix_now() - seconds_ago;
    }
    /// A dataset of alpha's as one side of a pair with beta, as its properties have it.
    void store_pair(const std::string& dataset, bool target) {
        const std::string other = "other/" + dataset.substr(dataset.find('/') + 1);
        set(dataset, prop::kSrcHost, target ? "beta" : "alpha");
        set(dataset, prop::kSrcFs, target ? other : dataset);
        set(dataset, prop::kDestHost, target ? "alpha" : "beta");
        set(dataset, prop::kDestFs, target ? dataset : other);
        set(dataset, prop::kEpoch, "1");
        if (!target) set(dataset, prop::kMaster, "yes");
    }

    test::ServedHost served{*alpha};
    DaemonService& service = served.service;
};

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

TEST_F(ServiceTest, BacklogIsWhatWasWrittenSinceTheNewestAcknowledgedSnapshot) {
    store_synced(/*seconds_ago=*/10);
    look();
    EXPECT_EQ(status_of_fs().backlog_bytes, 0U);
    alpha->zfs.write("tank/fs", 5'000);
    look();
    EXPECT_EQ(status_of_fs().backlog_bytes, 5'000U);
}

TEST_F(ServiceTest, ASnapshotThatWasNeverAcknowledgedCountsAsBacklog) {
    store_synced(/*seconds_ago=*/10);
    alpha->zfs.write("tank/fs", 5'000);
    alpha->zfs.take("tank/fs@zrep_000002");
    alpha->zfs.write("tank/fs", 1'000);
    look();
    EXPECT_EQ(status_of_fs().backlog_bytes, 6'000U);
    EXPECT_EQ(status_of_fs().pending_snapshots, 1U);
}

TEST_F(ServiceTest, LagIsTheAgeOfTheNewestAcknowledgedSnapshot) {
    store_pair("tank/fs", /*target=*/false);
    look();
    EXPECT_FALSE(status_of_fs().lag_seconds) << "never synced";
    store_synced(/*seconds_ago=*/100);
    list_again();
    EXPECT_GE(status_of_fs().lag_seconds.value(), 100);
    EXPECT_LT(status_of_fs().lag_seconds.value(), 200);
}

TEST_F(ServiceTest, ASyncThatFoundNothingToSendMakesTheCopyFresh) {
    ASSERT_EQ(init().outcome, "done");
    alpha->runs.forget(fs);
    alpha->zfs.at("tank/fs").snapshots.back().sent = unix_now() - 1'000;
    beta->zfs.at("backup/fs").snapshots.back().sent = unix_now() - 1'000;
    list_again();
    EXPECT_GE(status_of_fs().lag_seconds.value(), 1'000);
    ASSERT_EQ(sync().outcome, "unchanged");
    EXPECT_LT(status_of_fs().lag_seconds.value(), 60);
}

TEST_F(ServiceTest, HealthIsLateAfterTwoIntervalsAndAMinute) {
    store_synced(/*seconds_ago=*/200);
    look();
    EXPECT_EQ(status_of_fs().health, "ok") << "no interval promises nothing";
    set("tank/fs", prop::kInterval, "1m");
    look();
    EXPECT_EQ(status_of_fs().health, "late");
    set("tank/fs", prop::kInterval, "2m");
    look();
    EXPECT_EQ(status_of_fs().health, "ok");
    set("tank/fs", prop::kInterval, "1m");
    set("tank/fs", prop::kPaused, "yes");
    look();
    EXPECT_EQ(status_of_fs().health, "ok");
}

TEST_F(ServiceTest, ALateCopySaysSinceWhenAndWhatToDo) {
    store_synced(/*seconds_ago=*/1'000);
    set("tank/fs", prop::kInterval, "5m");
    look();
    const auto seen = status_of_fs();
    ASSERT_EQ(seen.health, "late");
    ASSERT_TRUE(seen.warning);
    EXPECT_EQ(seen.warning->kind, "late");
    const UnixSeconds sent = alpha->zfs.at("tank/fs").snapshots.back().sent.value();
    EXPECT_EQ(seen.warning->since, to_rfc3339(sent + 2 * 300 + 60)) << "not since somebody asked";
    EXPECT_NE(seen.warning->message.find("due every 5m"), std::string::npos);
    EXPECT_NE(seen.warning->remedy.find("zrepctl sync 'tank/fs'"), std::string::npos);
}

TEST_F(ServiceTest, WhatIsWrongHasItsBeginningThoughNobodyAsked) {
    store_synced(/*seconds_ago=*/10);
    set("tank", prop::kInterval, "1min");
    look();
    TaskGroup tasks(io.get_executor());
    tasks.spawn("watch", service.watch(20ms));
    const auto begin = std::chrono::steady_clock::now();
    const UnixSeconds then = unix_now();
    test::run_until(io, [&] { return std::chrono::steady_clock::now() > begin + 2'500ms; });
    EXPECT_LE(status_of_fs().last_error.value().since, to_rfc3339(then + 1));
    tasks.cancel();
    test::run_task(io, tasks.join());
}

TEST_F(ServiceTest, WhatIsWrongAgainAMomentLaterHasTheSameBeginning) {
    store_synced(/*seconds_ago=*/10);
    set("tank/fs", prop::kInterval, "1min");
    look();
    const std::string since = status_of_fs().last_error.value().since;
    const auto begin = std::chrono::steady_clock::now();
    test::run_until(io, [&] { return std::chrono::steady_clock::now() > begin + 1'500ms; });
    set("tank/fs", prop::kInterval, "1h");
    look();
    EXPECT_FALSE(status_of_fs().last_error);
    set("tank/fs", prop::kInterval, "1min");
    look();
    EXPECT_EQ(status_of_fs().last_error.value().since, since);
    // Another kind of trouble is another trouble.
    set("tank/fs", prop::kEpoch, "seven");
    look();
    EXPECT_GT(status_of_fs().last_error.value().since, since);
}

TEST_F(ServiceTest, ThatACopyIsLateIsToldOnceAndItsEndToo) {
    store_synced(/*seconds_ago=*/200);
    set("tank/fs", prop::kInterval, "1m");
    look();
    std::map<std::string, int> told;
    // Its turn has come since the start; before that nothing is told.
    alpha->runs.memory(fs).last_start = sync::SteadyClock::now();
    const auto heard = alpha->events.listen([&](const rpc::EventOut& event) {
        ++told[event.event];
        return true;
    });
    TaskGroup tasks(io.get_executor());
    tasks.spawn("watch", service.watch(20ms));
    test::run_until(io, [&] { return told["late"] != 0; });
    const auto begin = std::chrono::steady_clock::now();
    test::run_until(io, [&] { return std::chrono::steady_clock::now() > begin + 200ms; });
    EXPECT_EQ(told["late"], 1);
    EXPECT_EQ(told["late_over"], 0);
    set("tank/fs", prop::kInterval, "2m");
    look();
    test::run_until(io, [&] { return told["late_over"] != 0; });
    EXPECT_EQ(told["late"], 1);
    tasks.cancel();
    test::run_task(io, tasks.join());
}

TEST_F(ServiceTest, HealthIsConflictWhenTheTargetHasNewerSnapshots) {
    ASSERT_EQ(init().outcome, "done");
    beta->zfs.write("backup/fs", 1'000);
    beta->zfs.take("backup/fs@mine");
    alpha->zfs.write("tank/fs", 5'000);
    EXPECT_EQ(sync().outcome, "failed");
    const auto seen = status_of_fs();
    EXPECT_EQ(seen.health, "conflict");
    EXPECT_EQ(seen.last_error.value().kind, "conflict");
    EXPECT_FALSE(seen.last_error->remedy.empty());
}

TEST_F(ServiceTest, HealthIsSplitBrainWhenBothSidesAreMaster) {
    ASSERT_EQ(init().outcome, "done");
    beta->zfs.at("backup/fs").props[std::string(prop::kMaster)] = {"yes", Source::local};
    alpha->zfs.write("tank/fs", 5'000);
    EXPECT_EQ(sync().outcome, "failed");
    EXPECT_EQ(status_of_fs().health, "split_brain");
}

TEST_F(ServiceTest, HealthIsFailingAfterAFailureUntilOneSyncSucceeds) {
    ASSERT_EQ(init().outcome, "done");
    alpha->zfs.write("tank/fs", 5'000);
    alpha->zfs.fail_next("snapshot", {.code = Code::no_space, .message = "out of space"});
    EXPECT_EQ(sync().outcome, "failed");
    EXPECT_EQ(status_of_fs().health, "failing");
    EXPECT_EQ(sync().outcome, "done");
    EXPECT_EQ(status_of_fs().health, "ok");
    EXPECT_FALSE(status_of_fs().last_error);
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
