// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/plan/estimate.hpp"

#include <algorithm>

namespace zrepd::plan {
namespace {

/// Where a snapshot, or the bookmark that is left of it, stands in the order; nullopt: nowhere.
std::optional<std::uint64_t> order_of(const Versions& versions, Guid guid) {
    if (const Snapshot* found = find_snapshot(versions, guid)) return found->createtxg;
    for (const Bookmark& bookmark : versions.bookmarks) {
        if (bookmark.guid == guid) return bookmark.createtxg;
    }
    return std::nullopt;
}

}  // namespace

std::optional<std::uint64_t> stream_bytes(const Dataset* dataset,
                                          const Versions* versions,
                                          Guid snapshot,
                                          Guid base,
                                          std::uint64_t done_bytes) {
    if (dataset == nullptr) return std::nullopt;
    std::uint64_t bytes = dataset->referenced_bytes;
    if (base.known()) {
        if (versions == nullptr) return std::nullopt;
        const auto from = order_of(*versions, base);
        const auto to = order_of(*versions, snapshot);
        if (!from || !to) return std::nullopt;
        bytes = 0;
        for (const Snapshot& s : versions->snapshots) {
            if (s.createtxg > *from && s.createtxg <= *to) bytes += s.written_bytes;
        }
    }
    return bytes - std::min(bytes, done_bytes);
}

}  // namespace zrepd::plan
