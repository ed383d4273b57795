// SPDX-License-Identifier: BSD-2-Clause
// `zrepctl status --watch` in a process of its own, and the ways in which it ends.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "ctl/dispatch.hpp"
#include "daemon/async/fd.hpp"
#include "daemon/log.hpp"
#include "tests/fakes/fake_control.hpp"

namespace zrepd::ctl {
namespace {

using namespace std::chrono_literals;

class Watch : public testing::Test {
  protected:
    Watch() { log::set_level("critical"); }
    ~Watch() override {
        log::set_level("info");
        if (child > 0) ::kill(child, SIGKILL);
        if (child > 0) ::waitpid(child, nullptr, 0);
    }

    /// With this as its standard output; its standard error comes through a pipe.
    void start(int out) {
        Result<Pipe> words = make_pipe();
        ASSERT_TRUE(words);
        child = ::fork();
        if (child == 0) {
            std::signal(SIGPIPE, SIG_IGN);  // as in main()
            ::dup2(out, STDOUT_FILENO);
            ::dup2(words->write.get(), STDERR_FILENO);
            const int status = dispatch({"--socket", daemon.socket(), "status", "--watch"});
            ::_exit(status);
        }
        errors = std::move(words->read);
    }
    void interrupt() { ::kill(child, SIGINT); }
    /// -1: by a signal.
    int end() {
        int status = 0;
        EXPECT_EQ(::waitpid(std::exchange(child, -1), &status, 0) > 0, true);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }
    std::string said() {
        std::string out(4096, ' ');
        const ssize_t got = ::read(errors.get(), out.data(), out.size());
        out.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        return out;
    }
    /// Until it has shown something.
    void shown(Pipe& out) {
        char letter = 0;
        ASSERT_EQ(::read(out.read.get(), &letter, 1), 1);
    }

    fake::FakeDaemon daemon;
    Fd errors;
    pid_t child = -1;
};

TEST_F(Watch, CtrlCBetweenTwoQuestionsEndsItWell) {
    Result<Pipe> out = make_pipe();
    start(out->write.get());
    shown(*out);
    interrupt();
    EXPECT_EQ(end(), 0);
    EXPECT_EQ(said(), "");
}

TEST_F(Watch, CtrlCWhileItWaitsForAnAnswerDoesToo) {
    Result<Pipe> out = make_pipe();
    start(out->write.get());
    shown(*out);
    daemon.on_io([this] {
        // It asks again after two seconds, and nobody answers here.
        std::this_thread::sleep_for(3s);
        interrupt();
        EXPECT_EQ(end(), 0);
    });
    EXPECT_EQ(said(), "");
}

TEST_F(Watch, AFullDiskIsNamed) {
    const Fd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
    start(full.get());
    EXPECT_EQ(end(), 1);
    EXPECT_EQ(said(), "zrepctl: cannot write to standard output: No space left on device\n");
}

TEST_F(Watch, AReaderThatLeftHearsNothing) {
    Result<Pipe> out = make_pipe();
    out->read = Fd();
    start(out->write.get());
    EXPECT_EQ(end(), 1);
    EXPECT_EQ(said(), "");
}

}  // namespace
}  // namespace zrepd::ctl
