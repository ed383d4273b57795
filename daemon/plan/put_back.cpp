// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/plan/put_back.hpp"

#include <algorithm>

#include "common/props.hpp"
#include "common/text.hpp"
#include "common/units.hpp"
#include "daemon/plan/members.hpp"

namespace zrepd::plan {
namespace {

// As many as one can choose from, or look at, at a glance.
constexpr std::size_t kNamed = 5;

Error failed(Code code, std::string message, std::string remedy) {
    return Error{.code = code, .message = std::move(message), .remedy = std::move(remedy)};
}

/// "@a, @b and 3 more"
std::string some(const std::vector<std::string>& names) {
    const std::size_t shown = std::min(names.size(), kNamed);
    const std::vector<std::string> first(names.begin(),
                                         names.begin() + static_cast<std::ptrdiff_t>(shown));
    std::string out = "@" + join(first, ", @");
    if (names.size() > shown) out += " and " + std::to_string(names.size() - shown) + " more";
    return out;
}

/// All of them: they are about to be destroyed.
std::string all(const std::vector<std::string>& names) {
    return "@" + join(names, ", @");
}

std::string acknowledged_ones(const Versions& versions, const std::string& first) {
    std::vector<std::string> names;
    for (auto it = versions.snapshots.rbegin(); it != versions.snapshots.rend(); ++it) {
        if (it->sent) names.push_back(it->name);
    }
    return names.empty() ? first + ": no snapshot was acknowledged yet"
                         : "choose one that was acknowledged: " + some(names);
}

/// What is newer than the base on a target.
struct Newer {
    std::vector<std::string> ours;     ///< the master has them too
    std::vector<std::string> unknown;  ///< ours by name, and not on the master
    std::vector<std::string> foreign;
    std::vector<std::string> cloned;
    std::vector<std::string> held_by_others;
    std::vector<std::string> held_by_us;
    std::vector<std::string> bookmarks;
    std::vector<std::string> foreign_bookmarks;
    std::uint64_t bytes = 0;
};

Newer newer_than(const Dataset& dataset,
                 const Versions& versions,
                 const Snapshot& base,
                 const std::vector<Guid>& master) {
    Newer out;
    for (const Snapshot& s : versions.snapshots) {
        if (s.createtxg <= base.createtxg) continue;
        const bool known = std::find(master.begin(), master.end(), s.guid) != master.end();
        auto& kind = !zrep_sequence(s.name) ? out.foreign : known ? out.ours : out.unknown;
        kind.push_back(s.name);
        out.bytes += s.written_bytes;
        // What a broken stream left is a clone of the newest snapshot, too, and goes first.
        const bool partial = !dataset.resume_token.empty() && &s == &versions.snapshots.back();
        if (s.cloned && !partial) out.cloned.push_back(s.name);
        if (s.foreign_hold) out.held_by_others.push_back(s.name);
        if (s.held) out.held_by_us.push_back(s.name);
    }
    for (const Bookmark& b : versions.bookmarks) {
        if (b.createtxg <= base.createtxg) continue;
        const bool ours = b.name == zrep_bookmark_name(b.guid);
        (ours ? out.bookmarks : out.foreign_bookmarks).push_back(b.name);
    }
    return out;
}

/// How errors about a target are put.
struct Words {
    Words(const Dataset& dataset, const Snapshot& base, const RollBackAsked& asked)
        : name(dataset.name.str()),
          there(name + " on " + asked.host),
          kept(", newer than @" + base.name + "; nothing was destroyed"),
          on("on " + asked.host + ": ") {}
    std::string at(const std::string& snapshot) const { return quote(name + "@" + snapshot); }

    std::string name;
    std::string there;
    std::string kept;
    std::string on;
};

/// What exists nowhere else, or may.
std::optional<Error> would_be_lost(const Newer& newer,
                                   const Words& words,
                                   const std::string& master) {
    if (!newer.foreign.empty()) {
        return failed(Code::conflict,
                      words.there + " has snapshots that are not zrepd's, " + some(newer.foreign) +
                          words.kept,
                      words.on + "if nobody needs them: zfs destroy " +
                          words.at(join(newer.foreign, ",")) + ", then this again");
    }
    if (!newer.unknown.empty()) {
        return failed(Code::conflict,
                      words.there + " has " + some(newer.unknown) + ", which " + master +
                          " has not got" + words.kept,
                      "choose a snapshot that is not older than those; or " + words.on +
                          "look at them (zfs list -t snapshot " + quote(words.name) +
                          "), keep what is needed (zfs send), then destroy them");
    }
    if (newer.foreign_bookmarks.empty()) return std::nullopt;
    const std::string& first = newer.foreign_bookmarks.front();
    return failed(Code::conflict,
                  words.there + " has a bookmark that is not zrepd's, #" + first + words.kept,
                  words.on + "if nobody needs it: zfs destroy " + quote(words.name + "#" + first));
}

/// What zfs would refuse to destroy, once half of the work was done.
std::optional<Error> is_used(const Newer& newer, const Words& words) {
    if (!newer.cloned.empty()) {
        return failed(Code::refused,
                      words.there + " has clones of " + some(newer.cloned) + words.kept,
                      words.on + "zfs get clones " + words.at(newer.cloned.front()) +
                          "; a rescue is let go of by zrepctl rescue drop, any other by zfs "
                          "destroy");
    }
    if (newer.held_by_others.empty()) return std::nullopt;
    const std::string held = words.at(newer.held_by_others.front());
    return failed(
        Code::refused,
        words.there + " has " + some(newer.held_by_others) + ", which others hold" + words.kept,
        words.on + "zfs holds " + held + ", then zfs release TAG " + held);
}

std::string roll_back_text(const std::string& there,
                           const Snapshot& base,
                           const Newer& newer,
                           std::uint64_t written) {
    const std::string text = "roll " + there + " back to @" + base.name;
    if (written == 0) return text;
    const std::string& last = newer.ours.empty() ? base.name : newer.ours.back();
    return text + ", and lose " + human_bytes(written) + " that were written there after @" + last;
}

std::vector<RollBackStep> steps_of(const Dataset& dataset,
                                   const Snapshot& base,
                                   const Newer& newer,
                                   const RollBackAsked& asked) {
    using Kind = RollBackStep::Kind;
    const std::string name = dataset.name.str();
    const std::string on = " on " + asked.host;
    std::vector<RollBackStep> out;
    if (!dataset.resume_token.empty()) {
        out.push_back(
            {Kind::abort_partial, {}, "discard the partly received stream of " + name + on});
    }
    out.push_back({Kind::hold, {base.name}, "hold " + name + "@" + base.name + on});
    if (!newer.held_by_us.empty()) {
        out.push_back({Kind::release,
                       newer.held_by_us,
                       "release zrepd's hold on " + name + all(newer.held_by_us) + on});
    }
    for (const std::string& bookmark : newer.bookmarks) {
        out.push_back({Kind::drop_bookmark,
                       {bookmark},
                       "destroy zrepd's bookmark " + name + "#" + bookmark + on});
    }
    if (!newer.ours.empty()) {
        out.push_back({Kind::destroy,
                       newer.ours,
                       "destroy " + name + all(newer.ours) + on + " (" + human_bytes(newer.bytes) +
                           "; " + asked.master + " has the same)"});
    }
    if (!newer.ours.empty() || dataset.written_bytes != 0) {
        out.push_back({Kind::roll_back,
                       {base.name},
                       roll_back_text(name + on, base, newer, dataset.written_bytes)});
    }
    return out;
}

}  // namespace

Result<PutBack> put_back(const Dataset& dataset,
                         const Versions& versions,
                         const std::string& snapshot) {
    const auto& here = versions.snapshots;
    const auto found = std::find_if(
        here.begin(), here.end(), [&](const Snapshot& s) { return s.name == snapshot; });
    const std::string name = dataset.name.str() + "@" + snapshot;
    const std::string first = "zrepctl sync " + quote(dataset.name.str()) + " first";
    if (found == here.end()) {
        return failed(Code::not_found, "there is no " + name, acknowledged_ones(versions, first));
    }
    if (!found->sent) {
        return failed(Code::refused,
                      name + " was never acknowledged: the other side may not have it",
                      acknowledged_ones(versions, first));
    }
    PutBack out{.base = *found, .newer = {}, .forgotten = {}};
    for (const Snapshot& s : here) {
        if (s.createtxg <= found->createtxg) continue;
        out.newer.push_back(s.guid);
        if (s.sent) out.forgotten.push_back(s.name);
    }
    return out;
}

Result<std::optional<PutBack>> put_back_member(const Dataset& member,
                                               const Versions& versions,
                                               const Snapshot& root_base) {
    const auto& here = versions.snapshots;
    const bool copied =
        std::any_of(here.begin(), here.end(), [](const Snapshot& s) { return s.sent.has_value(); });
    if (!copied) return std::optional<PutBack>();
    const Snapshot* part = part_of(versions, root_base);
    if (part == nullptr) {
        return failed(Code::refused,
                      member.name.str() + " has no part of @" + root_base.name +
                          ": it came later, or that part is gone",
                      "choose a snapshot that all of the tree has: zfs list -t snapshot " +
                          quote(member.name.str()));
    }
    auto out = put_back(member, versions, part->name);
    if (!out) return out.error();
    return std::optional<PutBack>(std::move(*out));
}

std::vector<DatasetName> paused_along(const std::map<DatasetName, Dataset>& all,
                                      const DatasetName& dataset,
                                      const Self& self) {
    std::vector<DatasetName> out;
    for (const auto& [name, below] : all) {
        const auto pair = name.is_below(dataset) ? pair_of(below, self) : std::nullopt;
        if (!pair || pair->role == Role::target) continue;
        bool inherits = true;
        for (std::optional<DatasetName> at = name; at && *at != dataset; at = at->parent()) {
            const auto known = all.find(*at);
            if (known != all.end() && known->second.own(prop::kPaused)) inherits = false;
        }
        if (inherits) out.push_back(name);
    }
    return out;
}

AroundSteps describe(const PutBack& what, const DatasetName& dataset) {
    const std::string name = dataset.str();
    AroundSteps out;
    out.before.push_back("hold and bookmark " + name + "@" + what.base.name);
    if (!what.forgotten.empty()) {
        out.after.push_back("take " + name + all(what.forgotten) +
                            " for not acknowledged any more; they stay here");
    }
    return out;
}

Result<RollBack> roll_back(const Dataset& dataset,
                           const Versions& versions,
                           const RollBackAsked& asked) {
    const Snapshot* base = asked.base.known() ? find_snapshot(versions, asked.base) : nullptr;
    const std::string there = dataset.name.str() + " on " + asked.host;
    if (base == nullptr) {
        return failed(Code::conflict,
                      there + " has not got that snapshot (guid " + asked.base.str() + ")",
                      "of what is there: " + acknowledged_ones(versions, "nothing"));
    }
    if (!base->sent) {
        return failed(Code::conflict,
                      there + " has no record that @" + base->name + " was acknowledged",
                      acknowledged_ones(versions, "zrepctl sync"));
    }
    const Newer newer = newer_than(dataset, versions, *base, asked.newer);
    const Words words(dataset, *base, asked);
    if (auto error = would_be_lost(newer, words, asked.master)) return *error;
    if (auto error = is_used(newer, words)) return *error;
    return RollBack{.base = *base,
                    .steps = steps_of(dataset, *base, newer, asked),
                    .destroyed = newer.ours,
                    .lost_bytes = dataset.written_bytes};
}

}  // namespace zrepd::plan
