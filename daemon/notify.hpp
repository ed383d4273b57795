// SPDX-License-Identifier: BSD-2-Clause
// What a service manager is told (sd_notify(3)): that zrepd serves, that its event loop turns, and
// how it is. Written here because libsystemd is on one of three systems, and this is one datagram.
// Thread: io thread. Errors: none; without a manager, or when it does not listen, nothing is told.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "common/result.hpp"
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
    /// Leaves a descriptor with the manager, which passes it by this name to the process that it
    /// starts next. refused without a manager, io_error when it does not listen.
    Result<void> store(const char* name, int fd) const;
    /// Waits until the manager has read what it was told, at most a few seconds: it knows us no
    /// longer once we have exited. timed_out, io_error. sd_notify_barrier(3).
    Result<void> settle() const;
    /// The manager closes what it keeps under this name.
    void forget(const char* name) const;
    /// Until it is cancelled: says that the loop turns, at least three times as often as it has to,
    /// and what status() says, when that changed.
    Task<> run(std::function<std::string()> status);

  private:
    /// False when the manager has no room for it now.
    bool send(std::string_view text, int passed = -1) const;
    Result<void> pass(std::string_view text, int fd) const;

    std::string socket_;
    std::chrono::microseconds watchdog_;
    Fd fd_;
    bool ready_untold_ = false;
};

}  // namespace zrepd
