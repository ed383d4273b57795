// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/plan/diff.hpp"

#include <unordered_map>

namespace zrepd::plan {

std::optional<Base> newest_common(const Versions& source, const std::vector<Snapshot>& target) {
    // By guid: looked for one by one, 65,000 on each side take seconds (zrepl#480).
    std::unordered_map<std::uint64_t, std::size_t> there;
    there.reserve(target.size());
    for (std::size_t i = 0; i < target.size(); ++i) there.insert_or_assign(target[i].guid.value, i);
    std::optional<Base> best;
    const auto consider = [&](char mark, const std::string& name, Guid guid, std::uint64_t txg) {
        const auto found = there.find(guid.value);
        if (found == there.end()) return;
        const bool newer = !best || txg > best->createtxg ||
                           (txg == best->createtxg && found->second > best->target_index);
        if (newer) best = Base{mark + name, guid, txg, found->second};
    };
    for (const Snapshot& s : source.snapshots) consider('@', s.name, s.guid, s.createtxg);
    // After them: of a snapshot and its bookmark the snapshot serves.
    for (const Bookmark& b : source.bookmarks) consider('#', b.name, b.guid, b.createtxg);
    return best;
}

}  // namespace zrepd::plan
