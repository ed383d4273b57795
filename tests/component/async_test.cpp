// SPDX-License-Identifier: BSD-2-Clause
// The waiting helpers, on a real io_context. Times only ever bound a test from above.
#include <gtest/gtest.h>

#include <stdexcept>

#include "daemon/async/gather.hpp"
#include "daemon/async/signal.hpp"
#include "daemon/async/task_group.hpp"
#include "tests/fakes/run_task.hpp"

namespace zrepd {
namespace {

using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;
using test::run_ready;
using test::run_task;
using test::run_until;

constexpr auto kForever = 1h;

class Async : public ::testing::Test {
  protected:
    asio::io_context io{1};
};

struct Log {
    std::vector<std::string> lines;
};

Task<int> answer() {
    co_return 42;
}

Task<> sleeper(Log* log) {
    log->lines.emplace_back("asleep");
    co_await sleep_for(kForever);
    const bool stopped = co_await cancelled();
    log->lines.emplace_back(stopped ? "cancelled" : "woke up");
}

Task<> stubborn(Log* log) {
    co_await sleep_for(kForever);
    log->lines.emplace_back("interrupted once");
    co_await sleep_for(1ms);  // a cancel interrupts only the wait it finds
    log->lines.emplace_back("cleaned up");
}

Task<> throwing() {
    co_await sleep_for(0ms);
    throw std::runtime_error("out of paper");
}

Task<> join_then_log(TaskGroup* group, Log* log) {
    co_await group->join();
    log->lines.emplace_back("joined");
}

Task<> gather_then_log(TaskGroup* group, const std::size_t* left, Signal* done, Log* log) {
    co_await gather(*group, *left, *done);
    const bool stopped = co_await cancelled();
    log->lines.emplace_back(stopped ? "gathered, cancelled" : "gathered");
}

Task<> sleep_then_gather(TaskGroup* group, const std::size_t* left, Signal* done, Log* log) {
    co_await sleep_for(kForever);
    co_await gather_then_log(group, left, done, log);
}

TEST_F(Async, RunTaskReturnsTheValue) {
    EXPECT_EQ(run_task(io, answer()), 42);
}

TEST_F(Async, CancelInterruptsASleepingTask) {
    TaskGroup group(io.get_executor());
    Log log;
    group.spawn("a", sleeper(&log));
    group.spawn("b", sleeper(&log));
    run_ready(io);
    EXPECT_EQ(group.size(), 2u);
    group.cancel();
    run_until(io, [&] { return group.size() == 0; });
    EXPECT_EQ(log.lines, (std::vector<std::string>{"asleep", "asleep", "cancelled", "cancelled"}));
}

TEST_F(Async, ACancelledTaskMayStillAwaitToCleanUp) {
    TaskGroup group(io.get_executor());
    Log log;
    group.spawn("a", stubborn(&log));
    run_ready(io);
    group.cancel();
    run_until(io, [&] { return group.size() == 0; });
    EXPECT_EQ(log.lines, (std::vector<std::string>{"interrupted once", "cleaned up"}));
}

TEST_F(Async, ATaskCancelledBeforeItBeganIsToldAtItsFirstWait) {
    TaskGroup group(io.get_executor());
    Log log;
    group.spawn("a", sleeper(&log));
    group.cancel();
    run_until(io, [&] { return group.size() == 0; });
    EXPECT_EQ(log.lines.back(), "cancelled");
}

TEST_F(Async, CancelOfAGroupLeavesOthersAlone) {
    TaskGroup group(io.get_executor());
    TaskGroup other(io.get_executor());
    Log log;
    Log other_log;
    group.spawn("a", sleeper(&log));
    other.spawn("b", sleeper(&other_log));
    run_ready(io);
    group.cancel();
    run_until(io, [&] { return group.size() == 0; });
    EXPECT_EQ(other.size(), 1u);
    other.cancel();
    run_until(io, [&] { return other.size() == 0; });
}

TEST_F(Async, JoinWaitsForTheLastTask) {
    TaskGroup group(io.get_executor());
    TaskGroup waiting(io.get_executor());
    Log log;
    group.spawn("a", sleeper(&log));
    waiting.spawn("join", join_then_log(&group, &log));
    run_ready(io);
    EXPECT_EQ(log.lines, std::vector<std::string>{"asleep"});
    group.cancel();
    run_until(io, [&] { return waiting.size() == 0; });
    EXPECT_EQ(log.lines, (std::vector<std::string>{"asleep", "cancelled", "joined"}));
}

TEST_F(Async, JoinIsNotInterruptedByItsOwnCancel) {
    TaskGroup group(io.get_executor());
    TaskGroup waiting(io.get_executor());
    Log log;
    group.spawn("a", sleeper(&log));
    waiting.spawn("join", join_then_log(&group, &log));
    run_ready(io);
    waiting.cancel();
    run_ready(io);
    EXPECT_EQ(waiting.size(), 1u) << "it must not leave tasks behind";
    group.cancel();
    run_until(io, [&] { return waiting.size() == 0; });
}

TEST_F(Async, JoinOfAnEmptyGroupReturnsAtOnce) {
    TaskGroup group(io.get_executor());
    run_task(io, group.join());
}

TEST_F(Async, GatherPassesACancelOnAndItsCallerStillSeesIt) {
    for (const bool before_it_waits : {false, true}) {
        TaskGroup group(io.get_executor());
        TaskGroup waiting(io.get_executor());
        Signal done(io.get_executor());
        const std::size_t left = 1;
        Log log;
        group.spawn("a", sleeper(&log));
        waiting.spawn("gather",
                      before_it_waits ? sleep_then_gather(&group, &left, &done, &log)
                                      : gather_then_log(&group, &left, &done, &log));
        run_ready(io);
        waiting.cancel();
        run_until(io, [&] { return waiting.size() == 0; });
        EXPECT_EQ(log.lines,
                  (std::vector<std::string>{"asleep", "cancelled", "gathered, cancelled"}));
    }
}

TEST_F(Async, AnExceptionIsABugAndGoesToTheHandler) {
    std::vector<std::string> bugs;
    TaskGroup::on_bug([&bugs](std::string_view name, std::string_view what) {
        bugs.push_back(std::string(name) + ": " + std::string(what));
    });
    TaskGroup group(io.get_executor());
    Log log;
    group.spawn("printer", throwing());
    group.spawn("other", sleeper(&log));
    run_until(io, [&] { return group.size() == 1; });
    EXPECT_EQ(bugs, std::vector<std::string>{"printer: out of paper"});
    group.cancel();
    run_until(io, [&] { return group.size() == 0; });
    TaskGroup::on_bug([](std::string_view, std::string_view) { std::abort(); });
}

using AsyncDeathTest = Async;

TEST_F(AsyncDeathTest, AGroupThatIsNotJoinedStopsTheProgram) {
    ::testing::FLAGS_gtest_death_test_style = "threadsafe";
    EXPECT_DEATH(
        {
            Log log;
            TaskGroup group(io.get_executor());
            group.spawn("a", sleeper(&log));
        },
        "");
}

// --- Deadline ---

TEST_F(Async, DeadlineExpiresOnce) {
    int called = 0;
    Deadline deadline(io.get_executor(), 1ms, [&called] { ++called; });
    EXPECT_FALSE(deadline.expired());
    run_until(io, [&] { return deadline.expired(); });
    io.run_for(5ms);
    EXPECT_EQ(called, 1);
}

TEST_F(Async, DeadlineIsMovedByRestart) {
    constexpr auto kAfter = 60ms;
    SteadyClock::time_point fired;
    Deadline deadline(io.get_executor(), kAfter, [&fired] { fired = SteadyClock::now(); });
    const auto begin = SteadyClock::now();
    auto restarted = begin;
    // Holds on a machine that sleeps through a period, too: then it fires, but not too early.
    while (!deadline.expired() && SteadyClock::now() < begin + 3 * kAfter) {
        restarted = SteadyClock::now();
        deadline.restart(std::chrono::steady_clock::now());
        io.run_one_for(5ms);
    }
    run_until(io, [&] { return deadline.expired(); });
    EXPECT_GE(fired - restarted, kAfter);
}

TEST_F(Async, DeadlineCanBeRestartedAfterItExpired) {
    int called = 0;
    Deadline deadline(io.get_executor(), 1ms, [&called] { ++called; });
    run_until(io, [&] { return called == 1; });
    deadline.restart(std::chrono::steady_clock::now());
    run_until(io, [&] { return called == 2; });
}

TEST_F(Async, DeadlineThatIsGoneCallsNobody) {
    bool called = false;
    {
        const Deadline deadline(io.get_executor(), 0ms, [&called] { called = true; });
    }
    io.run_for(20ms);
    EXPECT_FALSE(called);
}

// --- Signal and Alarm ---

Task<> wait_for_flag(Signal* signal, const bool* flag, int* wakeups) {
    while (!*flag) {
        co_await signal->wait();
        ++*wakeups;
        const bool stop = co_await cancelled();
        if (stop) co_return;
    }
}

TEST_F(Async, SignalWakesEverybodyWhoWaits) {
    Signal signal(io.get_executor());
    TaskGroup group(io.get_executor());
    bool flag = false;
    int wakeups = 0;
    group.spawn("a", wait_for_flag(&signal, &flag, &wakeups));
    group.spawn("b", wait_for_flag(&signal, &flag, &wakeups));
    run_ready(io);
    signal.notify();
    run_ready(io);
    EXPECT_EQ(wakeups, 2);
    EXPECT_EQ(group.size(), 2u) << "the condition does not hold yet";
    flag = true;
    signal.notify();
    run_until(io, [&] { return group.size() == 0; });
    EXPECT_EQ(wakeups, 4);
}

TEST_F(Async, SignalIsNotRememberedWhenNobodyWaits) {
    Signal signal(io.get_executor());
    signal.notify();
    TaskGroup group(io.get_executor());
    const bool flag = false;
    int wakeups = 0;
    group.spawn("a", wait_for_flag(&signal, &flag, &wakeups));
    run_ready(io);
    EXPECT_EQ(wakeups, 0);
    group.cancel();
    run_until(io, [&] { return group.size() == 0; });
}

Task<bool> alarm_at(Alarm* alarm, SteadyClock::time_point time) {
    co_await alarm->wait_until(time);
    co_return SteadyClock::now() >= time;
}

TEST_F(Async, AlarmRingsAtItsTimeOrOnNotify) {
    Alarm alarm(io.get_executor());
    EXPECT_TRUE(run_task(io, alarm_at(&alarm, SteadyClock::now() + 2ms)));
    asio::steady_timer notifier(io, 1ms);
    notifier.async_wait([&alarm](const boost::system::error_code&) { alarm.notify(); });
    EXPECT_FALSE(run_task(io, alarm_at(&alarm, SteadyClock::now() + kForever)));
}

// --- Semaphore ---

struct Crowd {
    int inside = 0;
    int most = 0;
    int served = 0;
    int refused = 0;
};

Task<> visitor(Semaphore* door, Crowd* crowd) {
    const Semaphore::Place place = co_await door->acquire();
    if (!place) {
        ++crowd->refused;
        co_return;
    }
    crowd->most = std::max(crowd->most, ++crowd->inside);
    co_await sleep_for(1ms);
    --crowd->inside;
    ++crowd->served;
}

TEST_F(Async, SemaphoreLetsInNoMoreThanItsLimitAndServesAll) {
    Semaphore door(io.get_executor(), 3);
    TaskGroup group(io.get_executor());
    Crowd crowd;
    for (int i = 0; i < 20; ++i) group.spawn("visitor", visitor(&door, &crowd));
    run_until(io, [&] { return group.size() == 0; });
    EXPECT_EQ(crowd.served, 20);
    EXPECT_EQ(crowd.most, 3);
}

TEST_F(Async, SemaphoreGivesNoPlaceToACancelledTask) {
    Semaphore door(io.get_executor(), 1);
    TaskGroup group(io.get_executor());
    Crowd crowd;
    Semaphore::Place held = run_task(io, door.acquire());
    ASSERT_TRUE(held);
    group.spawn("visitor", visitor(&door, &crowd));
    run_ready(io);
    group.cancel();
    run_until(io, [&] { return group.size() == 0; });
    EXPECT_EQ(crowd.refused, 1);
    held = Semaphore::Place();
    EXPECT_TRUE(run_task(io, door.acquire())) << "the refused one took no place";
}

TEST_F(Async, SemaphorePlaceMovesWithItsOwner) {
    Semaphore door(io.get_executor(), 1);
    Semaphore::Place first = run_task(io, door.acquire());
    {
        const Semaphore::Place second = std::move(first);
        EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): empty is what is promised
        EXPECT_TRUE(second);
    }
    EXPECT_TRUE(run_task(io, door.acquire()));
}

}  // namespace
}  // namespace zrepd
