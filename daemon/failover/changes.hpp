// SPDX-License-Identifier: BSD-2-Clause
// The properties of each step of a role change, all of which are set at once: one transaction group
// per step (docs/failover.md, ADR 0011). Pure.
#pragma once

#include "daemon/failover/journal.hpp"
#include "daemon/plan/pair.hpp"
#include "daemon/zfs/zfs_spec.hpp"

namespace zrepd::failover {

/// What lies on disk of this side. A dataset that is readonly is not writable, whoever set it.
Stored stored_of(const Dataset& dataset, const plan::Pair& pair);

/// What one `zfs set` has to say to get from what `dataset` is to `wanted`, with this journal.
/// Role, epoch and direction are always part of it: an earlier set that was given up may still
/// land, and is undone completely then. Becoming a target: readonly, unmounted at the next boot,
/// and what `dataset` is served like kept in zrep:serve. Becoming the master: served as zrep:serve
/// says, but for a mountpoint that was set on this side itself. The direction follows the role.
PropertyList properties_for(const Dataset& dataset,
                            const plan::Pair& pair,
                            const Stored& wanted,
                            const Entry& journal);

/// Whether `dataset` is as properties_for() would have made it: the set landed, whatever was heard
/// of it.
bool has_landed(const Dataset& dataset, const Stored& wanted);

}  // namespace zrepd::failover
