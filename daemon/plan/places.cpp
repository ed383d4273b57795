// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/plan/places.hpp"

#include <algorithm>
#include <map>

namespace zrepd::plan {
namespace {

/// What the places are taken by, counted.
struct Shares {
    explicit Shares(const Places& places)
        : free(places.count - std::min(places.count, places.taken.size())), peers(places.peers) {
        for (const Stream& stream : places.taken) {
            ++of[stream.peer];
            peers.insert(stream.peer);
            if (!stream.first) continue;
            ++first;
            ++first_of[stream.peer];
        }
        for (const Stream& stream : places.waiting) peers.insert(stream.peer);
    }
    static std::size_t number(const std::map<HostName, std::size_t>& counts, const HostName& peer) {
        const auto found = counts.find(peer);
        return found == counts.end() ? 0 : found->second;
    }

    std::size_t free;
    std::set<HostName> peers;
    std::size_t first = 0;
    std::map<HostName, std::size_t> of;
    std::map<HostName, std::size_t> first_of;
};

/// Whether one more would leave a place of so many. One is let in all the same: it would wait for
/// ever.
bool leaves_one(std::size_t have, std::size_t places) {
    return have == 0 || have + 1 < places;
}

bool may_begin(const Places& places, const Shares& shares, const Stream& stream) {
    if (shares.free == 0) return false;
    // First ones leave this place to others: those have it before a host that has none.
    const std::size_t first = stream.first ? 0 : Shares::number(shares.first_of, stream.peer);
    const bool has_one = Shares::number(shares.of, stream.peer) > first;
    const bool others_have_none =
        std::any_of(shares.peers.begin(), shares.peers.end(), [&](const HostName& peer) {
            return peer != stream.peer && !shares.of.contains(peer);
        });
    if (shares.free == 1 && has_one && others_have_none) return false;
    if (!stream.first) return true;
    const std::size_t of_peer = places.count - (shares.peers.size() > 1 ? 1 : 0);
    return leaves_one(shares.first, places.count) &&
           leaves_one(Shares::number(shares.first_of, stream.peer), of_peer);
}

}  // namespace

std::optional<std::size_t> next_stream(const Places& places) {
    const Shares shares(places);
    if (places.taken.size() <= places.count) {
        const auto urgent = std::find_if(places.waiting.begin(),
                                         places.waiting.end(),
                                         [](const Stream& stream) { return stream.urgent; });
        if (urgent != places.waiting.end())
            return static_cast<std::size_t>(urgent - places.waiting.begin());
    }
    for (std::size_t i = 0; i < places.waiting.size(); ++i) {
        if (may_begin(places, shares, places.waiting[i])) return i;
    }
    return std::nullopt;
}

}  // namespace zrepd::plan
