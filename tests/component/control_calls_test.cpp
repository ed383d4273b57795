// SPDX-License-Identifier: BSD-2-Clause
// What a call that takes too long is told, and what the log keeps of calls that change something.
#include <gtest/gtest.h>

#include "tests/fakes/fake_control.hpp"
#include "tests/fakes/line_client.hpp"

namespace zrepd::control {
namespace {

using fake::FakeDaemon;
using fake::greeted;
using fake::LineClient;

class LateCall : public testing::Test {
  protected:
    static ServerLimits soon() {
        ServerLimits limits;
        limits.answer = std::chrono::milliseconds(50);
        return limits;
    }
    LateCall() {
        daemon.on_io([&] { daemon.service.closed = true; });
    }
    /// The error of a call that is still at work.
    Json late(const std::string& method, const std::string& params) {
        LineClient client = greeted(daemon.socket());
        return client.call(method, params)["error"];
    }
    FakeDaemon daemon{soon()};
};

TEST_F(LateCall, IsToldToLookAndRepeatAsItWas) {
    const Json plain = late("pair.clear", R"({"dataset":"tank/fs"})");
    EXPECT_EQ(plain["data"]["kind"], "timed_out");
    EXPECT_EQ(plain["data"]["remedy"], "look with zrepctl status, then run it again");
    const Json keyed = late("pair.clear", R"({"dataset":"tank/fs","request_key":"k"})");
    EXPECT_EQ(keyed["data"]["remedy"],
              "look with zrepctl status, or repeat it with the same request_key");
}

TEST_F(LateCall, OfADryRunIsToldThatNothingWasDone) {
    const Json dry = late("pair.sync", R"({"all":true,"dry_run":true})");
    EXPECT_EQ(dry["data"]["kind"], "timed_out");
    EXPECT_NE(dry["message"].get<std::string>().find("nothing was done"), std::string::npos) << dry;
}

TEST_F(LateCall, ADryRunWithAKeyIsWaitedForByAskingAgain) {
    const char* params = R"({"dataset":"tank/fs","snapshot":"a","dry_run":true,"request_key":"k"})";
    const Json dry = late("pair.put_back", params);
    EXPECT_EQ(dry["data"]["kind"], "timed_out");
    EXPECT_EQ(dry["data"]["remedy"], "ask again with the same request_key: it goes on looking");
    EXPECT_EQ(late("pair.put_back", params)["data"]["kind"], "timed_out");
    daemon.on_io([&] { daemon.service.open(); });
    LineClient client = greeted(daemon.socket());
    EXPECT_EQ(client.call("pair.put_back", params)["result"]["run_id"], "run-1");
    daemon.on_io([&] { EXPECT_EQ(daemon.service.seen.size(), 1U) << "one look for all three"; });
    EXPECT_TRUE(client.call("pair.put_back", params).contains("result"));
    daemon.on_io([&] { EXPECT_EQ(daemon.service.seen.size(), 2U) << "given once, it is old"; });
}

/// Everybody may read: a pool that hangs must not let them keep an administrator from a takeover.
TEST_F(LateCall, OfReadersKeepsOnlyReadersOut) {
    std::vector<LineClient> readers;
    for (int i = 0; i < 64; ++i) {
        readers.push_back(greeted(daemon.read_socket()));
        readers.back().send(R"({"jsonrpc":"2.0","id":1,"method":"pair.list"})"
                            "\n");
    }
    for (auto& reader : readers) EXPECT_EQ(reader.json()["error"]["data"]["kind"], "timed_out");
    LineClient one_more = greeted(daemon.read_socket());
    EXPECT_EQ(one_more.call("pair.list")["error"]["data"]["kind"], "busy");
    const Json takeover = late("pair.takeover", R"({"datasets":["backup/fs"],"local_only":true})");
    EXPECT_EQ(takeover["data"]["kind"], "timed_out") << "it was begun";
    daemon.on_io([&] { daemon.service.open(); });
    EXPECT_TRUE(daemon.becomes([&] { return daemon.service.waiting == 0; }));
    EXPECT_TRUE(one_more.call("pair.list").contains("result"));
}

/// The log lines of one call.
std::string logged(const std::string& method, const std::string& params) {
    FakeDaemon daemon;
    testing::internal::CaptureStdout();
    LineClient client = greeted(daemon.socket());
    EXPECT_TRUE(client.call(method, params).contains("result"));
    return testing::internal::GetCapturedStdout();
}

TEST(ControlLog, NamesWhatACallChanges) {
    const std::string line =
        logged("pair.set", R"({"dataset":"tank/a b","settings":{"limit":"10M"}})");
    EXPECT_NE(line.find("control_call method=pair.set"), std::string::npos) << line;
    EXPECT_NE(line.find(R"(params='{"dataset":"tank/a b","settings":{"limit":"10M"}}')"),
              std::string::npos)
        << line;
}

TEST(ControlLog, KeepsALongOrWickedCallOnOneShortLine) {
    std::string names = "\"tank/it's\\n\"";
    for (int i = 0; i < 1000; ++i) names += ",\"tank/fs" + std::to_string(i) + "\"";
    const std::string line =
        logged("pair.sync", "{\"datasets\":[" + names + "],\"dry_run\":false}");
    EXPECT_NE(line.find("tank/it"), std::string::npos) << line;
    EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1) << line;
    EXPECT_LT(line.size(), 700U);
}

/// Whoever makes up keys for both must not have to know how we tell them apart.
TEST(ControlKeys, OfADryRunAndOfARunAreNeverTheSame) {
    FakeDaemon daemon;
    LineClient client = greeted(daemon.socket());
    const auto clear = [&](const char* rest) {
        const std::string params = std::string(R"({"dataset":"tank/fs",)") + rest + "}";
        EXPECT_TRUE(client.call("pair.clear", params).contains("result")) << params;
    };
    clear(R"("request_key":"dry k")");
    clear(R"("dry_run":true,"request_key":"k")");
    clear(R"("request_key":"k")");
    clear(R"("dry_run":true,"request_key":"run k")");
    daemon.on_io([&] { EXPECT_EQ(daemon.service.seen.size(), 4U) << "each is work of its own"; });
}

}  // namespace
}  // namespace zrepd::control
