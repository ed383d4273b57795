// SPDX-License-Identifier: BSD-2-Clause
// Small waiting helpers built on a timer (docs/adr/0001-one-thread-and-task-groups.md says why no
// channels). Thread: the io thread only.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <utility>

#include "daemon/async/task.hpp"

namespace zrepd {

/// A wake-up: notify() resumes everyone who waits at this moment. Check your condition in a loop.
class Signal {
  public:
    explicit Signal(asio::any_io_executor executor)
        : timer_(std::move(executor), asio::steady_timer::time_point::max()) {}

    void notify() { timer_.cancel(); }
    /// Returns on notify() or when the task is cancelled.
    Task<> wait() { co_await timer_.async_wait(nothrow); }

  private:
    asio::steady_timer timer_;
};

/// A wake-up with a time limit, for one waiter.
class Alarm {
  public:
    explicit Alarm(asio::any_io_executor executor) : timer_(std::move(executor)) {}

    void notify() { timer_.cancel(); }
    /// Returns at `time`, on notify(), or when the task is cancelled.
    Task<> wait_until(std::chrono::steady_clock::time_point time) {
        timer_.expires_at(time);
        co_await timer_.async_wait(nothrow);
    }

  private:
    asio::steady_timer timer_;
};

/// Sleeps; returns early when the task is cancelled.
Task<> sleep_for(std::chrono::steady_clock::duration duration);

/// At most `limit` holders at once; first come, first served is not promised.
class Semaphore {
  public:
    Semaphore(asio::any_io_executor executor, std::size_t limit)
        : free_(limit), changed_(std::move(executor)) {}

    /// Gives the place back when it goes out of scope; empty when the wait was cancelled.
    class Place {
      public:
        Place() = default;
        explicit Place(Semaphore* owner) : owner_(owner) {}
        Place(Place&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {}
        Place& operator=(Place&& other) noexcept {
            std::swap(owner_, other.owner_);
            return *this;
        }
        ~Place() {
            if (owner_ == nullptr) return;
            ++owner_->free_;
            owner_->changed_.notify();
        }
        explicit operator bool() const { return owner_ != nullptr; }

      private:
        Semaphore* owner_ = nullptr;
    };

    Task<Place> acquire() {
        while (free_ == 0) {
            co_await changed_.wait();
            // Named first: tests/unit/coroutine_rules_test.cpp says why.
            const bool stop = co_await cancelled();
            if (stop) co_return Place();
        }
        --free_;
        co_return Place(this);
    }

  private:
    std::size_t free_;
    Signal changed_;
};

/// Calls `on_expiry` when `after` passes without restart(); stops when it goes out of scope.
/// Use it to cancel the object that is waited for; `expired()` then tells a timeout from the rest.
class Deadline {
  public:
    Deadline(asio::any_io_executor executor,
             std::chrono::steady_clock::duration after,
             std::function<void()> on_expiry);
    ~Deadline();
    Deadline(const Deadline&) = delete;
    Deadline& operator=(const Deadline&) = delete;

    /// Begins the time anew at `now`, as on progress. Reads no clock and arms no timer.
    void restart(std::chrono::steady_clock::time_point now);
    bool expired() const;

  private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace zrepd
