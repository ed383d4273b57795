// SPDX-License-Identifier: BSD-2-Clause
// What an init is refused for, asks and stores, decided from what is known: nothing here waits.
#pragma once

#include <string>

#include "common/rpc/peer_adopt_types.hpp"
#include "daemon/sync/engine.hpp"

namespace zrepd::sync {

/// The command line that would begin it, for remedies.
std::string init_command(const InitRequest& request);
/// nested_pair; `where`: "inside" or "around".
Error nested_pair(const DatasetName& dataset, const DatasetName& other, const char* where);
/// invalid_params or nested_pair for names that no pair can have.
Result<void> check_names(const Parts& parts, const InitRequest& request);
/// An init of the same pair that did not finish may be continued; anything else is in the way
/// (already_configured).
Result<void> check_existing_pair(const plan::Pair& pair,
                                 const InitRequest& request,
                                 const Parts& parts);
/// What is in the way over there. invalid_params: zfs refuses to embed blocks of a plain stream in
/// an encrypted dataset, and a role change would have to send it back raw to a plain one.
/// already_configured: an init with -r does not go on with one without, nor the other way round.
Result<void> check_prepared(const Dataset& dataset,
                            const rpc::PrepareOut& prepared,
                            const InitRequest& request);
/// The snapshot of an init that was cut off after its stream: the newest of ours that both sides
/// have. conflict when there is none; where something else both have, an init --adopt was cut off.
Result<Snapshot> received_snapshot(const Versions* here,
                                   const std::vector<rpc::PeerSnapshot>& there,
                                   const InitRequest& request);
/// What keeps the members of a tree from being one pair: invalid_params, refused.
Result<void> check_tree(const Parts& parts, const InitRequest& request);
/// That there is no such pair yet, nor one inside or around that it could not live with.
Result<void> check_nesting(const Parts& parts, const InitRequest& request);
/// What the pair of an init with -r will be, before it is stored.
plan::Pair tree_pair(const InitRequest& request);
/// What the first streams of a tree carry, about.
std::uint64_t tree_bytes(const Parts& parts, const DatasetName& root);
/// The role properties of both sides but zrep:master, which comes last.
PropertyList pair_properties(const Parts& parts, const InitRequest& request);
/// What the pair keeps on this side, before it is stored.
plan::Retention retention_of(const Dataset& dataset, const InitRequest& request);
rpc::PrepareIn prepare_request(const Dataset& dataset, const InitRequest& request);
/// With fresh lists of it and, for a tree, of its members.
rpc::AdoptIn adopt_request(const Inventory& inventory, const InitRequest& request, bool dry_run);
/// A zrep snapshot that serves as well as a new one: nothing was taken or written since. nullptr
/// when there is none.
const Snapshot* unsent_snapshot(const Dataset* dataset, const Versions* versions);
/// Below zrep:minfree no snapshot is taken, the first one neither (no_space); one that serves as
/// well needs no room.
Result<void> room_for_first(const Inventory& inventory, const DatasetName& dataset);
/// After the "@", of the first snapshot; above every number that is taken.
std::string next_name(const Versions* versions);

}  // namespace zrepd::sync
