// SPDX-License-Identifier: BSD-2-Clause
// Real processes. /bin/sh appears only as the program under test's stand-in for zfs.
#include "daemon/zfs/subprocess.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "common/platform.hpp"
#include "common/text.hpp"
#include "daemon/async/signal.hpp"
#include "tests/fakes/run_task.hpp"
#include "tests/fakes/temp_folder.hpp"

namespace zrepd {
namespace {

using namespace std::chrono_literals;
using test::run_task;

class Subprocess : public ::testing::Test {
  protected:
    /// A child that behaves as its script says. The shell is what is run, not how it is run.
    static std::vector<std::string> child(std::string script) {
        return {"sh", "-c", std::move(script)};
    }
    Result<Output> sh(std::string script,
                      std::chrono::milliseconds limit = 20s,
                      std::string input = "") {
        std::vector<std::string> argv = child(std::move(script));
        return run_task(io, processes.run(std::move(argv), limit, std::move(input)));
    }

    asio::io_context io{1};
    Processes processes{io.get_executor()};
};

/// The state letter in /proc/PID/stat; 'X' when there is no such process.
char state_of(int pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    if (!std::getline(file, text)) return 'X';
    return text.at(text.rfind(')') + 2);
}

/// Waits for a process that is not our child to end.
bool ends(int pid) {
    for (int i = 0; i < 500; ++i) {
        const char state = state_of(pid);
        if (state == 'X' || state == 'Z') return true;
        ::usleep(10'000);
    }
    return false;
}

TEST_F(Subprocess, IsStartedAmongTheMountsThatItWasGiven) {
    if (platform::kind() != "linux") {
        processes.enter(Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)));
        EXPECT_FALSE(sh("true")) << "never among other mounts than it was given";
        return;
    }
    if (::geteuid() != 0) GTEST_SKIP() << "a mount namespace takes root";
    // Another process's: it has a folder of its own over the temporary one, which nobody else sees.
    const test::TempFolder temp;
    const std::string there = (temp.path / "there").string();
    std::ofstream(temp.path / "here").put('x');
    auto other = processes.start({.argv = {"unshare",
                                           "-m",
                                           "sh",
                                           "-c",
                                           "mount -t tmpfs none " + temp.path.string() +
                                               " && : > " + there + " && exec sleep 60"}});
    ASSERT_TRUE(other) << other.error().text();
    const std::string proc = "/proc/" + std::to_string(other->pid());
    for (int i = 0; i < 500 && ::access((proc + "/root" + there).c_str(), F_OK) != 0; ++i) {
        ::usleep(10'000);
    }
    EXPECT_EQ(sh("ls " + temp.path.string())->out, "here\n");
    processes.enter(Fd(::open((proc + "/ns/mnt").c_str(), O_RDONLY | O_CLOEXEC)));
    EXPECT_EQ(sh("ls " + temp.path.string())->out, "there\n");
    EXPECT_TRUE(std::filesystem::exists(temp.path / "here")) << "we stay where we are";
    // What is none of the kind is an error of the start, not a program somewhere else.
    processes.enter(Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)));
    const auto refused = sh("true");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::io_error);
    processes.enter(Fd());
    EXPECT_EQ(sh("ls " + temp.path.string())->out, "here\n");
}

TEST_F(Subprocess, CollectsOutputAndExitStatus) {
    const Result<Output> output = sh("echo out; echo err >&2; exit 3");
    ASSERT_TRUE(output.has_value());
    EXPECT_EQ(output->out, "out\n");
    EXPECT_EQ(output->err, "err\n");
    EXPECT_EQ(output->status.code, 3);
    EXPECT_EQ(output->status.signal, 0);
    EXPECT_EQ(output->status.text(), "exit status 3");
    EXPECT_FALSE(output->status.ok());
}

TEST_F(Subprocess, TellsWhichSignalEndedIt) {
    const Result<Output> output = sh("kill -9 $$");
    ASSERT_TRUE(output.has_value());
    EXPECT_EQ(output->status.signal, SIGKILL);
    EXPECT_EQ(output->status.text(), "killed by signal 9");
}

TEST_F(Subprocess, GivesTheInputAndThenEndOfFile) {
    const Result<Output> output = sh("cat", 20s, "return 1\n");
    ASSERT_TRUE(output.has_value());
    EXPECT_EQ(output->out, "return 1\n");
}

TEST_F(Subprocess, ReadsNothingFromDevNullWithoutInput) {
    const Result<Output> output = sh("readlink /proc/self/fd/0; cat");
    ASSERT_TRUE(output.has_value());
    EXPECT_EQ(output->out, "/dev/null\n");
}

TEST_F(Subprocess, RefusesAnInputThatAPipeMightNotHold) {
    EXPECT_FALSE(sh("cat", 20s, std::string(kMaxInputBytes + 1, 'x')).has_value());
}

TEST_F(Subprocess, KeepsTheTailOfStderr) {
    const Result<Output> output =
        sh("head -c 200000 /dev/zero | tr '\\0' a >&2; printf 'the reason' >&2");
    ASSERT_TRUE(output.has_value());
    EXPECT_EQ(output->err.size(), kStderrTailBytes);
    EXPECT_TRUE(output->err.ends_with("aaathe reason"));
}

TEST_F(Subprocess, CollectsMoreThanAPipeHolds) {
    const Result<Output> output = sh("head -c 5000000 /dev/zero");
    ASSERT_TRUE(output.has_value());
    EXPECT_EQ(output->out.size(), 5000000U);
}

TEST_F(Subprocess, KillsWhatWritesMoreThanTheBound) {
    const Result<Output> output = sh("exec cat /dev/zero");
    ASSERT_FALSE(output.has_value());
    EXPECT_EQ(output.error().code, Code::io_error);
}

TEST_F(Subprocess, EndsOneThatTakesTooLong) {
    const auto began = std::chrono::steady_clock::now();
    const Result<Output> output = sh("exec sleep 600", 100ms);
    ASSERT_FALSE(output.has_value());
    EXPECT_EQ(output.error().code, Code::timed_out);
    EXPECT_LT(std::chrono::steady_clock::now() - began, kTerminateGrace);
    EXPECT_TRUE(processes.running().empty());
}

TEST_F(Subprocess, KillsOneThatIgnoresTerm) {
    const auto began = std::chrono::steady_clock::now();
    const Result<Output> output = sh("trap '' TERM; while :; do sleep 600; done", 100ms);
    ASSERT_FALSE(output.has_value());
    EXPECT_EQ(output.error().code, Code::timed_out);
    EXPECT_GE(std::chrono::steady_clock::now() - began, kTerminateGrace);
}

TEST_F(Subprocess, KillsItsWholeGroup) {
    // The grandchild keeps stdout open: without the group kill the read would not end either.
    const Result<Output> output = sh("sleep 601 & echo $!; wait", 200ms);
    ASSERT_FALSE(output.has_value());
    Result<Output> after = sh("pgrep -x -f 'sleep 601' || true");
    ASSERT_TRUE(after.has_value());
    EXPECT_EQ(after->out, "");
}

TEST_F(Subprocess, DoesNotWaitForAGrandchildThatHoldsItsOutput) {
    const Result<Output> output = sh("setsid sleep 602 & echo $!");
    ASSERT_TRUE(output.has_value());
    const int pid = static_cast<int>(parse_u64(trim(output->out)).value());
    EXPECT_NE(state_of(pid), 'X');
    ::kill(pid, SIGKILL);
}

TEST_F(Subprocess, ReportsAProgramThatIsNotThere) {
    std::vector<std::string> argv{"zrepd-no-such-program"};
    const Result<Output> output = run_task(io, processes.run(std::move(argv), 1s));
    ASSERT_FALSE(output.has_value());
    EXPECT_EQ(output.error().code, Code::unsupported);
    EXPECT_EQ(processes.started(), 0U);
}

TEST_F(Subprocess, ReportsAnExecThatFails) {
    const test::TempFolder temp;
    const std::string name = temp.path / "broken";
    std::ofstream(name) << "\x7f"
                           "ELF broken";
    ASSERT_EQ(::chmod(name.c_str(), 0755), 0);
    const Result<Child> child = processes.start({.argv = {name}});
    ASSERT_FALSE(child.has_value());
    EXPECT_EQ(child.error().code, Code::io_error);
    // ETXTBSY because we hold it open for writing, ENOEXEC otherwise: both come from execve.
    EXPECT_TRUE(child.error().sys_errno == ENOEXEC || child.error().sys_errno == ETXTBSY);
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a zombie is left";
}

TEST_F(Subprocess, PassesNoDescriptorButThree) {
    const Fd leaky(::open("/dev/null", 0));  // as a library might, without O_CLOEXEC
    ASSERT_GE(leaky.get(), 3);
    const Result<Output> output = sh("exec ls /proc/self/fd");
    ASSERT_TRUE(output.has_value());
    EXPECT_EQ(output->out, "0\n1\n2\n3\n");  // 3 is the folder that ls reads
}

TEST_F(Subprocess, GivesAFixedEnvironment) {
    ::setenv("SSH_AUTH_SOCK", "/tmp/agent", 1);
    ::setenv("LC_ALL", "de_DE.UTF-8", 1);
    ::setenv("HOME", "/somewhere", 1);
    std::vector<std::string> argv{"env"};
    const Result<Output> output = run_task(io, processes.run(std::move(argv), 20s));
    ASSERT_TRUE(output.has_value());
    EXPECT_EQ(output->out, "LC_ALL=C\nPATH=" + std::string(kProgramPath) + "\nHOME=/somewhere\n");
}

TEST_F(Subprocess, RestoresSignalsAndMask) {
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    ASSERT_EQ(::sigprocmask(SIG_BLOCK, &blocked, nullptr), 0);
    // SIGPIPE is ignored here, by Processes itself.
    const Result<Output> output = sh("grep -E '^Sig(Blk|Ign)' /proc/self/status");
    ::sigprocmask(SIG_UNBLOCK, &blocked, nullptr);
    ASSERT_TRUE(output.has_value());
    // posix_spawn of glibc lets the child ignore the two signals that glibc keeps for itself.
    const std::string own = platform::kind() == "linux" ? "0000000000000000" : "0000000180000000";
    EXPECT_EQ(output->out, "SigBlk:\t0000000000000000\nSigIgn:\t" + own + "\n");
}

TEST_F(Subprocess, RunsInAGroupOfItsOwn) {
    const Result<Output> output = sh("echo $$ $(ps -o pgid= -p $$)");
    ASSERT_TRUE(output.has_value());
    const std::string text(trim(output->out));
    const auto parts = split(text, ' ');
    EXPECT_EQ(parts.front(), parts.back());
}

TEST_F(Subprocess, WorksWhenOurOwnStandardDescriptorsAreClosed) {
    // In a process of its own, because it closes gtest's output.
    const pid_t pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
        ::close(0);
        ::close(1);
        ::close(2);
        asio::io_context own{1};
        Processes started(own.get_executor());
        // As sh(), with the process's own loop: that of the fixture belongs to the parent.
        std::vector<std::string> argv = child("cat; echo out; echo err >&2");
        const Result<Output> output = run_task(own, started.run(std::move(argv), 20s, "in\n"));
        const bool good =
            output.has_value() && output->out == "in\nout\n" && output->err == "err\n";
        ::_exit(good ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(Subprocess, DestructorKillsAndTheLoopReaps) {
    int pid = 0;
    {
        const Result<Child> child = processes.start({.argv = {"sleep", "600"}});
        ASSERT_TRUE(child.has_value());
        pid = child->pid();
        EXPECT_EQ(processes.running().size(), 1U);
    }
    for (int i = 0; i < 500 && !processes.running().empty(); ++i) io.run_one_for(10ms);
    EXPECT_TRUE(processes.running().empty());
    EXPECT_EQ(state_of(pid), 'X');
}

Task<> cancel_soon(TaskGroup& group) {
    co_await sleep_for(50ms);
    group.cancel();
}

TEST_F(Subprocess, CancelEndsTheProcessAndSaysSo) {
    std::optional<Result<Output>> result;
    TaskGroup group(io.get_executor());
    TaskGroup others(io.get_executor());
    std::vector<std::string> argv{"sleep", "600"};
    group.spawn("run", test::detail::store(processes.run(std::move(argv), 60s), &result));
    others.spawn("cancel", cancel_soon(group));
    test::run_until(io, [&] { return group.size() + others.size() == 0; });
    ASSERT_TRUE(result.has_value());
    ASSERT_FALSE(result->has_value());
    EXPECT_EQ(result->error().code, Code::cancelled);
    EXPECT_TRUE(processes.running().empty());
}

TEST_F(Subprocess, WaitForGivesUpWithoutEndingTheProcess) {
    Result<Child> child = processes.start({.argv = {"sleep", "600"}});
    ASSERT_TRUE(child.has_value());
    EXPECT_EQ(run_task(io, child->wait_for(50ms)), std::nullopt);
    EXPECT_NE(state_of(child->pid()), 'X');
    child->terminate();
    const std::optional<ExitStatus> status = run_task(io, child->wait_for(5s));
    ASSERT_TRUE(status.has_value());
    EXPECT_EQ(status->signal, SIGTERM);
}

// A process in uninterruptible sleep takes no signal. One that left the group, which is what is
// killed, takes none of ours either.
constexpr const char* kOutOfReach =
    "import os, time; os.setpgid(0, os.getpgid(os.getppid())); print('there', flush=True); "
    "time.sleep(600)";

TEST_F(Subprocess, AbandonsOneThatNotEvenAKillEndsAndShowsIt) {
    std::vector<std::string> argv{"python3", "-c", kOutOfReach};
    ::testing::internal::CaptureStdout();
    const auto begin = std::chrono::steady_clock::now();
    const auto result = run_task(io, processes.run(std::move(argv), 2s));
    const std::string said = ::testing::internal::GetCapturedStdout();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s + kTerminateGrace + kAbandonAfter + 10s);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Code::timed_out);
    const auto left = processes.running();
    ASSERT_EQ(left.size(), 1U);
    EXPECT_TRUE(left[0].abandoned);
    EXPECT_GE(std::chrono::steady_clock::now() - left[0].since, kAbandonAfter);
    EXPECT_EQ(processes.abandoned(), 1U);
    // What, and what to do; since when is the pair's last_error.
    const std::string pid = std::to_string(left[0].pid);
    EXPECT_NE(result.error().message.find("(process " + pid + ") did not end even when killed"),
              std::string::npos)
        << result.error().message;
    EXPECT_NE(result.error().remedy.find("zpool status"), std::string::npos);
    EXPECT_NE(said.find("child_abandoned pid=" + pid), std::string::npos) << said;
    // When it ends after all, it is reaped.
    ::kill(left[0].pid, SIGKILL);
    test::run_until(io, [this] { return processes.running().empty(); });
}

TEST_F(Subprocess, CountsWhatItStarted) {
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(sh("exit 0").has_value());
    EXPECT_EQ(processes.started(), 3U);
    EXPECT_EQ(processes.abandoned(), 0U);
}

std::ptrdiff_t open_descriptors(asio::io_context& io) {
    test::run_ready(io);  // what was closed goes when its last handler has run
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
}

TEST_F(Subprocess, LeavesNoDescriptorBehind) {
    (void)sh("exit 0");
    const std::ptrdiff_t before = open_descriptors(io);
    for (int i = 0; i < 20; ++i) (void)sh("echo x; echo y >&2");
    EXPECT_EQ(open_descriptors(io), before);
}

TEST_F(Subprocess, DiesWithItsParentHoweverThatDies) {
    if (platform::kind() != "linux") GTEST_SKIP() << "the service manager ends them there";
    Result<Pipe> pipe = make_pipe();
    ASSERT_TRUE(pipe.has_value());
    const pid_t helper = ::fork();
    ASSERT_GE(helper, 0);
    if (helper == 0) {
        asio::io_context own{1};
        Processes started(own.get_executor());
        const Result<Child> child = started.start({.argv = {"sleep", "600"}});
        const int pid = child.has_value() ? child->pid() : -1;
        (void)!::write(pipe->write.get(), &pid, sizeof pid);
        ::pause();
        ::_exit(0);
    }
    int grandchild = 0;
    ASSERT_EQ(::read(pipe->read.get(), &grandchild, sizeof grandchild),
              static_cast<ssize_t>(sizeof grandchild));
    ASSERT_GT(grandchild, 0);
    EXPECT_NE(state_of(grandchild), 'X');
    ASSERT_EQ(::kill(helper, SIGKILL), 0);
    ASSERT_EQ(::waitpid(helper, nullptr, 0), helper);
    EXPECT_TRUE(ends(grandchild)) << "it outlives a killed daemon";
}

}  // namespace
}  // namespace zrepd
