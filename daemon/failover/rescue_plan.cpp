// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/failover/rescue_plan.hpp"

#include <algorithm>

#include "common/text.hpp"
#include "common/time.hpp"
#include "daemon/plan/conflicts.hpp"

namespace zrepd::failover {
namespace {

bool has(const Versions& versions, const std::string& snapshot) {
    return std::any_of(versions.snapshots.begin(),
                       versions.snapshots.end(),
                       [&](const Snapshot& s) { return s.name == snapshot; });
}

std::string numbered(const std::string& name, unsigned attempt) {
    return attempt <= 1 ? name : name + "_" + std::to_string(attempt);
}

}  // namespace

std::uint64_t Divergence::bytes() const {
    std::uint64_t sum = written_bytes;
    for (const Snapshot& s : newer) sum += s.written_bytes;
    return sum;
}

Result<Divergence> divergence(const Dataset& dataset, const Versions& versions, Guid base) {
    const Snapshot* found = base.known() ? find_snapshot(versions, base) : nullptr;
    if (found == nullptr) {
        return Error{.code = Code::conflict,
                     .message = dataset.name.str() +
                                " has no snapshot in common with the other side; it stays readonly "
                                "and is not rolled back",
                     .remedy = plan::start_over_as_copy(dataset)};
    }
    Divergence out{.base = *found, .newer = {}, .written_bytes = dataset.written_bytes};
    for (const Snapshot& s : versions.snapshots) {
        if (s.createtxg > found->createtxg) out.newer.push_back(s);
    }
    return out;
}

std::vector<std::string> rescue_places(const DatasetName& dataset) {
    std::vector<std::string> out{dataset.str() + (dataset.parent() ? "_" : "/")};
    for (auto above = dataset.parent(); above; above = above->parent())
        out.push_back(above->str() + "/zrep_");
    return out;
}

Result<DatasetName> rescue_name(const std::string& place, std::uint64_t epoch, unsigned attempt) {
    return DatasetName::parse(place + numbered("diverged_" + std::to_string(epoch), attempt));
}

bool has_room(const DatasetName& copy, const std::vector<Snapshot>& snapshots) {
    return std::all_of(snapshots.begin(), snapshots.end(), [&](const Snapshot& s) {
        return copy.str().size() + 1 + s.name.size() <= kMaxDatasetName;
    });
}

std::string diverged_snapshot(const Versions& versions, std::uint64_t epoch) {
    const std::string name = "zrep_diverged_" + std::to_string(epoch);
    unsigned attempt = 1;
    while (has(versions, numbered(name, attempt))) ++attempt;
    return numbered(name, attempt);
}

namespace {

bool is_diverged(const Snapshot& snapshot, std::uint64_t epoch) {
    const std::string name = "zrep_diverged_" + std::to_string(epoch);
    return snapshot.name == name || snapshot.name.starts_with(name + "_");
}

/// When the newest of these was taken; 0: none.
UnixSeconds last_diverged(const std::vector<Snapshot>& snapshots, std::uint64_t epoch) {
    UnixSeconds last = 0;
    for (const Snapshot& s : snapshots) {
        if (is_diverged(s, epoch)) last = std::max(last, s.created);
    }
    return last;
}

}  // namespace

std::size_t count_diverged(const std::vector<Snapshot>& snapshots, std::uint64_t epoch) {
    return static_cast<std::size_t>(
        std::count_if(snapshots.begin(), snapshots.end(), [&](const Snapshot& s) {
            return is_diverged(s, epoch);
        }));
}

std::chrono::seconds wait_after_diverged(std::size_t taken) {
    if (taken < kMaxDiverged) return {};
    constexpr std::size_t kMostDoublings = 10;  // some six weeks
    return std::chrono::hours(1U << std::min(taken - kMaxDiverged, kMostDoublings));
}

Result<void> may_take_diverged(const DatasetName& dataset,
                               const std::vector<Snapshot>& newer,
                               std::uint64_t epoch,
                               UnixSeconds now) {
    const std::size_t taken = count_diverged(newer, epoch);
    const UnixSeconds last = last_diverged(newer, epoch);
    const UnixSeconds next = last + wait_after_diverged(taken).count();
    // One of a clock that was ahead is no reason to wait for that time.
    if (taken < kMaxDiverged || last > now || now >= next) return ok();
    return Error{.code = Code::busy,
                 .message = "it was written to again behind each of " + std::to_string(taken) +
                            " snapshots, although it is readonly; the next is not taken before " +
                            to_rfc3339(next),
                 .remedy =
                     "stop the programs that have its files mapped (fuser -vm), or the users "
                     "of the volume; it goes on by itself then, or at once after zfs snapshot " +
                     quote(dataset.str() + "@last")};
}

Result<std::vector<CopyStep>> copy_steps(const Divergence& found, const Versions& copy) {
    std::vector<CopyStep> out;
    std::size_t there = 0;
    for (const Snapshot& s : copy.snapshots) {
        if (there >= found.newer.size() || s.guid != found.newer[there].guid) {
            return Error{.code = Code::conflict,
                         .message = "the copy beside it holds something else (@" + s.name + ")",
                         .remedy = "rename the copy (zfs rename), then it is made anew"};
        }
        ++there;
    }
    for (std::size_t i = there; i < found.newer.size(); ++i) {
        const Snapshot& from = i == 0 ? found.base : found.newer[i - 1];
        out.push_back({.from = from, .snapshot = found.newer[i], .first = i == 0});
    }
    return out;
}

bool is_complete(const Divergence& found, const Versions& copy) {
    return std::all_of(found.newer.begin(), found.newer.end(), [&](const Snapshot& s) {
        return find_snapshot(copy, s.guid) != nullptr;
    });
}

Result<std::vector<std::string>> bookmarks_to_drop(const DatasetName& dataset,
                                                   const Versions& versions,
                                                   const Snapshot& base) {
    std::vector<std::string> out;
    for (const Bookmark& bookmark : versions.bookmarks) {
        if (bookmark.createtxg <= base.createtxg) continue;
        if (bookmark.name != zrep_bookmark_name(bookmark.guid)) {
            const std::string name = dataset.str() + "#" + bookmark.name;
            return Error{.code = Code::conflict,
                         .message = "bookmark " + name + " is newer than the base @" + base.name +
                                    " and not zrepd's: a rollback would destroy it",
                         .remedy = "if nobody needs it: zfs destroy " + quote(name)};
        }
        out.push_back(bookmark.name);
    }
    return out;
}

}  // namespace zrepd::failover
