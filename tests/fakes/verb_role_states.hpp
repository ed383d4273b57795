// SPDX-License-Identifier: BSD-2-Clause
// Those of the bad states (verb_world.hpp) in which it is about who may be master: who says so, who
// refuses, and who does not know better.
#pragma once

#include "tests/fakes/verb_world.hpp"

namespace zrepd::test {

/// zrep:fence=lease, and beta does not answer any more: tank/fs was made readonly in time.
void lost_lease(VerbWorld& w);
/// A program in pre-demote.d on alpha says no.
void hook_refuses(VerbWorld& w);
/// A program in pre-promote.d on beta does.
void hook_refuses_there(VerbWorld& w);
/// alpha was called omega when the pair was made, and beta knows it by that name alone. The old
/// name still leads to it.
void host_renamed(VerbWorld& w);
/// beta took over without alpha, which is cut off from it, and writes on.
void overtaken(VerbWorld& w);
/// They reach each other again, and alpha has not asked yet.
void overtaken_back(VerbWorld& w);

}  // namespace zrepd::test
