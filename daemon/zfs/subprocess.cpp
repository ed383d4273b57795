// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/zfs/subprocess.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
extern "C" {  // glibc 2.36 forgets to say so itself
#include <sys/pidfd.h>
}
#include <sys/prctl.h>
#endif

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "common/text.hpp"
#include "daemon/async/signal.hpp"
#include "daemon/log.hpp"

namespace zrepd {
namespace {

constexpr std::size_t kStderrKept = 32 * 1024;
constexpr std::size_t kMaxOutput = 64u << 20;  // 100,000 snapshots with every column we ask for
constexpr std::chrono::seconds kGrace{2};
constexpr std::chrono::seconds kAbandonAfter{10};

struct Launch {
    const char* program;
    char* const* argv;
    char* const* envp;
    int in, out, err;
    pid_t parent;
    int error = 0;
};

#ifdef __linux__
/// Runs in the child between vfork and exec: system calls only, no allocation, nothing returned.
[[noreturn]] void child_after_vfork(Launch& launch) {
    ::setpgid(0, 0);
    // posix_spawn has no way to ask for this: no zfs or ssh may outlive a killed zrepd (ADR 0005).
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct sigaction plain = {};
    plain.sa_handler = SIG_DFL;
    for (int number = 1; number < 32; ++number) ::sigaction(number, &plain, nullptr);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    // All three are 3 or higher (make_pipe and open never get 0 to 2: zrepd keeps those open).
    const bool wired = ::dup2(launch.in, 0) >= 0 && ::dup2(launch.out, 1) >= 0 &&
                       ::dup2(launch.err, 2) >= 0;
    ::close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
    if (wired && ::getppid() == launch.parent) {
        ::execve(launch.program, launch.argv, launch.envp);
    }
    launch.error = errno != 0 ? errno : ESRCH;
    ::_exit(127);
}

[[gnu::noinline]] pid_t launch_process(Launch& launch) {
    // Signals wait while the child shares our memory: no handler of ours may run in it.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, &before);
    const pid_t pid = ::vfork();
    if (pid == 0) child_after_vfork(launch);
    if (pid < 0) launch.error = errno;
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    return pid;
}
#else
pid_t launch_process(Launch& launch) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, launch.in, 0);
    ::posix_spawn_file_actions_adddup2(&actions, launch.out, 1);
    ::posix_spawn_file_actions_adddup2(&actions, launch.err, 2);
    ::posix_spawnattr_init(&attributes);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    pid_t pid = -1;
    launch.error =
        ::posix_spawn(&pid, launch.program, &actions, &attributes, launch.argv, launch.envp);
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    return launch.error == 0 ? pid : -1;
}
#endif

Error cannot_start(const std::string& program, int number) {
    return Error{.code = Code::io_error,
                 .message = "cannot start " + program + ": " + std::strerror(number),  // NOLINT
                 .sys_errno = number};
}

}  // namespace

std::string ExitStatus::text() const {
    if (abandoned) return "does not react to SIGKILL; it hangs in the kernel";
    if (signal != 0) return "killed by signal " + std::to_string(signal);
    return "exit status " + std::to_string(code);
}

struct Child::State : std::enable_shared_from_this<Child::State> {
    State(asio::any_io_executor executor, pid_t process, int pidfd, int stderr_fd)
        : pid(process), exit_fd(executor, pidfd), err_fd(executor, stderr_fd), timer(executor),
          done(executor) {}

    void watch() {
        exit_fd.async_wait(asio::posix::stream_descriptor::wait_read,
                           [self = shared_from_this()](const boost::system::error_code& ec) {
                               if (!ec) self->reap();
                           });
        read_stderr();
    }
    void reap() {
        siginfo_t info = {};
        if (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG) != 0 ||
            info.si_pid == 0) {
            return watch_again();
        }
        drain_stderr();
        ended = true;
        if (info.si_code == CLD_EXITED) status.code = info.si_status;
        else status.signal = info.si_status;
        status.abandoned = false;
        timer.cancel();
        boost::system::error_code ignored;
        exit_fd.close(ignored);
        err_fd.close(ignored);
        done.notify();
    }
    void watch_again() {
        exit_fd.async_wait(asio::posix::stream_descriptor::wait_read,
                           [self = shared_from_this()](const boost::system::error_code& ec) {
                               if (!ec) self->reap();
                           });
    }
    void read_stderr() {
        err_fd.async_wait(asio::posix::stream_descriptor::wait_read,
                          [self = shared_from_this()](const boost::system::error_code& ec) {
                              if (!ec && self->drain_stderr()) self->read_stderr();
                          });
    }
    /// False at end-of-file.
    bool drain_stderr() {
        char buffer[4096];
        while (err_fd.is_open()) {
            const ssize_t got = ::read(err_fd.native_handle(), buffer, sizeof buffer);
            if (got < 0) return errno == EAGAIN || errno == EINTR;
            if (got == 0) return false;
            err.append(buffer, static_cast<std::size_t>(got));
            if (err.size() > 2 * kStderrKept) err.erase(0, err.size() - kStderrKept);
        }
        return false;
    }
    void signal_group(int number) const {
        if (!ended) ::kill(-pid, number);
    }
    void terminate() {
        if (ended || terminating) return;
        terminating = true;
        signal_group(SIGTERM);
        after(kGrace, [](State& self) {
            self.signal_group(SIGKILL);
            self.after(kAbandonAfter, [](State& late) { late.abandon(); });
        });
    }
    void after(std::chrono::seconds delay, void (*action)(State&)) {
        timer.expires_after(delay);
        timer.async_wait([self = shared_from_this(), action](const boost::system::error_code& ec) {
            if (!ec && !self->ended) action(*self);
        });
    }
    /// The pidfd stays watched, so that it is reaped should it ever wake up.
    void abandon() {
        status.abandoned = true;
        log::event(log::Level::error, "child_abandoned", {{"pid", std::to_string(pid)}});
        done.notify();
    }

    pid_t pid;
    asio::posix::stream_descriptor exit_fd;
    asio::posix::stream_descriptor err_fd;
    asio::steady_timer timer;
    Signal done;
    std::string err;
    ExitStatus status;
    bool ended = false;
    bool terminating = false;
};

Child::~Child() {
    if (state_ && !state_->ended) state_->signal_group(SIGKILL);
}

Task<ExitStatus> Child::wait() {
    const std::shared_ptr<State> state = state_;
    while (!state->ended && !state->status.abandoned) {
        co_await state->done.wait();
        if (!state->ended && co_await cancelled()) state->terminate();
    }
    co_return state->status;
}

Task<std::optional<ExitStatus>> Child::wait_for(std::chrono::milliseconds limit) {
    const std::shared_ptr<State> state = state_;
    Deadline deadline(state->timer.get_executor(), limit, [state] { state->done.notify(); });
    while (!state->ended && !deadline.expired() && !co_await cancelled()) {
        co_await state->done.wait();
    }
    if (!state->ended) co_return std::nullopt;
    co_return state->status;
}

void Child::terminate() { state_->terminate(); }

std::string Child::stderr_tail() const {
    const std::string& all = state_->err;
    return all.size() > kStderrKept ? all.substr(all.size() - kStderrKept) : all;
}

int Child::pid() const { return state_->pid; }

Processes::Processes(asio::any_io_executor executor, std::string path)
    : executor_(std::move(executor)), path_(std::move(path)) {}

Result<std::string> Processes::find(const std::string& program) const {
    for (const auto dir : split(path_, ':')) {
        std::string candidate = std::string(dir) + "/" + program;
        if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    }
    return Error{.code = Code::unsupported,
                 .message = program + " is not installed (looked in " + path_ + ")",
                 .remedy = program == "ssh" ? "install openssh-client" : "install OpenZFS's tools"};
}

Result<Child> Processes::start(SpawnSpec spec) {
    auto program = find(spec.argv.front());
    if (!program) return program.error();
    auto err = make_pipe();
    if (!err) return err.error();
    const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    std::vector<char*> argv;
    for (auto& argument : spec.argv) argv.push_back(argument.data());
    argv.push_back(nullptr);
    std::string path = "PATH=" + path_;
    std::string locale = "LC_ALL=C";
    const char* home = std::getenv("HOME");  // NOLINT(concurrency-mt-unsafe)
    std::string home_entry = std::string("HOME=") + (home == nullptr ? "/root" : home);
    char* const envp[] = {path.data(), locale.data(), home_entry.data(), nullptr};
    Launch launch{.program = program->c_str(), .argv = argv.data(), .envp = envp,
                  .in = spec.in ? spec.in.get() : null.get(),
                  .out = spec.out ? spec.out.get() : null.get(),
                  .err = err->write.get(), .parent = ::getpid()};
    const pid_t pid = launch_process(launch);
    if (pid < 0 || launch.error != 0) {
        if (pid > 0) ::waitpid(pid, nullptr, 0);
        return cannot_start(spec.argv.front(), launch.error);
    }
    ++started_;
    const int pidfd = ::pidfd_open(pid, 0);
    if (pidfd < 0) {
        const int number = errno;
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        return cannot_start(spec.argv.front(), number);
    }
    set_nonblocking(err->read.get());
    auto state = std::make_shared<Child::State>(executor_, pid, pidfd, err->read.release());
    state->watch();
    return Child(std::move(state));
}

namespace {

/// Reads everything up to the bound; nullopt when it is exceeded.
Task<std::optional<std::string>> read_all(asio::posix::stream_descriptor& from) {
    std::string out;
    std::vector<char> buffer(64 * 1024);
    while (true) {
        auto [ec, count] = co_await from.async_read_some(asio::buffer(buffer), nothrow);
        if (ec) co_return out;
        out.append(buffer.data(), count);
        if (out.size() > kMaxOutput) co_return std::nullopt;
    }
}

}  // namespace

Task<Result<Output>> Processes::run(std::vector<std::string> argv, std::chrono::seconds limit,
                                    std::string input) {
    const std::string name = argv.front() + (argv.size() > 1 ? " " + argv[1] : "");
    auto out = make_pipe();
    if (!out) co_return out.error();
    SpawnSpec spec{.argv = std::move(argv)};
    spec.out = std::move(out->write);
    if (!input.empty()) {
        auto in = make_pipe();
        if (!in) co_return in.error();
        // Fits into the pipe, so this cannot block.
        if (::write(in->write.get(), input.data(), input.size()) !=
            static_cast<ssize_t>(input.size())) {
            co_return Error{.code = Code::io_error, .message = "cannot write to a pipe"};
        }
        spec.in = std::move(in->read);
    }
    auto child = start(std::move(spec));
    spec.in.reset();
    spec.out.reset();
    if (!child) co_return child.error();
    set_nonblocking(out->read.get());
    asio::posix::stream_descriptor from(executor_, out->read.release());
    Deadline deadline(executor_, limit, [&] {
        child->terminate();
        boost::system::error_code ignored;
        from.cancel(ignored);
    });
    auto text = co_await read_all(from);
    if (!text || co_await cancelled() || deadline.expired()) child->terminate();
    const ExitStatus status = co_await child->wait();
    if (deadline.expired()) {
        co_return Error{.code = Code::timed_out,
                        .message = name + " did not end within " + std::to_string(limit.count()) + " s",
                        .remedy = "look for a hung pool: zpool status"};
    }
    if (co_await cancelled()) co_return Error{.code = Code::cancelled, .message = name + " was cancelled"};
    if (!text) co_return Error{.code = Code::internal, .message = name + " printed more than 64 MiB"};
    co_return Output{status, std::move(*text), child->stderr_tail()};
}

}  // namespace zrepd
