// SPDX-License-Identifier: BSD-2-Clause
// Who looks for a host that cannot be reached, how often, and when sessions end that nobody uses.

#include <algorithm>

#include "daemon/peer/peers.hpp"
#include "tests/fakes/open_descriptors.hpp"
#include "tests/fakes/peer_links.hpp"
#include "tests/fakes/run_task.hpp"
#include "tests/fakes/served_target.hpp"

namespace zrepd::peer {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

class PeersAway : public test::ServedTarget {
  protected:
    ~PeersAway() override {
        if (peers) run(peers->stop());
    }
    void make(PeerLimits limits) {
        const auto note = [this](const HostName&, PeerState state, const Error*) {
            states.push_back(state);
        };
        peers.emplace(io.get_executor(), relay, note, limits);
    }
    bool ping() {
        Json params = Json::object();
        return test::run_task(io, peers->call(beta, "peer.ping", std::move(params), 5s))
            .has_value();
    }
    void pass(std::chrono::milliseconds time) {
        const auto until = Clock::now() + time;
        test::run_until(io, [&] { return Clock::now() >= until; });
    }
    /// Many wait for it, and none gives up.
    void pass_waiting(std::chrono::milliseconds time) {
        const auto until = Clock::now() + time;
        test::run_until(io, [&] {
            for (int i = 0; i < 20; ++i) peers->await_return(beta);
            return Clock::now() >= until;
        });
    }

    const HostName beta = *HostName::parse("beta");
    test::RelayTransport relay{socket};
    std::vector<PeerState> states;
    std::optional<Peers> peers;
};

TEST_F(PeersAway, AnIdleSessionIsProvedAliveAndOneThatIsNotIsLost) {
    EXPECT_EQ(PeerLimits{}.ping_every, 15s);
    EXPECT_EQ(PeerLimits{}.ping_answer, 15s);
    make({.ping_every = 30ms, .ping_answer = 300ms});
    EXPECT_TRUE(ping());
    pass(500ms);
    EXPECT_EQ(states, std::vector{PeerState::connected});
    EXPECT_EQ(relay.opened["beta"], 1);
    // A half-open connection: the other end neither answers nor says that it ended.
    ::kill(relay.children.back(), SIGSTOP);
    test::run_until(io, [&] { return peers->state(beta) == PeerState::unreachable; });
    EXPECT_NE(peers->away(beta)->message.find("no reply to a ping"), std::string::npos)
        << peers->away(beta)->text();
}

TEST_F(PeersAway, OneLookDoesForAllThatWait) {
    make({.look = {.every = 200ms, .pause = 10ms}});
    relay.away["beta"] = Code::peer_unreachable;
    EXPECT_FALSE(ping());
    EXPECT_EQ(peers->away(beta)->code, Code::peer_unreachable);
    pass_waiting(1s);
    EXPECT_GE(relay.opened["beta"], 3);
    EXPECT_LE(relay.opened["beta"], 1 + 1000 / 160 + 1);
    EXPECT_TRUE(peers->next_look(beta));
    EXPECT_EQ(states, std::vector{PeerState::unreachable})
        << "told once, however often it is tried";
    relay.away.clear();
    test::run_until(io, [&] { return peers->state(beta) == PeerState::connected; });
    EXPECT_FALSE(peers->away(beta));
    test::run_until(io, [&] { return !peers->next_look(beta); });
    const int tries = relay.opened["beta"];
    pass_waiting(300ms);
    EXPECT_EQ(relay.opened["beta"], tries) << "it is here";
}

TEST_F(PeersAway, NobodyLooksForAHostThatNobodyWaitsFor) {
    make({.look = {.every = 50ms, .pause = 10ms}, .awaited = 300ms});
    relay.away["beta"] = Code::unknown_host;
    EXPECT_FALSE(ping());
    pass(300ms);
    EXPECT_EQ(relay.opened["beta"], 1);
    peers->await_return(beta);
    test::run_until(io, [&] { return !peers->next_look(beta); });
    EXPECT_GE(relay.opened["beta"], 2) << "it was waited for, for a while";
}

TEST_F(PeersAway, NobodyLooksForAHostThatRefusesOurKey) {
    make({.look = {.every = 20ms, .pause = 10ms}});
    relay.away["beta"] = Code::peer_auth;
    EXPECT_FALSE(ping());
    EXPECT_FALSE(peers->away(beta));
    pass_waiting(300ms);
    EXPECT_EQ(relay.opened["beta"], 1) << "so often it might ban us";
}

TEST_F(PeersAway, AHostThatCallsUsIsLookedForAtOnce) {
    make({.look = {.every = 1h, .pause = 10ms}});
    relay.away["beta"] = Code::peer_no_zrepd;
    EXPECT_FALSE(ping());
    peers->heard_of(beta);
    EXPECT_FALSE(peers->next_look(beta)) << "nobody waits for it";
    peers->await_return(beta);
    pass(100ms);
    EXPECT_EQ(relay.opened["beta"], 1);
    relay.away.clear();
    const auto begin = Clock::now();
    peers->heard_of(beta);
    test::run_until(io, [&] { return peers->state(beta) == PeerState::connected; });
    EXPECT_LT(Clock::now() - begin, 10s);
}

TEST_F(PeersAway, ATryOfSomebodyElseIsALookToo) {
    make({.look = {.every = 2s, .pause = 10ms}});
    relay.away["beta"] = Code::peer_unreachable;
    EXPECT_FALSE(ping());
    peers->await_return(beta);
    pass(50ms);
    const auto before = *peers->next_look(beta);
    relay.away.clear();
    EXPECT_TRUE(ping()) << "who asks gets a try";
    test::run_until(io, [&] { return !peers->next_look(beta) || Clock::now() > before; });
    EXPECT_EQ(relay.opened["beta"], 2);
}

TEST_F(PeersAway, ASessionThatNobodyUsesIsClosed) {
    make({.unused = 500ms});
    const std::size_t before = test::open_descriptors();
    EXPECT_TRUE(ping());
    const auto needs_none = [](const HostName&) { return false; };
    peers->close_unused(needs_none);
    EXPECT_EQ(peers->session_count(), 1U) << "it was used a moment ago";
    pass(600ms);
    peers->close_unused([&](const HostName& host) { return host == beta; });
    EXPECT_EQ(peers->session_count(), 1U) << "a pair has it";
    peers->close_unused(needs_none);
    EXPECT_EQ(peers->session_count(), 0U);
    test::run_until(io, [&] { return test::open_descriptors() <= before; });
    EXPECT_TRUE(ping()) << "the next request opens another";
    EXPECT_EQ(relay.opened["beta"], 2);
}

TEST_F(PeersAway, ASessionThatSomebodyWaitsForIsNotClosed) {
    make({.unused = 1ms});
    relay.silent.insert("beta");
    TaskGroup asking(io.get_executor());
    asking.spawn("ping", [](Peers* who, HostName host) -> Task<> {
        Json params = Json::object();
        co_await who->call(std::move(host), "peer.ping", std::move(params), 300ms);
    }(&*peers, beta));
    pass(100ms);
    peers->close_unused([](const HostName&) { return false; });
    EXPECT_EQ(peers->session_count(), 1U);
    test::run_until(io, [&] { return asking.size() == 0; });
}

/// Its connection is being opened, and 1024 callers wait for that: there is no place for a look.
TEST_F(PeersAway, AFullQueueIsNoReasonToAskAgainAtOnce) {
    make({.hello = 3s, .look = {.every = 1ms, .pause = 0ms}});
    relay.away["beta"] = Code::peer_unreachable;
    EXPECT_FALSE(ping());
    relay.away.clear();
    relay.silent.insert("beta");
    TaskGroup asking(io.get_executor());
    const auto ask = [](Peers* who, HostName host) -> Task<> {
        Json params = Json::object();
        co_await who->call(std::move(host), "peer.ping", std::move(params), 2s);
    };
    for (std::size_t i = 0; i < 1024; ++i) asking.spawn("ping", ask(&*peers, beta));
    test::run_ready(io);
    ASSERT_TRUE(peers->away(beta));
    peers->await_return(beta);
    std::size_t handlers = 0;
    const auto until = Clock::now() + 500ms;
    while (Clock::now() < until) handlers += io.run_one_for(50ms);
    EXPECT_LT(handlers, 20U);
    EXPECT_TRUE(peers->next_look(beta)) << "it goes on looking";
    test::run_until(io, [&] { return asking.size() == 0; });
}

}  // namespace
}  // namespace zrepd::peer
