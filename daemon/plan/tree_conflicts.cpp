// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/plan/tree_conflicts.hpp"

#include <algorithm>

#include "common/props.hpp"
#include "common/text.hpp"

namespace zrepd::plan {
namespace {

// Of more nobody reads the remedies; the count is said.
constexpr std::size_t kShown = 3;

Conflict make(std::string message, std::string remedy) {
    return {
        Error{.code = Code::conflict, .message = std::move(message), .remedy = std::move(remedy)}};
}

std::string there(const TreeMember& member, const Pair& root) {
    return member.peer_dataset.str() + " on " + root.peer.str();
}

std::string sync_again(const Pair& root) {
    return "; then here: zrepctl sync " + quote(root.dataset.str());
}

std::string move_away(const TreeMember& member, const Pair& root) {
    const std::string& name = member.peer_dataset.str();
    return "to keep what is there: on " + root.peer.str() + " run zfs rename " + quote(name) + " " +
           quote(name + "_old") + sync_again(root);
}

}  // namespace

Dataset as_side(const TreeMember& member, const Pair& root) {
    Dataset out = *member.source.dataset;
    const auto put = [&](std::string_view key, std::string value) {
        out.props[std::string(key)] = Property{std::move(value), Source::local};
    };
    put(prop::kSrcFs, root.dataset.str());
    put(prop::kDestHost, root.peer.str());
    put(prop::kDestFs, member.peer_dataset.str());
    return out;
}

Conflict place_taken(const TreeMember& member, const Pair& root) {
    return make(there(member, root) + " is in the place of " + member.source.dataset->name.str() +
                    ", and part of something else; nothing was sent",
                "see what it is (on " + root.peer.str() + " zfs get all " +
                    quote(member.peer_dataset.str()) + "); " + move_away(member, root));
}

Conflict nothing_common(const TreeMember& member, const Pair& root) {
    return make(there(member, root) + " is in the place of " + member.source.dataset->name.str() +
                    ", and no copy of it: they have no snapshot in common; nothing was sent, "
                    "nothing destroyed",
                move_away(member, root));
}

Conflict dead_partial(const TreeMember& member, const Pair& root) {
    return make("what " + there(member, root) + " received of a stream of " +
                    member.source.dataset->name.str() + " cannot be gone on with",
                "on " + root.peer.str() + " run zfs receive -A " +
                    quote(member.peer_dataset.str()) + ", which throws that part away" +
                    sync_again(root));
}

Conflict plain_below_encrypted(const TreeMember& member, const Pair& root) {
    const std::string name = member.source.dataset->name.str();
    const auto above = root.dataset.parent();
    const std::string place =
        above ? above->str() + name.substr(name.rfind('/')) : std::string("ANOTHER-POOL/NAME");
    return make(name +
                    " is not encrypted, and its parent is: a copy below the parent's copy would "
                    "be, and could never be sent back",
                "encrypt it, or move it out of the tree: zfs rename " + quote(name) + " " +
                    quote(place) + sync_again(root));
}

Conflict too_many(const Pair& root, std::size_t count) {
    return make(
        root.dataset.str() + " has " + std::to_string(count) + " members; a recursive pair takes " +
            std::to_string(kMaxMembers),
        "make pairs of some of the datasets below it: zrepctl init DATASET HOST DESTINATION");
}

std::optional<Conflict> check_room_for_names(const TreeMember& member) {
    const std::string& here = member.source.dataset->name.str();
    const std::string& there = member.peer_dataset.str();
    const std::string& longest = here.size() > there.size() ? here : there;
    if (longest.size() + kOwnNamesRoom <= kMaxDatasetName) return std::nullopt;
    return make(quote(longest) + " leaves no room for the names of our snapshots and bookmarks",
                "zfs rename " + quote(here) + " SHORTER-NAME; names may have " +
                    std::to_string(kMaxDatasetName - kOwnNamesRoom) + " bytes, on both sides");
}

Conflict together(const std::vector<Conflict>& all) {
    Error out = all.front().error;
    const auto add = [](std::string& text, const std::string& more) {
        if (!more.empty()) text += (text.empty() ? "" : "; ") + more;
    };
    for (std::size_t i = 1; i < std::min(all.size(), kShown); ++i) {
        // What passes by itself is not what is to be said first.
        if (out.code == Code::busy) out.code = all[i].error.code;
        add(out.message, all[i].error.text());
        if (all[i].error.remedy != out.remedy) add(out.remedy, all[i].error.remedy);
    }
    if (all.size() > kShown) {
        out.message += "; and " + std::to_string(all.size() - kShown) + " more of the tree";
    }
    return {out};
}

}  // namespace zrepd::plan
