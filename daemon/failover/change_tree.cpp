// SPDX-License-Identifier: BSD-2-Clause
// The members of a recursive pair in a role change (ADR 0015). Each of these may be cut anywhere
// and is done again: what is left to do is seen in what lies there, while the root's journal is
// still open.
#include <algorithm>

#include "common/props.hpp"
#include "common/text.hpp"
#include "daemon/failover/change.hpp"
#include "daemon/failover/mount_place.hpp"
#include "daemon/failover/tree_ways.hpp"
#include "daemon/sync/bookkeeping.hpp"
#include "daemon/sync/tree_sync.hpp"

namespace zrepd::failover {

using sync::Freshness;

namespace {

const Snapshot* newest_of_ours(const Versions& versions) {
    const auto& all = versions.snapshots;
    const auto found = std::find_if(all.rbegin(), all.rend(), [](const Snapshot& s) {
        return zrep_sequence(s.name).has_value();
    });
    return found == all.rend() ? nullptr : &*found;
}

}  // namespace

std::vector<DatasetName> Change::datasets() const {
    if (!pair_ || !pair_->tree) return {name_};
    return parts_.inventory.members(name_);
}

Task<Result<void>> Change::look_at_all(Freshness freshness) {
    if (!pair_ || !pair_->tree) co_return co_await parts_.inventory.refresh_one(name_, freshness);
    std::vector<DatasetName> one{name_};
    auto left_out = co_await sync::look_here(parts_, std::move(one), freshness);
    if (!left_out) co_return left_out.error();
    const auto unseen = left_out->find(name_);
    if (unseen != left_out->end()) co_return unseen->second;
    co_return ok();
}

std::vector<DatasetName> Change::served_inside() const {
    const std::vector<DatasetName> members = datasets();
    std::vector<DatasetName> out;
    for (const auto& [name, dataset] : parts_.inventory.all()) {
        const bool other = name.is_below(name_) && dataset.mounted &&
                           std::find(members.begin(), members.end(), name) == members.end();
        if (other) out.push_back(name);
    }
    return out;
}

/// zfs unmounts what inherits its mount point with the root, in one process; the rest one by one,
/// children first. A pair of its own in there would go with it: what that is mounted in stays,
/// readonly.
Task<> Change::unmount_all() {
    std::vector<DatasetName> in_use = served_inside();
    if (!in_use.empty() && !left_)
        note(name_.str() + " stays mounted, readonly: " + in_use.front().str() +
             " is served below it");
    const Dataset* root = dataset();
    if (root != nullptr && root->mounted && in_use.empty()) {
        auto done = co_await parts_.zfs.unmount(name_);
        // Whatever it came to: what is mounted still is seen now, and told of below.
        auto seen = co_await look_at_all(Freshness::cached);
        if (!done && !seen) warn("still_mounted", done.error());
    }
    const std::vector<DatasetName> all = datasets();
    for (auto it = all.rbegin(); it != all.rend(); ++it) {
        const bool holds_one = std::any_of(
            in_use.begin(), in_use.end(), [&](const auto& below) { return below.is_below(*it); });
        if (holds_one) continue;
        const bool done = co_await unmount_one(*it);
        if (!done) in_use.push_back(*it);
    }
}

Task<> Change::set_on(DatasetName member, PropertyList properties) {
    if (properties.empty()) co_return;
    auto set = co_await parts_.zfs.set(member, properties);
    if (set) parts_.inventory.note_set(member, properties);
    if (!set) warn("bookkeeping", set.error());
}

/// Nobody is shown a copy at the next boot.
Task<> Change::hide_members() {
    for (const DatasetName& name : datasets()) {
        const Dataset* member = parts_.inventory.find(name);
        if (name == name_ || member == nullptr) continue;
        PropertyList hidden = hide_member(*member);
        co_await set_on(name, std::move(hidden));
    }
}

Task<> Change::show_members() {
    if (!pair_->tree) co_return;
    // What a member inherits has changed with its root.
    auto seen = co_await look_at_all(Freshness::cached);
    if (!seen) warn("not_mounted", seen.error());
    for (const DatasetName& name : datasets()) {
        if (name != name_) co_await show_one(name);
    }
}

Task<bool> Change::settle_members(Stored stored) {
    if (stored.master)
        co_await show_members();
    else
        co_await hide_members();
    co_return !parts_.inventory.pair(name_) || !has_member_half_way(parts_.inventory, *pair_);
}

bool has_member_half_way(const sync::Inventory& inventory, const plan::Pair& root) {
    if (!root.tree || root.role == plan::Role::initializing) return false;
    const std::vector<DatasetName> members = inventory.members(root.dataset);
    return std::any_of(members.begin(), members.end(), [&](const DatasetName& name) {
        const Dataset* member = inventory.find(name);
        const Versions* versions = inventory.versions(name);
        if (name == root.dataset || member == nullptr || versions == nullptr) return false;
        const bool copy = sync::last_acked(*versions) != nullptr;
        return is_half_way(*member, root.role == plan::Role::master, copy);
    });
}

Task<> Change::show_one(DatasetName member) {
    const Dataset* now = parts_.inventory.find(member);
    if (now != nullptr && !now->resume_token.empty()) {
        auto aborted = co_await parts_.zfs.abort_receive(member);
        if (!aborted) warn("abort_failed", aborted.error());
        // What was never received whole is gone with it.
        auto seen = co_await parts_.inventory.refresh_one(member, Freshness::listed);
        if (!seen) warn("not_mounted", seen.error());
        now = parts_.inventory.find(member);
    }
    const Versions* versions = parts_.inventory.versions(member);
    if (now == nullptr) co_return;
    const bool copy = versions != nullptr && sync::last_acked(*versions) != nullptr;
    const auto found = members_serve_.find(member);
    const auto told = found == members_serve_.end() ? std::nullopt : std::optional(found->second);
    MemberWays ways = show_member(*now, told, copy);
    if (link_problem(place_of(ways.place, *now), *now, mounted_here(parts_.inventory)))
        keep_from_boot(ways.after);
    co_await set_on(member, ways.before);
    if (ways.mount) co_await mount_member(member, ways.place);
    co_await set_on(member, ways.after);
}

Task<> Change::mount_member(DatasetName member, Serve place) {
    const Dataset* now = parts_.inventory.find(member);
    if (now == nullptr) co_return;
    if (auto link = link_problem(place_of(place, *now), *now, mounted_here(parts_.inventory))) {
        warn("not_mounted", *link);
        co_return;
    }
    auto problem = mountpoint_problem(place, *now, mounted_here(parts_.inventory));
    if (problem) {
        problem->remedy += "; then: zfs mount " + quote(member.str());
        warn("not_mounted", *problem);
        co_return;
    }
    const auto elsewhere = wish_problem(place, *now, parts_.self.host);
    if (elsewhere) warn("mounted_elsewhere", *elsewhere);
    auto mounted = co_await mount_with_key(member);
    if (mounted) co_return;
    Error error = mounted.error();
    if (error.remedy.empty()) error.remedy = "zfs mount " + quote(member.str());
    warn("not_mounted", error);
}

/// A member that would stay writable on a side that is no master any more.
Task<> Change::close_members() {
    for (const DatasetName& name : datasets()) {
        const Dataset* member = parts_.inventory.find(name);
        if (name == name_ || member == nullptr) continue;
        if (!escapes_readonly(*member, parts_.self.host)) continue;
        std::vector<std::string> one{"readonly"};
        auto done = co_await parts_.zfs.inherit(name, std::move(one));
        if (done)
            note(name.str() + " had readonly=off of its own, which was taken back");
        else
            warn("bookkeeping", done.error());
    }
}

/// Before the root becomes readonly: a pair of its own in there does not change its role with the
/// tree, and would inherit that.
Task<Result<void>> Change::keep_others_writable() {
    Result<void> out = ok();
    if (!pair_->tree) co_return out;
    for (const DatasetName& name : writable_by_root(parts_.inventory.all(), name_)) {
        const PropertyList open{{"readonly", "off"}};
        auto done = co_await parts_.zfs.set(name, open);
        if (done) parts_.inventory.note_set(name, open);
        // Where the tree becomes readonly all the same, the others are spared that.
        if (done || !out) continue;
        Error error = std::move(Error(done.error())).in(name.str() + ", which is to stay writable");
        error.remedy = "zfs set readonly=off " + quote(name.str());
        out = std::move(error);
    }
    co_return out;
}

/// The root is back at the base; so is every member that has a part of it.
Task<bool> Change::rescue_members(std::uint64_t epoch) {
    std::vector<std::string> pools{std::string(name_.pool())};
    auto flushed = co_await parts_.zfs.flush(std::move(pools));
    if (!flushed) co_return fail(flushed.error());
    auto seen = co_await look_at_all(Freshness::listed);
    if (!seen) co_return fail(seen.error());
    const Versions* versions = parts_.inventory.versions(name_);
    const Snapshot* found = versions == nullptr ? nullptr : find_snapshot(*versions, entry_.base);
    if (found == nullptr) co_return fail(gone());
    const Snapshot base = *found;
    for (const DatasetName& name : datasets()) {
        const Versions* there = parts_.inventory.versions(name);
        if (name == name_ || there == nullptr) continue;
        const Snapshot* part = plan::part_of(*there, base);
        // Born later: what was written since its own newest snapshot may be nowhere else, and the
        // next sync would roll it back.
        if (part == nullptr) part = newest_of_ours(*there);
        if (part == nullptr) {
            note(name.str() + " has no part of @" + base.name + ": it stays as it is");
            continue;
        }
        auto kept = co_await rescue_member(name, part->guid, epoch);
        if (!kept) co_return fail(kept.error());
    }
    co_return true;
}

/// Its own journal remembers what of it was copied; it goes when the member is back.
Task<Result<void>> Change::rescue_member(DatasetName member, Guid part, std::uint64_t epoch) {
    const Dataset* now = parts_.inventory.find(member);
    if (now == nullptr) co_return ok();
    Entry entry = entry_of(*now);
    const bool open = entry.journal != Journal::none;
    auto newer = divergence(*now, *parts_.inventory.versions(member), part);
    if (!newer) co_return newer.error();
    if (newer->none() && !open) co_return ok();
    if (!open || entry.base != part) {
        entry = {.journal = Journal::rejoining, .base = part};
        entry.back = entry_.back;
    }
    auto saved = co_await failover::rescue(parts_, run_, member, epoch, entry);
    if (!saved) co_return saved.error();
    note_kept(*saved);
    std::vector<std::string> journal{std::string(prop::kInprogress)};
    auto cleared = co_await parts_.zfs.inherit(member, std::move(journal));
    if (cleared) parts_.inventory.note_set(member, {{std::string(prop::kInprogress), ""}});
    co_return cleared;
}

}  // namespace zrepd::failover
