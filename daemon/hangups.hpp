// SPDX-License-Identifier: BSD-2-Clause
// SIGHUP, which tells many daemons to read their settings anew, and by default ends a process:
// systemd takes that for an orderly end and starts nothing (Restart=on-failure). zrepd stays, and
// says how settings are read. Thread: io thread. Errors: none. Limits: a line a minute.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/signal_set.hpp>
#include <chrono>

#include "daemon/async/task.hpp"

namespace zrepd {

class Hangups {
  public:
    /// From here on no SIGHUP ends this process. `pause`: between two lines, at least.
    explicit Hangups(asio::any_io_executor executor,
                     std::chrono::steady_clock::duration pause = std::chrono::minutes(1));
    /// Until it is cancelled.
    Task<> run();

  private:
    asio::signal_set signals_;
    std::chrono::steady_clock::duration pause_;
};

}  // namespace zrepd
