// SPDX-License-Identifier: BSD-2-Clause
// Sockets that a service manager listens on before zrepd runs, as systemd hands them over.
#include "daemon/control/passed_sockets.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/use_future.hpp>

#include "daemon/control/server.hpp"

#include "tests/fakes/fake_control.hpp"
#include "tests/fakes/line_client.hpp"

namespace zrepd::control {
namespace {

namespace fs = std::filesystem;

// Where the test's "descriptor 3" is: far from what the test program has open.
constexpr int kFirstPassed = 700;

Fd bound_socket(const fs::path& path, int type) {
    Fd out(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.native().copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(out.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return out;
}

Fd listening_socket(const fs::path& path) {
    Fd out = bound_socket(path, SOCK_STREAM);
    EXPECT_EQ(::listen(out.get(), 8), 0);
    return out;
}

class PassedSocketsTest : public ::testing::Test {
  protected:
    ~PassedSocketsTest() override {
        for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(name);
        for (int fd = kFirstPassed; fd < kFirstPassed + passed; ++fd) ::close(fd);
    }
    void pass(const Fd& socket) {
        EXPECT_EQ(::dup2(socket.get(), kFirstPassed + passed), kFirstPassed + passed);
        ++passed;
    }
    PassedSockets take_over(const std::string& pid, const std::string& count) {
        ::setenv("LISTEN_PID", pid.c_str(), 1);
        ::setenv("LISTEN_FDS", count.c_str(), 1);
        return PassedSockets::from_environment(kFirstPassed);
    }
    PassedSockets take_over() {
        return take_over(std::to_string(::getpid()), std::to_string(passed));
    }
    static bool is_open(int number) { return ::fcntl(kFirstPassed + number, F_GETFD) >= 0; }

    test::TempFolder temp;
    fs::path dir = temp.path;
    int passed = 0;
};

TEST_F(PassedSocketsTest, WhoConnectedBeforeIsServedAndTheSocketsStay) {
    const Fd main = listening_socket(dir / kSocketName);
    const Fd readers = listening_socket(dir / kReadSocketName);
    pass(readers);
    pass(main);
    fake::LineClient early((dir / kSocketName).string());
    fake::LineClient reader((dir / kReadSocketName).string());
    ASSERT_TRUE(early.connected() && reader.connected());
    fake::FakeDaemon daemon;
    Server server(daemon.io.get_executor(), daemon.service, daemon.events);
    daemon.on_io([&] { EXPECT_TRUE(server.listen(dir, take_over())); });
    EXPECT_EQ(early.json()["params"]["access"], "admin");
    EXPECT_EQ(reader.json()["params"]["access"], "read");
    EXPECT_TRUE(early.call("daemon.version").contains("result"));
    asio::co_spawn(daemon.io, server.stop(), asio::use_future).get();
    EXPECT_TRUE(early.ends());
    // Who comes now waits for the next one.
    EXPECT_TRUE(fake::LineClient((dir / kSocketName).string()).connected());
    EXPECT_TRUE(fake::LineClient((dir / kReadSocketName).string()).connected());
}

TEST_F(PassedSocketsTest, WhatWasNotPassedIsMadeAndRemoved) {
    const Fd main = listening_socket(dir / kSocketName);
    pass(main);
    fake::FakeDaemon daemon;
    Server server(daemon.io.get_executor(), daemon.service, daemon.events);
    daemon.on_io([&] { EXPECT_TRUE(server.listen(dir, take_over())); });
    EXPECT_EQ(
        fake::greeted((dir / kReadSocketName).string()).call("daemon.version").count("result"), 1U);
    asio::co_spawn(daemon.io, server.stop(), asio::use_future).get();
    EXPECT_TRUE(fs::exists(dir / kSocketName));
    EXPECT_FALSE(fs::exists(dir / kReadSocketName));
}

TEST_F(PassedSocketsTest, AreNotInheritedByWhatZrepdStarts) {
    pass(listening_socket(dir / "a.sock"));
    const PassedSockets sockets = take_over();
    EXPECT_EQ(::fcntl(kFirstPassed, F_GETFD), FD_CLOEXEC);
}

TEST_F(PassedSocketsTest, AnotherProcesssAreLeftAlone) {
    pass(listening_socket(dir / "a.sock"));
    const std::string us = std::to_string(::getpid());
    for (const std::string pid : {"1", "", "x", "-1", "0"}) {
        EXPECT_FALSE(take_over(pid, "1").take(dir / "a.sock")) << pid;
        EXPECT_TRUE(is_open(0)) << pid;
    }
    for (const std::string count : {"0", "-1", "", "x", "1x"}) {
        EXPECT_FALSE(take_over(us, count).take(dir / "a.sock")) << count;
        EXPECT_TRUE(is_open(0)) << count;
    }
    ::unsetenv("LISTEN_PID");
    EXPECT_FALSE(PassedSockets::from_environment(kFirstPassed).take(dir / "a.sock"));
    EXPECT_TRUE(is_open(0));
}

TEST_F(PassedSocketsTest, WhatHasANameIsFoundByItWhateverItIs) {
    pass(listening_socket(dir / "a.sock"));
    pass(Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)));
    pass(Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)));
    ::setenv("LISTEN_FDNAMES", "a.socket:mount-table", 1);
    PassedSockets sockets = take_over();
    EXPECT_FALSE(sockets.take_named("mount-namespace"));
    EXPECT_EQ(sockets.take_named("mount-table").get(), kFirstPassed + 1);
    EXPECT_FALSE(sockets.take_named("mount-table"));
    EXPECT_EQ(sockets.take(dir / "a.sock").get(), kFirstPassed);
    // One more than there are names.
    EXPECT_EQ(sockets.take_named("").get(), kFirstPassed + 2);
    passed = 0;
}

TEST_F(PassedSocketsTest, WhatDoesNotListenForStreamsOnThatPathIsClosed) {
    pass(bound_socket(dir / "deaf.sock", SOCK_STREAM));
    pass(bound_socket(dir / "datagrams.sock", SOCK_DGRAM));
    pass(listening_socket(dir / "other.sock"));
    Fd port(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in local{
        .sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    ASSERT_EQ(::bind(port.get(), reinterpret_cast<const sockaddr*>(&local), sizeof local), 0);
    ASSERT_EQ(::listen(port.get(), 1), 0);
    pass(port);
    pass(Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)));
    {
        PassedSockets sockets = take_over();
        for (const char* name : {"deaf.sock", "datagrams.sock", "a.sock", ""})
            EXPECT_FALSE(sockets.take(name[0] == '\0' ? fs::path() : dir / name)) << name;
    }
    for (int number = 0; number < passed; ++number) EXPECT_FALSE(is_open(number)) << number;
}

TEST_F(PassedSocketsTest, AreNeverMoreThanThereAre) {
    pass(listening_socket(dir / "a.sock"));
    PassedSockets sockets = take_over(std::to_string(::getpid()), "2000000000");
    EXPECT_TRUE(sockets.take(dir / "a.sock"));
    EXPECT_FALSE(sockets.take(dir / "a.sock")) << "taken once";
    EXPECT_FALSE(is_open(0)) << "whoever took it closed it";
}

}  // namespace
}  // namespace zrepd::control
