// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/plan/tree.hpp"

#include <algorithm>
#include <map>

#include "common/props.hpp"
#include "common/text.hpp"
#include "common/units.hpp"
#include "daemon/plan/conflicts.hpp"
#include "daemon/plan/diff.hpp"
#include "daemon/plan/tree_conflicts.hpp"

namespace zrepd::plan {
namespace {

/// A member and where its two histories meet.
struct Seen {
    const TreeMember* member = nullptr;
    std::optional<Base> base;
    const Versions& versions() const { return *member->source.versions; }
    const Dataset& dataset() const { return *member->source.dataset; }
    const TargetView& target() const { return member->target; }
    bool has(Guid guid) const {
        const auto& all = target().snapshots;
        return std::any_of(
            all.begin(), all.end(), [&](const Snapshot& s) { return s.guid == guid; });
    }
};
using AllSeen = std::vector<Seen>;

/// The member's part of what was taken here of all in one transaction group.
const Snapshot* taken_with(const Versions& versions, const Snapshot& point) {
    const auto& all = versions.snapshots;
    const auto found = std::find_if(all.begin(), all.end(), [&](const Snapshot& s) {
        return s.name == point.name && s.createtxg == point.createtxg;
    });
    return found == all.end() ? nullptr : &*found;
}

/// The root's newest snapshot of ours, when it is not acknowledged for every member that has it.
const Snapshot* pending_point(const AllSeen& all) {
    const auto& here = all.front().versions().snapshots;
    const auto newest = std::find_if(here.rbegin(), here.rend(), sendable);
    if (newest == here.rend()) return nullptr;
    bool pending = false;
    for (const Seen& one : all) {
        const Snapshot* part = taken_with(one.versions(), *newest);
        if (part == nullptr || one.has(part->guid)) {
            pending = pending || (part != nullptr && !part->sent);
            continue;
        }
        // The other side is beyond it already: nothing goes back to it.
        if (one.base && one.base->createtxg > part->createtxg) return nullptr;
        pending = pending || !part->sent;
    }
    return pending ? &*newest : nullptr;
}

bool is_written(const Seen& one) {
    std::uint64_t bytes = one.dataset().written_bytes + one.target().written_bytes;
    for (const Snapshot& s : one.versions().snapshots) {
        if (s.createtxg > one.base->createtxg) bytes += s.written_bytes;
    }
    return bytes != 0;
}

/// The other side has the newest there is of it, of the same moment as the root.
bool is_settled(const Seen& one, const Base& root) {
    if (!one.target().exists || !one.base || one.base->name != root.name) return false;
    const Snapshot* base = find_snapshot(one.versions(), one.base->guid);
    // Frozen for a role change, its newest snapshot has to be the one that both sides have.
    const bool overtaken = is_frozen(one.dataset()) && base != &one.versions().snapshots.back();
    return base != nullptr && base->sent && !overtaken && !is_written(one);
}

std::uint64_t next_sequence(const AllSeen& all) {
    std::uint64_t next = 0;
    const auto look = [&](const std::vector<Snapshot>& snapshots) {
        for (const Snapshot& s : snapshots) {
            const auto number = zrep_sequence(s.name);
            if (number && *number < kMaxSequence) next = std::max(next, *number + 1);
        }
    };
    for (const Seen& one : all) {
        look(one.versions().snapshots);
        look(one.target().snapshots);
    }
    return next;
}

/// How `part`, or what is about to be taken, gets to the other side.
MemberStep step_of(const Seen& one, const Snapshot* part) {
    using Kind = MemberStep::Kind;
    MemberStep out;
    if (part != nullptr) out.snapshot = *part;
    const TargetView& there = one.target();
    const bool token = !there.resume_token.empty();
    // What a first stream brought so far counts as written; after a base it was somebody else.
    const bool touched = one.base && there.written_bytes > 0;
    if (part != nullptr && one.has(part->guid)) {
        out.kind = Kind::have;
    } else if (part != nullptr && token && there.token_guid == part->guid && !touched) {
        out.kind = Kind::resume;
        out.token = there.resume_token;
        out.base_guid = there.token_base;
        out.done_bytes = there.token_done_bytes;
    } else if (!one.base) {
        out.kind = Kind::full;
        out.abort_partial = token;
    } else {
        out.kind = Kind::incremental;
        out.base = one.base->name;
        out.base_guid = one.base->guid;
        out.rollback_target = there.written_bytes > 0;
        out.abort_partial = token;
    }
    return out;
}

/// What is in the way of this member whatever is sent.
std::optional<Conflict> check_member(const Seen& one, const Pair& root, bool is_root) {
    const TargetView& there = one.target();
    const Dataset named = as_side(*one.member, root);
    if (auto wrong = check_room_for_names(*one.member)) return wrong;
    if (!there.exists) return std::nullopt;
    if (!there.is_pair) return place_taken(*one.member, root);
    if (there.receiving) return target_busy(named);
    if (one.base) {
        const bool newest = one.base->target_index + 1 == there.snapshots.size();
        if (newest) return std::nullopt;
        return newer_on_target({&named, one.member->source.versions}, there, *one.base);
    }
    // A first stream that broke off: of the root it is ours, as its stored pair says; of a member
    // as its token does, also where what it was of is gone and another has its name.
    const bool partial = there.snapshots.empty() && !there.resume_token.empty();
    if (partial && (is_root || there.token_guid || there.token_ours)) return std::nullopt;
    if (partial) return dead_partial(*one.member, root);
    // What lies in a member's place can be moved away alone; without the root there is no pair.
    if (is_root) return no_common({&named, one.member->source.versions}, there);
    return nothing_common(*one.member, root);
}

/// What is in the way of these steps.
std::optional<Conflict> check_step(const Seen& one, const MemberStep& step, const Pair& root) {
    const bool streams =
        step.kind != MemberStep::Kind::apart && step.kind != MemberStep::Kind::have;
    if (!streams) return std::nullopt;
    const bool there = one.target().exists;
    if (there && one.target().available_bytes == 0) return target_full(as_side(*one.member, root));
    if (step.kind == MemberStep::Kind::resume &&
        !find_snapshot(one.versions(), step.snapshot->guid))
        return nothing_common(*one.member, root);
    return std::nullopt;
}

TreeStep checked(TreeSend send, const AllSeen& all, const Pair& root) {
    std::vector<Conflict> wrong;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (auto one = check_step(all[i], send.steps[i], root)) wrong.push_back(std::move(*one));
    }
    if (!wrong.empty()) return together(wrong);
    return send;
}

/// What was taken of all goes to those who lack it, and is acknowledged.
TreeStep finish(const Snapshot& point, const AllSeen& all, const Pair& root) {
    TreeSend send{.snapshot = point.name, .take = false, .steps = {}};
    for (const Seen& one : all) {
        const Snapshot* part = taken_with(one.versions(), point);
        send.steps.push_back(part == nullptr ? MemberStep{} : step_of(one, part));
    }
    return checked(std::move(send), all, root);
}

std::vector<Conflict> conflicts_of(const AllSeen& all, const Pair& root) {
    std::vector<Conflict> out;
    std::map<DatasetName, bool> encrypted;
    for (const Seen& one : all) {
        const DatasetName& name = one.dataset().name;
        encrypted[name] = one.dataset().encrypted;
        const auto parent = encrypted.find(name.parent().value_or(name));
        const bool below = parent != encrypted.end() && parent->second;
        if (!one.target().exists && below && !one.dataset().encrypted) {
            out.push_back(plain_below_encrypted(*one.member, root));
        } else if (auto wrong = check_member(one, root, name == root.dataset)) {
            out.push_back(std::move(*wrong));
        }
    }
    return out;
}

AllSeen look_at(const std::vector<TreeMember>& members) {
    AllSeen all;
    for (const TreeMember& member : members) {
        all.push_back({&member, newest_common(*member.source.versions, member.target.snapshots)});
    }
    return all;
}

}  // namespace

TreeStep plan_tree(const Pair& root, const std::vector<TreeMember>& members, bool founding) {
    const AllSeen all = look_at(members);
    const bool new_root = founding && !all.front().target().exists;
    if (members.size() > kMaxMembers) return too_many(root, members.size());
    if (!new_root) {
        auto wrong = check_roles(all.front().dataset(), all.front().target());
        if (wrong) return *wrong;
    }
    const std::vector<Conflict> wrong = conflicts_of(all, root);
    if (!wrong.empty()) return together(wrong);

    if (const Snapshot* point = pending_point(all)) return finish(*point, all, root);
    const auto& base = all.front().base;
    const bool unchanged = base && std::all_of(all.begin(), all.end(), [&](const Seen& one) {
                               return is_settled(one, *base);
                           });
    if (unchanged) return TreeUnchanged{"unchanged since the last sync"};
    // One pool has them all.
    if (auto full = check_room(members.front().source, root.settings.minfree_bytes)) return *full;
    TreeSend send{.snapshot = zrep_snapshot_name(next_sequence(all)), .take = true, .steps = {}};
    for (const Seen& one : all) send.steps.push_back(step_of(one, nullptr));
    return checked(std::move(send), all, root);
}

std::vector<std::string> describe(const TreeStep& step, const std::vector<TreeMember>& members) {
    using Kind = MemberStep::Kind;
    const std::string root = members.front().source.dataset->name.str();
    if (const auto* same = std::get_if<TreeUnchanged>(&step)) return {root + ": " + same->reason};
    if (const auto* wrong = std::get_if<Conflict>(&step))
        return {root + ": " + wrong->error.text() + "; next: " + wrong->error.remedy};
    const auto& send = std::get<TreeSend>(step);
    std::vector<std::string> out;
    if (send.take) {
        out.push_back("take snapshot @" + send.snapshot + " of " + root + " and of " +
                      std::to_string(members.size() - 1) + " below it, at one moment");
    }
    for (std::size_t i = 0; i < members.size(); ++i) {
        const MemberStep& one = send.steps[i];
        const Dataset& dataset = *members[i].source.dataset;
        const std::string what = dataset.name.str() + "@" + send.snapshot;
        if (one.abort_partial)
            out.push_back("discard the partly received stream in " + members[i].peer_dataset.str());
        if (one.rollback_target)
            out.push_back("roll " + members[i].peer_dataset.str() + " back to its newest snapshot");
        if (one.kind == Kind::full)
            out.push_back("send " + what + " whole, about " +
                          human_bytes(dataset.referenced_bytes) + ", to " +
                          members[i].peer_dataset.str());
        if (one.kind == Kind::incremental) out.push_back("send " + what + " from " + one.base);
        if (one.kind == Kind::resume) out.push_back("resume the interrupted stream of " + what);
    }
    out.push_back("acknowledge @" + send.snapshot + " of all of them on both sides");
    return out;
}

}  // namespace zrepd::plan
