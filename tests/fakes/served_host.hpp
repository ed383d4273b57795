// SPDX-License-Identifier: BSD-2-Clause
// A host with what its control socket offers: the daemon's own service and scheduler.
#pragma once

#include "daemon/sched/scheduler.hpp"
#include "daemon/service.hpp"
#include "tests/fakes/two_hosts.hpp"

namespace zrepd::test {

struct ServedHost {
    explicit ServedHost(TestHost& host, std::string zfs = "2.3.2")
        : scheduler(host.sync, host.engine, host.peers),
          service(host.sync,
                  host.engine,
                  host.roles,
                  host.copies,
                  scheduler,
                  host.peers,
                  host.processes,
                  std::move(zfs)) {}

    sched::Scheduler scheduler;
    DaemonService service;
};

}  // namespace zrepd::test
