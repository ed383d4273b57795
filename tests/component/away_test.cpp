// SPDX-License-Identifier: BSD-2-Clause
// A peer that is away for long, and returns: twenty filesystems whose turn comes a thousand times
// meanwhile, and one with another peer that goes on. Time passes by moving the last start of a pair
// into the past; what looks for the peer has a real clock and short limits (two_hosts.hpp).
#include <gtest/gtest.h>
#include <malloc.h>

#include "daemon/log.hpp"
#include "daemon/sched/scheduler.hpp"
#include "tests/fakes/open_descriptors.hpp"
#include "tests/fakes/two_hosts.hpp"

namespace zrepd {
namespace {

using namespace std::chrono_literals;
using Source = zrepd::Source;
using Clock = std::chrono::steady_clock;

constexpr int kFilesystems = 20;
constexpr int kTurns = 1'000;
// Of these, so many are given to the other peer's pair, and to somebody who asks for a sync by
// hand.
constexpr int kEvery = 10;
// Of the heap: the events and runs that are remembered (sync::EventBus::kKept).
constexpr std::size_t kMostGrowth = 4 << 20;

}  // namespace
}  // namespace zrepd

/// Of the sanitizers, where one is linked (sanitizer/allocator_interface.h).
extern "C" __attribute__((weak)) std::size_t __sanitizer_get_current_allocated_bytes();

namespace zrepd {
namespace {

/// What is allocated and not freed: of the address sanitizer's memory most is what it keeps back.
std::size_t heap_bytes() {
    const bool sanitized = __sanitizer_get_current_allocated_bytes != nullptr;
    return sanitized ? __sanitizer_get_current_allocated_bytes()
                     : ::mallinfo2().uordblks + ::mallinfo2().hblkhd;
}

std::size_t occurrences(const std::string& text, const std::string& what) {
    std::size_t count = 0;
    for (auto at = text.find(what); at != text.npos; at = text.find(what, at + 1)) ++count;
    return count;
}

/// Three hosts: alpha has pairs with beta and one with gamma.
class AwayTest : public test::TwoHosts {
  protected:
    AwayTest() {
        const std::string socket = directory / "gamma.sock";
        gamma.emplace(io, "gamma", directory, directory / "alpha.sock");
        EXPECT_TRUE(gamma->server.listen(socket));
        gamma->zfs.create("backup");
        gamma->zfs.at("backup").props[std::string(prop::kAccept)] = {"alpha", Source::local};
        alpha->relay.sockets["gamma"] = socket;
        alpha->zfs.create("tank/other");
        make_pair(other, gamma->config.host, other_target);
    }
    ~AwayTest() override {
        tasks.cancel();
        test::run_until(io, [this] { return tasks.size() == 0; });
        test::run_task(io, gamma->stop());
    }
    void make_pair(const DatasetName& dataset, const HostName& host, const DatasetName& target) {
        sync::InitRequest request{.dataset = dataset, .host = host, .target = target};
        const auto made = ended(test::run_task(io, alpha->engine.start_init(std::move(request))));
        ASSERT_EQ(made.outcome, "done") << made.text;
        alpha->zfs.at(dataset.str()).props[std::string(prop::kInterval)] = {"1h", Source::local};
    }
    void make_pairs(int count) {
        for (int i = 0; i < count; ++i) {
            const std::string leaf = "fs" + std::to_string(100 + i);
            alpha->zfs.create("tank/" + leaf);
            const auto target = *DatasetName::parse("backup/" + leaf);
            names.push_back(*DatasetName::parse("tank/" + leaf));
            make_pair(names.back(), beta->config.host, target);
        }
    }
    void start() {
        ASSERT_TRUE(test::run_task(io, alpha->inventory.discover()).has_value());
        tasks.spawn("scheduler", scheduler.run());
        test::run_ready(io);
    }
    void lose_beta(Code code = Code::peer_unreachable) {
        for (const pid_t child : alpha->relay.children) ::kill(child, SIGKILL);
        alpha->relay.away["beta"] = code;
    }
    /// A turn of all these: an hour has passed, and something was written.
    void turn(const std::vector<DatasetName>& which) {
        for (const auto& name : which) {
            alpha->zfs.write(name.str(), 1'000);
            alpha->runs.memory(name).last_start = sync::SteadyClock::now() - 2h;
        }
        alpha->inventory.changed().notify();
        test::run_ready(io);
    }
    bool in_step(const DatasetName& name, test::TestHost& host) {
        const std::string target = "backup" + name.str().substr(name.str().find('/'));
        return alpha->zfs.content(name.str()) == host.zfs.content(target) &&
               !alpha->runs.active(name);
    }
    /// The pair with gamma syncs, whatever beta does.
    void expect_other_syncs() {
        turn({other});
        test::run_until(io, [this] { return in_step(other, *gamma); });
    }
    std::size_t unacknowledged(const DatasetName& name) {
        const auto& all = alpha->zfs.at(name.str()).snapshots;
        return static_cast<std::size_t>(
            std::count_if(all.begin(), all.end(), [](const auto& one) { return !one.sent; }));
    }
    std::size_t streams_of(const DatasetName& name) const {
        const auto& calls = alpha->zfs.calls();
        const std::string what = " " + name.str() + "@";
        return static_cast<std::size_t>(
            std::count_if(calls.begin(), calls.end(), [&](const std::string& call) {
                return call.starts_with("send ") && call.find(what) != call.npos;
            }));
    }
    /// What cron would do, had it a zrepctl sync.
    void sync_by_hand() {
        auto started = alpha->engine.start_sync(names, sync::Freshness::listed);
        if (!started) return;
        const auto run = alpha->runs.find(started->run_id);
        test::run_until(io, [&run] { return run->finished(); });
    }
    /// All of them are told that it is away.
    void until_all_wait() {
        test::run_until(io, [this] {
            return std::all_of(names.begin(), names.end(), [this](const auto& name) {
                return alpha->runs.memory(name).error && !alpha->runs.active(name);
            });
        });
    }
    void be_away_for_a_thousand_turns();

    const DatasetName other = *DatasetName::parse("tank/other");
    const DatasetName other_target = *DatasetName::parse("backup/other");
    std::vector<DatasetName> names;
    std::optional<test::TestHost> gamma;
    sched::Scheduler scheduler{alpha->sync, alpha->engine, alpha->peers};
    TaskGroup tasks{io.get_executor()};
};

void AwayTest::be_away_for_a_thousand_turns() {
    std::size_t heap = 0;
    std::size_t descriptors = 0;
    for (int round = 0; round < kTurns; ++round) {
        turn(names);
        alpha->zfs.forget_calls();
        if (round % kEvery != 0) continue;
        expect_other_syncs();
        sync_by_hand();
        until_all_wait();
        for (const auto& name : names) ASSERT_LE(unacknowledged(name), 1U) << name.str();
        if (round == kTurns / 10) {
            heap = heap_bytes();
            descriptors = test::open_descriptors();
        }
    }
    EXPECT_LE(test::open_descriptors(), descriptors);
    EXPECT_LE(heap_bytes(), heap + kMostGrowth);
    std::fprintf(stderr,
                 "heap: %zu bytes, then %zu; descriptors: %zu\n",
                 heap,
                 heap_bytes(),
                 test::open_descriptors());
}

TEST_F(AwayTest, AThousandTurnsOfTwentyFilesystemsLeaveNothing) {
    make_pairs(kFilesystems);
    start();
    // A quarter of them has a snapshot that was not sent.
    for (int i = 0; i < kFilesystems; i += 4) {
        alpha->zfs.fail_next("send", {.code = Code::stream_failed, .message = "cut"});
        turn({names[static_cast<std::size_t>(i)]});
        test::run_until(io, [this] { return alpha->runs.active_count() == 0; });
    }
    lose_beta();
    ::testing::internal::CaptureStdout();
    const auto begin = Clock::now();
    const int before = alpha->relay.opened["beta"];
    be_away_for_a_thousand_turns();
    const auto passed = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin);
    log::flush();
    const std::string said = ::testing::internal::GetCapturedStdout();
    // Of each: the first, and one for every step in which peers_away.cpp says it again.
    const auto steps = static_cast<std::size_t>(passed.count() / 30'000);
    EXPECT_LE(occurrences(said, "peer_down peer=beta"), 1U) << said;
    EXPECT_LE(occurrences(said, "peer_away"), steps) << said;
    EXPECT_EQ(occurrences(said, "op=sync dataset=tank/fs"), 0U) << said;
    EXPECT_GE(occurrences(said, "dataset_done"), static_cast<std::size_t>(kTurns / kEvery)) << said;
    // One look at a time for all of them, besides those that somebody asked for.
    const auto looks = passed.count() / 240 + 1;
    EXPECT_LE(alpha->relay.opened["beta"] - before, looks + kTurns / kEvery + 1);
    alpha->relay.away.clear();
    const auto back = Clock::now();
    test::run_until(io, [this] {
        return std::all_of(
            names.begin(), names.end(), [this](const auto& name) { return in_step(name, *beta); });
    });
    EXPECT_LT(Clock::now() - back, 10s);
    for (int i = 0; i < kFilesystems; ++i) {
        const auto& name = names[static_cast<std::size_t>(i)];
        const std::size_t streams = streams_of(name);
        EXPECT_EQ(streams, i % 4 == 0 ? 2U : 1U) << "what was not sent, and all the rest at once";
        EXPECT_EQ(unacknowledged(name), 0U);
    }
}

TEST_F(AwayTest, ItsReturnIsTheTurnOfAllThatMissedTheirs) {
    make_pairs(3);
    start();
    lose_beta();
    turn({names[0], names[1]});
    test::run_until(io, [this] { return alpha->runs.memory(names[1]).error.has_value(); });
    // An hour to go, by itself, and five minutes for many failures.
    for (const auto& name : {names[0], names[1]}) {
        alpha->runs.memory(name).last_start = sync::SteadyClock::now();
        alpha->runs.memory(name).failures = 20;
    }
    const auto waiting = scheduler.next_run(alpha->inventory.pair(names[0]).value(), Moment{});
    EXPECT_LT(*waiting, Clock::now() + 1s) << "status shows the next look";
    const auto third = alpha->runs.memory(names[2]).last_start;
    alpha->relay.away.clear();
    test::run_until(io, [this] { return in_step(names[0], *beta) && in_step(names[1], *beta); });
    EXPECT_EQ(alpha->runs.memory(names[2]).last_start, third) << "its turn did not come";
    EXPECT_EQ(alpha->runs.memory(names[0]).failures, 0U);
}

TEST_F(AwayTest, WhoseTurnComesMeanwhileIsToldWithoutATryOfItsOwn) {
    make_pairs(2);
    start();
    lose_beta();
    turn({names[0]});
    test::run_until(io, [this] { return alpha->runs.memory(names[0]).error.has_value(); });
    alpha->relay.away["beta"] = Code::unknown_host;  // what a try of its own would find
    const int tries = alpha->relay.opened["beta"];
    turn({names[1]});
    test::run_until(io, [this] { return alpha->runs.memory(names[1]).error.has_value(); });
    EXPECT_LE(alpha->relay.opened["beta"], tries + 1) << "a look may have fallen in between";
    EXPECT_TRUE(peer::is_absence(alpha->runs.memory(names[1]).error->code));
    EXPECT_EQ(unacknowledged(names[1]), 0U);
}

TEST_F(AwayTest, APeerThatRefusesOurKeyIsTriedAtTheBackOffAlone) {
    make_pairs(1);
    start();
    lose_beta(Code::peer_auth);
    turn(names);
    test::run_until(io, [this] {
        const auto& error = alpha->runs.memory(names[0]).error;
        return error && error->code == Code::peer_auth && !alpha->runs.active(names[0]);
    });
    const auto pair = alpha->inventory.pair(names[0]).value();
    const auto next = scheduler.next_run(pair, Moment{});
    EXPECT_EQ(*next, *alpha->runs.memory(names[0]).last_start + 1h);
    EXPECT_FALSE(alpha->peers.next_look(pair.peer));
}

TEST_F(AwayTest, APeerThatComesAndGoesIsLeftAtTheBackOff) {
    make_pairs(1);
    start();
    const auto lost = [&] {
        // A line that lets greetings through and no stream.
        alpha->zfs.fail_next("send", {.code = Code::peer_unreachable, .message = "broken"});
        turn(names);
        test::run_until(io, [this] {
            return alpha->runs.memory(names[0]).error && !alpha->runs.active(names[0]);
        });
        alpha->runs.memory(names[0]).last_start = sync::SteadyClock::now();
    };
    lost();
    alpha->zfs.fail_next("send", {.code = Code::peer_unreachable, .message = "broken"});
    alpha->events.publish("peer_up", "", "beta");
    test::run_until(io, [this] { return alpha->runs.memory(names[0]).failures == 2; });
    test::run_until(io, [this] { return alpha->runs.active_count() == 0; });
    alpha->events.publish("peer_up", "", "beta");
    test::run_ready(io);
    EXPECT_EQ(alpha->runs.active_count(), 0U) << "it came back twice and nothing was done";
    sync_by_hand();
    EXPECT_TRUE(in_step(names[0], *beta));
    lost();
    alpha->events.publish("peer_up", "", "beta");
    test::run_until(io, [this] { return in_step(names[0], *beta); });
}

TEST_F(AwayTest, APeerThatGreetsAndDropsFillsNeitherLogNorEvents) {
    constexpr int kTimes = 30;
    int heard = 0;
    const auto parts = alpha->events.listen([&heard](const rpc::EventOut& event) {
        heard += event.event == "peer_up" ? 1 : 0;
        return true;
    });
    int told = 0;
    const auto outside = alpha->events.subscribe([&told](const rpc::EventOut& event) {
        told += event.event.starts_with("peer_") ? 1 : 0;
        return true;
    });
    const HostName host = beta->config.host;
    ::testing::internal::CaptureStdout();
    for (int i = 0; i < kTimes; ++i) {
        Json params = Json::object();
        EXPECT_TRUE(
            test::run_task(io, alpha->peers.call(host, "peer.ping", std::move(params), 10s)));
        ::kill(alpha->relay.children.back(), SIGKILL);
        test::run_until(io,
                        [&] { return alpha->peers.state(host) == peer::PeerState::unreachable; });
    }
    log::flush();
    const std::string said = ::testing::internal::GetCapturedStdout();
    EXPECT_EQ(heard, kTimes) << "what waits for it must not miss its return";
    EXPECT_LE(occurrences(said, " peer=beta"), peer::kSaidAtOnce + 1U) << said;
    EXPECT_GE(occurrences(said, " peer=beta"), peer::kSaidAtOnce) << said;
    EXPECT_LE(told, static_cast<int>(peer::kSaidAtOnce) + 1);
    EXPECT_GE(told, static_cast<int>(peer::kSaidAtOnce));
    std::size_t kept = 0;
    for (const auto& event : alpha->events.recent(sync::EventBus::kKept))
        kept += event.text == "beta" ? 1 : 0;
    EXPECT_LE(kept, peer::kSaidAtOnce + 1U);
}

}  // namespace
}  // namespace zrepd
