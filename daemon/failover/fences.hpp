// SPDX-License-Identifier: BSD-2-Clause
// The fences of this host's masters: keeps what is stored as zrep:fence wants it, and knows which
// masters wait for their peer's word. Thread: io thread. Errors: logged, and tried again after
// kRetry. Atomicity: each change is one set.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "daemon/async/task_group.hpp"
#include "daemon/sync/parts.hpp"

namespace zrepd::failover {

class Fences {
  public:
    explicit Fences(sync::Parts& parts) : parts_(parts) {}

    /// As of failover::must_hear_peer(), of a dataset that was just looked at.
    bool must_hear(const Dataset& dataset, const plan::Pair& pair) const;
    /// The same of one, as last seen.
    bool waits(const DatasetName& dataset) const;
    /// Whether any of these does.
    bool waits(const std::vector<plan::Pair>& pairs) const;
    /// The peer's word came, or the operator's: it has been served since.
    void opened(const DatasetName& dataset) { opened_.insert(dataset); }

    /// What comes back with its pool may have been elsewhere meanwhile.
    void forget_gone();
    /// Starts in `tasks` what its zrep:fence asks for.
    void look_after(const plan::Pair& pair, TaskGroup& tasks);
    /// Why it is not served, or not protected; for status.
    std::optional<Error> trouble_of(const DatasetName& dataset) const;
    /// The step of a dry run of unfence, or why it is refused.
    Result<std::vector<std::string>> describe_unfence(const plan::Pair& pair) const;

  private:
    /// That it waits, once, and once that it does not any more.
    void tell(const Dataset& dataset, const plan::Pair& pair);
    void tell_over(const DatasetName& dataset);
    Task<> settle(DatasetName dataset);
    Task<Result<void>> change(DatasetName dataset);

    sync::Parts& parts_;
    std::set<DatasetName> opened_;
    std::set<DatasetName> told_;  ///< that it waits; not yet that this is over
    /// Those that are being changed, or whose change failed: when to try again.
    std::map<DatasetName, std::chrono::steady_clock::time_point> busy_until_;
};

}  // namespace zrepd::failover
