// SPDX-License-Identifier: BSD-2-Clause
// The platform layer. These run twice: as this system has it, and (tests/portable) with what POSIX
// alone has, which has to do the same but for what it says that it cannot.
#include "common/platform.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "tests/fakes/temp_folder.hpp"

namespace zrepd {
namespace {

bool has_extras() {
    return platform::kind() != "portable";
}

bool closes_on_exec(int fd) {
    return (::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
}

bool blocks(int fd) {
    return (::fcntl(fd, F_GETFL) & O_NONBLOCK) == 0;
}

struct Ends {
    std::array<int, 2> fds{-1, -1};
    Ends() { EXPECT_TRUE(platform::make_pipe(fds)); }
    Ends(const Ends&) = delete;
    Ends& operator=(const Ends&) = delete;
    ~Ends() {
        for (const int fd : fds) ::close(fd);
    }
};

TEST(Platform, PipesCloseOnExecAndBlock) {
    const Ends pipe;
    for (const int fd : pipe.fds) {
        EXPECT_TRUE(closes_on_exec(fd));
        EXPECT_TRUE(blocks(fd));
    }
    ASSERT_EQ(::write(pipe.fds[1], "x", 1), 1);
    char byte = 0;
    EXPECT_EQ(::read(pipe.fds[0], &byte, 1), 1);
    EXPECT_EQ(byte, 'x');
}

TEST(Platform, APipesRoomCanBeChosenWhereItCanBeAsked) {
    const Ends pipe;
    platform::enlarge_pipe(pipe.fds[0], 1 << 18, 1 << 16);
    const std::size_t room = platform::pipe_room(pipe.fds[0]);
    EXPECT_TRUE(room == 0 || room >= std::size_t{1} << 16) << room;
    EXPECT_EQ(platform::pipe_room(-1), 0U);
}

struct Listener {
    test::TempFolder folder;
    int fd = platform::unix_socket(SOCK_STREAM, /*nonblocking=*/true);
    sockaddr_un address{};

    Listener() {
        address.sun_family = AF_UNIX;
        const std::string path = folder.path / "socket";
        std::memcpy(address.sun_path, path.c_str(), path.size());
        EXPECT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        EXPECT_EQ(::listen(fd, 1), 0);
    }
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    ~Listener() { ::close(fd); }
};

TEST(Platform, SocketsAndAcceptedConnectionsCloseOnExecAndBlockAsWanted) {
    const Listener listener;
    EXPECT_TRUE(closes_on_exec(listener.fd));
    EXPECT_FALSE(blocks(listener.fd));
    EXPECT_EQ(platform::accept_nonblocking(listener.fd), -1);
    EXPECT_TRUE(errno == EAGAIN || errno == EWOULDBLOCK);
    const int client = platform::unix_socket(SOCK_STREAM, /*nonblocking=*/false);
    EXPECT_TRUE(closes_on_exec(client));
    EXPECT_TRUE(blocks(client));
    const auto* address = reinterpret_cast<const sockaddr*>(&listener.address);
    ASSERT_EQ(::connect(client, address, sizeof listener.address), 0);
    const int server = platform::accept_nonblocking(listener.fd);
    ASSERT_GE(server, 0);
    EXPECT_TRUE(closes_on_exec(server));
    EXPECT_FALSE(blocks(server));
    const auto owner = platform::owner_of(server);
    EXPECT_EQ(owner.has_value(), has_extras());
    if (owner) {
        EXPECT_EQ(owner->uid, ::geteuid());
        EXPECT_EQ(owner->pid, ::getpid());
    }
    ::close(server);
    ::close(client);
}

TEST(Platform, NobodyIsAtTheEndOfWhatIsNoSocket) {
    const Ends pipe;
    EXPECT_FALSE(platform::owner_of(pipe.fds[0]));
}

TEST(Platform, SplicesOrSaysThatItCannot) {
    const Ends from;
    const Ends to;
    ASSERT_EQ(::write(from.fds[1], "data", 4), 4);
    const ssize_t moved = platform::splice_some(from.fds[0], to.fds[1], 16);
    if (platform::can_splice()) {
        EXPECT_EQ(moved, 4);
        EXPECT_EQ(platform::splice_some(from.fds[0], to.fds[1], 16), -1);
        EXPECT_EQ(errno, EAGAIN);
    } else {
        EXPECT_EQ(moved, -1);
        EXPECT_EQ(errno, EINVAL);
    }
}

TEST(Platform, ATimerIsReadableInTimeWhereThereIsOne) {
    const int timer = platform::make_timer();
    if (timer < 0) {
        EXPECT_FALSE(platform::set_timer(timer, std::chrono::seconds(1)));
        return;
    }
    EXPECT_TRUE(closes_on_exec(timer));
    pollfd one{.fd = timer, .events = POLLIN, .revents = 0};
    for (const auto after : {std::chrono::nanoseconds(0), std::chrono::nanoseconds(2'000'000)}) {
        ASSERT_TRUE(platform::set_timer(timer, after));
        EXPECT_EQ(::poll(&one, 1, 5000), 1);
    }
    ASSERT_TRUE(platform::set_timer(timer, std::chrono::seconds(3600)));
    EXPECT_EQ(::poll(&one, 1, 0), 0);
    ::close(timer);
}

TEST(Platform, TimeSinceTheBootGoesOn) {
    const auto before = platform::since_boot();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    EXPECT_GE(platform::since_boot() - before, std::chrono::milliseconds(2));
}

TEST(Platform, TellsWhatTheSystemTellsAndNothingElse) {
    EXPECT_EQ(platform::boot_id(), platform::boot_id());
    EXPECT_EQ(platform::boot_id().find('\n'), std::string::npos);
    EXPECT_EQ(platform::program_of(-1), "");
    if (platform::kind() == "linux") {
        EXPECT_EQ(platform::boot_id().size(), 36U);
        EXPECT_TRUE(platform::program_of(::getpid()).starts_with("zrepd_"));
        EXPECT_NE(platform::mount_table().find(" / "), std::string::npos);
    }
    if (!has_extras()) {
        EXPECT_EQ(platform::boot_id() + platform::mount_table() + platform::program_of(1), "");
    }
    EXPECT_EQ(platform::mounts_zfs_anywhere(), platform::kind() == "linux");
}

}  // namespace
}  // namespace zrepd
