// SPDX-License-Identifier: BSD-2-Clause
// A short sleep, many times a second. On Linux a timer descriptor of its own: setting Asio's timers
// costs six system calls per sleep, this three. Thread: io thread. A cancel ends the sleep early.
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>

#include "common/platform.hpp"
#include "daemon/async/task.hpp"

namespace zrepd::stream {

class Pacer {
  public:
    using Duration = std::chrono::steady_clock::duration;

    explicit Pacer(const asio::any_io_executor& executor)
        : timer_(executor), descriptor_(executor) {
        const int fd = platform::make_timer();
        if (fd >= 0) descriptor_.assign(fd);  // else Asio's timer serves as well
    }

    Task<> sleep(Duration duration) {
        const bool set =
            descriptor_.is_open() && platform::set_timer(descriptor_.native_handle(), duration);
        if (set) {
            co_await descriptor_.async_wait(descriptor_.wait_read, nothrow);
            co_return;
        }
        timer_.expires_after(duration);
        co_await timer_.async_wait(nothrow);
    }

  private:
    asio::steady_timer timer_;
    asio::posix::stream_descriptor descriptor_;
};

}  // namespace zrepd::stream
