// SPDX-License-Identifier: BSD-2-Clause
// The peer socket, and what it says to clients that are none of ours.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "common/rpc/message.hpp"
#include "daemon/peer/limits.hpp"
#include "tests/fakes/served_target.hpp"

namespace zrepd::peer {
namespace {

/// A raw client on the socket, for what no client of ours does.
class RawPeer : public test::ServedTarget {
  protected:
    Fd connect() const {
        Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        socket.native().copy(address.sun_path, sizeof address.sun_path - 1);
        EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        return fd;
    }
    /// Runs the server until `count` lines came or the connection ended.
    std::vector<std::string> lines(const Fd& fd, std::size_t count) {
        std::string text;
        const auto until = std::chrono::steady_clock::now() + kPatience;
        while (std::chrono::steady_clock::now() < until) {
            io.poll();
            io.restart();
            std::array<char, 4096> chunk;
            const ssize_t n = ::read(fd.get(), chunk.data(), chunk.size());
            if (n > 0) text.append(chunk.data(), static_cast<std::size_t>(n));
            const auto have = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
            if (n == 0 || (n < 0 && errno == ECONNRESET) || have >= count) break;
        }
        return split_lines(text);
    }
    static std::vector<std::string> split_lines(const std::string& text) {
        std::vector<std::string> out;
        std::size_t at = 0;
        for (auto end = text.find('\n'); end != text.npos; end = text.find('\n', at)) {
            out.push_back(text.substr(at, end - at));
            at = end + 1;
        }
        return out;
    }
    /// What comes first after `request`, on a connection that was greeted.
    std::string line_after(const Fd& fd, const std::string& request) {
        EXPECT_EQ(::write(fd.get(), request.data(), request.size()),
                  static_cast<ssize_t>(request.size()));
        const auto got = lines(fd, 1);
        return got.empty() ? "" : got.front();
    }
    std::string answer(const Fd& fd, const std::string& method) {
        return line_after(fd, rpc::request_line({2, method, Json::object()}));
    }
    std::string name_itself(const Fd& fd, const std::string& name) {
        EXPECT_EQ(lines(fd, 1).size(), 1U) << "the greeting";
        return line_after(fd, rpc::request_line({1, "peer.identify", Json{{"host", name}}}));
    }
    void settle() {
        for (int turn = 0; turn < 50; ++turn) io.poll();
        io.restart();
    }
    /// More than the socket takes at once; ends early when the server does.
    void write_all(const Fd& fd, std::string_view text) {
        const auto until = std::chrono::steady_clock::now() + kPatience;
        while (!text.empty() && std::chrono::steady_clock::now() < until) {
            const ssize_t n = ::write(fd.get(), text.data(), text.size());
            if (n < 0 && errno != EAGAIN) return;
            if (n > 0) text.remove_prefix(static_cast<std::size_t>(n));
            settle();
        }
    }
    /// The line that answers `request`, sent right after the greeting.
    std::string answer_to(const std::string& request) {
        const Fd fd = connect();
        EXPECT_EQ(lines(fd, 1).size(), 1U);
        EXPECT_EQ(::write(fd.get(), request.data(), request.size()),
                  static_cast<ssize_t>(request.size()));
        const auto got = lines(fd, 2);
        EXPECT_EQ(got.size(), 1U) << "one answer, then the end";
        return got.empty() ? "" : got.front();
    }
};

TEST_F(RawPeer, GreetsWithProtocolAndVersion) {
    const Fd fd = connect();
    const auto got = lines(fd, 1);
    ASSERT_EQ(got.size(), 1U);
    EXPECT_NE(got[0].find(R"("method":"hello")"), std::string::npos);
    EXPECT_NE(got[0].find(R"("protocol":"1.0")"), std::string::npos);
    EXPECT_NE(got[0].find(R"("access":"peer")"), std::string::npos);
}
TEST_F(RawPeer, MustSayWhoItIsFirst) {
    const auto got = answer_to(R"({"jsonrpc":"2.0","id":1,"method":"peer.ping"})"
                               "\n");
    EXPECT_NE(got.find("must be peer.identify"), std::string::npos) << got;
    EXPECT_TRUE(target.calls.empty());
}
TEST_F(RawPeer, MayNotCallItselfByThisHostsOwnNames) {
    // Who is taken for this host itself needs no zrep:accept.
    for (const char* name :
         {"localhost", "LOCALHOST", "localhost.localdomain", "beta", "Beta.example"}) {
        const auto got = answer_to(rpc::request_line({1, "peer.identify", Json{{"host", name}}}));
        EXPECT_NE(got.find("invalid_params"), std::string::npos) << name << ": " << got;
        EXPECT_NE(got.find("host-name"), std::string::npos) << got;
    }
}
TEST_F(RawPeer, IsCutOffAfterGarbage) {
    EXPECT_NE(answer_to("GET / HTTP/1.1\n").find("parse_error"), std::string::npos);
}
TEST_F(RawPeer, IsCutOffAfterAnOverlongLine) {
    const Fd fd = connect();
    EXPECT_EQ(lines(fd, 1).size(), 1U);
    write_all(fd, std::string(1'200'000, 'x'));
    const auto got = lines(fd, 2);
    ASSERT_EQ(got.size(), 1U);
    EXPECT_NE(got[0].find("parse_error"), std::string::npos);
}
TEST_F(RawPeer, IsCutOffAfterALineOfManyKeys) {
    std::string wide = "{";
    for (int i = 0; i < 64; ++i) wide += "\"k" + std::to_string(i) + "\":0,";
    std::string full = R"({"jsonrpc":"2.0","id":2,"method":"peer.look","params":{"pairs":[)";
    std::string one = full + wide + R"("more":0}]}})";
    while (full.size() < rpc::kMaxRequestLine - 2'000) full += R"({"a":0},{"b":0},{"c":0},)";
    full += "0]}}";
    for (const std::string& line : {one, full}) {
        const Fd fd = connect();
        name_itself(fd, "mallory");
        write_all(fd, line + "\n");
        const auto got = lines(fd, 2);
        ASSERT_EQ(got.size(), 1U) << "one answer, then the end";
        EXPECT_NE(got[0].find("parse_error"), std::string::npos) << got[0];
        EXPECT_NE(got[0].find("keys"), std::string::npos) << got[0];
    }
}
/// The fullest request there is: all of a tree's snapshots, with names as short as can be.
TEST_F(RawPeer, MayAdoptATreeOfTenThousandSnapshots) {
    rpc::AdoptIn in;
    in.target = "backup/a";
    const rpc::PeerSnapshot one{"a", Guid(10'000'000'000'000'000'000U), 0, std::nullopt};
    in.snapshots.resize(2'000, one);
    in.members.emplace();
    for (int i = 0; i < 6; ++i) in.members->push_back({"m", "filesystem", in.snapshots});
    const std::string line = rpc::request_line({2, "peer.adopt", rpc::encode(in)});
    ASSERT_LT(line.size(), rpc::kMaxRequestLine);
    ASSERT_GT(line.size(), rpc::kMaxRequestLine / 4 * 3);
    const Fd fd = connect();
    name_itself(fd, "alpha");
    write_all(fd, line);
    const auto got = lines(fd, 1);
    ASSERT_EQ(got.size(), 1U);
    EXPECT_NE(got[0].find("not_accepted"), std::string::npos) << got[0];
}
TEST_F(RawPeer, GetsAnErrorWhenThereAreTooMany) {
    std::vector<Fd> many;
    for (std::size_t i = 0; i < kMaxPeerConnections; ++i) {
        const std::string name = "host" + std::to_string(i / kMaxOfOnePeer);
        ASSERT_EQ(name_itself(many.emplace_back(connect()), name),
                  R"({"jsonrpc":"2.0","id":1,"result":{}})");
    }
    const Fd one_more = connect();
    const auto got = lines(one_more, 2);
    ASSERT_EQ(got.size(), 1U);
    EXPECT_NE(got[0].find(R"("kind":"busy")"), std::string::npos);
    EXPECT_NE(answer(many.front(), "peer.ping").find("result"), std::string::npos)
        << "the others go on";
}
TEST_F(RawPeer, OfOneHostTakesNoPlaceOfAnother) {
    std::vector<Fd> many;
    for (std::size_t i = 0; i < kMaxOfOnePeer; ++i)
        name_itself(many.emplace_back(connect()), "mallory");
    const Fd one_more = connect();
    const std::string refused = name_itself(one_more, "MALLORY.example");
    EXPECT_NE(refused.find(R"("kind":"busy")"), std::string::npos) << refused;
    EXPECT_NE(refused.find("32 connections of mallory"), std::string::npos) << refused;
    EXPECT_TRUE(lines(one_more, 1).empty()) << "and the connection ends";
    const Fd other = connect();
    EXPECT_NE(name_itself(other, "alpha").find("result"), std::string::npos);
    // A place that is given back is there again.
    many.pop_back();
    settle();
    const Fd again = connect();
    EXPECT_NE(name_itself(again, "mallory").find("result"), std::string::npos);
}
TEST_F(RawPeer, OfOneHostHasNoMoreRequestsOnManyConnectionsThanOnOne) {
    target.hold_commits = true;
    std::string requests;
    for (int i = 2; i < 42; ++i) {
        requests += rpc::request_line({static_cast<std::uint64_t>(i),
                                       "peer.commit",
                                       Json{{"sent", 1}, {"items", Json::array()}}});
    }
    std::vector<Fd> many;
    for (int i = 0; i < 4; ++i) {
        name_itself(many.emplace_back(connect()), "mallory");
        EXPECT_GT(::write(many.back().get(), requests.data(), requests.size()), 0);
    }
    for (int i = 0; i < 20; ++i) settle();
    EXPECT_EQ(target.calls.size(), 64U);
    const Fd other = connect();
    name_itself(other, "alpha");
    EXPECT_NE(answer(other, "peer.ping").find("result"), std::string::npos);
    target.release_commits();
    for (const Fd& fd : many) EXPECT_GE(lines(fd, 40).size(), 40U);
    EXPECT_EQ(target.calls.size(), 160U);
}
TEST_F(RawPeer, WhoDoesNotSayItsNameKeepsNobodyOutForLong) {
    std::vector<Fd> many;
    for (std::size_t i = 0; i < kMaxUnnamed; ++i) {
        ASSERT_EQ(lines(many.emplace_back(connect()), 1).size(), 1U);
    }
    const Fd next = connect();
    settle();
    std::array<char, 16> nothing;
    EXPECT_LT(::read(next.get(), nothing.data(), nothing.size()), 0)
        << "it waits, and is not refused";
    many.pop_back();
    EXPECT_NE(name_itself(next, "alpha").find("result"), std::string::npos);
}
TEST_F(RawPeer, MayNotSendTheStreamBeforeTheReply) {
    const std::string text =
        rpc::request_line({1, "peer.identify", Json{{"host", "alpha"}}}) +
        rpc::request_line({2, "stream.receive", rpc::encode(test::full_stream())}) + "raw";
    const Fd fd = connect();
    ASSERT_EQ(lines(fd, 1).size(), 1U);
    ASSERT_EQ(::write(fd.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    const auto got = lines(fd, 2);
    ASSERT_EQ(got.size(), 2U);
    EXPECT_NE(got[1].find("before the reply"), std::string::npos);
}
/// It could send one after the other, to ever new names.
TEST_F(RawPeer, IsToldThatItsStreamIsNoneAndTheLogIsToldOnce) {
    testing::internal::CaptureStdout();
    const std::string ask =
        rpc::request_line({2, "stream.receive", rpc::encode(test::full_stream())});
    for (const std::string& stream : {std::string(), std::string(100, 'x')}) {
        const Fd fd = connect();
        name_itself(fd, "alpha");
        EXPECT_NE(line_after(fd, ask).find("result"), std::string::npos);
        write_all(fd, stream);
        ::shutdown(fd.get(), SHUT_WR);
        const auto got = lines(fd, 1);
        const std::string end = got.empty() ? "" : got.front();
        EXPECT_NE(end.find("stream.received"), std::string::npos) << end;
        EXPECT_NE(end.find(R"("error")"), std::string::npos) << end;
    }
    const std::string log = testing::internal::GetCapturedStdout();
    EXPECT_EQ(target.received_bytes, 0U);
    const auto first = log.find("stream_refused");
    ASSERT_NE(first, std::string::npos) << log;
    EXPECT_EQ(log.find("stream_refused", first + 1), std::string::npos) << log;
}
TEST_F(RawPeer, FindsTheSocketClosedToOthers) {
    struct stat status {};
    ASSERT_EQ(::stat(socket.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0660U);
}

/// What a client gets that asked for much and read nothing.
class Unread : public RawPeer {
  protected:
    static std::string looks(int count) {
        std::string out;
        for (int i = 2; i < 2 + count; ++i) {
            const Json pair{{"source", "tank/a"}, {"target", "backup/a"}};
            out += rpc::request_line({static_cast<std::uint64_t>(i),
                                      "peer.look",
                                      Json{{"pairs", Json::array({pair})}, {"sends", false}}});
        }
        return out;
    }
    void ask(const Fd& fd, const std::string& requests) {
        EXPECT_EQ(::write(fd.get(), requests.data(), requests.size()),
                  static_cast<ssize_t>(requests.size()));
    }
    /// Reads until `count` lines came; how many bytes that were.
    std::size_t read_lines(const Fd& fd, std::size_t count) {
        std::vector<char> chunk(1 << 20);
        std::size_t bytes = 0;
        std::size_t ends = 0;
        const auto until = std::chrono::steady_clock::now() + kPatience;
        while (ends < count && std::chrono::steady_clock::now() < until) {
            io.poll();
            io.restart();
            const ssize_t n = ::read(fd.get(), chunk.data(), chunk.size());
            if (n <= 0) continue;
            bytes += static_cast<std::size_t>(n);
            ends += static_cast<std::size_t>(std::count(chunk.begin(), chunk.begin() + n, '\n'));
        }
        EXPECT_EQ(ends, count);
        return bytes;
    }
};
TEST_F(Unread, AnswersKeepTheNextRequestWaiting) {
    target.look_says_bytes = 2 * kUnreadBytes;
    const Fd fd = connect();
    name_itself(fd, "mallory");
    ask(fd, looks(1));
    for (int i = 0; i < 20; ++i) settle();
    ask(fd, looks(3));
    for (int i = 0; i < 20; ++i) settle();
    EXPECT_EQ(target.calls.size(), 2U) << "a request was waited for already";
    EXPECT_GT(read_lines(fd, 4), 4 * target.look_says_bytes) << "who reads gets all of them";
    EXPECT_EQ(target.calls.size(), 4U);
}
TEST_F(Unread, AnswersOfWhatRunsAlreadyAreBoundedInBytes) {
    target.look_says_bytes = kMaxUnreadOfOnePeer / 2;
    std::vector<Fd> many;
    for (int i = 0; i < 2; ++i) {
        name_itself(many.emplace_back(connect()), "mallory");
        ask(many.back(), looks(1));
    }
    for (int i = 0; i < 20; ++i) settle();
    ASSERT_EQ(target.calls.size(), 2U);
    EXPECT_GT(read_lines(many.front(), 1), target.look_says_bytes);
    EXPECT_LT(read_lines(many.back(), 1), kShortReply) << "an error in its place";
}
TEST_F(Unread, AnswersOfAConnectionThatBreaksHoldNoPlace) {
    target.look_says_bytes = kUnreadBytes;
    for (std::size_t i = 0; i < kMaxOfOnePeer; ++i) {
        const Fd fd = connect();
        ASSERT_NE(name_itself(fd, "mallory").find("result"), std::string::npos);
        ask(fd, looks(1));
        for (int turn = 0; turn < 5; ++turn) settle();
        ask(fd, looks(2));
        for (int turn = 0; turn < 5; ++turn) settle();
        ASSERT_EQ(target.calls.size(), 2 * i + 2) << "the third has to wait";
    }
    for (int turn = 0; turn < 5; ++turn) settle();
    const Fd again = connect();
    const std::string named = name_itself(again, "mallory");
    EXPECT_NE(named.find("result"), std::string::npos) << named;
    ask(again, looks(1));
    EXPECT_GT(read_lines(again, 1), target.look_says_bytes) << "nothing unread is counted for it";
}

}  // namespace
}  // namespace zrepd::peer
