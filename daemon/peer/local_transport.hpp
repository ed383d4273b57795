// SPDX-License-Identifier: BSD-2-Clause
// The way to ourselves, for pairs whose destination is localhost: the same protocol on two pipes,
// no process. Thread: io thread. Errors: io_error without file descriptors. A stream's pipe goes
// straight to `zfs receive`.
#pragma once

#include <string>

#include "daemon/peer/server.hpp"
#include "daemon/peer/transport.hpp"

namespace zrepd::peer {

class LocalTransport : public Transport {
  public:
    /// `us`: the name under which the server knows us.
    LocalTransport(Server& server, HostName us) : server_(server), us_(std::move(us)) {}

    Result<std::unique_ptr<Connection>> open(const HostName& host, Purpose purpose) override;

  private:
    Server& server_;
    HostName us_;
};

}  // namespace zrepd::peer
