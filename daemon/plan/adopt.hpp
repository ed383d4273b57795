// SPDX-License-Identifier: BSD-2-Clause
// Whether a copy that something else made can become a target as it is. Pure.
#pragma once

#include <string>
#include <vector>

#include "daemon/zfs/zfs_spec.hpp"

namespace zrepd::plan {

/// already_configured for a side of some pair, of a rescue or a drill.
Result<void> is_free(const Dataset& dataset);

/// The newest snapshot that source and copy have, which has to be the newest of the copy, with
/// nothing written since: a target's later data would be rolled back by its first sync. conflict
/// otherwise, with what is in the way and the commands to choose from.
Result<Snapshot> adoptable_base(const Dataset& dataset,
                                const Versions& versions,
                                const std::vector<Guid>& source,
                                const std::string& host);

struct Adopted {
    std::string source;
    std::string source_host;
    std::string target;
    std::string target_host;
    unsigned savecount = 0;
    bool volume = false;
    bool tree = false;
};
/// What makes it a target.
PropertyList adopted_properties(const Adopted& what);
/// What a member of a tree has of its own as a target; readonly is to be inherited.
PropertyList adopted_member_properties(const Dataset& member);

}  // namespace zrepd::plan
