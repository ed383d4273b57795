// SPDX-License-Identifier: BSD-2-Clause
// Makes the files of Unix sockets and tells who is at the other end. Thread: io thread.
// Errors: io_error. The umask is changed for a moment: nothing else may create files meanwhile.
#pragma once

#include <sys/types.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <filesystem>

#include "daemon/async/fd.hpp"
#include "daemon/async/task.hpp"
#include "daemon/control/service.hpp"

namespace zrepd::control {

/// Opens `acceptor` on a new socket file of this mode, group zrepd where that group exists. A stale
/// socket is replaced, a file that is no socket is an error. Close-on-exec.
Result<void> open_listener(asio::local::stream_protocol::acceptor& acceptor,
                           const std::filesystem::path& path,
                           mode_t mode);

/// Lets `acceptor` serve a socket that listens on `path` already; io_error when it cannot.
Result<void> adopt_listener(asio::local::stream_protocol::acceptor& acceptor,
                            const std::filesystem::path& path,
                            Fd socket);

/// The process that connected, as the kernel saw it at that moment; uid -1 when it does not say.
Caller caller_of(int socket);

}  // namespace zrepd::control
