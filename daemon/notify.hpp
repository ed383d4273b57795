// SPDX-License-Identifier: BSD-2-Clause
// What a service manager is told (sd_notify(3)): that zrepd serves, that its event loop turns, and
// how it is. Written here because libsystemd is on one of three systems, and this is one datagram.
// Thread: io thread. Errors: none; without a manager, or when it does not listen, nothing is told.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "daemon/async/fd.hpp"
#include "daemon/async/task.hpp"

namespace zrepd {

class Notifier {
  public:
    /// Of NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, which it removes: they are for this
    /// process, and not for its children.
    static Notifier from_environment();
    /// `socket`: a path, or '@' and an abstract name; empty: nobody is told. `watchdog`: the
    /// longest silence before the manager takes this process for stuck; zero: any.
    Notifier(std::string socket, std::chrono::microseconds watchdog);

    /// Whoever waited for this service may go on. What the manager does not take now run() repeats.
    void ready();
    void stopping();
    /// Until it is cancelled: says that the loop turns, at least three times as often as it has to,
    /// and what status() says, when that changed.
    Task<> run(std::function<std::string()> status);

  private:
    /// False when the manager has no room for it now.
    bool send(std::string_view text) const;

    std::string socket_;
    std::chrono::microseconds watchdog_;
    Fd fd_;
    bool ready_untold_ = false;
};

}  // namespace zrepd
