// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/zfs/subprocess.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstdlib>
#include <map>

#include "common/text.hpp"
#include "daemon/async/signal.hpp"
#include "daemon/log.hpp"
#include "daemon/zfs/spawn.hpp"

namespace zrepd {
namespace {

// Without a pidfd the child is asked for at this pace; only where Linux is not.
constexpr std::chrono::milliseconds kPollInterval{20};

std::vector<std::string> fixed_environment(const std::string& path, bool with_home) {
    // Messages are parsed, so the language is fixed; an ssh agent would be whoever started us.
    std::vector<std::string> result{"LC_ALL=C", "PATH=" + path};
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing in the daemon changes its environment
    const char* home = with_home ? ::getenv("HOME") : nullptr;
    if (home != nullptr) result.push_back(std::string("HOME=") + home);
    return result;
}

void keep_tail(std::string& text, std::size_t limit) {
    if (text.size() > limit) text.erase(0, text.size() - limit);
}

}  // namespace

std::string ExitStatus::text() const {
    if (abandoned) return "did not end even when killed";
    if (signal != 0) return "killed by signal " + std::to_string(signal);
    return "exit status " + std::to_string(code);
}

struct Processes::Book {
    std::uint64_t started = 0;
    std::uint64_t abandoned = 0;
    std::map<pid_t, std::weak_ptr<Child::State>> running;
};

/// Kept alive by its own pending operations, so that a child nobody holds any more is still reaped.
struct Child::State : std::enable_shared_from_this<Child::State> {
    State(const asio::any_io_executor& executor,
          Launched process,
          Fd stderr_end,
          std::vector<std::string> words,
          std::shared_ptr<Processes::Book> processes)
        : pid(process.pid),
          argv(std::move(words)),
          command(join(argv, " ")),
          book(std::move(processes)),
          since(std::chrono::steady_clock::now()),
          exit_fd(executor),
          err_fd(executor, stderr_end.release()),
          timer(executor),
          changed(executor) {
        if (process.pidfd) exit_fd.assign(process.pidfd.release());
        err_fd.non_blocking(true);
    }

    void begin() {
        book->running[pid] = weak_from_this();
        watch_exit();
        read_stderr();
    }

    void signal_group(int number) const {
        if (!reaped) ::kill(-pid, number);
    }

    void terminate() {
        if (ended || terminating || killing) return;
        terminating = true;
        signal_group(SIGTERM);
        timer.expires_after(kTerminateGrace);
        timer.async_wait([self = shared_from_this()](const boost::system::error_code& ec) {
            if (!ec) self->kill();
        });
    }

    void kill() {
        if (ended || killing) return;
        killing = true;
        signal_group(SIGKILL);
        timer.expires_after(kAbandonAfter);
        timer.async_wait([self = shared_from_this()](const boost::system::error_code& ec) {
            if (!ec) self->abandon();
        });
    }

    void abandon() {
        if (ended) return;
        status.abandoned = true;
        ++book->abandoned;
        log::event(
            log::Level::error,
            "child_abandoned",
            {{"pid", std::to_string(pid)},
             {"command", command},
             {"why", "SIGKILL did not end it: it waits in the kernel, as on a suspended pool"}});
        finish();
    }

    void watch_exit() {
        if (exit_fd.is_open()) {
            exit_fd.async_wait(asio::posix::stream_descriptor::wait_read,
                               [self = shared_from_this()](const boost::system::error_code& ec) {
                                   if (ec != asio::error::operation_aborted) self->reap();
                               });
            return;
        }
        auto poll = std::make_shared<asio::steady_timer>(exit_fd.get_executor(), kPollInterval);
        poll->async_wait([self = shared_from_this(), poll](const boost::system::error_code& ec) {
            if (!ec) self->reap();
        });
    }

    void reap() {
        siginfo_t info{};
        const auto id = static_cast<id_t>(pid);
        const int found = ::waitid(P_PID, id, &info, WEXITED | WNOHANG | WNOWAIT);
        if (found == 0 && info.si_pid == 0) return watch_exit();
        // While the zombie stands, its group's number cannot be anybody else's.
        if (terminating || killing) ::kill(-pid, SIGKILL);
        ::waitid(P_PID, id, &info, WEXITED | WNOHANG);
        reaped = true;
        book->running.erase(pid);
        if (info.si_code == CLD_EXITED) {
            status.code = info.si_status;
        } else {
            status.signal = info.si_status;
        }
        if (ended) return;  // was abandoned, and died after all
        drain_stderr();
        finish();
    }

    /// Waits, then reads: a read that is under way at the exit would mix with drain_stderr().
    void read_stderr() {
        err_fd.async_wait(asio::posix::stream_descriptor::wait_read,
                          [self = shared_from_this()](const boost::system::error_code& ec) {
                              if (!ec && !self->ended && self->take_stderr()) self->read_stderr();
                          });
    }

    /// One piece of what is there. False at end-of-file; true, with nothing, when there is none
    /// yet.
    bool take_stderr() {
        boost::system::error_code ec;
        last_size = err_fd.read_some(asio::buffer(chunk), ec);
        if (ec) return ec == asio::error::would_block || ec == asio::error::try_again;
        tail.append(chunk.data(), last_size);
        keep_tail(tail, kStderrTailBytes);
        return true;
    }

    /// What is left after the exit. Not until end-of-file: a grandchild may hold the pipe for ever.
    void drain_stderr() {
        for (std::size_t total = 0; total < kMaxOutputBytes; total += last_size) {
            if (!take_stderr() || last_size == 0) return;
        }
    }

    void finish() {
        ended = true;
        timer.cancel();
        boost::system::error_code ignored;
        err_fd.close(ignored);
        changed.notify();
        if (on_end) std::exchange(on_end, nullptr)();
    }

    const pid_t pid;
    const std::vector<std::string> argv;
    const std::string command;
    const std::shared_ptr<Processes::Book> book;
    const std::chrono::steady_clock::time_point since;
    asio::posix::stream_descriptor exit_fd;
    asio::posix::stream_descriptor err_fd;
    asio::steady_timer timer;
    Signal changed;
    std::array<char, 4096> chunk;
    std::size_t last_size = 0;
    std::string tail;
    std::function<void()> on_end;
    ExitStatus status;
    bool terminating = false;
    bool killing = false;
    bool reaped = false;
    bool ended = false;
};

Child::Child(std::shared_ptr<State> state) : state_(std::move(state)) {}

Child::~Child() {
    if (!state_) return;
    state_->on_end = nullptr;
    state_->kill();
}

int Child::pid() const {
    return state_->pid;
}
bool Child::ended() const {
    return state_->ended;
}
void Child::terminate() {
    state_->terminate();
}
void Child::kill() {
    state_->kill();
}
std::string Child::stderr_tail() const {
    return state_->tail;
}

void Child::on_end(std::function<void()> handler) {
    if (state_->ended) return handler();
    state_->on_end = std::move(handler);
}

Task<ExitStatus> Child::wait() {
    const std::shared_ptr<State> state = state_;
    while (!state->ended) {
        const bool stop = co_await cancelled();
        if (stop) state->terminate();
        co_await state->changed.wait();
    }
    co_return state->status;
}

Task<std::optional<ExitStatus>> Child::wait_for(std::chrono::milliseconds limit) {
    const std::shared_ptr<State> state = state_;
    Deadline deadline(state->timer.get_executor(), limit, [state] { state->changed.notify(); });
    while (!state->ended && !deadline.expired()) {
        const bool stop = co_await cancelled();
        if (stop) break;
        co_await state->changed.wait();
    }
    if (!state->ended) co_return std::nullopt;
    co_return state->status;
}

Processes::Processes(asio::any_io_executor executor, std::string path)
    : executor_(std::move(executor)), path_(std::move(path)), book_(std::make_shared<Book>()) {
    // A pipe whose reader died is an error value of write(2), not the end of the daemon.
    ::signal(SIGPIPE, SIG_IGN);
}

Processes::~Processes() {
    for (const auto& [pid, weak] : book_->running) {
        if (const auto state = weak.lock()) state->signal_group(SIGKILL);
    }
}

Result<std::string> Processes::find_program(const std::string& name) const {
    if (name.find('/') != std::string::npos) return name;
    for (const std::string_view folder : split(path_, ':')) {
        std::string candidate = std::string(folder) + "/" + name;
        if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    }
    // Not `not_found`: that is a word about datasets.
    return Error{.code = Code::unsupported,
                 .message = "the program " + quote(name) + " is not in " + path_,
                 .remedy = "install the package that has it (zfs, zpool: zfsutils-linux)"};
}

Result<Child> Processes::start(SpawnSpec spec) {
    Result<std::string> program = find_program(spec.argv.at(0));
    if (!program.has_value()) return program.error();
    Result<Pipe> errors = make_pipe();
    if (!errors.has_value()) return errors.error();
    LaunchSpec launch_spec{.program = std::move(*program),
                           .argv = std::move(spec.argv),
                           .environment = fixed_environment(path_, spec.with_home),
                           .in = spec.in.get(),
                           .out = spec.out.get(),
                           .err = errors->write.get(),
                           .mounts = mounts_.get()};
    Result<Launched> launched = launch(launch_spec);
    if (!launched.has_value()) return launched.error();
    ++book_->started;
    auto state = std::make_shared<Child::State>(executor_,
                                                std::move(*launched),
                                                std::move(errors->read),
                                                std::move(launch_spec.argv),
                                                book_);
    state->begin();
    return Child(std::move(state));
}

std::uint64_t Processes::started() const {
    return book_->started;
}
std::uint64_t Processes::abandoned() const {
    return book_->abandoned;
}

std::vector<RunningProcess> Processes::running() const {
    std::vector<RunningProcess> result;
    for (const auto& [pid, weak] : book_->running) {
        const auto state = weak.lock();
        if (!state) continue;
        result.push_back({.pid = pid,
                          .command = state->command,
                          .argv = state->argv,
                          .since = state->since,
                          .abandoned = state->status.abandoned});
    }
    return result;
}

}  // namespace zrepd
