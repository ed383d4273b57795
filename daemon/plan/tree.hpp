// SPDX-License-Identifier: BSD-2-Clause
// What one sync of a recursive pair has to do (ADR 0015). Pure: all members' two looks in, steps or
// a conflict out.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "daemon/plan/plan.hpp"

namespace zrepd::plan {

struct Pair;

/// A member as it lies here and over there.
struct TreeMember {
    SourceView source;
    TargetView target;
    DatasetName peer_dataset;  ///< its name over there
};

/// What one member needs to have the tree's snapshot on the other side.
struct MemberStep {
    enum class Kind {
        apart,        ///< it is in no snapshot that is taken now or was taken: nothing
        have,         ///< the other side has it
        full,         ///< send all of it into a new place
        incremental,  ///< base → snapshot
        resume        ///< continue the interrupted stream
    };
    Kind kind = Kind::apart;
    std::optional<Snapshot> snapshot = {};  ///< absent: it is about to be taken
    std::string base = {};                  ///< incremental: "@name" or "#name"
    Guid base_guid = {};                    ///< the same; of a resume where there is one
    std::string token = {};                 ///< resume
    std::uint64_t done_bytes = 0;           ///< resume: what has arrived
    bool rollback_target = false;           ///< incremental: written there, nothing newer
    bool abort_partial = false;             ///< an unusable token lies there
};

struct TreeUnchanged {
    std::string reason;
};
struct TreeSend {
    std::string snapshot;           ///< name after the '@', the same for all
    bool take = false;              ///< it is to be taken first, of all members
    std::vector<MemberStep> steps;  ///< one per member, in order
};
using TreeStep = std::variant<TreeUnchanged, TreeSend, Conflict>;

/// `members`: the root first, parents before children. `founding`: an init, whose target need not
/// exist yet. A snapshot that not every member has over there is finished before another is taken.
TreeStep plan_tree(const Pair& root, const std::vector<TreeMember>& members, bool founding);

/// The step in words, one line each, for --dry-run.
std::vector<std::string> describe(const TreeStep& step, const std::vector<TreeMember>& members);

}  // namespace zrepd::plan
