// SPDX-License-Identifier: BSD-2-Clause
// What is in the way of a tree's sync, in words, with the commands that settle it. Pure.
#pragma once

#include <vector>

#include "daemon/plan/members.hpp"
#include "daemon/plan/tree.hpp"

namespace zrepd::plan {

/// The member's dataset as if it were a pair of its own, for conflicts that pairs have too; the
/// command that they name is for the root.
Dataset as_side(const TreeMember& member, const Pair& root);
/// Something that is part of another pair, a rescue or a drill lies in the member's place.
Conflict place_taken(const TreeMember& member, const Pair& root);
/// A dataset lies in the member's place that is no copy of it.
Conflict nothing_common(const TreeMember& member, const Pair& root);
/// What was received there of a stream cannot be gone on with.
Conflict dead_partial(const TreeMember& member, const Pair& root);
/// zfs would encrypt it, or refuse its stream, and it could never be sent back.
Conflict plain_below_encrypted(const TreeMember& member, const Pair& root);
Conflict too_many(const Pair& root, std::size_t count);
/// Neither side's name leaves no room for our snapshots' names.
std::optional<Conflict> check_room_for_names(const TreeMember& member);
/// One conflict that says all of them; not empty.
Conflict together(const std::vector<Conflict>& all);

}  // namespace zrepd::plan
