// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/probe.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "common/platform.hpp"
#include "common/text.hpp"

namespace zrepd::ctl {
namespace {

using Clock = std::chrono::steady_clock;

// A process that SIGKILL does not end within this is in uninterruptible sleep.
constexpr std::chrono::milliseconds kAbandonAfter{500};
constexpr std::chrono::milliseconds kLookEvery{10};

std::string find_program(const std::string& name, const std::string& path) {
    for (const auto folder : split(path, ':')) {
        std::string file = std::string(folder) + "/" + name;
        if (::access(file.c_str(), X_OK) == 0) return file;
    }
    return "";
}

/// Its output goes to `out`; -1 when it could not be started.
pid_t start(const std::string& file,
            const std::vector<std::string>& argv,
            const std::string& path,
            int out) {
    std::vector<char*> words;
    words.reserve(argv.size() + 1);
    for (const auto& word : argv) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    std::string locale = "LC_ALL=C";
    std::string search = "PATH=" + path;
    std::array<char*, 3> environment{locale.data(), search.data(), nullptr};
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, out, STDERR_FILENO);
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    // A group of its own: what it starts is killed with it.
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    ::posix_spawnattr_setpgroup(&attributes, 0);
    pid_t pid = -1;
    const int failed =
        ::posix_spawn(&pid, file.c_str(), &actions, &attributes, words.data(), environment.data());
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
    return failed == 0 ? pid : -1;
}

/// Until its end or `until`; true for the end. What is too much is read and thrown away.
bool read_all(int fd, Clock::time_point until, std::string& text) {
    std::array<char, 4096> chunk;
    while (true) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
        if (left.count() <= 0) return false;
        pollfd one{.fd = fd, .events = POLLIN, .revents = 0};
        if (::poll(&one, 1, static_cast<int>(left.count())) <= 0) continue;
        const ssize_t got = ::read(fd, chunk.data(), chunk.size());
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return true;
        if (text.size() < kMaxProbeText) text.append(chunk.data(), static_cast<std::size_t>(got));
    }
}

/// True when it was reaped before `until`.
bool reap(pid_t pid, Clock::time_point until, int& status) {
    while (true) {
        const pid_t got = ::waitpid(pid, &status, WNOHANG);
        if (got == pid) return true;
        if (got < 0 && errno != EINTR) return false;
        if (Clock::now() >= until) return false;
        ::poll(nullptr, 0, static_cast<int>(kLookEvery.count()));
    }
}

}  // namespace

Probe probe(const std::vector<std::string>& argv,
            std::chrono::milliseconds limit,
            const std::string& path) {
    const std::string file = find_program(argv.front(), path);
    if (file.empty()) return {};
    Probe out{.found = true};
    std::array<int, 2> pipe{};
    if (!platform::make_pipe(pipe)) return out;
    const pid_t pid = start(file, argv, path, pipe[1]);
    ::close(pipe[1]);
    if (pid > 0) {
        const auto until = Clock::now() + limit;
        int status = 0;
        out.in_time = read_all(pipe[0], until, out.text) && reap(pid, until, status);
        if (!out.in_time) {
            ::kill(-pid, SIGKILL);
            reap(pid, Clock::now() + kAbandonAfter, status);
        } else if (WIFEXITED(status)) {
            out.status = WEXITSTATUS(status);
        }
    }
    ::close(pipe[0]);
    return out;
}

}  // namespace zrepd::ctl
