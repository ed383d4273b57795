// SPDX-License-Identifier: BSD-2-Clause
// Child processes: the only place of the daemon that starts, kills and reaps them.
// Thread: the io thread only. Errors: not_found, io_error, timed_out, cancelled. Atomicity: none.
// Limits: stderr tail, output size, grace after SIGTERM, time to die after SIGKILL: constants
// below.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "daemon/async/fd.hpp"
#include "daemon/async/task.hpp"

namespace zrepd {

/// Where zfs, zpool and ssh are looked for, whatever the daemon's own environment says.
inline constexpr std::string_view kProgramPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Of stderr the last part is kept: the reason stands at the end.
inline constexpr std::size_t kStderrTailBytes = std::size_t{32} << 10;
/// A listing of 100,000 snapshots is 30 MB; more than this is not a listing.
inline constexpr std::size_t kMaxOutputBytes = std::size_t{64} << 20;
/// What every pipe holds at least (pipe(7)), so that writing it can never wait for the child.
inline constexpr std::size_t kMaxInputBytes = 4096;
/// zfs and ssh end within milliseconds of a SIGTERM unless they hang.
inline constexpr std::chrono::seconds kTerminateGrace{2};
/// A process that SIGKILL does not end is in uninterruptible sleep, as on a suspended pool.
inline constexpr std::chrono::seconds kAbandonAfter{10};

struct SpawnSpec {
    std::vector<std::string> argv;  ///< argv[0] is looked up in the program path; no shell
    Fd in = {};                     ///< absent: /dev/null. Closed here once the process runs.
    Fd out = {};
    bool with_home = true;  ///< HOME is the daemon's: ssh and zfs find their files by it
};

/// A pipe that holds `input` and then ends, to be a child's stdin. Empty input: no descriptor.
/// internal when it is longer than `most`; io_error when that is more than kMaxInputBytes and more
/// than this system's pipes hold. Never waits.
Result<Fd> pipe_with(const std::string& input, std::size_t most = kMaxInputBytes);

struct ExitStatus {
    int code = -1;           ///< exit status; -1 when a signal ended it
    int signal = 0;          ///< 0: it ended by itself
    bool abandoned = false;  ///< it did not even die from SIGKILL; nobody waits for it any more

    bool ok() const { return code == 0 && !abandoned; }
    /// "exit status 1", "killed by signal 9", "did not end even when killed".
    std::string text() const;
};

struct Output {
    ExitStatus status;
    std::string out;
    std::string err;  ///< the last kStderrTailBytes
};

struct RunningProcess {
    int pid = 0;
    std::string command;  ///< argv, with spaces between
    std::vector<std::string> argv = {};
    std::chrono::steady_clock::time_point since;
    bool abandoned = false;
};

/// A started process. The destructor kills it (SIGKILL) and never blocks; reaping goes on behind.
class Child {
  public:
    struct State;
    explicit Child(std::shared_ptr<State> state);
    Child(Child&&) noexcept = default;
    Child& operator=(Child&&) = delete;
    ~Child();

    int pid() const;
    bool ended() const;
    /// Waits until it is reaped and its stderr read, or abandoned. A cancel terminates it; the wait
    /// goes on until then, so at most kTerminateGrace + kAbandonAfter longer.
    Task<ExitStatus> wait();
    /// The end, if it comes within `limit`; neither that nor a cancel ends the process.
    Task<std::optional<ExitStatus>> wait_for(std::chrono::milliseconds limit);
    /// SIGTERM to its process group, SIGKILL after kTerminateGrace. Returns at once.
    void terminate();
    /// SIGKILL to its process group. Returns at once.
    void kill();
    /// What it wrote to stderr so far, the last kStderrTailBytes of it.
    std::string stderr_tail() const;
    /// Called once, from the event loop, when it has ended or was abandoned.
    void on_end(std::function<void()> handler);

  private:
    std::shared_ptr<State> state_;
};

/// Starts processes and knows those that run, for status and for tests that count them.
class Processes {
  public:
    explicit Processes(asio::any_io_executor executor,
                       std::string path = std::string(kProgramPath));
    Processes(const Processes&) = delete;
    Processes& operator=(const Processes&) = delete;
    /// Kills what still runs.
    ~Processes();

    /// What is started from here on sees and makes the mounts of this namespace, not ours.
    void enter(Fd mount_namespace) { mounts_ = std::move(mount_namespace); }
    /// not_found when argv[0] is not in the path; io_error when the exec fails.
    Result<Child> start(SpawnSpec spec);
    /// Runs to the end and collects stdout. Any exit status is a success here: the caller reads it.
    /// timed_out after `timeout`, with ETIMEDOUT when the process is gone and without when it was
    /// abandoned; cancelled after a cancel.
    /// `input` is at most kMaxInputBytes, given as stdin. One that writes more than `most` is
    /// killed: io_error with EFBIG.
    Task<Result<Output>> run(std::vector<std::string> argv,
                             std::chrono::milliseconds timeout,
                             std::string input = "",
                             std::size_t most = kMaxOutputBytes);

    std::uint64_t started() const;
    /// Those that ended neither by themselves nor by SIGKILL, in this daemon's life.
    std::uint64_t abandoned() const;
    std::vector<RunningProcess> running() const;

  private:
    struct Book;
    friend struct Child::State;

    Result<std::string> find_program(const std::string& name) const;

    asio::any_io_executor executor_;
    std::string path_;
    Fd mounts_;
    std::shared_ptr<Book> book_;
};

}  // namespace zrepd
