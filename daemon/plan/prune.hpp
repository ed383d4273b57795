// SPDX-License-Identifier: BSD-2-Clause
// Which zrep snapshots a side may let go of (zrep-properties(7)). Pure.
#pragma once

#include <string>
#include <vector>

#include "daemon/plan/keep.hpp"

namespace zrepd::plan {

struct Verdict {
    std::string snapshot;  ///< after the '@'
    bool destroy = false;
    std::string reason;  ///< "newest 5", "base", "newer than the base", "kept by 1d:1h", "held",
                         ///< "cloned"...
};

/// One verdict per snapshot, oldest first. Keeps what `retention` says of ours (`_unsent` count),
/// `base` (the last common snapshot) and everything newer, what is held or cloned, and what is not
/// ours. Without a base nothing is destroyed.
std::vector<Verdict> prune(const Versions& versions, Guid base, const Retention& retention);

/// Just the names to destroy.
std::vector<std::string> to_destroy(const std::vector<Verdict>& verdicts);

}  // namespace zrepd::plan
