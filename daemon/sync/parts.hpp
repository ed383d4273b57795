// SPDX-License-Identifier: BSD-2-Clause
// What the sync code works with; owned and ordered by app.cpp.
#pragma once

#include "daemon/config/config.hpp"
#include "daemon/lock/lock_table.hpp"
#include "daemon/peer/peers.hpp"
#include "daemon/sync/inventory.hpp"
#include "daemon/sync/runs.hpp"

namespace zrepd::sync {

/// What holds a dataset for longer is told to the caller, or to its master, instead of waited for.
inline constexpr std::chrono::seconds kLockWait{60};
/// How long a peer may take to record what it has got.
inline constexpr std::chrono::seconds kCommitLimit{180};
/// Acknowledgements of one group share their processes and transactions; a slow stream must not
/// keep the others' copies unacknowledged for longer than this.
inline constexpr std::chrono::seconds kAckWait{30};

/// "1.5 s", for the log.
inline std::string seconds_text(SteadyClock::duration passed) {
    const auto tenths = std::chrono::duration_cast<std::chrono::milliseconds>(passed).count() / 100;
    return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
}

/// The streams that are being received, or sent, now: one whose sender is known to be dead is ended
/// before it stalls, and one that holds up a role is.
class Streams {
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
    Streams receives = {};
    Streams sends = {};
    std::chrono::milliseconds ack_wait = kAckWait;  ///< tests shorten it
};

}  // namespace zrepd::sync
