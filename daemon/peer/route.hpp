// SPDX-License-Identifier: BSD-2-Clause
// Which way leads to a host: our own name and localhost stay inside, everything else goes by ssh.
#pragma once

#include "daemon/peer/transport.hpp"
#include "daemon/plan/pair.hpp"

namespace zrepd::peer {

class Route : public Transport {
  public:
    Route(plan::Self self, Transport& local, Transport& remote)
        : self_(std::move(self)), local_(local), remote_(remote) {}

    Result<std::unique_ptr<Connection>> open(const HostName& host, Purpose purpose) override {
        return self_.is(host) ? local_.open(host, purpose) : remote_.open(host, purpose);
    }
    std::string change_login(const HostName& host, const Error& refused) override {
        return self_.is(host) ? "" : remote_.change_login(host, refused);
    }

  private:
    plan::Self self_;
    Transport& local_;
    Transport& remote_;
};

}  // namespace zrepd::peer
