// SPDX-License-Identifier: BSD-2-Clause
// The daemon's lock file, with real processes.
#include "daemon/lock/lockfile.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdlib>
#include <fstream>

#include "daemon/log.hpp"
#include "tests/fakes/temp_folder.hpp"

namespace zrepd::lock {
namespace {

namespace fs = std::filesystem;

constexpr int kPatienceMs = 20'000;

class Lockfile : public ::testing::Test {
  protected:
    std::string content() const {
        std::ifstream in(file);
        return {std::istreambuf_iterator<char>(in), {}};
    }

    test::TempFolder temp;
    fs::path folder = temp.path;
    fs::path file = folder / "zrepd.lock";
};

/// A process that has the lock until it is killed.
class HoldingProcess {
  public:
    explicit HoldingProcess(const fs::path& file) {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) return;
        pid_ = ::fork();
        if (pid_ == 0) {
            const auto held = take_daemon_lock(file);
            const char answer = held ? 'y' : 'n';
            if (::write(ends[1], &answer, 1) != 1) ::_exit(1);
            while (true) ::pause();
        }
        ::close(ends[1]);
        pollfd ready{ends[0], POLLIN, 0};
        char answer = 'n';
        has_lock_ = ::poll(&ready, 1, kPatienceMs) == 1 && ::read(ends[0], &answer, 1) == 1 &&
                    answer == 'y';
        ::close(ends[0]);
    }
    ~HoldingProcess() { kill(); }
    HoldingProcess(const HoldingProcess&) = delete;
    HoldingProcess& operator=(const HoldingProcess&) = delete;

    void kill() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }
    pid_t pid() const { return pid_; }
    bool has_lock() const { return has_lock_; }

  private:
    pid_t pid_ = -1;
    bool has_lock_ = false;
};

TEST_F(Lockfile, IsTakenAndSaysByWhom) {
    const auto held = take_daemon_lock(file);
    ASSERT_TRUE(held) << held.error().text();
    EXPECT_EQ(content(), std::to_string(::getpid()) + "\n");
    EXPECT_NE(::fcntl(held->get(), F_GETFD) & FD_CLOEXEC, 0) << "a zfs child would keep it";
}

TEST_F(Lockfile, IsTakenByOneDaemonOnly) {
    HoldingProcess other(file);
    ASSERT_TRUE(other.has_lock());
    const auto refused = take_daemon_lock(file);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::busy);
    EXPECT_NE(refused.error().message.find("pid " + std::to_string(other.pid())), std::string::npos)
        << refused.error().message;
    EXPECT_EQ(content(), std::to_string(other.pid()) + "\n") << "the loser writes nothing";
}

TEST_F(Lockfile, IsFreeOnceItsHolderWasKilled) {
    HoldingProcess other(file);
    ASSERT_TRUE(other.has_lock());
    const std::string pid = std::to_string(other.pid());
    other.kill();
    ::testing::internal::CaptureStdout();
    const auto held = take_daemon_lock(file);
    log::flush();
    const std::string logged = ::testing::internal::GetCapturedStdout();
    ASSERT_TRUE(held) << held.error().text();
    EXPECT_EQ(content(), std::to_string(::getpid()) + "\n");
    EXPECT_NE(logged.find("] lock_taken_over"), std::string::npos) << logged;
    EXPECT_NE(logged.find("pid=" + pid), std::string::npos) << logged;
}

TEST_F(Lockfile, IsTakenOverFromNobodyThatGaveItBack) {
    {
        const auto held = take_daemon_lock(file);
        ASSERT_TRUE(held);
        give_back(*held);
    }
    EXPECT_EQ(content(), "");
    ::testing::internal::CaptureStdout();
    EXPECT_TRUE(take_daemon_lock(file));
    log::flush();
    EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
}

TEST_F(Lockfile, IsFreeOnceItsDescriptorIsClosedButStaysInPlace) {
    { ASSERT_TRUE(take_daemon_lock(file)); }
    EXPECT_TRUE(fs::exists(file)) << "removing it would let two daemons lock two files";
    EXPECT_TRUE(take_daemon_lock(file));
}

TEST_F(Lockfile, ReplacesTheLongerTextOfAnEarlierHolder) {
    std::ofstream(file) << "99999999999999999999 and more\n";
    const auto held = take_daemon_lock(file);
    ASSERT_TRUE(held);
    EXPECT_EQ(content(), std::to_string(::getpid()) + "\n");
}

TEST_F(Lockfile, DoesNotRepeatGarbageFromTheFile) {
    const auto held = take_daemon_lock(file);
    ASSERT_TRUE(held);
    std::ofstream(file) << "\x1b[31mboo";
    const auto refused = take_daemon_lock(file);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("pid not known"), std::string::npos)
        << refused.error().message;
}

TEST_F(Lockfile, FollowsNoLink) {
    std::ofstream(folder / "precious") << "data";
    fs::create_symlink(folder / "precious", file);
    const auto refused = take_daemon_lock(file);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::io_error);
    std::ifstream in(folder / "precious");
    std::string text;
    in >> text;
    EXPECT_EQ(text, "data");
}

TEST_F(Lockfile, SaysWhyItCannotBeMade) {
    const auto refused = take_daemon_lock(folder / "absent" / "zrepd.lock");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::io_error);
    EXPECT_EQ(refused.error().sys_errno, ENOENT);
    EXPECT_NE(refused.error().message.find("No such file"), std::string::npos);
}

}  // namespace
}  // namespace zrepd::lock
