// SPDX-License-Identifier: BSD-2-Clause
// Programs that are told events, with real programs: what they get, in which order, and that
// nothing waits for them or outlives us.
#include "daemon/failover/event_hooks.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "common/json.hpp"
#include "common/text.hpp"
#include "daemon/log.hpp"
#include "tests/fakes/hook_folder.hpp"

namespace zrepd::failover {
namespace {

using namespace std::chrono_literals;
using test::run_task;
using test::run_until;
using Clock = std::chrono::steady_clock;

class EventHooksTest : public test::HookFolder {
  protected:
    void SetUp() override {
        HookFolder::SetUp();
        testing::internal::CaptureStdout();
        log::start("info");
    }
    void TearDown() override {
        stop();
        if (!said_) said();
        log::start("info");
    }
    void start() { hooks.start(); }
    void stop() {
        hooks.cancel();
        run_task(io, hooks.join());
    }
    void publish(int times = 1) {
        for (int i = 0; i < times; ++i)
            events.publish("role_changed", "tank/fs", "master, epoch 8");
    }
    /// The log so far; once only.
    std::string said() {
        said_ = true;
        log::flush();
        return testing::internal::GetCapturedStdout();
    }
    static long count(const std::string& text, const std::string& part) {
        long out = 0;
        for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++out;
        return out;
    }
    static long lines(const std::string& text) {
        return std::count(text.begin(), text.end(), '\n');
    }
    void wait_for_lines(const std::string& name, long number) {
        run_until(io, [&] { return lines(seen(name)) >= number; });
    }
    static bool lives(const std::string& pid) {
        const std::string stat = test::text_of("/proc/" + std::string(trim(pid)) + "/stat");
        return !stat.empty() && stat.find(") Z ") == stat.npos;
    }

    sync::EventBus events;
    EventHooks hooks{io.get_executor(), events, processes, config};

  private:
    bool said_ = false;
};

TEST_F(EventHooksTest, AProgramReadsTheEventAsZrepctlPrintsIt) {
    put("event.d/10-x", "cat >>$T/seen");
    start();
    publish();
    wait_for_lines("seen", 1);
    EXPECT_EQ(seen("seen"), dump_json(rpc::encode(events.recent(1).front())) + "\n");
    const Result<Json> json = parse_json(seen("seen"));
    ASSERT_TRUE(json);
    EXPECT_EQ((*json)["event"], "role_changed");
    EXPECT_EQ((*json)["seq"], "1");
}

TEST_F(EventHooksTest, ProgressIsNotTold) {
    put("event.d/10-x", "cat >>$T/seen");
    start();
    rpc::EventOut progress;
    progress.event = "run_progress";
    progress.progress.emplace();
    events.publish(progress);
    publish();
    wait_for_lines("seen", 1);
    EXPECT_EQ((*parse_json(seen("seen")))["event"], "role_changed");
}

TEST_F(EventHooksTest, WithoutProgramsNothingIsStarted) {
    start();
    publish(10);
    test::run_ready(io);
    EXPECT_EQ(processes.started(), 0U);
}

TEST_F(EventHooksTest, EachProgramRunsOnceAtATimeAndInTheOrderOfTheEvents) {
    put("event.d/10-x",
        "mkdir $T/lock || echo twice >>$T/bad\njq -r .seq >>$T/seen\nsleep 0.05\nrmdir $T/lock");
    put("event.d/20-y", "echo y >>$T/other");
    start();
    publish(8);
    wait_for_lines("seen", 8);
    wait_for_lines("other", 8);
    EXPECT_EQ(seen("seen"), "1\n2\n3\n4\n5\n6\n7\n8\n");
    EXPECT_EQ(seen("bad"), "");
}

TEST_F(EventHooksTest, OneThatHangsKeepsNoOtherAndNobodyElseWaiting) {
    put("event.d/10-x", "exec sleep 611");
    put("event.d/20-y", "echo y >>$T/seen");
    start();
    const auto began = Clock::now();
    publish(5);
    EXPECT_LT(Clock::now() - began, 5s);
    wait_for_lines("seen", 5);
    // Only the one that hangs.
    run_until(io, [&] { return processes.running().size() == 1; });
}

TEST_F(EventHooksTest, AtTheLimitItIsKilledWithItsGroupAndTheNextEventIsTold) {
    config.hook_timeout = 1s;
    put("event.d/10-x",
        "echo >>$T/seen; [ -e $T/pid ] && exit 0; trap '' TERM\n"
        "sleep 612 & echo $! >$T/pid; while :; do sleep 613; done");
    start();
    publish(2);
    wait_for_lines("seen", 2);
    run_until(io, [&] { return !lives(seen("pid")); });
    EXPECT_EQ(count(said(), "did not end within 1 s and was stopped"), 1);
}

TEST_F(EventHooksTest, WhatOverflowsIsCountedInOneLine) {
    constexpr int kMore = 50;
    put("event.d/10-x",
        "while [ ! -e $T/go ]; do sleep 0.02; done; read -r line; echo \"$line\" >>$T/seen");
    start();
    publish();
    run_until(io, [&] { return processes.running().size() == 1; });
    publish(static_cast<int>(EventHooks::kMaxWaiting) + kMore);
    test::write_program(root / "go", "");
    wait_for_lines("seen", static_cast<long>(EventHooks::kMaxWaiting) + 1);
    run_until(io, [&] { return processes.running().empty(); });
    test::run_ready(io);
    publish();
    wait_for_lines("seen", static_cast<long>(EventHooks::kMaxWaiting) + 2);
    const std::string log = said();
    EXPECT_EQ(count(log, "event_hook_lost"), 1) << log;
    EXPECT_EQ(count(log, "events=50 why='it could not keep up'"), 1) << log;
    EXPECT_EQ(count(seen("seen"), "\"seq\":\"257\""), 1);
    EXPECT_EQ(count(seen("seen"), "\"seq\":\"258\""), 0);
    EXPECT_EQ(count(seen("seen"), "\"seq\":\"308\""), 1);
}

TEST_F(EventHooksTest, OneThatAlwaysFailsIsALineNowAndThen) {
    put("event.d/10-x", "echo >>$T/seen; [ ! -e $T/well ] || exit 0; echo no mail >&2; exit 3");
    start();
    publish(61);
    wait_for_lines("seen", 61);
    run_until(io, [&] { return processes.running().empty(); });
    test::write_program(root / "well", "");
    publish(2);
    wait_for_lines("seen", 63);
    stop();
    const std::string log = said();
    EXPECT_EQ(count(log, "event_hook_failed"), 2) << log;
    EXPECT_EQ(count(log, "failed with exit status 3: 'no mail'"), 2) << log;
    EXPECT_EQ(count(log, "failures=61"), 1) << log;
    EXPECT_EQ(count(log, "event_hook_finished"), 1) << log;
}

TEST_F(EventHooksTest, OutputIsBoundedInTheLog) {
    put("event.d/10-x",
        "head -c 3000000 /dev/zero; head -c 3000000 /dev/zero | tr '\\0' a >&2; exit 1");
    start();
    publish();
    run_until(io, [&] { return processes.started() == 1 && processes.running().empty(); });
    stop();
    EXPECT_LT(said().size(), 2000U);
}

TEST_F(EventHooksTest, WhatOthersCouldHaveWrittenIsNotRunAndSaidOnce) {
    put("event.d/10-x", "echo x >>$T/seen");
    put("event.d/20-y", "echo y >>$T/seen");
    put("event.d/30-z.bak", "echo z >>$T/seen");
    ASSERT_EQ(::chmod(program("event.d/10-x").c_str(), 0775), 0);
    start();
    publish();
    wait_for_lines("seen", 1);
    std::this_thread::sleep_for(EventHooks::kLookAgainAfter);
    publish();
    wait_for_lines("seen", 2);
    EXPECT_EQ(seen("seen"), "y\ny\n");
    const std::string log = said();
    EXPECT_EQ(count(log, "event_hook_unusable"), 1) << log;
    EXPECT_EQ(count(log, "10-x' is not run: others than root may write to it"), 1) << log;
}

TEST_F(EventHooksTest, AProgramThatComesOrGoesNeedsNoRestart) {
    start();
    publish();
    put("event.d/10-x", "jq -r .seq >>$T/seen");
    std::this_thread::sleep_for(EventHooks::kLookAgainAfter);
    publish();
    wait_for_lines("seen", 1);
    test::fs::remove(program("event.d/10-x"));
    std::this_thread::sleep_for(EventHooks::kLookAgainAfter);
    publish();
    run_until(io, [&] { return processes.running().empty(); });
    EXPECT_EQ(seen("seen"), "2\n");
    EXPECT_EQ(processes.started(), 1U);
}

TEST_F(EventHooksTest, NothingIsLeftAfterTheStopAndWhatWasNotToldIsCounted) {
    put("event.d/10-x", "echo $$ >>$T/pid; exec sleep 614");
    start();
    publish(4);
    wait_for_lines("pid", 1);
    const auto began = Clock::now();
    stop();
    EXPECT_LT(Clock::now() - began, 4s);
    EXPECT_TRUE(processes.running().empty());
    EXPECT_FALSE(lives(seen("pid")));
    publish();
    test::run_ready(io);
    EXPECT_EQ(lines(seen("pid")), 1);
    const std::string log = said();
    EXPECT_EQ(count(log, "event_hook_lost"), 1) << log;
    EXPECT_EQ(count(log, "events=4 why='zrepd stops'"), 1) << log;
    EXPECT_EQ(count(log, "event_hook_failed"), 0) << log;
}

TEST_F(EventHooksTest, ALongRunIsCutToWhatFailedAndFits) {
    rpc::EventOut event;
    event.event = "run_finished";
    event.run.emplace();
    for (int i = 0; i < 2000; ++i) {
        rpc::RunResult result;
        result.dataset = "tank/fs" + std::to_string(i);
        result.outcome = "done";
        if (i % 2 == 1) result.error = rpc::ItemError{};
        event.run->results.push_back(result);
    }
    const std::string line = event_input(event);
    EXPECT_LE(line.size(), kMaxHookInput);
    const Result<Json> json = parse_json(line);
    ASSERT_TRUE(json);
    const Json& results = (*json)["run"]["results"];
    EXPECT_GE(results.size(), 20U);
    for (const Json& result : results) EXPECT_TRUE(result.contains("error"));
    event.run->results.resize(20);
    EXPECT_EQ((*parse_json(event_input(event)))["run"]["results"].size(), 20U);
    event.text.assign(100'000, 'x');
    EXPECT_LE(event_input(event).size(), kMaxHookInput);
}

TEST_F(EventHooksTest, TheCheckOfTheHooksFindsWhatWouldNotBeTold) {
    put("event.d/10-x", "exit 0");
    EXPECT_TRUE(check_hooks(config));
    ASSERT_EQ(::chmod(program("event.d/10-x").c_str(), 0644), 0);
    auto found = check_hooks(config);
    ASSERT_FALSE(found);
    EXPECT_NE(found.error().message.find("10-x' is not executable"), std::string::npos);
    test::fs::rename(program("event.d"), program("events.d"));
    found = check_hooks(config);
    ASSERT_FALSE(found);
    EXPECT_NE(found.error().message.find("events.d' is never run"), std::string::npos);
}

}  // namespace
}  // namespace zrepd::failover
