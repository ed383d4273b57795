// SPDX-License-Identifier: BSD-2-Clause
// What a role change came to, in an operator's words: who is the master, why it was not reached,
// and what to do next. Pure.
#pragma once

#include <optional>
#include <string>

#include "daemon/failover/ask.hpp"
#include "daemon/failover/change.hpp"

namespace zrepd::failover {

/// Who is the master of a pair that lies on disk as `stored`.
std::string outcome_of(const plan::Pair& pair, const Stored& stored);
/// Given away, and nobody has it: until the other side answers, or, where it answered and will not,
/// until what it says, `trouble`, is settled.
std::string nobody_yet(const plan::Pair& pair,
                       const Stored& stored,
                       const std::optional<Error>& trouble);
/// The reason that what was asked for was not reached from `epoch`; `versions` of this side.
Error why_not(const Change& work,
              const plan::Pair& pair,
              const Stored& stored,
              std::uint64_t epoch,
              const Versions* versions);
/// Asked of the side that cannot do it.
Error wrong_side(Ask ask, const plan::Pair& pair);

}  // namespace zrepd::failover
