// SPDX-License-Identifier: BSD-2-Clause
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <future>
#include <string>

#include "ctl/relay.hpp"
#include "daemon/async/fd.hpp"

namespace zrepd {
namespace {

using std::chrono::milliseconds;

struct TwoEnds {
    Fd ours;
    Fd theirs;
};

TwoEnds relay_ends() {
    std::array<int, 2> fds{-1, -1};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds.data()), 0);
    return {Fd(fds[0]), Fd(fds[1])};
}

/// sshd's side of stdin and stdout, and the daemon's of the socket.
struct Relay {
    TwoEnds in = relay_ends();
    TwoEnds out = relay_ends();
    TwoEnds daemon = relay_ends();
    std::future<void> done;

    void begin(std::string first, milliseconds patience) {
        std::signal(SIGPIPE, SIG_IGN);
        done = std::async(std::launch::async, [this, first, patience] {
            relay(in.theirs.get(), out.theirs.get(), daemon.theirs.get(), first, patience);
        });
    }
    bool ends_within(milliseconds time) { return done.wait_for(time) == std::future_status::ready; }
};

/// More than all that is between the two takes.
const std::string kMuch(std::size_t{8} << 20, 'x');

TEST(Relay, EndsWhenTheDaemonIsGoneAndNobodyReadsWhatItLeft) {
    Relay relay;
    relay.begin(kMuch, milliseconds(200));
    EXPECT_FALSE(relay.ends_within(milliseconds(500))) << "while the daemon is there it decides";
    relay.daemon.ours = Fd();
    EXPECT_TRUE(relay.ends_within(milliseconds(30'000)));
}

TEST(Relay, PassesOnWhatTheDaemonLeftToWhoReadsSlowly) {
    Relay relay;
    relay.begin(kMuch, milliseconds(5'000));
    relay.daemon.ours = Fd();
    std::size_t got = 0;
    std::string piece(std::size_t{256} << 10, '\0');
    for (ssize_t n = 1; n > 0 && got < kMuch.size(); ::usleep(1'000)) {
        n = ::read(relay.out.ours.get(), piece.data(), piece.size());
        got += n > 0 ? static_cast<std::size_t>(n) : 0;
    }
    EXPECT_EQ(got, kMuch.size());
    EXPECT_TRUE(relay.ends_within(milliseconds(30'000)));
}

}  // namespace
}  // namespace zrepd
