// SPDX-License-Identifier: BSD-2-Clause
// Listens on zrepd.sock and zrepd-ro.sock (design.md section 8; docs/adr/0003-socket-directory.md).
// Thread: io thread. Errors: io_error when a socket cannot be made. Limits: kMaxConnections.
#pragma once

#include <filesystem>
#include <memory>

#include "daemon/control/session.hpp"

namespace zrepd::control {

inline constexpr const char* kSocketName = "zrepd.sock";
inline constexpr const char* kReadSocketName = "zrepd-ro.sock";
// A monitoring system gone wild must leave room for the administrator who comes to look.
inline constexpr std::size_t kMaxConnections = 1024;

class Server {
  public:
    Server(asio::any_io_executor executor, Service& service, EventSource& events,
           std::chrono::seconds line_limit = std::chrono::seconds(60));
    ~Server();

    /// Makes both sockets in `dir`, replacing what an earlier daemon left there: the caller holds
    /// the daemon lock.
    Result<void> listen(const std::filesystem::path& dir);
    /// Stops accepting, cuts every client off, waits for their tasks.
    Task<> stop();
    std::size_t connections() const;

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace zrepd::control
