// SPDX-License-Identifier: BSD-2-Clause
// For system calls that may block for ever, as on a disk that hangs: they run on a thread of their
// own, and the event loop goes on. Thread: the io thread, but for the work. Limits: one call at a
// time; while one hangs, the next is not begun.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <functional>
#include <memory>

#include "daemon/async/task.hpp"

namespace zrepd {

class SideThread {
  public:
    explicit SideThread(asio::any_io_executor executor);
    SideThread(const SideThread&) = delete;
    SideThread& operator=(const SideThread&) = delete;
    /// Does not wait for what hangs.
    ~SideThread();

    /// True when `work` has run to its end. False: it has not within `limit`, an earlier one hangs
    /// still, there is no thread to be had, or the task was cancelled. What hangs may go on when
    /// everything else has ended: `work` owns all that it touches.
    Task<bool> run(std::function<void()> work, std::chrono::milliseconds limit);

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace zrepd
