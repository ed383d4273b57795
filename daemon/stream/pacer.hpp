// SPDX-License-Identifier: BSD-2-Clause
// A short sleep, many times a second. On Linux a timer descriptor of its own: setting Asio's timers
// costs six system calls per sleep, this three. Thread: io thread. A cancel ends the sleep early.
#pragma once

#ifdef __linux__
#include <sys/timerfd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#endif
#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <chrono>

#include "daemon/async/task.hpp"

namespace zrepd::stream {

class Pacer {
  public:
    using Duration = std::chrono::steady_clock::duration;

#ifdef __linux__
    explicit Pacer(const asio::any_io_executor& executor)
        : timer_(executor), descriptor_(executor) {
        const int fd = ::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
        if (fd >= 0) descriptor_.assign(fd);  // no descriptor left: Asio's timer serves as well
    }
#else
    explicit Pacer(const asio::any_io_executor& executor) : timer_(executor) {}
#endif

    Task<> sleep(Duration duration) {
#ifdef __linux__
        const bool set = descriptor_.is_open() && set_timer(duration);
        if (set) {
            co_await descriptor_.async_wait(descriptor_.wait_read, nothrow);
            co_return;
        }
#endif
        timer_.expires_after(duration);
        co_await timer_.async_wait(nothrow);
    }

  private:
    asio::steady_timer timer_;
#ifdef __linux__
    bool set_timer(Duration duration) {
        // All zero would switch it off.
        const auto all = std::max<Duration>(duration, std::chrono::nanoseconds(1)).count();
        itimerspec spec{};
        spec.it_value.tv_sec = all / kSecond;
        spec.it_value.tv_nsec = all % kSecond;
        return ::timerfd_settime(descriptor_.native_handle(), 0, &spec, nullptr) == 0;
    }

    static constexpr Duration::rep kSecond = Duration(std::chrono::seconds(1)).count();
    static_assert(kSecond == 1'000'000'000);
    asio::posix::stream_descriptor descriptor_;
#endif
};

}  // namespace zrepd::stream
