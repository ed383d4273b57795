// SPDX-License-Identifier: BSD-2-Clause
// What belongs to a recursive pair (ADR 0015): worked out from what lies there, never stored. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/plan/pair.hpp"

namespace zrepd::plan {

/// All names of a tree fit one `zfs snapshot` and one request to a peer, however long they are.
inline constexpr std::size_t kMaxMembers = 2000;

using Datasets = std::map<DatasetName, Dataset>;

/// "b/c" of tank/a/b/c below tank/a; empty for the root itself.
std::string relative_name(const DatasetName& root, const DatasetName& member);
/// The other way round. invalid_params for what cannot lie below the root: "..", a snapshot, a
/// name that is too long.
Result<DatasetName> member_name(const DatasetName& root, std::string_view relative);

/// Part of a pair of its own, a rescue or a drill: neither it nor what lies below is a member of
/// a tree around it.
bool stands_apart(const Dataset& dataset);
/// The root and its members, parents before their children.
std::vector<DatasetName> members_of(const Datasets& all, const DatasetName& root);
/// The pair of the tree in which a dataset of this name is a member, or would be one: it need not
/// exist. nullopt for the root itself.
std::optional<Pair> tree_around(const Datasets& all, const DatasetName& name, const Self& self);
/// The member's part of what was taken of all at one moment, given the root's; nullptr: it was born
/// later, or is the copy of what is gone. By its name, which a tree gives to no second one: on a
/// side that received them their transaction groups differ. An acknowledgement is of one moment as
/// well, where both were acknowledged.
const Snapshot* part_of(const Versions& member, const Snapshot& root);
/// One member's share of the tree's pair: its own settings, the root's role and epoch.
/// invalid_params when its name on the other side would be too long.
Result<Pair> member_pair(const Pair& root, const Dataset& member);

/// The root or a member as it is once the root has this zrep:savecount: what is set closer to it
/// counts more.
Dataset with_savecount(const Datasets& all,
                       const DatasetName& root,
                       const Dataset& member,
                       unsigned savecount);

}  // namespace zrepd::plan
