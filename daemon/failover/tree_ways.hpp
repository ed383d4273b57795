// SPDX-License-Identifier: BSD-2-Clause
// What a role change does to the members of a recursive pair (ADR 0015). Role, epoch, journal and
// readonly are the root's, and one set; a member follows it by inheritance. What is a member's own
// is how it is served: zrep:serve is on it from its first acknowledgement as a copy until it is
// served as the master's, and says what is left to do. Pure.
#pragma once

#include <optional>
#include <vector>

#include "common/rpc/peer_role_types.hpp"
#include "daemon/failover/journal.hpp"
#include "daemon/plan/members.hpp"
#include "daemon/zfs/zfs_spec.hpp"

namespace zrepd::failover {

/// What stores a member of an old master as a copy: how it was served, and nobody mounts it at the
/// next boot. Empty: it is so already.
PropertyList hide_member(const Dataset& member);

/// How a member of a new master is served.
struct MemberWays {
    PropertyList before;  ///< to be set before it is mounted
    PropertyList after;   ///< to be set once it is, or could not be: then the next boot mounts it
    bool mount = false;   ///< at `place`
    Serve place = {};
};
/// `told`: by the old master, just now; else zrep:serve counts. `copy`: it has snapshots of ours;
/// what somebody made beside them is left as it is.
MemberWays show_member(const Dataset& member, const std::optional<Serve>& told, bool copy);

/// Whether something of that is left to do of a settled side: a set failed, and the role change
/// went on.
bool is_half_way(const Dataset& member, bool master, bool copy);

/// Why readonly of the root would not reach this member; `host` where it lies.
std::optional<Error> escapes_readonly(const Dataset& member, const HostName& host);

/// Pairs of their own inside a tree that are writable because its root is: they would become
/// readonly with it.
std::vector<DatasetName> writable_by_root(const plan::Datasets& all, const DatasetName& root);

/// Whether all of it is in the newest snapshot, and the other side has that.
bool is_drained(const Dataset& dataset, const Versions& versions);

/// "tank/fs and the 3 below it".
std::string with_members(const DatasetName& root, std::size_t members);

}  // namespace zrepd::failover
