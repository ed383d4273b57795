// SPDX-License-Identifier: BSD-2-Clause
// Subscribers of events: what they get, in which order, and what happens to one that does not read.
#include "tests/fakes/fake_control.hpp"
#include "tests/fakes/line_client.hpp"

namespace zrepd::control {
namespace {

using fake::FakeDaemon;
using fake::greeted;
using fake::LineClient;

class ControlEvents : public testing::Test {
  protected:
    static Json subscribe(LineClient& client) { return client.call("events.subscribe")["result"]; }
    void publish(const rpc::EventOut& event) {
        daemon.on_io([&] { daemon.events.publish(event); });
    }
    FakeDaemon daemon;
};

TEST_F(ControlEvents, FollowTheSnapshotWithGrowingNumbers) {
    daemon.on_io([&] { daemon.events.seq = 41; });
    LineClient client = greeted(daemon.read_socket());
    EXPECT_EQ(subscribe(client)["seq"], "41");
    publish(fake::progress_event("run-1", "tank/fs", 5));
    publish(fake::finished_event(fake::finished_run("run-1", {"tank/fs"})));
    const Json progress = client.json();
    EXPECT_EQ(progress["method"], "event");
    EXPECT_EQ(progress["params"]["seq"], "42");
    EXPECT_EQ(progress["params"]["progress"]["bytes"], 5);
    const Json finished = client.json();
    EXPECT_EQ(finished["params"]["seq"], "43");
    EXPECT_EQ(finished["params"]["run"]["finished"], true);
}

TEST_F(ControlEvents, ComeBetweenAnswers) {
    LineClient client = greeted(daemon.socket());
    subscribe(client);
    daemon.on_io([&] { daemon.service.closed = true; });
    client.send(R"({"jsonrpc":"2.0","id":9,"method":"pair.list"})"
                "\n");
    ASSERT_TRUE(daemon.becomes([&] { return daemon.service.waiting == 1; }));
    publish(fake::progress_event("run-1", "tank/fs", 5));
    EXPECT_EQ(client.json()["method"], "event");
    daemon.on_io([&] { daemon.service.open(); });
    EXPECT_EQ(client.json()["id"], 9);
}

TEST_F(ControlEvents, EndWithTheConnection) {
    {
        LineClient client = greeted(daemon.socket());
        subscribe(client);
        daemon.on_io([&] { EXPECT_EQ(daemon.events.subscribers(), 1U); });
    }
    EXPECT_TRUE(daemon.becomes([&] { return daemon.events.subscribers() == 0; }));
}

TEST_F(ControlEvents, ProgressIsCoalescedForAClientThatDoesNotRead) {
    LineClient client = greeted(daemon.socket());
    subscribe(client);
    // Far more than the socket and the queue would hold one by one.
    daemon.on_io([&] {
        for (std::uint64_t i = 1; i <= 12'000; ++i) {
            daemon.events.publish(fake::progress_event("run-1", "tank/fs", i));
        }
        daemon.events.publish(fake::finished_event(fake::finished_run("run-1", {"tank/fs"})));
    });
    std::uint64_t last = 0;
    int lines = 0;
    while (true) {
        const Json message = client.json();
        ASSERT_TRUE(message.is_object()) << "cut off";
        ++lines;
        const std::uint64_t seq = std::stoull(message["params"]["seq"].get<std::string>());
        ASSERT_GT(seq, last);
        last = seq;
        if (message["params"]["event"] == "run_finished") break;
    }
    EXPECT_LT(lines, 6'000);
}

TEST_F(ControlEvents, ClientThatDoesNotReadIsCutOffAndOthersAreServed) {
    LineClient slow = greeted(daemon.socket());
    LineClient other = greeted(daemon.socket());
    subscribe(slow);
    rpc::EventOut event;
    event.event = "warning";
    event.text = std::string(10'000, 'x');
    const auto subscribers = [&] { return daemon.events.subscribers(); };
    daemon.on_io([&] {
        for (int i = 0; i < 1000; ++i) daemon.events.publish(event);
    });
    EXPECT_TRUE(daemon.becomes([&] { return subscribers() == 0; }));
    EXPECT_TRUE(other.call("daemon.version").contains("result"));
    EXPECT_TRUE(daemon.becomes([&] { return daemon.server.connections() == 1; }));
    EXPECT_TRUE(slow.ends());
}

}  // namespace
}  // namespace zrepd::control
