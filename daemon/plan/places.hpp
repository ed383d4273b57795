// SPDX-License-Identifier: BSD-2-Clause
// Who gets the next of the places for streams (`streams` of the configuration), so that no host and
// no first stream of days keeps the others from theirs. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <vector>

#include "common/ids.hpp"

namespace zrepd::plan {

/// One that has a place, or waits for one.
struct Stream {
    HostName peer;
    bool first = false;   ///< sends all of a filesystem, as an init does
    bool urgent = false;  ///< its filesystem is readonly until this one ends
};

struct Places {
    std::size_t count = 1;
    std::vector<Stream> taken = {};
    std::vector<Stream> waiting = {};  ///< who came first is first
    std::set<HostName> peers = {};     ///< to which there may be something to send at any moment
};

/// Which of those that wait begins now: the one that came first, but for these. nullopt: none.
/// - An urgent one goes before all others, one of them beside a full house: nobody can write to its
///   filesystem while it waits.
/// - The last free place is for a peer that has none, as long as there is one: those to a host that
///   takes streams and hangs would have them all in the end.
/// - First streams leave one place of all, and one of those that their peer may have, to others.
///   One of them may always run.
std::optional<std::size_t> next_stream(const Places& places);

}  // namespace zrepd::plan
