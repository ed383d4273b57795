// SPDX-License-Identifier: BSD-2-Clause
// What a service manager hears, on a socket as systemd has one.
#include "daemon/notify.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "daemon/host_mounts.hpp"
#include "tests/fakes/run_task.hpp"
#include "tests/fakes/temp_folder.hpp"

namespace zrepd {
namespace {

using namespace std::chrono_literals;

class NotifyTest : public ::testing::Test {
  protected:
    NotifyTest() {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strcpy(address.sun_path, path.c_str());
        const auto* bound = reinterpret_cast<const sockaddr*>(&address);
        EXPECT_EQ(::bind(manager.get(), bound, sizeof address), 0);
    }
    ~NotifyTest() override {
        for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"})
            ::unsetenv(name);
    }
    /// All that came since.
    std::vector<std::string> heard() {
        std::vector<std::string> out;
        char text[512];
        while (true) {
            const ssize_t size = ::recv(manager.get(), text, sizeof text, MSG_DONTWAIT);
            if (size < 0) return out;
            out.emplace_back(text, static_cast<std::size_t>(size));
        }
    }

    /// The next one's text and what came with it.
    std::pair<std::string, Fd> received() {
        char text[512];
        iovec words{.iov_base = text, .iov_len = sizeof text};
        alignas(cmsghdr) char beside[CMSG_SPACE(sizeof(int))];
        msghdr message{};
        message.msg_iov = &words;
        message.msg_iovlen = 1;
        message.msg_control = beside;
        message.msg_controllen = sizeof beside;
        const ssize_t size = ::recvmsg(manager.get(), &message, MSG_CMSG_CLOEXEC);
        if (size < 0) return {};
        int passed = -1;
        const cmsghdr* header = CMSG_FIRSTHDR(&message);
        if (header != nullptr) std::memcpy(&passed, CMSG_DATA(header), sizeof passed);
        return {std::string(text, static_cast<std::size_t>(size)), Fd(passed)};
    }

    /// Whatever they are of: where process 1's can be opened is shown with systemd itself.
    static host_mounts::Handles any_two() {
        return {Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)),
                Fd(::open("/dev/zero", O_RDONLY | O_CLOEXEC))};
    }

    test::TempFolder temp;
    std::string path = (temp.path / "notify").string();
    Fd manager{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    asio::io_context io;
};

TEST_F(NotifyTest, SaysThatItServesAndThatItStops) {
    Notifier notifier(path, 0us);
    notifier.ready();
    notifier.stopping();
    EXPECT_EQ(heard(), (std::vector<std::string>{"READY=1", "STOPPING=1\nSTATUS=stopping"}));
}

TEST_F(NotifyTest, ALoopThatTurnsIsHeardAtLeastThreeTimesAsOftenAsItHasTo) {
    Notifier notifier(path, 90ms);
    TaskGroup tasks(io.get_executor());
    int asked = 0;
    const auto began = std::chrono::steady_clock::now();
    tasks.spawn("notify", notifier.run([&asked] { return ++asked < 3 ? "1 pair" : "2 pairs"; }));
    test::run_until(io, [&asked] { return asked == 4; });
    // A third of 90 ms between any two: no less, which would be a loop that does nothing else.
    EXPECT_GE(std::chrono::steady_clock::now() - began, 85ms);
    std::vector<std::string> all = heard();
    EXPECT_EQ(std::count(all.begin(), all.end(), "WATCHDOG=1"), 4);
    std::erase(all, "WATCHDOG=1");
    EXPECT_EQ(all, (std::vector<std::string>{"STATUS=1 pair", "STATUS=2 pairs"}));
    // One that does not turn is not heard, whatever else the process does.
    std::this_thread::sleep_for(100ms);
    EXPECT_TRUE(heard().empty());
    tasks.cancel();
    test::run_until(io, [&tasks] { return tasks.size() == 0; });
}

TEST_F(NotifyTest, TakesWhatTheManagerSetForThisProcess) {
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
    ::setenv("WATCHDOG_USEC", "30000", 1);
    ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
    Notifier notifier = Notifier::from_environment();
    TaskGroup tasks(io.get_executor());
    tasks.spawn("notify", notifier.run([] { return "ok"; }));
    test::run_ready(io);
    EXPECT_EQ(heard(), (std::vector<std::string>{"WATCHDOG=1", "STATUS=ok"}));
    tasks.cancel();
    test::run_until(io, [&tasks] { return tasks.size() == 0; });
}

TEST_F(NotifyTest, AnotherProcessesWatchdogIsNotFed) {
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
    ::setenv("WATCHDOG_USEC", "30000", 1);
    ::setenv("WATCHDOG_PID", "1", 1);
    Notifier notifier = Notifier::from_environment();
    TaskGroup tasks(io.get_executor());
    tasks.spawn("notify", notifier.run([] { return "ok"; }));
    test::run_ready(io);
    EXPECT_EQ(heard(), (std::vector<std::string>{"STATUS=ok"}));
    tasks.cancel();
    test::run_until(io, [&tasks] { return tasks.size() == 0; });
}

TEST_F(NotifyTest, WhatTheManagerHadNoRoomForIsRepeated) {
    Notifier notifier(path, 30ms);
    // Nobody reads: what the socket holds is what fits (unix(7), net.unix.max_dgram_qlen).
    for (int i = 0; i < 10'000; ++i) notifier.stopping();
    notifier.ready();
    TaskGroup tasks(io.get_executor());
    tasks.spawn("notify", notifier.run([] { return "ok"; }));
    test::run_ready(io);
    std::vector<std::string> all = heard();
    EXPECT_EQ(std::count(all.begin(), all.end(), "READY=1"), 0);
    test::run_until(io, [&] {
        for (auto& one : heard()) all.push_back(std::move(one));
        return std::count(all.begin(), all.end(), "STATUS=ok") == 1;
    });
    EXPECT_EQ(std::count(all.begin(), all.end(), "READY=1"), 1);
    tasks.cancel();
    test::run_until(io, [&tasks] { return tasks.size() == 0; });
}

TEST_F(NotifyTest, HandsOverTheHostsMountsAndWaitsUntilTheyWereTaken) {
    const Notifier notifier(path, 0us);
    const auto handles = any_two();
    std::vector<std::pair<std::string, Fd>> all;
    // The manager lets go of the last one, which is when the other side may exit.
    std::thread systemd([&] {
        for (int i = 0; i < 3; ++i) all.push_back(received());
        all.back().second.reset();
    });
    const auto done = host_mounts::hand_over(notifier, handles);
    systemd.join();
    EXPECT_TRUE(done) << done.error().text();
    ASSERT_EQ(all.size(), 3U);
    EXPECT_EQ(all[0].first, "FDSTORE=1\nFDPOLL=0\nFDNAME=mount-namespace");
    EXPECT_EQ(all[1].first, "FDSTORE=1\nFDPOLL=0\nFDNAME=mount-table");
    EXPECT_EQ(all[2].first, "BARRIER=1");
    for (const auto& [number, sent] :
         {std::pair(0U, &handles.mount_namespace), {1U, &handles.table}}) {
        struct stat before = {};
        struct stat after = {};
        ASSERT_EQ(::fstat(sent->get(), &before), 0);
        ASSERT_EQ(::fstat(all[number].second.get(), &after), 0);
        EXPECT_EQ(before.st_rdev, after.st_rdev) << number;
    }
}

TEST_F(NotifyTest, NothingIsHandedOverToNobody) {
    const auto nobody = host_mounts::hand_over(Notifier("", 0us), any_two());
    ASSERT_FALSE(nobody);
    EXPECT_EQ(nobody.error().code, Code::refused);
    EXPECT_NE(nobody.error().remedy.find("ExecStartPre="), std::string::npos);
    const auto deaf =
        host_mounts::hand_over(Notifier((temp.path / "none").string(), 0us), any_two());
    ASSERT_FALSE(deaf);
    EXPECT_EQ(deaf.error().code, Code::io_error);
}

TEST(HostMounts, AreApartWhereTheRootOnlyHearsOfAnothers) {
    const auto root = [](const std::string& fields) {
        return "21 1 0:20 / /proc rw shared:5 master:9 - proc proc rw\n30 1 8:1 / / rw,relatime " +
               fields + "- ext4 /dev/sda1 rw\n";
    };
    // A host, a unit of systemd with mounts of its own, one with MountFlags=slave, a container.
    EXPECT_FALSE(host_mounts::are_apart(root("shared:1 ")));
    EXPECT_TRUE(host_mounts::are_apart(root("shared:310 master:1 ")));
    EXPECT_TRUE(host_mounts::are_apart(root("master:1 ")));
    EXPECT_FALSE(host_mounts::are_apart(root("")));
    EXPECT_FALSE(host_mounts::are_apart(""));
}

TEST_F(NotifyTest, WithoutAManagerNothingIsDone) {
    for (const std::string& socket : {std::string(), (temp.path / "none").string()}) {
        Notifier notifier(socket, 0us);
        notifier.ready();
        notifier.stopping();
    }
    Notifier nobody("", 1ms);
    test::run_task(io, nobody.run([] { return "ok"; }));
    EXPECT_TRUE(heard().empty());
}

}  // namespace
}  // namespace zrepd
