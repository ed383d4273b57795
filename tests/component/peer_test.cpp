// SPDX-License-Identifier: BSD-2-Clause
// The peer protocol, both sides: over the local transport, and over a Unix socket through real
// `zrepctl peer` processes.
#include "daemon/peer/local_transport.hpp"
#include "daemon/peer/peers.hpp"
#include "tests/fakes/begin_record.hpp"
#include "tests/fakes/peer_links.hpp"
#include "tests/fakes/served_target.hpp"

namespace zrepd::peer {
namespace {

constexpr std::chrono::seconds kAnswerLimit{60};

HostName host(const char* name) {
    return *HostName::parse(name);
}

rpc::LookIn look_at(std::size_t count) {
    rpc::LookIn in;
    for (std::size_t i = 0; i < count; ++i) {
        const std::string name = "/" + std::to_string(i);
        in.pairs.push_back({"tank" + name, "backup" + name});
    }
    return in;
}

class PeerTest : public test::ServedTarget {
  public:
    PeerTest() {
        local.emplace(server, host("beta"));
        relay.emplace(socket);
    }

    /// Runs `steps` with a client over `transport`, then stops the client.
    void with_peers(Transport& transport, Task<> (PeerTest::*steps)(Peers&)) {
        Peers peers(io.get_executor(), transport, nullptr);
        run(steps_then_stop(peers, steps));
    }
    Task<> steps_then_stop(Peers& peers, Task<> (PeerTest::*steps)(Peers&)) {
        Task<> work = (this->*steps)(peers);
        co_await std::move(work);
        co_await peers.stop();
    }

    Task<Result<rpc::LookOut>> look(Peers& peers, std::size_t count) {
        rpc::LookIn in = look_at(count);
        Task<Result<rpc::LookOut>> work =
            peers.call_as<rpc::LookOut>(host("beta"), "peer.look", in, kAnswerLimit);
        co_return co_await std::move(work);
    }
    Task<Result<Json>> call(Peers& peers, const char* method, const Json& params) {
        Task<Result<Json>> work = peers.call(host("beta"), method, params, kAnswerLimit);
        co_return co_await std::move(work);
    }
    Task<Result<std::unique_ptr<OutgoingStream>>> open(Peers& peers) {
        rpc::ReceiveIn request = test::full_stream();
        Task<Result<std::unique_ptr<OutgoingStream>>> work =
            peers.open_stream(host("beta"), std::move(request), kAnswerLimit);
        co_return co_await std::move(work);
    }
    /// Pumps so many bytes into the stream, zeros but for its beginning, and waits for the verdict.
    Task<Result<std::uint64_t>> send_zeros(OutgoingStream& stream, std::uint64_t bytes) {
        Task<Result<std::uint64_t>> work = write_zeros(stream.take_out(), bytes);
        Result<std::uint64_t> written = co_await std::move(work);
        pumped = written;
        co_return co_await stream.finish(kAnswerLimit);
    }
    static Task<Result<std::uint64_t>> write_zeros(Fd out, std::uint64_t bytes) {
        const auto executor = co_await asio::this_coro::executor;
        set_nonblocking(out.get());
        asio::posix::stream_descriptor stream(executor, out.release());
        const std::string text = test::begin_record() + std::string(1 << 16, '\0');
        for (std::uint64_t done = 0; done < bytes;) {
            const auto at = std::min<std::uint64_t>(done, stream::kBeginBytes);
            const auto some = asio::buffer(text.data() + at,
                                           std::min<std::uint64_t>(text.size() - at, bytes - done));
            auto [ec, n] = co_await stream.async_write_some(some, nothrow);
            if (ec) co_return Error{.code = Code::io_error, .message = ec.message()};
            done += n;
        }
        co_return bytes;
    }

    Task<> asks_and_streams(Peers& peers) {
        Result<rpc::LookOut> seen = co_await look(peers, 3);
        EXPECT_TRUE(seen);
        EXPECT_EQ(seen ? seen->targets.size() : 0, 3U);
        Result<std::unique_ptr<OutgoingStream>> stream = co_await open(peers);
        EXPECT_TRUE(stream) << (stream ? "" : stream.error().text());
        if (!stream) co_return;
        verdict = co_await send_zeros(**stream, 5'000'000);
    }
    Task<> asks_what_is_offered(Peers& peers) {
        EXPECT_FALSE(peers.offers(host("beta"), "ages")) << "nobody has asked it yet";
        auto looked = co_await look(peers, 1);
        EXPECT_TRUE(looked);
        EXPECT_TRUE(peers.offers(host("beta"), "ages"));
        EXPECT_FALSE(peers.offers(host("beta"), "wings"));
        EXPECT_FALSE(peers.offers(host("gamma"), "ages"));
    }
    Task<> is_refused_a_stream(Peers& peers) {
        target.refuse_stream =
            Error{.code = Code::io_error, .message = "no room", .remedy = "make some"};
        Result<std::unique_ptr<OutgoingStream>> stream = co_await open(peers);
        EXPECT_FALSE(stream);
        verdict = stream.error();
    }
    Task<> is_stopped_early(Peers& peers) {
        target.fail_after_bytes = Error{.code = Code::no_space, .message = "pool full"};
        target.fail_at = 100'000;
        Result<std::unique_ptr<OutgoingStream>> stream = co_await open(peers);
        EXPECT_TRUE(stream);
        verdict = co_await send_zeros(**stream, std::uint64_t{1} << 40);
    }

    std::optional<LocalTransport> local;
    std::optional<test::RelayTransport> relay;
    Result<std::uint64_t> verdict = Error{.message = "not run"};
    Result<std::uint64_t> pumped = Error{.message = "not run"};
};

TEST_F(PeerTest, AnswersAndReceivesOverPipesThatZfsReadsDirectly) {
    with_peers(*local, &PeerTest::asks_and_streams);
    ASSERT_TRUE(verdict) << verdict.error().text();
    EXPECT_EQ(*verdict, 5'000'000U);
    EXPECT_TRUE(target.received_direct);
    EXPECT_TRUE(target.receive_was_blocking);
    EXPECT_EQ(target.calls,
              (std::vector<std::string>{"look from beta", "receive backup/a from beta"}));
}

TEST_F(PeerTest, OffersWhatItsGreetingSaysAndNothingBefore) {
    target.greeting.capabilities = {"ages"};
    with_peers(*local, &PeerTest::asks_what_is_offered);
}

TEST_F(PeerTest, AnswersAndReceivesThroughZrepctlPeer) {
    with_peers(*relay, &PeerTest::asks_and_streams);
    ASSERT_TRUE(verdict) << verdict.error().text();
    EXPECT_EQ(*verdict, 5'000'000U);
    EXPECT_FALSE(target.received_direct);
    EXPECT_EQ(target.calls,
              (std::vector<std::string>{"look from alpha", "receive backup/a from alpha"}));
}

TEST_F(PeerTest, TellsTheReceiversReasonWhenItGivesUpEarly) {
    for (Transport* transport :
         {static_cast<Transport*>(&*local), static_cast<Transport*>(&*relay)}) {
        with_peers(*transport, &PeerTest::is_stopped_early);
        EXPECT_FALSE(pumped) << "writing must end too";
        ASSERT_FALSE(verdict);
        EXPECT_EQ(verdict.error().code, Code::no_space);
        EXPECT_EQ(verdict.error().message, "pool full");
    }
}

TEST_F(PeerTest, PassesOnThePeersRefusalOfAStreamAsItIs) {
    with_peers(*relay, &PeerTest::is_refused_a_stream);
    ASSERT_FALSE(verdict);
    EXPECT_EQ(verdict.error().code, Code::io_error);
    EXPECT_EQ(verdict.error().message, "no room");
    EXPECT_EQ(verdict.error().remedy, "make some");
}

class PeerSteps : public PeerTest {
  protected:
    Task<> commit(Peers& peers) {
        Json params = rpc::encode(rpc::CommitIn{});
        Result<Json> reply = co_await call(peers, "peer.commit", params);
        EXPECT_TRUE(reply);
        commit_done = true;
    }
    Task<> ping_during_commit(Peers& peers) {
        target.hold_commits = true;
        TaskGroup tasks(io.get_executor());
        tasks.spawn("commit", commit(peers));
        while (target.calls.empty()) co_await sleep_for(std::chrono::milliseconds(1));
        Result<Json> pong = co_await call(peers, "peer.ping", nothing);
        EXPECT_TRUE(pong);
        EXPECT_FALSE(commit_done);
        target.release_commits();
        co_await tasks.join();
        EXPECT_TRUE(commit_done);
        co_await peers.stop();
    }
    Task<> bad_calls(Peers& peers) {
        Result<Json> unknown = co_await call(peers, "peer.destroy", nothing);
        EXPECT_EQ(unknown.error().code, Code::method_not_found);
        Json odd = Json::object();
        odd["x"] = 1;
        Result<Json> extra = co_await call(peers, "peer.ping", odd);
        EXPECT_EQ(extra.error().code, Code::invalid_params);
        Result<Json> again = co_await call(peers, "peer.ping", nothing);
        EXPECT_TRUE(again) << "the session must survive a bad call";
        co_await peers.stop();
    }
    Task<> claim_a_name(Peers& peers) {
        Json name = Json::object();
        name["host"] = "gamma";
        Result<Json> reply = co_await call(peers, "peer.identify", name);
        EXPECT_EQ(reply.error().code, Code::invalid_request);
        co_await peers.stop();
    }
    Task<> many_looks(Peers& peers) {
        TaskGroup tasks(io.get_executor());
        for (int i = 0; i < 150; ++i) tasks.spawn("look", one_look(peers));
        co_await tasks.join();
        EXPECT_EQ(answers, 150);
        EXPECT_EQ(relay->children.size(), 1U) << "one session for all";
        co_await peers.stop();
    }
    Task<> one_look(Peers& peers) {
        Result<rpc::LookOut> seen = co_await look(peers, 50);
        if (seen && seen->targets.size() == 50) ++answers;
    }
    Task<> reconnect(Peers& peers) {
        Result<Json> first = co_await call(peers, "peer.ping", nothing);
        EXPECT_TRUE(first);
        ::kill(relay->children.front(), SIGKILL);
        while (peers.state(host("beta")) == PeerState::connected) {
            co_await sleep_for(std::chrono::milliseconds(1));
        }
        Result<Json> second = co_await call(peers, "peer.ping", nothing);
        EXPECT_TRUE(second);
        EXPECT_EQ(relay->children.size(), 2U);
        co_await peers.stop();
    }
    Task<> cut_a_stream(Peers& peers) {
        Result<std::unique_ptr<OutgoingStream>> stream = co_await open(peers);
        EXPECT_TRUE(stream);
        Fd out = (*stream)->take_out();
        const std::string begun =
            test::begin_record() + std::string(kBegun - stream::kBeginBytes, 'x');
        EXPECT_EQ(::write(out.get(), begun.data(), kBegun), static_cast<ssize_t>(kBegun));
        while (target.received_bytes < kBegun) co_await sleep_for(std::chrono::milliseconds(1));
        ::kill(relay->children.front(), SIGKILL);
        Result<std::uint64_t> end = co_await (*stream)->finish(kAnswerLimit);
        EXPECT_EQ(end.error().code, Code::peer_unreachable);
        co_await peers.stop();
    }
    Task<> no_daemon(Peers& peers) {
        co_await server.stop();
        Result<Json> reply = co_await call(peers, "peer.ping", nothing);
        EXPECT_EQ(reply.error().code, Code::peer_no_zrepd);
        EXPECT_EQ(peers.state(host("beta")), PeerState::unreachable);
        co_await peers.stop();
    }

    // More than what is looked at before the receiver gets any of it.
    static constexpr std::size_t kBegun = 100;
    const Json nothing = Json::object();
    bool commit_done = false;
    int answers = 0;
};

TEST_F(PeerSteps, AnswersAPingWhileACommitRuns) {
    Peers peers(io.get_executor(), *relay, nullptr);
    run(ping_during_commit(peers));
}
TEST_F(PeerSteps, RefusesUnknownMethodsAndKeysAndGoesOn) {
    Peers peers(io.get_executor(), *relay, nullptr);
    run(bad_calls(peers));
}
TEST_F(PeerSteps, LetsNobodyChooseAnotherNameThanZrepctlGave) {
    Peers peers(io.get_executor(), *relay, nullptr);
    run(claim_a_name(peers));
}
TEST_F(PeerSteps, CarriesHundredsOfLargeRequestsOverOneSession) {
    Peers peers(io.get_executor(), *relay, nullptr);
    run(many_looks(peers));
}
TEST_F(PeerSteps, ConnectsAgainAfterTheSessionBroke) {
    std::vector<PeerState> states;
    Peers peers(io.get_executor(), *relay, [&](const HostName&, PeerState state, const Error*) {
        states.push_back(state);
    });
    run(reconnect(peers));
    EXPECT_EQ(states,
              (std::vector<PeerState>{
                  PeerState::connected, PeerState::unreachable, PeerState::connected}));
}
TEST_F(PeerSteps, EndsAStreamThatIsCutInTheMiddle) {
    Peers peers(io.get_executor(), *relay, nullptr);
    run(cut_a_stream(peers));
    run(server.stop());  // does not return before the receiver has ended
    EXPECT_EQ(target.received_bytes, kBegun);
}
TEST_F(PeerSteps, SaysThatZrepdIsNotRunning) {
    Peers peers(io.get_executor(), *relay, nullptr);
    run(no_daemon(peers));
}

}  // namespace
}  // namespace zrepd::peer
