// SPDX-License-Identifier: BSD-2-Clause
// The refusals of a sync, in words: both sides' facts, and the commands that settle it as things
// stand today. Pure.
#pragma once

#include "daemon/plan/diff.hpp"
#include "daemon/plan/plan.hpp"

namespace zrepd::plan {

/// More names make a line that nobody reads; the count and the bytes are always said.
inline constexpr std::size_t kNamesShown = 5;

/// The target filesystem does not exist on the other side.
Conflict target_missing(const Dataset& source);
/// Both sides are marked as master. `epoch` is ours; split_brain when it is the same there.
Conflict both_masters(const Dataset& source, const TargetView& target, std::uint64_t epoch);
/// What an operator does about two masters of one epoch, on the side of this one.
std::string keep_one(const DatasetName& here);
/// What is stored at the target names another pair, or none.
Conflict not_our_pair(const Dataset& source);
/// The target's epoch is higher than `epoch`, ours: a role change passed by this side.
Conflict taken_over(const Dataset& source, const TargetView& target, std::uint64_t epoch);
/// The target has snapshots after `base`, the newest common one.
Conflict newer_on_target(const SourceView& source, const TargetView& target, const Base& base);
/// Neither a common snapshot nor a bookmark of one.
Conflict no_common(const SourceView& source, const TargetView& target);
/// How the copy's side makes itself a new copy where it has nothing in common with its master, and
/// keeps its data.
std::string start_over_as_copy(const Dataset& copy);
/// A stream is still being received over there (busy; passes by itself).
Conflict target_busy(const Dataset& source);
/// The target's pool or quota is full; names host, dataset and pool (no_space).
Conflict target_full(const Dataset& source);
/// There is no room, here or there, to do it (no_space).
Conflict no_space(std::string message, std::string remedy);

}  // namespace zrepd::plan
