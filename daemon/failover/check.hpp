// SPDX-License-Identifier: BSD-2-Clause
// What is looked at before a role change. Pure; what is looked at of mount points: mount_place.hpp.
#pragma once

#include <string>
#include <vector>

#include "common/rpc/peer_role_types.hpp"
#include "daemon/failover/journal.hpp"
#include "daemon/plan/pair.hpp"
#include "daemon/sync/inventory.hpp"

namespace zrepd::failover {

/// What the target's daemon knows, for problems_of_target().
struct TargetFacts {
    const Dataset* dataset = nullptr;
    const Versions* versions = nullptr;
    const plan::Pair* pair = nullptr;
    std::uint64_t master_epoch = 0;
    Guid base;                ///< the newest snapshot that the master knows to be here
    bool back = false;        ///< what is newer here than the base is rolled back
    bool after_sync = false;  ///< a dry run: what the sync before it settles stands in no way
    bool paused = false;
    std::string busy;                 ///< what else works on it; empty: nothing
    std::optional<Error> key;         ///< why its key cannot be loaded
    std::optional<Error> writing;     ///< why the pool takes no writes
    std::optional<Error> way_back;    ///< why this host cannot reach the master's
    std::optional<Error> mountpoint;  ///< why it could not be mounted where the master is
};

/// The newest snapshot of ours that the other side has too; `theirs` is oldest first. Pure.
Guid newest_common(const Versions* ours, const std::vector<rpc::PeerSnapshot>& theirs);

/// What the target is asked before a role change; `back`: the snapshot that both go back to. Pure.
rpc::CheckIn check_of(const plan::Pair& pair,
                      const Dataset& master,
                      const Versions* versions,
                      Guid back);

/// Of a recursive pair: its members here that have a part of the root's snapshot `base`. Pure.
std::vector<rpc::TreePart> parts_of_tree(const sync::Inventory& inventory,
                                         const plan::Pair& root,
                                         Guid base);

/// What keeps this target from becoming the master; each with its remedy. Pure.
std::vector<Error> problems_of_target(const TargetFacts& facts, const plan::Self& self);

/// Why a master is not to be handed over: its lease ran out a moment ago, or somebody else made it
/// readonly. Pure.
std::optional<Error> made_readonly(const Dataset& master);

/// Why the sync before a role change failed, as a refusal of that: a pool that takes no writes now
/// is a state to be changed first, as a conflict is. Pure.
Error sync_refused(Error error);

/// split_brain: this side was asked to take over, and is the master, as the other one is.
Error both_say_so(const plan::Pair& pair);
/// The end of a remedy, for a side that gave the role away to nobody yet.
std::string take_back(const plan::Pair& pair);
/// As unfinished(), of a split brain: what holds the side back may be a fence, which never opens
/// then.
Error unfinished_resolve(const plan::Pair& pair, Journal journal);
/// A role change that is not at its end, or a master whose lease ran out: what it waits for, and
/// how else it comes to one. Pure.
Error unfinished(const plan::Pair& pair, const Entry& entry);

/// An epoch in another host's answer to whether it is the master, that no role change can have
/// made: they grow by one. Followed, it would leave this side none to go on with. Pure.
std::optional<Error> epoch_problem(const plan::Pair& pair, std::uint64_t epoch);
/// An epoch here that is no number, where one is needed to tell which side is right: of a master,
/// and of one that gave the role away and is not through with it. It would count as 0. Pure.
std::optional<Error> spoiled_epoch(const Dataset& dataset,
                                   const plan::Pair& pair,
                                   const plan::Self& self);

/// Both sides are targets, and no role change is under way: only somebody can say whose data
/// counts. Pure.
Error neither_is_master(const plan::Pair& pair, std::uint64_t epoch_there);

/// Why a master cannot step down alone: the other side has nothing to become the master with, and
/// there would be none at all. Pure.
std::optional<Error> nothing_acknowledged(const plan::Pair& pair, const Versions* versions);

/// One error of several: code `refused`, everything the other side said, what to do first. Pure.
Error refused_by(const HostName& peer, const std::vector<rpc::ItemError>& problems);

/// The directory of a mounted filesystem's files; "": it is not mounted, or not in the table.
/// zfs says "legacy" of what mount(8) mounted. `table`: as in /proc/self/mountinfo. Pure.
std::string files_of(const Dataset& dataset, const std::string& table);

/// Whether it is mounted readonly where it belongs, whatever its properties say now. `table`: as in
/// /proc/self/mountinfo. Pure.
bool is_mounted_readonly(const std::string& table, const Dataset& dataset);

}  // namespace zrepd::failover
