// SPDX-License-Identifier: BSD-2-Clause
// What an operator can ask for of a pair's role, and how that is called elsewhere. Pure.
#pragma once

#include <string>
#include <string_view>

#include "daemon/failover/fsm.hpp"

namespace zrepd::failover {

/// What an operator asks for, of each of the datasets.
enum class Ask {
    failover,
    failover_local,
    takeover,
    takeover_local,
    keep_here,
    keep_peer,
    unfence,
};

/// What whoever takes over alone says of the old master. `off`: it takes no writes; its lease is
/// not waited for.
enum class OldMaster { unknown, off };

/// The run's name: kFailover and its like, of parts.hpp.
std::string_view operation_of(Ask ask);
/// What tells two runs of one operation apart: who asks again for the same follows that run.
std::string goal_of(Ask ask);
/// The same of one that begins at a snapshot.
std::string goal_at_snapshot(Ask ask);
/// Whether a run does nothing here but wait for what its peer does.
bool asks_peer(std::string_view operation, std::string_view goal);
/// `back`: to a snapshot.
Command command_of(Ask ask, bool back);
/// Whether the operator has what was asked for.
bool is_reached(Ask ask, const Stored& stored);

}  // namespace zrepd::failover
