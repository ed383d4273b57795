// SPDX-License-Identifier: BSD-2-Clause
// The scheduler between two daemons: what it starts, when it tries again, and what it waits for.
// Time passes by moving the last start of a pair into the past.
#include "daemon/sched/scheduler.hpp"

#include <gtest/gtest.h>

#include "daemon/log.hpp"
#include "tests/fakes/two_hosts.hpp"

namespace zrepd {
namespace {

using namespace std::chrono_literals;
using Source = zrepd::Source;

class SchedulerTest : public test::TwoHosts {
  protected:
    ~SchedulerTest() override {
        tasks.cancel();
        test::run_until(io, [this] { return tasks.size() == 0; });
    }
    void start() { tasks.spawn("scheduler", scheduler.run()); }
    void set(std::string_view dataset, std::string_view key, std::string value) {
        alpha->zfs.at(dataset).props[std::string(key)] = {std::move(value), Source::local};
    }
    /// The pair tank/fs → beta:backup/fs, complete, with this interval.
    void make_pair(const std::string& interval) {
        const auto made = init();
        EXPECT_EQ(made.outcome, "done") << made.text;
        set("tank/fs", prop::kInterval, interval);
        const auto seen = test::run_task(io, alpha->inventory.discover());
        EXPECT_TRUE(seen.has_value());
    }
    /// Time passes: longer than any interval and any back-off.
    void make_due(const DatasetName& dataset) {
        alpha->runs.memory(dataset).last_start = sync::SteadyClock::now() - 2h;
        alpha->inventory.changed().notify();
    }
    bool in_step() {
        return alpha->zfs.content("tank/fs") == beta->zfs.content("backup/fs") &&
               !alpha->runs.active(fs);
    }
    void until_in_step() {
        test::run_until(io, [this] { return in_step(); });
    }
    /// From the last start to the next one.
    std::chrono::milliseconds pause_before_next() const {
        const auto next = scheduler.next_run(alpha->inventory.pair(fs).value(), Moment{});
        const auto last = alpha->runs.remembered(fs)->last_start;
        return std::chrono::duration_cast<std::chrono::milliseconds>(next.value() - last.value());
    }
    /// One scheduled sync that fails on this side.
    void fail_once() {
        const unsigned before = alpha->runs.memory(fs).failures;
        alpha->zfs.fail_next("snapshot", {.code = Code::no_space, .message = "out of space"});
        make_due(fs);
        test::run_until(io, [&] { return alpha->runs.memory(fs).failures > before; });
        test::run_ready(io);
    }

    sched::Scheduler scheduler{alpha->sync, alpha->engine, alpha->peers};
    TaskGroup tasks{io.get_executor()};
};

/// A sync of hours would keep its master from being opened.
TEST_F(SchedulerTest, NothingIsSyncedBeforeItIsSettledWhoIsMaster) {
    make_pair("10s");
    bool unsettled = true;
    unsigned asked = 0;
    scheduler.hold_back([&](const DatasetName& name) {
        ++asked;
        return unsettled && name == fs;
    });
    alpha->zfs.write("tank/fs", 5'000);
    make_due(fs);
    start();
    test::run_until(io, [&] { return asked > 3; });
    EXPECT_FALSE(alpha->runs.active(fs));
    EXPECT_FALSE(in_step());
    unsettled = false;
    until_in_step();
}

TEST_F(SchedulerTest, APoolThatIsUnavailableIsToldOfOnceAndItsReturnToo) {
    make_pair("1h");
    std::map<std::string, unsigned> told;
    const auto subscription = alpha->events.subscribe([&](const rpc::EventOut& event) {
        if (event.dataset == "tank") ++told[event.event];
        return true;
    });
    start();
    alpha->zfs.set_pool_trouble("tank", "SUSPENDED");
    alpha->inventory.changed().notify();
    test::run_until(io, [&] { return told["pool_unavailable"] != 0; });
    make_due(fs);
    alpha->zfs.set_pool_trouble("tank", "");
    alpha->inventory.changed().notify();
    test::run_until(io, [&] { return told["pool_back"] != 0; });
    EXPECT_EQ(told["pool_unavailable"], 1U);
    EXPECT_EQ(told["pool_back"], 1U);
}

TEST_F(SchedulerTest, SyncsAPairWhenItIsDueAndNotBefore) {
    make_pair("1h");
    alpha->zfs.write("tank/fs", 5'000);
    start();
    test::run_ready(io);
    EXPECT_EQ(alpha->runs.active_count(), 0U) << "init was a moment ago";
    make_due(fs);
    until_in_step();
    EXPECT_EQ(pause_before_next(), 1h);
}

TEST_F(SchedulerTest, SyncsAPairThatItDoesNotRememberAtOnce) {
    make_pair("1h");
    alpha->zfs.write("tank/fs", 5'000);
    alpha->runs.forget(fs);  // as after a restart
    start();
    until_in_step();
}

TEST_F(SchedulerTest, LeavesAPairWithoutAnIntervalAlone) {
    make_pair("");
    alpha->zfs.write("tank/fs", 5'000);
    alpha->runs.forget(fs);
    start();
    make_due(fs);
    test::run_ready(io);
    EXPECT_EQ(alpha->runs.active_count(), 0U);
}

TEST_F(SchedulerTest, WaitsLongerAfterEachFailureInARow) {
    make_pair("1s");
    alpha->zfs.write("tank/fs", 5'000);
    start();
    test::run_ready(io);
    std::chrono::milliseconds before = 1s;
    for (unsigned failures = 1; failures <= 5; ++failures) {
        fail_once();
        ASSERT_EQ(alpha->runs.memory(fs).failures, failures);
        const auto pause = pause_before_next();
        EXPECT_GT(pause, before);
        EXPECT_GE(pause, sched::backoff(failures, 0));
        EXPECT_LE(pause, sched::backoff(failures, 1));
        before = pause;
    }
    alpha->inventory.changed().notify();
    test::run_ready(io);
    EXPECT_EQ(alpha->runs.active_count(), 0U) << "it is not time yet";
    make_due(fs);
    until_in_step();
    EXPECT_EQ(pause_before_next(), 1s) << "one success, and the interval counts again";
}

TEST_F(SchedulerTest, APeerThatHangsDelaysNoPairWithAnother) {
    make_pair("1h");
    const DatasetName second = *DatasetName::parse("tank/second");
    alpha->zfs.create("tank/second");
    set("tank/second", prop::kSrcHost, "alpha");
    set("tank/second", prop::kSrcFs, "tank/second");
    set("tank/second", prop::kDestHost, "gamma");
    set("tank/second", prop::kDestFs, "backup/second");
    set("tank/second", prop::kMaster, "yes");
    set("tank/second", prop::kInterval, "1h");
    alpha->relay.silent.insert("gamma");
    alpha->inventory.note({.dataset = second, .versions_only = false});
    ASSERT_TRUE(test::run_task(io, alpha->inventory.discover()).has_value());
    start();
    for (int round = 0; round < 2; ++round) {
        alpha->zfs.write("tank/fs", 5'000);
        make_due(fs);
        until_in_step();
        EXPECT_TRUE(alpha->runs.active(second)) << "it still waits for gamma";
    }
}

TEST_F(SchedulerTest, StoppedWhileItLooksItEnds) {
    make_pair("1h");
    alpha->inventory.note({.dataset = fs, .versions_only = false});
    alpha->zfs.forget_calls();
    alpha->zfs.delay_next_datasets();
    start();
    test::run_until(io, [this] { return alpha->zfs.count("datasets") > 0; });
    test::run_ready(io);
    alpha->runs.forget(fs);  // due now
    tasks.cancel();
    test::run_until(io, [this] { return tasks.size() == 0; });
    EXPECT_EQ(alpha->runs.active_count(), 0U) << "nothing starts any more";
}

TEST_F(SchedulerTest, GoesOnWhenAPauseEnds) {
    make_pair("1h");
    const UnixSeconds until = unix_now() + 2;
    set("tank/fs", prop::kPaused, to_rfc3339(until));
    alpha->inventory.note({.dataset = fs, .versions_only = false});
    ASSERT_TRUE(test::run_task(io, alpha->inventory.discover()).has_value());
    alpha->zfs.write("tank/fs", 5'000);
    alpha->runs.forget(fs);
    start();
    test::run_ready(io);
    EXPECT_EQ(alpha->runs.active_count(), 0U);
    until_in_step();
    EXPECT_GE(unix_now(), until);
    EXPECT_LT(unix_now(), until + 10) << "the scheduler slept through the end of the pause";
}

TEST_F(SchedulerTest, TellsOfPairsUnderAnotherHostNameOncePerChange) {
    make_pair("1h");
    set("tank/fs", prop::kSrcHost, "oldname");
    ::testing::internal::CaptureStdout();
    start();
    for (int round = 0; round < 3; ++round) {
        ASSERT_TRUE(test::run_task(io, alpha->inventory.discover()).has_value());
        test::run_ready(io);
    }
    set("tank/fs", prop::kSrcHost, "oldername");
    ASSERT_TRUE(test::run_task(io, alpha->inventory.discover()).has_value());
    test::run_ready(io);
    log::flush();
    const std::string said = ::testing::internal::GetCapturedStdout();
    const std::size_t first = said.find("foreign_pairs error='1 filesystem (tank/fs) belongs");
    EXPECT_NE(first, said.npos) << said;
    const std::size_t second = said.find("foreign_pairs", first + 1);
    EXPECT_NE(said.find("oldername", second), said.npos) << said;
    EXPECT_EQ(said.find("foreign_pairs", second + 1), said.npos) << said;
}

TEST_F(SchedulerTest, LeavesAPausedPairAlone) {
    make_pair("1h");
    set("tank/fs", prop::kPaused, "yes");
    ASSERT_TRUE(test::run_task(io, alpha->inventory.discover()).has_value());
    alpha->zfs.write("tank/fs", 5'000);
    start();
    make_due(fs);
    test::run_ready(io);
    EXPECT_EQ(alpha->runs.active_count(), 0U);
}

TEST_F(SchedulerTest, APausedPairOfAnAbsentPeerWakesNobody) {
    make_pair("1h");
    set("tank/fs", prop::kPaused, "yes");
    ASSERT_TRUE(test::run_task(io, alpha->inventory.discover()).has_value());
    // Away, and looked for by nobody.
    alpha->relay.away["beta"] = Code::peer_unreachable;
    peer::Peers peers(io.get_executor(), alpha->relay, nullptr);
    Json nothing = Json::object();
    EXPECT_FALSE(
        test::run_task(io, peers.call(beta->config.host, "peer.ping", std::move(nothing), 5s)));
    alpha->runs.memory(fs).error = peers.away(beta->config.host);
    ASSERT_TRUE(alpha->runs.memory(fs).error);
    sched::Scheduler idle(alpha->sync, alpha->engine, peers);
    tasks.spawn("scheduler", idle.run());
    test::run_ready(io);
    const auto until = std::chrono::steady_clock::now() + 2500ms;
    std::size_t wakes = 0;
    while (std::chrono::steady_clock::now() < until) wakes += io.run_one_for(100ms);
    EXPECT_EQ(wakes, 0U) << "there is nothing to look at before it is told";
    tasks.cancel();
    test::run_until(io, [this] { return tasks.size() == 0; });
    test::run_task(io, peers.stop());
}

}  // namespace
}  // namespace zrepd
