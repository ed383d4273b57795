// SPDX-License-Identifier: BSD-2-Clause
// The verbs that change nothing, and what zrepctl prints of their answers.
#pragma once

#include "tests/fakes/verb_world.hpp"

namespace zrepd::test {

/// Who asks.
inline constexpr control::Caller kRoot{.access = control::Access::admin};

Outcome rescue_list(VerbWorld& w);
Outcome rescue_diff(VerbWorld& w);
/// Of the one, asked on the master's side; and of all that is received on the target's.
Outcome list(VerbWorld& w);
Outcome list_incoming(VerbWorld& w);
/// As zrepctl has it: with the exit status of a plugin.
Outcome check(VerbWorld& w);
Outcome status(VerbWorld& w);
/// Once a sync was tried, as the schedule does it: all that status prints below each other, and how
/// check judges it.
Outcome status_tried(VerbWorld& w);
/// Of the one filesystem, while a sync was tried.
Outcome events(VerbWorld& w);
/// Once a sync was tried, all lines of this host and of its peers. The programs that it runs here
/// find nothing wrong but with pools.
Outcome doctor(VerbWorld& w);

/// A sync as the schedule has it; defined beside the others that start runs.
void try_sync(VerbWorld& w);

}  // namespace zrepd::test
