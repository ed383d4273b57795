// SPDX-License-Identifier: BSD-2-Clause
// The only place that starts processes: an argument vector, never a shell; a fixed environment;
// no descriptor of ours but the three given. Children die with us (ADR 0005).
// Thread: io thread. Errors: io_error when a process cannot be started, timed_out, cancelled.
// Limits: kept stderr 32 KiB, collected stdout 64 MiB; a child that does not die 10 s after SIGKILL
// (uninterruptible sleep) is abandoned and counted, never waited for.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/async/fd.hpp"
#include "daemon/async/task.hpp"

namespace zrepd {

struct SpawnSpec {
    std::vector<std::string> argv;
    Fd in = Fd();   ///< absent: /dev/null
    Fd out = Fd();  ///< absent: /dev/null
};

struct ExitStatus {
    int code = -1;        ///< exit code; -1 when a signal ended it
    int signal = 0;       ///< the signal that ended it
    bool abandoned = false;
    bool ok() const { return code == 0; }
    /// "exit status 1", "killed by signal 9", "does not react to SIGKILL".
    std::string text() const;
};

/// A running process. Destroying it kills its process group and leaves the reaping to the loop.
class Child {
  public:
    struct State;
    explicit Child(std::shared_ptr<State> state) : state_(std::move(state)) {}
    Child(Child&&) noexcept = default;
    Child& operator=(Child&&) = delete;
    ~Child();

    /// Waits for the end. A cancel terminates the process and still waits, bounded as above.
    Task<ExitStatus> wait();
    /// The end, if it comes within `limit`; neither that nor a cancel ends the process.
    Task<std::optional<ExitStatus>> wait_for(std::chrono::milliseconds limit);
    /// SIGTERM to its process group, SIGKILL 2 s later.
    void terminate();
    /// The last 32 KiB of what it wrote to stderr.
    std::string stderr_tail() const;
    int pid() const;

  private:
    std::shared_ptr<State> state_;
};

struct Output {
    ExitStatus status;
    std::string out;
    std::string err;
};

class Processes {
  public:
    explicit Processes(asio::any_io_executor executor, std::string path = kPath);

    /// Where programs are looked for, and the PATH that children get.
    static constexpr const char* kPath =
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    Result<Child> start(SpawnSpec spec);
    /// Runs to the end and collects the output. `input` (at most 60 KiB) is its stdin.
    Task<Result<Output>> run(std::vector<std::string> argv, std::chrono::seconds limit,
                             std::string input = {});
    std::uint64_t started() const { return started_; }

  private:
    Result<std::string> find(const std::string& program) const;

    asio::any_io_executor executor_;
    std::string path_;
    std::uint64_t started_ = 0;
};

}  // namespace zrepd
