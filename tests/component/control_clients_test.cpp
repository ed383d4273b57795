// SPDX-License-Identifier: BSD-2-Clause
// Clients that misbehave, many clients, slow clients, repeated and slow calls.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/un.h>

#include <algorithm>
#include <fstream>

#include "tests/fakes/fake_control.hpp"
#include "tests/fakes/line_client.hpp"

namespace zrepd::control {
namespace {

using fake::FakeDaemon;
using fake::greeted;
using fake::LineClient;

constexpr const char* kVersionCall = R"({"jsonrpc":"2.0","id":1,"method":"daemon.version"})"
                                     "\n";

/// Sends the line; expects this error with a null id, then the end, and a daemon that still serves.
void expect_refused(FakeDaemon& daemon, const std::string& line, int code) {
    LineClient client = greeted(daemon.socket());
    client.send(line);
    const Json reply = client.json();
    ASSERT_TRUE(reply.contains("error")) << line.substr(0, 80);
    EXPECT_EQ(reply["error"]["code"], code) << line.substr(0, 80);
    EXPECT_TRUE(reply["id"].is_null());
    EXPECT_TRUE(client.ends());
    EXPECT_TRUE(greeted(daemon.socket()).call("daemon.version").contains("result"));
}

TEST(ControlClients, LineThatIsNoRequestIsAnsweredAndEndsTheConnection) {
    struct Case {
        const char* line;
        int code;
    };
    const Case cases[] = {
        {"hello\n", -32700},
        {"\n", -32700},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\xfe\"}\n", -32700},
        {"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"daemon.version\"}]\n", -32600},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"daemon.version\"}\n", -32600},
        {"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"daemon.version\"}\n", -32600},
        {"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"daemon.version\"}\n", -32600},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"daemon.version\",\"params\":[]}\n", -32600},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"daemon.version\",\"parms\":{}}\n", -32600},
        {"{\"jsonrpc\":\"2.0\",\"id\":1}\n", -32600},
        {"7\n", -32600},
    };
    FakeDaemon daemon;
    for (const Case& one : cases) expect_refused(daemon, one.line, one.code);
}

TEST(ControlClients, DeepNestingIsRefused) {
    FakeDaemon daemon;
    expect_refused(daemon, std::string(100'000, '[') + "\n", -32700);
}

TEST(ControlClients, TenMebibyteLineIsRefusedAndTheClientSeesWhy) {
    FakeDaemon daemon;
    LineClient client = greeted(daemon.socket());
    // The whole line is taken, so that a client that writes first and reads then sees the error.
    EXPECT_TRUE(client.send(std::string(std::size_t{10} << 20, 'x') + "\n"));
    const Json reply = client.json();
    EXPECT_EQ(reply["error"]["code"], -32700);
    EXPECT_EQ(reply["error"]["message"], "a request line is at most 1 MiB");
    EXPECT_TRUE(reply["id"].is_null());
}

TEST(ControlClients, LineOfOneMebibyteIsServed) {
    FakeDaemon daemon;
    LineClient client = greeted(daemon.socket());
    std::string line = R"({"jsonrpc":"2.0","id":1,"method":"daemon.version"})";
    line.append(rpc::kMaxRequestLine - line.size(), ' ');
    ASSERT_TRUE(client.send(line + "\n"));
    EXPECT_TRUE(client.json().contains("result"));
}

/// A line is read before it is known who may ask for what: everybody could keep zrepd busy.
TEST(ControlClients, LineOfManyKeysOrValuesIsRefused) {
    FakeDaemon daemon;
    const std::string head = R"({"jsonrpc":"2.0","id":1,"method":"pair.sync","params":{"x":[)";
    std::string keys = head;
    for (int i = 0; i < 255; ++i) keys += R"({"a":0},)";
    expect_refused(daemon, keys + "0]}}\n", -32700);
    std::string values = head;
    for (int i = 0; i < 65'536; ++i) values += "0,";
    expect_refused(daemon, values + "0]}}\n", -32700);
}

TEST(ControlClients, LineOfAReaderHas64KibibytesAtMost) {
    FakeDaemon daemon;
    std::string line = R"({"jsonrpc":"2.0","id":1,"method":"daemon.version"})";
    line.append(kMaxReaderLine - line.size(), ' ');
    LineClient client = greeted(daemon.read_socket());
    ASSERT_TRUE(client.send(line + "\n"));
    EXPECT_TRUE(client.json().contains("result"));
    ASSERT_TRUE(client.send(" " + line + "\n"));
    EXPECT_EQ(client.json()["error"]["message"],
              "a request line is at most 64 KiB on the socket for reading");
    EXPECT_TRUE(client.ends());
}

TEST(ControlClients, HalfALineAndSilenceEndsTheConnection) {
    ServerLimits limits;
    limits.session.line = std::chrono::milliseconds(50);
    FakeDaemon daemon(limits);
    LineClient idle = greeted(daemon.socket());
    LineClient half = greeted(daemon.socket());
    half.send(R"({"jsonrpc":"2.0","id":1,)");
    EXPECT_EQ(half.json()["error"]["data"]["kind"], "timed_out");
    EXPECT_TRUE(half.ends());
    // One that began nothing may stay.
    EXPECT_TRUE(idle.call("daemon.version").contains("result"));
}

TEST(ControlClients, DribblingBytesDoesNotProlongALine) {
    ServerLimits limits;
    limits.session.line = std::chrono::milliseconds(100);
    FakeDaemon daemon(limits);
    LineClient client = greeted(daemon.socket());
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    pollfd answered{client.fd(), POLLIN, 0};
    while (::poll(&answered, 1, 10) == 0 && std::chrono::steady_clock::now() < until)
        client.send(" ");
    EXPECT_EQ(client.json()["error"]["data"]["kind"], "timed_out");
}

TEST(ControlClients, TwoHundredAtOnceAreAllServed) {
    FakeDaemon daemon;
    std::vector<LineClient> clients;
    clients.reserve(200);
    for (int i = 0; i < 200; ++i) {
        clients.emplace_back(i % 2 == 0 ? daemon.socket() : daemon.read_socket());
    }
    for (auto& client : clients) ASSERT_TRUE(client.send(kVersionCall));
    for (auto& client : clients) {
        ASSERT_EQ(client.json()["method"], "hello");
        ASSERT_EQ(client.json()["result"]["host"], "alpha");
    }
}

TEST(ControlClients, HalfRequestsOfAllTogetherAreBoundedAndShortOnesServed) {
    ServerLimits limits;
    limits.session.held_bytes = std::size_t{1} << 20;
    FakeDaemon daemon(limits);
    const std::string half(std::size_t{600} << 10, ' ');
    {
        LineClient first = greeted(daemon.socket());
        ASSERT_TRUE(first.send(half));
        LineClient second = greeted(daemon.socket());
        second.send(half);
        EXPECT_EQ(second.json()["error"]["data"]["kind"], "busy");
        EXPECT_TRUE(second.ends());
        EXPECT_TRUE(greeted(daemon.socket()).call("daemon.version").contains("result"));
        ASSERT_TRUE(first.send(kVersionCall));
        EXPECT_TRUE(first.json().contains("result")) << "it was there before";
        LineClient third = greeted(daemon.socket());
        ASSERT_TRUE(third.send(half));
        ASSERT_TRUE(third.send(kVersionCall));
        EXPECT_TRUE(third.json().contains("result")) << "what was taken counts no more";
    }
    ASSERT_TRUE(daemon.becomes([&] { return daemon.server.connections() == 0; }));
    LineClient last = greeted(daemon.socket());
    ASSERT_TRUE(last.send(half));
    ASSERT_TRUE(last.send(kVersionCall));
    EXPECT_TRUE(last.json().contains("result")) << "nor who left";
}

TEST(ControlClients, OneTooManyIsToldBusy) {
    ServerLimits limits;
    limits.connections = 2;
    FakeDaemon daemon(limits);
    LineClient first = greeted(daemon.socket());
    {
        LineClient second = greeted(daemon.socket());
        LineClient third(daemon.socket());
        EXPECT_EQ(third.json()["error"]["data"]["kind"], "busy");
        EXPECT_TRUE(third.ends());
    }
    ASSERT_TRUE(daemon.becomes([&] { return daemon.server.connections() == 1; }));
    EXPECT_TRUE(greeted(daemon.socket()).call("daemon.version").contains("result"));
}

TEST(ControlClients, ReadersLeaveRoomForOperators) {
    ServerLimits limits;
    limits.connections = 4;
    limits.readers = 1;
    FakeDaemon daemon(limits);
    LineClient reader = greeted(daemon.read_socket());
    LineClient another(daemon.read_socket());
    EXPECT_EQ(another.json()["error"]["data"]["kind"], "busy");
    EXPECT_TRUE(greeted(daemon.socket()).call("daemon.version").contains("result"));
}

TEST(ControlClients, SocketsAreCloseOnExec) {
    FakeDaemon daemon;
    LineClient client = greeted(daemon.socket());
    int ours = 0;
    for (int fd = 0; fd < 256; ++fd) {
        sockaddr_un name = {};
        socklen_t size = sizeof name;
        if (::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size) != 0) continue;
        if (!std::string_view(name.sun_path).starts_with(daemon.dir.string())) continue;
        ++ours;
        EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0) << name.sun_path;
    }
    EXPECT_EQ(ours, 3) << "two listening, one accepted";
}

TEST(ControlClients, ReplacesAStaleSocketButNothingElse) {
    FakeDaemon daemon;
    asio::io_context io;
    Server second(io.get_executor(), daemon.service, daemon.events);
    std::filesystem::remove(daemon.socket());
    std::ofstream(daemon.socket()) << "precious";
    const auto refused = second.listen(daemon.dir);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::io_error);
    EXPECT_TRUE(std::filesystem::is_regular_file(daemon.socket()));
}

TEST(ControlCalls, SlowCallIsAnsweredInTimeAndGoesOn) {
    ServerLimits limits;
    limits.answer = std::chrono::milliseconds(50);
    FakeDaemon daemon(limits);
    daemon.on_io([&] { daemon.service.closed = true; });
    LineClient client = greeted(daemon.socket());
    const char* params = R"({"dataset":"tank/fs","request_key":"k"})";
    EXPECT_EQ(client.call("pair.clear", params)["error"]["data"]["kind"], "timed_out");
    daemon.on_io([&] { EXPECT_EQ(daemon.service.waiting, 1U); });
    daemon.on_io([&] { daemon.service.open(); });
    ASSERT_TRUE(daemon.becomes([&] { return daemon.service.waiting == 0; }));
    EXPECT_EQ(client.call("pair.clear", params)["result"]["steps"][0], "clear tank/fs");
    daemon.on_io([&] { EXPECT_EQ(daemon.service.seen.size(), 1U); });
}

TEST(ControlCalls, ClientThatLeavesCancelsNothing) {
    FakeDaemon daemon;
    daemon.on_io([&] { daemon.service.closed = true; });
    {
        LineClient client = greeted(daemon.socket());
        client.send(
            R"({"jsonrpc":"2.0","id":1,"method":"pair.sync","params":{"all":true,"request_key":"k"}})"
            "\n");
        ASSERT_TRUE(daemon.becomes([&] { return daemon.service.waiting == 1; }));
    }
    // The same again while the first is still at work: it waits for that one.
    LineClient again = greeted(daemon.socket());
    again.send(
        R"({"jsonrpc":"2.0","id":2,"method":"pair.sync","params":{"all":true,"request_key":"k"}})"
        "\n");
    daemon.on_io([&] { daemon.service.open(); });
    EXPECT_EQ(again.json()["result"]["run_id"], "run-1");
    daemon.on_io([&] { EXPECT_EQ(daemon.service.seen.size(), 1U); });
}

class RequestKey : public testing::Test {
  protected:
    Json sync(const std::string& params) { return client.call("pair.sync", params); }
    std::size_t calls() {
        std::size_t out = 0;
        daemon.on_io([&] { out = daemon.service.seen.size(); });
        return out;
    }
    FakeDaemon daemon;
    LineClient client = greeted(daemon.socket());
};

TEST_F(RequestKey, SameKeyGivesTheFirstReplyFromAnyConnection) {
    EXPECT_EQ(sync(R"({"all":true,"request_key":"k"})")["result"]["run_id"], "run-1");
    daemon.on_io([&] { daemon.service.started.run_id = "run-2"; });
    EXPECT_EQ(sync(R"({"all":true,"request_key":"k"})")["result"]["run_id"], "run-1");
    LineClient other = greeted(daemon.socket());
    EXPECT_EQ(other.call("pair.sync", R"({"all":true,"request_key":"k"})")["result"]["run_id"],
              "run-1");
    EXPECT_EQ(calls(), 1U);
    EXPECT_EQ(sync(R"({"all":true,"request_key":"l"})")["result"]["run_id"], "run-2");
    EXPECT_EQ(sync(R"({"all":true})")["result"]["run_id"], "run-2");
    EXPECT_EQ(calls(), 3U);
}

TEST_F(RequestKey, UsedForAnotherRequestIsAnError) {
    sync(R"({"all":true,"request_key":"k"})");
    const Json reply = sync(R"({"datasets":["tank/fs"],"request_key":"k"})");
    EXPECT_EQ(reply["error"]["data"]["kind"], "invalid_params");
    EXPECT_EQ(calls(), 1U);
}

TEST_F(RequestKey, DryRunsAreNotKept) {
    sync(R"({"all":true,"dry_run":true,"request_key":"k"})");
    sync(R"({"all":true,"request_key":"k"})");
    EXPECT_EQ(calls(), 2U);
}

TEST_F(RequestKey, FailureWorthAnotherTryIsNotKept) {
    daemon.on_io([&] {
        daemon.service.fail_with = Error{.code = Code::peer_unreachable, .message = "beta is down"};
    });
    EXPECT_TRUE(sync(R"({"all":true,"request_key":"k"})").contains("error"));
    daemon.on_io([&] { daemon.service.fail_with.reset(); });
    EXPECT_TRUE(sync(R"({"all":true,"request_key":"k"})").contains("result"));
    daemon.on_io([&] {
        daemon.service.fail_with = Error{.code = Code::wrong_role, .message = "not master"};
    });
    sync(R"({"all":true,"request_key":"m"})");
    sync(R"({"all":true,"request_key":"m"})");
    EXPECT_EQ(calls(), 3U);
}

TEST_F(RequestKey, LongerThanTheLimitIsRefused) {
    const Json reply = sync(R"({"all":true,"request_key":")" + std::string(201, 'k') + "\"}");
    EXPECT_EQ(reply["error"]["data"]["kind"], "invalid_params");
    EXPECT_EQ(calls(), 0U);
}

TEST(ControlSlowClient, IsCutOffWhenItTakesNothingForTheStallLimit) {
    ServerLimits limits;
    limits.session.write_stall = std::chrono::milliseconds(50);
    FakeDaemon daemon(limits);
    daemon.on_io([&] {
        for (int i = 0; i < 1000; ++i) {
            daemon.service.pairs.push_back(fake::healthy_pair("tank/fs" + std::to_string(i)));
        }
    });
    LineClient client = greeted(daemon.socket());
    client.send(R"({"jsonrpc":"2.0","id":1,"method":"status.get"})"
                "\n");
    EXPECT_TRUE(daemon.becomes([&] { return daemon.server.connections() == 0; }));
}

TEST(ControlSlowClient, MayAskManyLargeQuestionsBeforeItReads) {
    FakeDaemon daemon;
    daemon.on_io([&] {
        for (int i = 0; i < 1000; ++i) {
            daemon.service.pairs.push_back(fake::healthy_pair("tank/fs" + std::to_string(i)));
        }
    });
    LineClient client = greeted(daemon.socket());
    std::string lines;
    for (int i = 0; i < 8; ++i) {
        lines += R"({"jsonrpc":"2.0","method":"status.get","id":)" + std::to_string(i) + "}\n";
    }
    ASSERT_TRUE(client.send(lines));
    for (int i = 0; i < 8; ++i) ASSERT_EQ(client.json()["id"], i);
}

TEST(ControlStop, CutsClientsOffAndEndsCallsUnderWay) {
    FakeDaemon daemon;
    daemon.on_io([&] { daemon.service.closed = true; });
    LineClient subscriber = greeted(daemon.socket());
    subscriber.call("events.subscribe");
    LineClient waiting = greeted(daemon.socket());
    waiting.send(R"({"jsonrpc":"2.0","id":1,"method":"pair.list"})"
                 "\n");
    ASSERT_TRUE(daemon.becomes([&] { return daemon.service.waiting == 1; }));
    daemon.stop();
    EXPECT_TRUE(subscriber.ends());
    EXPECT_TRUE(waiting.ends());
}

}  // namespace
}  // namespace zrepd::control
