// SPDX-License-Identifier: BSD-2-Clause
// What the sync code works with; owned and ordered by app.cpp.
#pragma once

#include "daemon/config/config.hpp"
#include "daemon/lock/lock_table.hpp"
#include "daemon/peer/peers.hpp"
#include "daemon/sync/inventory.hpp"
#include "daemon/sync/runs.hpp"

namespace zrepd::sync {

struct Parts {
    asio::any_io_executor executor;
    const config::Config& config;
    plan::Self self;
    Zfs& zfs;
    Inventory& inventory;
    lock::LockTable& locks;
    Runs& runs;
    EventBus& events;
};

}  // namespace zrepd::sync
