// SPDX-License-Identifier: BSD-2-Clause
// Role changes of a recursive pair (ADR 0015): what is looked at, locked and asked of its members
// beside the root.
#include <algorithm>

#include "common/props.hpp"
#include "common/text.hpp"
#include "daemon/failover/check.hpp"
#include "daemon/failover/go_back.hpp"
#include "daemon/failover/mount_place.hpp"
#include "daemon/failover/roles.hpp"
#include "daemon/failover/tree_ways.hpp"
#include "daemon/log.hpp"
#include "daemon/sync/bookkeeping.hpp"
#include "daemon/sync/refusals.hpp"
#include "daemon/sync/tree_sync.hpp"

namespace zrepd::failover {
namespace {

using sync::Freshness;

Error not_there(const DatasetName& member, const plan::Pair& root, const HostName& host) {
    return refused(
        member.str() + " is not there on " + host.str() + ", or no part of the tree there",
        plan::sync_by_master(root) + " sends it whole");
}

/// The copy never was whole: as a master it would be of no moment at all.
Error never_whole(const plan::Pair& root) {
    return refused(root.dataset.str() +
                       " was never received whole, with everything below it: it cannot be the "
                       "master",
                   "let the first sync end: zrepctl status " + quote(root.dataset.str()) +
                       "; if its master is lost for good: zrepctl clear " +
                       quote(root.dataset.str()) +
                       " destroys nothing, and each dataset can be used as it is");
}

/// Of this rescue, or of an earlier one.
bool has_copy_beside(const sync::Inventory& inventory, const DatasetName& dataset) {
    return std::any_of(inventory.all().begin(), inventory.all().end(), [&](const auto& entry) {
        return entry.second.local(prop::kRescue) == dataset.str();
    });
}

}  // namespace

Task<Result<void>> Roles::look_at(DatasetName dataset) {
    std::vector<DatasetName> one{dataset};
    auto left_out = co_await sync::look_here(parts_, std::move(one), Freshness::listed);
    if (!left_out) co_return left_out.error();
    const auto unseen = left_out->find(dataset);
    if (unseen != left_out->end()) co_return unseen->second;
    co_return ok();
}

void Roles::look_for_stuck_mounts(const plan::Pair& pair, const std::string& table) {
    const Dataset* root = parts_.inventory.find(pair.dataset);
    const bool settled = root != nullptr && !root->readonly && pair.role == plan::Role::master &&
                         entry_of(*root).journal == Journal::none;
    if (!pair.tree || !settled || parts_.runs.active(pair.dataset)) return;
    for (const DatasetName& name : parts_.inventory.members(pair.dataset)) {
        const Dataset* member = parts_.inventory.find(name);
        const bool meant = member == nullptr || (member->readonly_here && member->readonly);
        if (meant || name == pair.dataset || member->kind != Kind::filesystem) continue;
        if (!is_mounted_readonly(table, *member) || !remounting_.insert(name).second) continue;
        tasks_.spawn("remount " + name.str(), remount(name));
    }
}

Task<> Roles::remount(DatasetName member) {
    auto done = co_await parts_.zfs.remount(member);
    if (done) {
        remounting_.erase(member);
        co_return;
    }
    Error error = done.error();
    error.remedy = "zfs mount -o remount " + quote(member.str());
    log::event(log::Level::warn,
               "role_warning",
               {{"dataset", member.str()},
                {"what", "mounted_readonly"},
                {"error", error.text()},
                {"next", error.remedy}});
    parts_.events.publish("warning", member.str(), error.text() + "; next: " + error.remedy);
}

/// A rescue of a member is under the member's lock, too. Nothing is rescued on a target at rest,
/// into which streams may run for days.
Task<Result<Roles::Guards>> Roles::lock_for_recovery(DatasetName root, std::string operation) {
    const auto pair = parts_.inventory.pair(root);
    const Dataset* now = parts_.inventory.find(root);
    const bool at_rest = pair && pair->role == plan::Role::target && now != nullptr &&
                         entry_of(*now).journal == Journal::none;
    if (at_rest) co_return Guards{};
    co_return co_await lock_members(root, std::move(operation), kLockWait);
}

Task<Result<Roles::Guards>> Roles::lock_members(DatasetName root,
                                                std::string operation,
                                                std::chrono::seconds limit) {
    const auto until = std::chrono::steady_clock::now() + limit;
    Guards out;
    for (const DatasetName& name : parts_.inventory.with_members({root})) {
        if (name == root) continue;
        const auto left = std::max(until - std::chrono::steady_clock::now(),
                                   std::chrono::steady_clock::duration::zero());
        auto guard = co_await parts_.locks.lock(name, lock::Scope::node, operation, left);
        if (!guard) co_return guard.error();
        out.push_back(std::move(*guard));
    }
    co_return out;
}

/// What is stored of how it is served is what a takeover without the master goes by.
Task<std::optional<Error>> Roles::problem_of_storing(DatasetName member, std::string serve) {
    const Dataset* now = parts_.inventory.find(member);
    if (now == nullptr || now->own(prop::kServe) == serve) co_return std::nullopt;
    co_return co_await writing_problem(std::move(member), std::move(serve), /*dry_run=*/false);
}

Task<Result<std::vector<Error>>> Roles::problems_of_members(plan::Pair root, rpc::CheckIn in) {
    std::vector<Error> out;
    const std::vector<DatasetName> here = parts_.inventory.members(root.dataset);
    for (const rpc::TreePart& part : in.members.value_or(std::vector<rpc::TreePart>{})) {
        auto name = plan::member_name(root.dataset, part.name);
        if (!name) co_return name.error();
        const auto serve = parse_serve(part.serve);
        if (!serve) co_return not_served_so(part.serve);
        const bool after_sync = in.dry_run && !in.back.value_or(false);
        if (std::find(here.begin(), here.end(), *name) == here.end()) {
            // The sync before the role change sends it whole.
            if (!after_sync) out.push_back(not_there(*name, root, parts_.self.host));
            continue;
        }
        TargetFacts facts;
        facts.pair = &root;
        facts.master_epoch = root.epoch;
        facts.base = part.base;
        facts.back = in.back.value_or(false);
        facts.after_sync = after_sync;
        facts.key = co_await key_problem(*name);
        const auto versions = co_await sync::with_foreign_holds(parts_, *name, part.base);
        if (!versions) co_return versions.error();
        facts.versions = &*versions;
        // What has no snapshot of the asking side is somebody else's.
        const bool theirs = find_snapshot(*versions, part.base) != nullptr;
        if (theirs && !in.dry_run) facts.writing = co_await problem_of_storing(*name, part.serve);
        facts.dataset = parts_.inventory.find(*name);
        if (facts.dataset == nullptr) continue;
        const auto holder = parts_.locks.conflicting(*name, lock::Scope::node);
        if (holder) facts.busy = holder->reason;
        if (!serve->mountpoint.empty() || !serve->wished.empty())
            facts.mountpoint = place_problem(
                *serve, *facts.dataset, parts_.self.host, mounted_here(parts_.inventory));
        for (Error& problem : problems_of_target(facts, parts_.self)) out.push_back(problem);
        if (auto open = escapes_readonly(*facts.dataset, parts_.self.host)) out.push_back(*open);
    }
    co_return out;
}

bool Roles::has_all(const DatasetName& root, const rpc::PromoteIn& in) const {
    const auto has = [&](const DatasetName& name, Guid base) {
        const Versions* versions = parts_.inventory.versions(name);
        return versions != nullptr && find_snapshot(*versions, base) != nullptr;
    };
    if (!has(root, in.base)) return false;
    if (!in.members) return true;
    return std::all_of(in.members->begin(), in.members->end(), [&](const rpc::TreePart& part) {
        const auto name = plan::member_name(root, part.name);
        return name && has(*name, part.base);
    });
}

std::map<DatasetName, Serve> Roles::served_as(const DatasetName& root,
                                              const rpc::PromoteIn& in) const {
    std::map<DatasetName, Serve> out;
    for (const rpc::TreePart& part : in.members.value_or(std::vector<rpc::TreePart>{})) {
        const auto name = plan::member_name(root, part.name);
        const auto serve = parse_serve(part.serve);
        if (name && serve && !part.serve.empty()) out.emplace(*name, *serve);
    }
    return out;
}

Task<Result<Roles::Below>> Roles::newer_below(DatasetName root, Guid base) {
    const Versions* all = parts_.inventory.versions(root);
    const Snapshot* found = all == nullptr ? nullptr : find_snapshot(*all, base);
    Below out;
    if (found == nullptr) co_return out;
    const Snapshot point = *found;
    for (const DatasetName& name : parts_.inventory.with_members({root})) {
        const Versions* versions = parts_.inventory.versions(name);
        const Snapshot* part = versions == nullptr ? nullptr : plan::part_of(*versions, point);
        if (name == root || part == nullptr) continue;
        const auto held = co_await sync::with_foreign_holds(parts_, name, part->guid);
        if (!held) co_return held.error();
        const Dataset* now = parts_.inventory.find(name);
        if (now == nullptr) continue;
        const auto newer = divergence(*now, *held, part->guid);
        if (!newer) co_return newer.error();
        if (newer->none()) continue;
        const auto blocks = blocks_way_back(*now, *held, newer->base);
        if (!blocks.empty()) co_return blocks.front();
        out.ahead = true;
        out.bytes += newer->bytes();
    }
    co_return out;
}

std::optional<Error> Roles::writable_member(const plan::Pair& root) const {
    for (const DatasetName& name : parts_.inventory.with_members({root.dataset})) {
        const Dataset* member = parts_.inventory.find(name);
        const bool other = member != nullptr && name != root.dataset;
        auto open = other ? escapes_readonly(*member, parts_.self.host) : std::nullopt;
        if (open) return open;
    }
    return std::nullopt;
}

Result<void> Roles::whole_at(Ask ask, const plan::Pair& root, const Snapshot& snapshot) const {
    if (!root.tree) return ok();
    const std::string point = root.dataset.str() + "@" + snapshot.name;
    const std::string other =
        "choose one that all of it has" + known_common(*parts_.inventory.versions(root.dataset));
    const bool alone = ask == Ask::takeover_local || ask == Ask::failover_local;
    if (!zrep_sequence(snapshot.name) || (alone && !snapshot.sent))
        return refused(point + " is not known to be of all of the tree", other);
    for (const DatasetName& name : parts_.inventory.members(root.dataset)) {
        const Versions* versions = parts_.inventory.versions(name);
        if (versions == nullptr || sync::last_acked(*versions) == nullptr) continue;
        if (plan::part_of(*versions, snapshot) == nullptr)
            return refused(name.str() + " has no part of " + point + ": it came later", other);
    }
    return ok();
}

Result<void> Roles::must_be_whole(const plan::Pair& pair) const {
    if (!pair.tree || pair.role != plan::Role::target) return ok();
    const Versions* versions = parts_.inventory.versions(pair.dataset);
    if (versions == nullptr || sync::last_acked(*versions) == nullptr) return never_whole(pair);
    return ok();
}

/// Of a tree that is in the middle of one some members are back at the base, and others are not.
Task<Result<void>> Roles::finish_rescue(sync::RunPtr run, plan::Pair root) {
    const Dataset* now = parts_.inventory.find(root.dataset);
    if (now == nullptr) co_return sync::no_pair(parts_, root.dataset);
    const auto rescues = [](Journal journal) {
        return journal == Journal::stepping_down || journal == Journal::rejoining;
    };
    if (!rescues(entry_of(*now).journal)) co_return ok();
    Change work(role_, run, root.dataset, run->operation());
    work.alone();
    work.offer_to_nobody();
    auto stored = co_await carry(&work, root.dataset, Recover{});
    if (!stored) co_return stored.error();
    if (!rescues(stored->journal)) co_return ok();
    co_return work.trouble().value_or(unfinished(root, Entry{.journal = stored->journal}));
}

/// Nothing is rolled back that is not in a copy beside it first: what has none, or has all of it
/// still, is as it was. The newest snapshot goes last, and with it what was written since.
bool Roles::is_all_as_it_was(const DatasetName& root) const {
    const Dataset* now = parts_.inventory.find(root);
    const Versions* all = parts_.inventory.versions(root);
    const Guid base = now == nullptr ? Guid{} : entry_of(*now).base;
    const Snapshot* found = all == nullptr ? nullptr : find_snapshot(*all, base);
    if (found == nullptr) return false;
    const auto names = parts_.inventory.with_members({root});
    return std::all_of(names.begin(), names.end(), [&](const DatasetName& name) {
        if (!has_copy_beside(parts_.inventory, name)) return true;
        const Dataset* member = parts_.inventory.find(name);
        const Versions* versions = parts_.inventory.versions(name);
        const Snapshot* part = versions == nullptr ? nullptr : plan::part_of(*versions, *found);
        if (member == nullptr || part == nullptr) return false;
        const auto newer = divergence(*member, *versions, part->guid);
        return newer && !newer->newer.empty();
    });
}

Task<Result<rpc::RunResult>> Roles::take_tree(sync::RunPtr run, plan::Pair root) {
    const auto below = co_await lock_members(root.dataset, run->operation(), kLockWait);
    if (!below) co_return below.error();
    auto rescued = co_await finish_rescue(run, root);
    // Readonly, nothing in it could be deleted that has no room beside it.
    if (!rescued && is_all_as_it_was(root.dataset))
        co_return co_await change(run, Ask::takeover_local, root.dataset, {});
    if (!rescued) co_return rescued.error();
    auto seen = co_await look_at(root.dataset);
    if (!seen) co_return seen.error();
    const Versions* versions = parts_.inventory.versions(root.dataset);
    const Snapshot* whole = versions == nullptr ? nullptr : sync::last_acked(*versions);
    if (whole == nullptr) co_return never_whole(root);
    // It handed over all that it has: nothing of it is newer than the rest, whoever took snapshots.
    const Dataset* handed = parts_.inventory.find(root.dataset);
    if (handed != nullptr && entry_of(*handed).journal == Journal::handed_over)
        co_return co_await change(run, Ask::takeover_local, root.dataset, {});
    const Guid base = whole->guid;
    auto ahead = co_await is_ahead_of(root.dataset, base);
    if (!ahead) co_return ahead.error();
    auto more = co_await newer_below(root.dataset, base);
    if (!more) co_return more.error();
    const Dataset* now = parts_.inventory.find(root.dataset);
    versions = parts_.inventory.versions(root.dataset);
    if (now == nullptr || versions == nullptr) co_return sync::no_pair(parts_, root.dataset);
    const auto newer = divergence(*now, *versions, base);
    const auto full = no_room(*now, more->bytes + (newer ? newer->bytes() : 0));
    if (full) co_return *full;
    const Guid back = *ahead ? base : Guid{};
    co_return co_await change(run, Ask::takeover_local, root.dataset, {.back = back});
}

}  // namespace zrepd::failover
