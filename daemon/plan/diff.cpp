// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/plan/diff.hpp"

#include <algorithm>

namespace zrepd::plan {

std::optional<Base> newest_common(const Versions& source, const std::vector<Snapshot>& target) {
    std::optional<Base> best;
    for (std::size_t i = 0; i < target.size(); ++i) {
        const Guid guid = target[i].guid;
        std::optional<Base> here;
        if (const Snapshot* snapshot = find_snapshot(source, guid)) {
            here = Base{"@" + snapshot->name, guid, snapshot->createtxg, i};
        } else {
            const auto mark = std::find_if(
                source.bookmarks.begin(), source.bookmarks.end(), [&](const Bookmark& bookmark) {
                    return bookmark.guid == guid;
                });
            if (mark != source.bookmarks.end()) {
                here = Base{"#" + mark->name, guid, mark->createtxg, i};
            }
        }
        if (here && (!best || here->createtxg >= best->createtxg)) best = here;
    }
    return best;
}

}  // namespace zrepd::plan
