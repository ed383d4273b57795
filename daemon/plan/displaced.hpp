// SPDX-License-Identifier: BSD-2-Clause
// Sides of pairs of this host that are none any more: a pair is known by its names, so one whose
// dataset was renamed, or whose properties somebody spoiled, would simply be missing everywhere.
// Pure.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "daemon/plan/pair.hpp"

namespace zrepd::plan {

/// not_configured, with the commands that mend it, when the dataset's own properties are those of a
/// side of a pair on this host and pair_of() makes nothing of them. Received ones do not count: a
/// copy by `zfs send -p` has the names of its original, and is none of ours.
std::optional<Error> displaced(const Dataset& dataset, const Self& self);

/// The first of them, and how many more there are.
std::optional<Error> displaced_pairs(const std::map<DatasetName, Dataset>& all, const Self& self);

/// The same for a name that is no dataset's: it was one's before that was renamed.
std::optional<Error> renamed_from(const DatasetName& before,
                                  const std::map<DatasetName, Dataset>& all,
                                  const Self& self);

/// conflict when its epoch is no number: it would count as 0, and which side is right is told by
/// that.
std::optional<Error> unreadable_epoch(const Dataset& dataset, const Self& self);

}  // namespace zrepd::plan
