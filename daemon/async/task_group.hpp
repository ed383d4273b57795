// SPDX-License-Identifier: BSD-2-Clause
// Structured concurrency: whoever starts tasks owns them, cancels them and waits for their end.
// Thread: the io thread only. Errors: an exception that leaves a task is a bug; it goes to the
// handler given to on_bug(). Limits: none of its own, callers bound what they spawn.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <list>
#include <string>
#include <string_view>

#include "daemon/async/task.hpp"

namespace zrepd {

class TaskGroup {
  public:
    explicit TaskGroup(asio::any_io_executor executor);
    TaskGroup(const TaskGroup&) = delete;
    TaskGroup& operator=(const TaskGroup&) = delete;
    /// Everything must have been joined before.
    ~TaskGroup();

    /// Starts a task at the next turn of the loop. Its name is for the log.
    void spawn(std::string name, Task<> task);
    /// Asks every task to stop, those spawned later too: interrupts what each waits for. Effective
    /// at the next turn.
    void cancel();
    /// Waits until no task is left. Does not cancel. Not itself interruptible: cancel() first. A
    /// cancel of its caller is not forgotten over it.
    Task<> join();
    std::size_t size() const { return entries_.size(); }

    /// Called with the task's name and the exception's text. Set once, at start.
    static void on_bug(std::function<void(std::string_view name, std::string_view what)> handler);

  private:
    struct Entry {
        std::string name;
        asio::cancellation_signal signal;
    };
    void finished(std::list<Entry>::iterator entry, std::exception_ptr exception);
    void cancel(Entry& entry);

    asio::any_io_executor executor_;
    std::list<Entry> entries_;
    bool cancelled_ = false;
    asio::steady_timer idle_;
};

}  // namespace zrepd
