// SPDX-License-Identifier: BSD-2-Clause
// The witness's folder: writes our records and reads the other sides'. Thread: asked on the io
// thread; the calls are made by a thread of their own, because a shared folder may hang for ever.
// Errors: timed_out. Atomicity: a record is one small write, synced. Limits: one request
// at a time; while one hangs every other one fails at once, and nothing piles up.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "daemon/async/side_thread.hpp"
#include "daemon/failover/witness.hpp"

namespace zrepd::failover {

class WitnessFolder {
  public:
    explicit WitnessFolder(asio::any_io_executor executor);

    struct Item {
        Sides sides;
        std::optional<Record> write = {};  ///< ours, written before theirs is read
    };
    struct Found {
        bool written = false;
        std::optional<Record> theirs = {};
    };
    /// One per item, in order. timed_out when the folder does not answer.
    Task<Result<std::vector<Found>>> exchange(std::filesystem::path folder,
                                              std::vector<Item> items,
                                              std::chrono::milliseconds limit);

  private:
    SideThread thread_;
};

}  // namespace zrepd::failover
