// SPDX-License-Identifier: BSD-2-Clause
// What the sync code works with; owned and ordered by app.cpp.
#pragma once

#include "daemon/config/config.hpp"
#include "daemon/lock/lock_table.hpp"
#include "daemon/peer/peers.hpp"
#include "daemon/sync/inventory.hpp"
#include "daemon/sync/runs.hpp"

namespace zrepd::sync {

/// The streams that are being received now, so that one whose sender is known to be dead can be
/// ended before it stalls.
class Receives {
  public:
    void add(const DatasetName& dataset, std::function<void()> end) {
        ends_[dataset] = std::move(end);
    }
    void remove(const DatasetName& dataset) { ends_.erase(dataset); }
    /// Asks it to end; its lock is free soon after. Nothing to do where there is none.
    void end(const DatasetName& dataset) {
        const auto found = ends_.find(dataset);
        if (found != ends_.end()) found->second();
    }

  private:
    std::map<DatasetName, std::function<void()>> ends_;
};

struct Parts {
    asio::any_io_executor executor;
    const config::Config& config;
    plan::Self self;
    Zfs& zfs;
    Inventory& inventory;
    lock::LockTable& locks;
    Runs& runs;
    EventBus& events;
    Receives receives = {};
};

}  // namespace zrepd::sync
