// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/failover/go_back.hpp"

#include <algorithm>

#include "common/text.hpp"
#include "common/units.hpp"

namespace zrepd::failover {
namespace {

// As many as an operator can choose from at a glance.
constexpr std::size_t kNamed = 3;

}  // namespace

std::string known_common(const Versions& versions) {
    std::vector<std::string> names;
    for (auto it = versions.snapshots.rbegin(); it != versions.snapshots.rend(); ++it) {
        if (it->sent && names.size() < kNamed) names.push_back("@" + it->name);
    }
    return names.empty() ? "" : " (both sides have " + join(names, ", ") + ")";
}

Result<Snapshot> find_start(const Dataset& dataset,
                            const Versions& versions,
                            const StartPoint& from) {
    for (const Snapshot& s : versions.snapshots) {
        if (from.guid.known() ? s.guid == from.guid : s.name == from.name) return s;
    }
    const std::string name = dataset.name.str();
    const std::string which =
        from.guid.known() ? "that snapshot (guid " + from.guid.str() + ")" : "@" + from.name;
    return Error{.code = Code::not_found,
                 .message = name + " has not got " + which,
                 .remedy = "choose one that both sides have" + known_common(versions) +
                           ": zfs list -t snapshot " + quote(name)};
}

bool has_common_before(const Versions& versions, const Snapshot& snapshot) {
    return std::any_of(
        versions.snapshots.begin(), versions.snapshots.end(), [&](const Snapshot& s) {
            return s.sent && s.createtxg <= snapshot.createtxg;
        });
}

std::vector<Error> blocks_way_back(const Dataset& dataset,
                                   const Versions& versions,
                                   const Snapshot& base) {
    std::vector<Error> out;
    for (const Snapshot& s : versions.snapshots) {
        if (s.createtxg <= base.createtxg) continue;
        const std::string name = dataset.name.str() + "@" + s.name;
        // What a broken stream left is a clone of the newest snapshot, too, and is let go of.
        const bool partial = !dataset.resume_token.empty() && &s == &versions.snapshots.back();
        if (s.cloned && !partial) {
            out.push_back(refused(name + ", which would be rolled back, has clones",
                                  "zfs get clones " + quote(name) +
                                      "; a rescue is let go of by zrepctl rescue drop, any other "
                                      "by zfs destroy once it is copied elsewhere by zfs send"));
        }
        // Our own holds are let go of.
        if (s.foreign_hold || (s.held && !zrep_sequence(s.name))) {
            out.push_back(
                refused(name + ", which would be rolled back, is held",
                        "zfs holds " + quote(name) + ", then zfs release TAG " + quote(name)));
        }
    }
    const auto bookmarks = bookmarks_to_drop(dataset.name, versions, base);
    if (!bookmarks) out.push_back(refused(bookmarks.error().message, bookmarks.error().remedy));
    return out;
}

std::optional<Error> no_room(const Dataset& dataset, std::uint64_t bytes) {
    if (bytes <= dataset.available_bytes) return std::nullopt;
    const std::string name = dataset.name.str();
    return refused("no room to keep " + human_bytes(bytes) + " of " + name +
                       " that would be rolled back: " + human_bytes(dataset.available_bytes) +
                       " are available",
                   "make room, or raise its quota: zfs list -o space " + quote(name) +
                       "; or choose a later snapshot");
}

void add_way_back(std::vector<Error>& out,
                  const Dataset& dataset,
                  const Versions& versions,
                  Guid base,
                  const plan::Self& self) {
    const std::string where = dataset.name.str() + " on " + self.host.str();
    const Snapshot* found = find_snapshot(versions, base);
    if (found == nullptr) {
        out.push_back(refused(where + " has not got that snapshot",
                              "choose one that both sides have" + known_common(versions)));
        return;
    }
    const auto newer = divergence(dataset, versions, base);
    const auto full = newer ? no_room(dataset, newer->bytes()) : std::nullopt;
    if (full) out.push_back(*full);
    for (Error& error : blocks_way_back(dataset, versions, *found)) {
        error.remedy = "on " + self.host.str() + ": " + error.remedy;
        out.push_back(std::move(error));
    }
}

std::string rolled_back_text(const Divergence& newer, UnixSeconds now) {
    std::string out = human_bytes(newer.bytes()) + " in " + std::to_string(newer.newer.size()) +
                      " snapshots and since, written after @" + newer.base.name;
    if (!newer.base.sent) return out;
    const UnixSeconds sent = *newer.base.sent;
    const auto ago = std::chrono::seconds(std::max<UnixSeconds>(0, now - sent));
    return out + " (acknowledged " + to_rfc3339(sent) + ", " + std::to_string(ago.count()) +
           " seconds ago)";
}

}  // namespace zrepd::failover
