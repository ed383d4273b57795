// SPDX-License-Identifier: BSD-2-Clause
// Listens on zrepd.sock and zrepd-ro.sock (docs/control-api.md, ADR 0003).
// Thread: io thread. Errors: io_error when a socket cannot be made; no descriptor left for a client
// is waited out. Limits: ServerLimits.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>

#include "daemon/control/passed_sockets.hpp"
#include "daemon/control/session.hpp"

namespace zrepd::control {

inline constexpr const char* kSocketName = "zrepd.sock";
inline constexpr const char* kReadSocketName = "zrepd-ro.sock";
/// A thousand of anybody's, however many of them hang, and room for those who operate.
inline constexpr std::size_t kMaxConnections = 1536;
// The reading socket is open to every user of the host: it may not use up everything, so that the
// administrator who comes to look finds a place.
inline constexpr std::size_t kMaxReaders = 1024;

struct ServerLimits {
    std::size_t connections = kMaxConnections;
    std::size_t readers = kMaxReaders;
    /// Every call answers within this (docs/control-api.md).
    std::chrono::milliseconds answer{5'000};
    SessionLimits session = {};
};

/// Of the descriptors that this process may have, clients get half: streams, ssh and zfs need some.
ServerLimits limits_within(std::size_t descriptors);

class Server {
  public:
    Server(asio::any_io_executor executor,
           Service& service,
           EventSource& events,
           ServerLimits limits = {});
    /// stop() must have ended before.
    ~Server();

    /// Makes both sockets in `dir`, but for those that were passed, and begins to serve. A socket
    /// file of an earlier daemon is replaced, anything else of that name is not. The caller holds
    /// the daemon lock: without it, the sockets of a living daemon would be taken away.
    Result<void> listen(const std::filesystem::path& dir, PassedSockets passed = {});
    /// Removes the sockets that it made, cuts every client off, stops the calls under way, waits
    /// for all tasks.
    Task<> stop();
    std::size_t connections() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace zrepd::control
