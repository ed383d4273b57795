// SPDX-License-Identifier: BSD-2-Clause
// Backlog, lag, health, and since when something is wrong, as status has them.
#include <gtest/gtest.h>

#include "common/time.hpp"
#include "tests/fakes/service_test.hpp"

namespace zrepd {
namespace {

using namespace std::chrono_literals;

class ServiceHealth : public test::ServiceFixture {};

TEST_F(ServiceHealth, BacklogIsWhatWasWrittenSinceTheNewestAcknowledgedSnapshot) {
    store_synced(/*seconds_ago=*/10);
    look();
    EXPECT_EQ(status_of_fs().backlog_bytes, 0U);
    alpha->zfs.write("tank/fs", 5'000);
    look();
    EXPECT_EQ(status_of_fs().backlog_bytes, 5'000U);
}

TEST_F(ServiceHealth, ASnapshotThatWasNeverAcknowledgedCountsAsBacklog) {
    store_synced(/*seconds_ago=*/10);
    alpha->zfs.write("tank/fs", 5'000);
    alpha->zfs.take("tank/fs@zrep_000002");
    alpha->zfs.write("tank/fs", 1'000);
    look();
    EXPECT_EQ(status_of_fs().backlog_bytes, 6'000U);
    EXPECT_EQ(status_of_fs().pending_snapshots, 1U);
}

TEST_F(ServiceHealth, LagIsTheAgeOfTheNewestAcknowledgedSnapshot) {
    store_pair("tank/fs", /*target=*/false);
    look();
    EXPECT_FALSE(status_of_fs().lag_seconds) << "never synced";
    store_synced(/*seconds_ago=*/100);
    list_again();
    EXPECT_GE(status_of_fs().lag_seconds.value(), 100);
    EXPECT_LT(status_of_fs().lag_seconds.value(), 200);
}

TEST_F(ServiceHealth, ASyncThatFoundNothingToSendMakesTheCopyFresh) {
    ASSERT_EQ(init().outcome, "done");
    alpha->runs.forget(fs);
    alpha->zfs.at("tank/fs").snapshots.back().sent = unix_now() - 1'000;
    beta->zfs.at("backup/fs").snapshots.back().sent = unix_now() - 1'000;
    list_again();
    EXPECT_GE(status_of_fs().lag_seconds.value(), 1'000);
    ASSERT_EQ(sync().outcome, "unchanged");
    EXPECT_LT(status_of_fs().lag_seconds.value(), 60);
}

TEST_F(ServiceHealth, HealthIsLateAfterTwoIntervalsAndAMinute) {
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

TEST_F(ServiceHealth, ALateCopySaysSinceWhenAndWhatToDo) {
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

TEST_F(ServiceHealth, WhatIsWrongHasItsBeginningThoughNobodyAsked) {
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

TEST_F(ServiceHealth, WhatIsWrongAgainAMomentLaterHasTheSameBeginning) {
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

TEST_F(ServiceHealth, ThatACopyIsLateIsToldOnceAndItsEndToo) {
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

TEST_F(ServiceHealth, HealthIsConflictWhenTheTargetHasNewerSnapshots) {
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

TEST_F(ServiceHealth, HealthIsSplitBrainWhenBothSidesAreMaster) {
    ASSERT_EQ(init().outcome, "done");
    beta->zfs.at("backup/fs").props[std::string(prop::kMaster)] = {"yes", Source::local};
    alpha->zfs.write("tank/fs", 5'000);
    EXPECT_EQ(sync().outcome, "failed");
    EXPECT_EQ(status_of_fs().health, "split_brain");
}

TEST_F(ServiceHealth, HealthIsFailingAfterAFailureUntilOneSyncSucceeds) {
    ASSERT_EQ(init().outcome, "done");
    alpha->zfs.write("tank/fs", 5'000);
    alpha->zfs.fail_next("snapshot", {.code = Code::no_space, .message = "out of space"});
    EXPECT_EQ(sync().outcome, "failed");
    EXPECT_EQ(status_of_fs().health, "failing");
    EXPECT_EQ(sync().outcome, "done");
    EXPECT_EQ(status_of_fs().health, "ok");
    EXPECT_FALSE(status_of_fs().last_error);
}

}  // namespace
}  // namespace zrepd
