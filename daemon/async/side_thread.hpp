// SPDX-License-Identifier: BSD-2-Clause
// For system calls that may block for ever, as on a disk that hangs: they run on a thread of their
// own, and the event loop goes on. Thread: the io thread, but for the work. Limits: one call at a
// time: the next one waits.
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

    enum class End {
        done,
        late,      ///< not within the limit, or the task was cancelled; it may go on
        not_begun  ///< an earlier one hangs still, or there is no thread to be had
    };
    /// Waits for its turn and for the end of `work`, `limit` together. What hangs may go on when
    /// everything else has ended: `work` owns all that it touches.
    Task<End> run(std::function<void()> work, std::chrono::milliseconds limit);

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace zrepd
