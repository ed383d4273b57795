// SPDX-License-Identifier: BSD-2-Clause
// zrepctl sync FS@SNAP: the target goes back to an acknowledged snapshot, and waits there. What
// each of the two sides does for it, or why it does not. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/plan/pair.hpp"

namespace zrepd::plan {

/// What the master knows and does.
struct PutBack {
    Snapshot base;
    std::vector<Guid> newer;             ///< what it has after the base
    std::vector<std::string> forgotten;  ///< of those: acknowledged until now, names after the '@'
};
/// not_found when the snapshot is not here, refused when it was never acknowledged; both name the
/// ones to choose from.
Result<PutBack> put_back(const Dataset& dataset,
                         const Versions& versions,
                         const std::string& snapshot);
/// Of a recursive pair: the same for a member, whose part of the root's base it is. nullopt: the
/// other side never got anything of it. refused when it joined later.
Result<std::optional<PutBack>> put_back_member(const Dataset& member,
                                               const Versions& versions,
                                               const Snapshot& root_base);
/// Pairs of their own below it that pause with it, because they inherit its zrep:paused.
std::vector<DatasetName> paused_along(const std::map<DatasetName, Dataset>& all,
                                      const DatasetName& dataset,
                                      const Self& self);
/// The master's steps for one dataset in words, beside the pause: those before the target's, and
/// those after.
struct AroundSteps {
    std::vector<std::string> before;
    std::vector<std::string> after;
};
AroundSteps describe(const PutBack& what, const DatasetName& dataset);

/// One step of the target.
struct RollBackStep {
    enum class Kind { abort_partial, hold, release, drop_bookmark, destroy, roll_back };
    Kind kind = Kind::hold;
    std::vector<std::string> names;  ///< of snapshots, or one bookmark, without '@' and '#'
    std::string text;                ///< for people
};
struct RollBack {
    Snapshot base;
    std::vector<RollBackStep> steps;     ///< in order
    std::vector<std::string> destroyed;  ///< names of snapshots
    std::uint64_t lost_bytes = 0;        ///< written there, in no snapshot
};
/// Who the two sides are, and what the master has after the base.
struct RollBackAsked {
    Guid base;
    std::vector<Guid> newer;
    std::string host;    ///< the target's
    std::string master;  ///< the master's
};
/// The steps of a target, with fresh lists in which foreign holds are marked. Whatever is newer
/// than the base and not a zrep snapshot that the master has too is a conflict that names it, as is
/// a base that is not here or was never acknowledged; `refused`: holds of others, and clones. What
/// was written there since its newest snapshot goes, as with any sync.
Result<RollBack> roll_back(const Dataset& dataset,
                           const Versions& versions,
                           const RollBackAsked& asked);

}  // namespace zrepd::plan
