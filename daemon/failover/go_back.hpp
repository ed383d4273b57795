// SPDX-License-Identifier: BSD-2-Clause
// The snapshot at which a new master is to begin: which one is meant, and what keeps a side from
// going back to it. Pure.
#pragma once

#include <string>
#include <vector>

#include "common/time.hpp"
#include "daemon/failover/rescue_plan.hpp"
#include "daemon/plan/pair.hpp"

namespace zrepd::failover {

inline Error refused(std::string message, std::string remedy) {
    return Error{.code = Code::refused, .message = std::move(message), .remedy = std::move(remedy)};
}

/// By the name that an operator gave, or by the guid that the other side gave.
struct StartPoint {
    std::string name = {};
    Guid guid = {};
};

/// not_found when it is not here; the remedy names the newest that both sides are known to have.
Result<Snapshot> find_start(const Dataset& dataset,
                            const Versions& versions,
                            const StartPoint& from);

/// " (both sides have @zrep_000003, @zrep_000002)", or nothing.
std::string known_common(const Versions& versions);

/// There is an acknowledged snapshot at or before this one: the other side can return to it.
bool has_common_before(const Versions& versions, const Snapshot& snapshot);

/// What zfs would refuse to roll back over: other people's holds and bookmarks, and clones. Each
/// with its remedy; none: the side can go back.
std::vector<Error> blocks_way_back(const Dataset& dataset,
                                   const Versions& versions,
                                   const Snapshot& base);
/// That what is newer could not be kept beside it first.
std::optional<Error> no_room(const Dataset& dataset, std::uint64_t bytes);
/// The same, and that the base is not here, as problems of `self`.
void add_way_back(std::vector<Error>& out,
                  const Dataset& dataset,
                  const Versions& versions,
                  Guid base,
                  const plan::Self& self);

/// "12.0 MiB in 3 snapshots and since, written after @x (acknowledged 2026-…, 1h ago)".
std::string rolled_back_text(const Divergence& newer, UnixSeconds now);

}  // namespace zrepd::failover
