// SPDX-License-Identifier: BSD-2-Clause
// The administrator's programs that are told what happens (docs/events.md, Programs): every file in
// <hooks-dir>/event.d, once for each event but progress, one at a time. Nothing waits for them.
// Thread: the io thread. Errors: log lines. Atomicity: none; what waits when zrepd stops is lost.
// Limits: hook-timeout for each run, kMaxHookPrograms, kMaxWaiting events for each program.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "daemon/async/task_group.hpp"
#include "daemon/config/config.hpp"
#include "daemon/failover/hook_files.hpp"
#include "daemon/failover/hook_run.hpp"
#include "daemon/sync/events.hpp"

namespace zrepd::failover {

/// The line that a program reads from its stdin: what `zrepctl events --json` prints of it. At most
/// kMaxHookInput long: of a run that has too many results those that failed, as many as fit. Pure.
std::string event_input(rpc::EventOut event);

class EventHooks {
  public:
    EventHooks(asio::any_io_executor executor,
               sync::EventBus& events,
               Processes& processes,
               const config::Config& config);

    /// From now on.
    void start();
    /// No more events; what runs gets SIGTERM. join() then waits for its end, at most
    /// kTerminateGrace + kAbandonAfter.
    void cancel();
    Task<> join();

    /// The events of a failover of some dozen filesystems.
    static constexpr std::size_t kMaxWaiting = 256;
    /// The folder is looked at so often at most: a change in it takes no restart.
    static constexpr std::chrono::seconds kLookAgainAfter{1};

  private:
    using Line = std::shared_ptr<const std::string>;
    struct Program {
        std::filesystem::path path;
        std::deque<Line> waiting = {};
        std::uint64_t lost = 0;      ///< since it could not keep up
        std::uint64_t failures = 0;  ///< in a row
        bool running = false;
        bool listed = true;  ///< it is in the folder still
    };
    using ProgramPtr = std::shared_ptr<Program>;

    void note(const rpc::EventOut& event);
    void look();
    void list(const HookPrograms& found);
    void say_unusable(const HookPrograms& found);
    void give(const ProgramPtr& program, const Line& line);
    Task<> drain(ProgramPtr program);

    sync::EventBus& events_;
    Processes& processes_;
    const config::Config& config_;
    TaskGroup tasks_;
    std::shared_ptr<void> subscription_;
    std::map<std::filesystem::path, ProgramPtr> programs_;
    std::optional<std::chrono::steady_clock::time_point> looked_;
    std::string said_;  ///< what in the folder cannot be run, so that it is said once
};

}  // namespace zrepd::failover
