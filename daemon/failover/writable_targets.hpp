// SPDX-License-Identifier: BSD-2-Clause
// Looks for targets that somebody can write to, and tells of each once. Changes nothing: why it was
// done is for the administrator to say. Thread: io thread. Errors: none.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/sync/parts.hpp"

namespace zrepd::failover {

class WritableTargets {
  public:
    explicit WritableTargets(sync::Parts& parts) : parts_(parts) {}

    /// `table`: as platform::mount_table() has it. What is under way for a role change is as it was
    /// last found: its mounts may be ahead of what is known of it.
    void look(const std::vector<plan::Pair>& pairs, const std::string& table);
    /// As last found.
    std::optional<Error> trouble_of(const DatasetName& dataset) const;

  private:
    bool is_moving(const plan::Pair& pair) const;
    void note(const DatasetName& dataset, const std::optional<Error>& found);

    sync::Parts& parts_;
    std::map<DatasetName, Error> found_;  ///< by the pair's dataset
};

}  // namespace zrepd::failover
