// SPDX-License-Identifier: BSD-2-Clause
// Who works on which dataset (ADR 0007). Thread: io thread. Errors: busy, naming the
// holder. Atomicity: none across daemons; the kernel lock on lock/lockfile makes us the only one.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/ids.hpp"
#include "daemon/async/signal.hpp"

namespace zrepd::lock {

/// `tree` excludes every other lock on ancestors and descendants too (rollback, recursive destroy,
/// rename); `node` only a second lock on the same dataset and a tree lock above or below.
enum class Scope { node, tree };

struct Holder {
    DatasetName dataset;
    Scope scope = Scope::node;
    std::string reason;  ///< "sync", "receive from alpha"
    std::string run_id;  ///< empty when it belongs to no run
    std::chrono::steady_clock::time_point since;
    std::size_t waiting = 0;
};

class LockTable {
  public:
    explicit LockTable(asio::any_io_executor executor);

    /// Released when it goes out of scope.
    class Guard {
      public:
        Guard() = default;
        Guard(Guard&&) noexcept;
        Guard& operator=(Guard&&) noexcept;
        ~Guard();
        explicit operator bool() const { return table_ != nullptr; }

      private:
        friend class LockTable;
        LockTable* table_ = nullptr;
        std::uint64_t id_ = 0;
    };

    /// At once, or `busy` with the holder's reason, run and age in the message.
    Result<Guard> try_lock(DatasetName dataset,
                           Scope scope,
                           std::string reason,
                           std::string run_id = {});
    /// Waits up to `limit` for it; busy after that, cancelled when the task is.
    Task<Result<Guard>> lock(DatasetName dataset,
                             Scope scope,
                             std::string reason,
                             std::chrono::steady_clock::duration limit,
                             std::string run_id = {});
    /// What stands in the way of a lock on this dataset.
    std::optional<Holder> conflicting(const DatasetName& dataset, Scope scope) const;
    std::vector<Holder> holders() const;

  private:
    using Waiter = std::vector<std::uint64_t>;  ///< numbers of the entries it waits for

    void release(std::uint64_t id);
    void count_waiter(const DatasetName& dataset, Scope scope, Waiter& waiter);
    void forget_waiter(const Waiter& waiter);
    struct Entry {
        std::uint64_t id = 0;
        Holder holder;
    };
    std::vector<Entry> entries_;
    std::uint64_t next_id_ = 1;
    Signal changed_;
};

}  // namespace zrepd::lock
