// SPDX-License-Identifier: BSD-2-Clause
// A thousand clients at once, half of which stall: who asks meanwhile is answered, and nothing of
// them stays.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <vector>

#include "tests/fakes/fake_control.hpp"
#include "tests/fakes/line_client.hpp"
#include "tests/fakes/open_descriptors.hpp"

namespace zrepd::control {
namespace {

using fake::FakeDaemon;
using fake::greeted;
using fake::LineClient;

constexpr std::size_t kEach = 250;   ///< half lines, mutes; twice as many are well
constexpr std::size_t kAsking = 25;  ///< mutes that ask for what they do not read
constexpr const char* kStatusCall = R"({"jsonrpc":"2.0","id":1,"method":"status.get"})"
                                    "\n";

/// Both ends of every connection are in this process. False where it may not have that many.
bool may_open(rlim_t wanted) {
    rlimit limit = {};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = std::max(limit.rlim_cur, std::min(wanted, limit.rlim_max));
    return ::setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= wanted;
}

std::vector<LineClient> connect(FakeDaemon& daemon, std::size_t count) {
    std::vector<LineClient> out;
    out.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        out.push_back(greeted(i % 2 == 0 ? daemon.socket() : daemon.read_socket()));
    }
    return out;
}

class ControlCrowd : public testing::Test {
  protected:
    void SetUp() override {
        if (!may_open(4096)) GTEST_SKIP() << "4096 open files are not allowed here";
    }
    /// A status that is larger than what a socket takes for a client that does not read.
    void have_much_to_say(FakeDaemon& daemon) {
        daemon.on_io([&] {
            daemon.service.pairs = {fake::healthy_pair("tank/fs")};
            daemon.service.problem = rpc::Trouble{.kind = "zfs_failed",
                                                  .message = std::string(400'000, 'x'),
                                                  .remedy = {},
                                                  .since = {}};
        });
    }
    void expect_status(const std::string& socket) {
        const Json reply = greeted(socket).call("status.get");
        EXPECT_EQ(reply["result"]["pairs"].size(), 1U);
    }
};

TEST_F(ControlCrowd, AThousandOfWhichHalfStallAreServedAndCutOff) {
    ServerLimits limits;
    limits.session.line = std::chrono::seconds(2);
    limits.session.write_stall = std::chrono::seconds(2);
    limits.session.last_words = std::chrono::milliseconds(200);
    FakeDaemon daemon(limits);
    have_much_to_say(daemon);
    const std::size_t before = test::open_descriptors();
    {
        std::vector<LineClient> half_lines = connect(daemon, kEach);
        std::vector<LineClient> mutes = connect(daemon, kEach);
        std::vector<LineClient> well = connect(daemon, 2 * kEach);
        daemon.on_io([&] { EXPECT_EQ(daemon.server.connections(), 4 * kEach); });
        for (auto& client : half_lines) client.send(R"({"jsonrpc":"2.0","id":1,)");
        for (std::size_t i = 0; i < kAsking; ++i) mutes[i].send(kStatusCall);
        expect_status(daemon.socket());
        expect_status(daemon.read_socket());
        for (auto& client : well) {
            ASSERT_EQ(client.call("daemon.version")["result"]["host"], "alpha");
        }
        // Who reads nothing, and asked for nothing, is in nobody's way.
        const std::size_t stay = mutes.size() - kAsking + well.size();
        ASSERT_TRUE(daemon.becomes([&] { return daemon.server.connections() == stay; }));
        for (auto& client : half_lines) {
            ASSERT_EQ(client.json()["error"]["data"]["kind"], "timed_out");
        }
        for (std::size_t i = 0; i < kAsking; ++i) ASSERT_TRUE(mutes[i].ends());
        // Who did nothing wrong is still there.
        for (auto& client : well) ASSERT_TRUE(client.call("daemon.version").contains("result"));
    }
    ASSERT_TRUE(daemon.becomes([&] { return daemon.server.connections() == 0; }));
    EXPECT_EQ(test::open_descriptors(), before);
}

TEST_F(ControlCrowd, WhoComesBeyondTheLimitIsToldAndReadersLeaveRoom) {
    FakeDaemon daemon;
    const std::size_t before = test::open_descriptors();
    {
        std::vector<LineClient> readers;
        readers.reserve(kMaxReaders);
        for (std::size_t i = 0; i < kMaxReaders; ++i) {
            readers.push_back(greeted(daemon.read_socket()));
        }
        for (int i = 0; i < 100; ++i) {
            LineClient refused(daemon.read_socket());
            const Json error = refused.json()["error"];
            ASSERT_EQ(error["data"]["kind"], "busy");
            ASSERT_EQ(error["message"], "too many clients are connected to zrepd");
            ASSERT_TRUE(refused.ends());
        }
        EXPECT_TRUE(greeted(daemon.socket()).call("status.get").contains("result"));
    }
    ASSERT_TRUE(daemon.becomes([&] { return daemon.server.connections() == 0; }));
    EXPECT_TRUE(greeted(daemon.read_socket()).call("status.get").contains("result"));
    ASSERT_TRUE(daemon.becomes([&] { return daemon.server.connections() == 0; }));
    EXPECT_EQ(test::open_descriptors(), before);
}

TEST(ControlLimits, ClientsGetHalfOfTheDescriptors) {
    EXPECT_EQ(limits_within(16'384).connections, kMaxConnections);
    EXPECT_EQ(limits_within(16'384).readers, kMaxReaders);
    EXPECT_EQ(limits_within(1'024).connections, 512U);
    EXPECT_EQ(limits_within(1'024).readers, 340U);
}

}  // namespace
}  // namespace zrepd::control
