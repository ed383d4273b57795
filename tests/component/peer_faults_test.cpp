// SPDX-License-Identifier: BSD-2-Clause
// The client against peers that misbehave, and the server's patience.
#include "daemon/peer/incoming.hpp"
#include "daemon/peer/peers.hpp"
#include "tests/fakes/fake_target.hpp"
#include "tests/fakes/peer_links.hpp"
#include "tests/fakes/task_test.hpp"

namespace zrepd::peer {
namespace {

using std::chrono::milliseconds;

constexpr std::chrono::seconds kLimit{5};
constexpr std::chrono::seconds kSlowly{60};

std::string hello(const std::string& protocol) {
    rpc::Hello greeting;
    greeting.protocol = protocol;
    greeting.version = "9.9.9";
    greeting.host = "beta";
    greeting.access = "peer";
    return rpc::notification_line("hello", rpc::encode(greeting));
}

class PeerFault : public test::TaskTest {
  protected:
    /// The error of a ping to such a peer.
    Error ping_error(test::Script script, PeerLimits limits = {}) {
        return talk(std::move(script), limits, &PeerFault::ping);
    }
    /// The same while a stream to it moves.
    Error moving_error(test::Script script, PeerLimits limits) {
        return talk(std::move(script), limits, &PeerFault::ping_beside_a_stream);
    }
    /// The error of opening and ending a stream to such a peer.
    Error stream_error(test::Script script, PeerLimits limits = {}) {
        return talk(std::move(script), limits, &PeerFault::stream);
    }
    /// The reply to a call of such a peer; null when it failed.
    Json reply_of(test::Script script, PeerLimits limits) {
        talk(std::move(script), limits, &PeerFault::call);
        return reply_;
    }
    /// Why the session of such a peer ends after the reply to a call.
    Error error_after_reply(test::Script script) {
        return talk(std::move(script), {}, &PeerFault::call_until_away);
    }
    /// The reply to a ping after a call whose reply was not waited for.
    Json reply_after_patience(test::Script script) {
        talk(std::move(script), {}, &PeerFault::call_after_another);
        return reply_;
    }

  private:
    Error talk(test::Script script, PeerLimits limits, Task<> (PeerFault::*steps)(Peers&)) {
        test::ScriptedTransport transport(io.get_executor(), std::move(script));
        ended_.reset();
        const auto note = [this](const HostName&, PeerState, const Error* error) {
            if (error != nullptr) ended_ = *error;
        };
        Peers peers(io.get_executor(), transport, note, limits);
        run(talk_and_stop(peers, transport, steps));
        EXPECT_EQ(transport.opened, 1) << "the caller decides when to try again";
        return last_;
    }
    Task<> talk_and_stop(Peers& peers,
                         test::ScriptedTransport& transport,
                         Task<> (PeerFault::*steps)(Peers&)) {
        Task<> work = (this->*steps)(peers);
        co_await std::move(work);
        co_await peers.stop();
        transport.tasks.cancel();
        co_await transport.tasks.join();
    }
    Task<> ping(Peers& peers) {
        Json params = Json::object();
        Task<Result<Json>> work =
            peers.call(*HostName::parse("beta"), "peer.ping", std::move(params), kLimit);
        Result<Json> reply = co_await std::move(work);
        EXPECT_FALSE(reply);
        if (!reply) last_ = reply.error();
    }
    Task<> ping_beside_a_stream(Peers& peers) {
        const HostName beta = *HostName::parse("beta");
        TaskGroup moving(io.get_executor());
        moving.spawn("stream", [](Peers* who, HostName host) -> Task<> {
            bool stop = false;
            while (!stop) {
                who->note_moving(host);
                co_await sleep_for(milliseconds(5));
                stop = co_await cancelled();
            }
        }(&peers, beta));
        Json params = Json::object();
        Task<Result<Json>> work =
            peers.call(beta, "peer.ping", std::move(params), milliseconds(400));
        Result<Json> reply = co_await std::move(work);
        EXPECT_FALSE(reply);
        EXPECT_FALSE(ended_) << ended_->text();
        if (!reply) last_ = reply.error();
        moving.cancel();
        co_await moving.join();
    }
    Task<> call(Peers& peers) {
        Json params = Json::object();
        Task<Result<Json>> work =
            peers.call(*HostName::parse("beta"), "peer.look", std::move(params), kSlowly);
        Result<Json> reply = co_await std::move(work);
        EXPECT_TRUE(reply) << reply.error().text();
        if (reply) reply_ = std::move(*reply);
    }
    Task<> call_until_away(Peers& peers) {
        Task<> calling = call(peers);
        co_await std::move(calling);
        while (!ended_) co_await sleep_for(milliseconds(1));
        last_ = *ended_;
    }
    Task<> call_after_another(Peers& peers) {
        const HostName beta = *HostName::parse("beta");
        Json params = Json::object();
        Task<Result<Json>> work = peers.call(beta, "peer.look", params, milliseconds(50));
        Result<Json> none = co_await std::move(work);
        EXPECT_FALSE(none);
        Task<Result<Json>> ping = peers.call(beta, "peer.ping", params, kSlowly);
        Result<Json> reply = co_await std::move(ping);
        EXPECT_TRUE(reply);
        if (reply) reply_ = std::move(*reply);
    }
    Task<> stream(Peers& peers) {
        rpc::ReceiveIn request;
        Task<Result<std::unique_ptr<OutgoingStream>>> work =
            peers.open_stream(*HostName::parse("beta"), std::move(request), kLimit);
        Result<std::unique_ptr<OutgoingStream>> opened = co_await std::move(work);
        if (!opened) {
            last_ = opened.error();
            co_return;
        }
        Result<std::uint64_t> end = co_await (*opened)->finish(std::chrono::seconds(1));
        EXPECT_FALSE(end);
        if (!end) last_ = end.error();
    }

    Error last_;
    std::optional<Error> ended_;  ///< why the session did
    Json reply_;
};

TEST_F(PeerFault, NamesBothVersionsAndTheSideToUpgrade) {
    const Error newer = ping_error({.first = hello("2.0")});
    EXPECT_EQ(newer.code, Code::peer_protocol);
    EXPECT_NE(newer.message.find("'2.0'"), std::string::npos) << newer.message;
    EXPECT_NE(newer.message.find("'1.0'"), std::string::npos) << newer.message;
    EXPECT_EQ(newer.remedy, "upgrade zrepd on this host");
    const Error older = stream_error({.first = hello("0.9")});
    EXPECT_EQ(older.code, Code::peer_protocol);
    EXPECT_EQ(older.remedy, "upgrade zrepd on beta");
}
TEST_F(PeerFault, ShowsWhatALoginShellPrinted) {
    const Error error = ping_error({.first = "Welcome to beta!\n"});
    EXPECT_EQ(error.code, Code::peer_protocol);
    EXPECT_NE(error.message.find("Welcome to beta!"), std::string::npos);
    EXPECT_NE(error.remedy.find("print nothing"), std::string::npos);
}
TEST_F(PeerFault, PassesOnAnErrorInPlaceOfTheGreeting) {
    const Error full{.code = Code::busy, .message = "256 connections already"};
    const Error error = ping_error({.first = rpc::error_line(nullptr, full)});
    EXPECT_EQ(error.code, Code::busy);
}
TEST_F(PeerFault, AsksTheTransportWhenTheConnectionDropsBeforeTheGreeting) {
    const Error error = ping_error({.end_after_first = true});
    EXPECT_EQ(error.code, Code::peer_unreachable);
    EXPECT_EQ(error.message, "the script ended");
}
TEST_F(PeerFault, AsksTheTransportWhenTheConnectionDropsInsideALine) {
    const Error error = ping_error({.first = hello("1.0"), .answer = [](std::string) {
                                        return std::optional<std::string>();
                                    }});
    EXPECT_EQ(error.message, "the script ended");
    const Error half = ping_error({.first = "{\"jsonrpc\":", .end_after_first = true});
    EXPECT_EQ(half.message, "the script ended");
}
TEST_F(PeerFault, GivesUpOnAPeerThatNeverGreets) {
    const Error error = ping_error({}, {.hello = milliseconds(50)});
    EXPECT_EQ(error.code, Code::peer_unreachable);
    EXPECT_NE(error.message.find("does not answer"), std::string::npos);
}
TEST_F(PeerFault, NoticesASessionThatNoLongerAnswers) {
    const auto begin = std::chrono::steady_clock::now();
    const Error error = ping_error(
        {.first = hello("1.0")}, {.ping_every = milliseconds(30), .ping_answer = milliseconds(30)});
    EXPECT_EQ(error.code, Code::peer_unreachable);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, kLimit);
}
TEST_F(PeerFault, ALongReplyThatStillComesShowsThatTheSessionLives) {
    const std::string text(60'000, 'x');
    const auto reply = reply_of(
        {.first = hello("1.0"),
         .answer =
             [&](std::string line) { return rpc::reply_line(rpc::parse_request(line)->id, text); },
         .piece = 1'000,
         .pause = milliseconds(25)},
        {.ping_every = milliseconds(300), .ping_answer = milliseconds(300)});
    EXPECT_EQ(reply, text);
}
/// On a slow link a ping and its reply wait behind what a stream has sent already.
TEST_F(PeerFault, AStreamThatMovesShowsThatTheSessionLives) {
    const PeerLimits limits{.ping_every = milliseconds(30), .ping_answer = milliseconds(30)};
    EXPECT_EQ(moving_error({.first = hello("1.0")}, limits).code, Code::timed_out);
}
TEST_F(PeerFault, CallsNonsenseAProtocolError) {
    const auto answers = [](std::string text) {
        return test::Script{.first = hello("1.0"), .answer = [text](std::string) { return text; }};
    };
    EXPECT_EQ(ping_error(answers("nonsense\n")).code, Code::peer_protocol);
    EXPECT_EQ(ping_error(answers(rpc::reply_line(77, Json::object()))).code, Code::peer_protocol);
    EXPECT_EQ(stream_error(answers("nonsense\n")).code, Code::peer_protocol);
    EXPECT_EQ(stream_error(answers(rpc::reply_line(1, Json::object()) + "more\n")).code,
              Code::peer_protocol);
}
TEST_F(PeerFault, CallsWhatNobodyAskedForAProtocolError) {
    const auto news = rpc::notification_line("news", Json::object());
    const Error error =
        ping_error({.first = hello("1.0"), .answer = [&](std::string) { return news; }});
    EXPECT_EQ(error.code, Code::peer_protocol);
    EXPECT_NE(error.message.find("a notification"), std::string::npos) << error.message;
    const Error twice = error_after_reply({.first = hello("1.0"), .answer = [](std::string) {
                                               const auto reply =
                                                   rpc::reply_line(1, Json::object());
                                               return reply + reply;
                                           }});
    EXPECT_EQ(twice.code, Code::peer_protocol);
}
TEST_F(PeerFault, DropsTheOneReplyThatComesWhenItsCallerHasGivenUp) {
    const auto answer = [](std::string line) {
        const bool first = rpc::parse_request(line)->method == "peer.look";
        return first ? "" : rpc::reply_line(1, Json::object()) + rpc::reply_line(2, "pong");
    };
    EXPECT_EQ(reply_after_patience({.first = hello("1.0"), .answer = answer}), "pong");
}
TEST_F(PeerFault, WaitsForTheAcknowledgementOnlySoLong) {
    const Error error = stream_error({.first = hello("1.0"), .answer = [](std::string) {
                                          return rpc::reply_line(1, Json::object());
                                      }});
    EXPECT_EQ(error.code, Code::timed_out);
}

/// The serving side with short patience.
class Patience : public test::TaskTest {
  protected:
    std::string told(const std::string& text, Incoming::Limits limits) {
        test::FakeTarget target(io.get_executor());
        test::Link link = test::make_link();
        Incoming connection(
            io.get_executor(), target, std::move(link.theirs), "alpha", true, limits);
        EXPECT_EQ(::write(link.ours.out.get(), text.data(), text.size()),
                  static_cast<ssize_t>(text.size()));
        run(connection.run());
        std::string got(1 << 16, '\0');
        const ssize_t n = ::read(link.ours.in.get(), got.data(), got.size());
        got.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
        return got;
    }
    /// Takes a little at a time, what comes and what waits when the connection has ended.
    Task<> serve_slow_reader(Incoming& connection, test::Link& link, std::size_t* taken) {
        TaskGroup tasks(io.get_executor());
        tasks.spawn("connection", connection.run());
        set_nonblocking(link.ours.in.get());
        std::vector<char> chunk(1 << 16);
        bool quiet = false;
        while (tasks.size() > 0 || !quiet) {
            co_await sleep_for(milliseconds(15));
            const ssize_t n = ::read(link.ours.in.get(), chunk.data(), chunk.size());
            quiet = n <= 0;
            if (n > 0) *taken += static_cast<std::size_t>(n);
        }
        co_await tasks.join();
    }
};

TEST_F(Patience, EndsWithHalfALine) {
    const std::string got = told("{\"jsonrpc\"", {.half_line = milliseconds(30)});
    EXPECT_NE(got.find("timed_out"), std::string::npos) << got;
}
TEST_F(Patience, LastsWhileALongAnswerIsTakenSlowly) {
    const Incoming::Limits limits{.idle = milliseconds(600), .write = milliseconds(600)};
    test::FakeTarget target(io.get_executor());
    target.look_says_bytes = std::size_t{8} << 20;
    test::Link link = test::make_link();
    Incoming connection(io.get_executor(), target, std::move(link.theirs), "alpha", true, limits);
    const Json pair{{"source", "tank/a"}, {"target", "backup/a"}};
    const std::string ask =
        rpc::request_line({1, "peer.look", Json{{"pairs", Json::array({pair})}, {"sends", false}}});
    EXPECT_EQ(::write(link.ours.out.get(), ask.data(), ask.size()),
              static_cast<ssize_t>(ask.size()));
    std::size_t taken = 0;
    run(serve_slow_reader(connection, link, &taken));
    EXPECT_GT(taken, target.look_says_bytes);
}
TEST_F(Patience, EndsWithASilentConnection) {
    const std::string got = told("", {.idle = milliseconds(30)});
    EXPECT_NE(got.find("timed_out"), std::string::npos) << got;
}

}  // namespace
}  // namespace zrepd::peer
