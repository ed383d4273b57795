// SPDX-License-Identifier: BSD-2-Clause
// A way to another host's zrepd: bytes in both directions, before the first line was read.
#pragma once

#include <memory>

#include "common/ids.hpp"
#include "daemon/async/fd.hpp"
#include "daemon/async/task.hpp"

namespace zrepd::peer {

/// An open connection to a peer daemon. Destroying it closes both directions and ends the helper
/// process, if there is one.
class Connection {
  public:
    virtual ~Connection() = default;
    /// The descriptors; ours, non-blocking where the kernel allows. Taken once.
    virtual Channel take_channel() = 0;
    /// Why the connection broke, once it did: reads what the helper (ssh) said, waits for it at
    /// most 2 s, and translates: unknown_host, peer_unreachable, peer_auth, peer_host_key,
    /// peer_no_zrepd.
    virtual Task<Error> why() = 0;
};

/// What a connection is for. Over ssh, streams share the connection of the session, when it is up.
enum class Purpose { session, stream };

/// Implemented by SshTransport (remote hosts), LocalTransport (localhost), and in tests.
class Transport {
  public:
    virtual ~Transport() = default;
    /// Starts connecting; errors of the network show when the first line is read.
    virtual Result<std::unique_ptr<Connection>> open(const HostName& host, Purpose purpose) = 0;
    /// Told that the host refused the login, and what it said. Who open() logs in as from now on,
    /// in words; "" when there is no other. Told again, it goes back to the one before.
    virtual std::string change_login(const HostName& /*host*/, const Error& /*refused*/) {
        return "";
    }
};

}  // namespace zrepd::peer
