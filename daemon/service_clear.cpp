// SPDX-License-Identifier: BSD-2-Clause
// The method that forgets a pair on this side: clear.
#include <algorithm>
#include <array>

#include "common/props.hpp"
#include "common/text.hpp"
#include "daemon/failover/fence.hpp"
#include "daemon/failover/journal.hpp"
#include "daemon/failover/lease.hpp"
#include "daemon/service.hpp"
#include "daemon/sync/bookkeeping.hpp"
#include "daemon/sync/refusals.hpp"

namespace zrepd {
namespace {

/// Everything that makes a dataset part of a pair, where it is this dataset's own.
std::vector<std::string> own_pair_properties(const Dataset& dataset) {
    constexpr std::array kSettingsToKeep{prop::kAccept,
                                         prop::kKeep,
                                         prop::kInterval,
                                         prop::kPaused,
                                         prop::kLimit,
                                         prop::kMinfree,
                                         prop::kMaxsnaps,
                                         prop::kFence};
    std::vector<std::string> out;
    for (const auto name : prop::kOnDataset) {
        const bool kept = std::find(kSettingsToKeep.begin(), kSettingsToKeep.end(), name) !=
                          kSettingsToKeep.end();
        const auto found = dataset.props.find(name);
        if (kept || found == dataset.props.end()) continue;
        const Source source = found->second.source;
        if (source == Source::local || source == Source::received) out.emplace_back(name);
    }
    return out;
}

std::vector<SnapshotName> held_by_us(const DatasetName& dataset, const Versions* versions) {
    std::vector<SnapshotName> out;
    if (versions == nullptr) return out;
    for (const Snapshot& snapshot : versions->snapshots) {
        if (!sync::may_hold(snapshot)) continue;
        auto name = SnapshotName::make(dataset, snapshot.name);
        if (name) out.push_back(*name);
    }
    return out;
}

std::vector<std::string> own_bookmarks(const Versions* versions) {
    std::vector<std::string> out;
    if (versions == nullptr) return out;
    for (const Bookmark& bookmark : versions->bookmarks) {
        if (bookmark.name == zrep_bookmark_name(bookmark.guid)) out.push_back(bookmark.name);
    }
    return out;
}

/// The dataset, or the whole tree, as last listed; also of a pair that cannot be read, which is
/// what clear ends.
Task<Result<std::vector<DatasetName>>> all_of_it(sync::Parts& parts, DatasetName root) {
    const Dataset* found = parts.inventory.find(root);
    const bool unreadable = !parts.inventory.pair(root);
    if (!unreadable || found == nullptr || found->own(prop::kTree) != "on")
        co_return parts.inventory.with_members({root});
    std::vector<DatasetName> out = parts.inventory.members(root);
    auto seen = co_await sync::look_here(parts, out, sync::Freshness::listed);
    if (!seen) co_return seen.error();
    co_return out;
}

/// How a copy is taken into use once nothing is received into it any more.
std::string advice_for_copy(const Dataset& dataset) {
    const std::string name = quote(dataset.name.str());
    const std::string out = dataset.name.str() + " is still readonly; to use it: zfs set ";
    if (dataset.kind == Kind::volume) return out + "readonly=off volmode=default " + name;
    return out + "readonly=off canmount=on " + name + ", then zfs mount " + name;
}

/// What zrepd made readonly, or did not mount, is opened by nobody any more. Not by clear either:
/// the other side may be the master.
std::string advice_for_master(const Dataset& dataset) {
    const std::string name = quote(dataset.name.str());
    const failover::Entry entry = failover::entry_of(dataset);
    const auto note = failover::closed_note_of(dataset);
    const bool frozen = entry.journal == failover::Journal::freezing && !entry.readonly_was_here;
    const bool lapsed = note && !note->readonly_was_here;
    std::string now;
    std::string commands;
    if (dataset.readonly && (frozen || lapsed)) {
        now = "readonly";
        commands = "zfs inherit readonly " + name;
    }
    if (failover::is_hidden(dataset)) {
        now += now.empty() ? "not mounted" : " and not mounted";
        commands += (commands.empty() ? "" : ", then ") + ("zfs mount " + name);
    }
    if (now.empty()) return now;
    return dataset.name.str() + " is still " + now + "; to use it, when you are sure that " +
           dataset.local(prop::kDestHost).value_or("the other host") + ":" +
           dataset.local(prop::kDestFs).value_or("its copy") + " is not the master: " + commands;
}

void add_notes(const plan::Pair& pair, const Dataset& dataset, rpc::Done& out) {
    if (pair.role == plan::Role::target && dataset.readonly) {
        out.notes.push_back(advice_for_copy(dataset));
    }
    out.notes.emplace_back("its snapshots stay; zrepd no longer expires them");
    const std::string command = "zrepctl clear " + quote(pair.peer_dataset.str());
    out.notes.push_back("the other side still knows the pair; " +
                        sync::run_on_other_side(pair, command));
}

}  // namespace

Task<Result<rpc::Done>> DaemonService::clear(rpc::ClearIn in, control::Caller) {
    auto dataset = DatasetName::parse(in.dataset);
    if (!dataset) co_return dataset.error();
    auto guard = parts_.locks.try_lock(*dataset, lock::Scope::node, "clear");
    if (!guard) co_return guard.error();
    std::vector<DatasetName> one{*dataset};
    auto seen = co_await sync::look_here(parts_, std::move(one), sync::Freshness::listed);
    if (!seen) co_return seen.error();
    if (const auto why = sync::why_unseen(seen, *dataset)) co_return *why;
    const Dataset* found = parts_.inventory.find(*dataset);
    if (found == nullptr) co_return sync::no_dataset(*dataset);
    const auto pair = parts_.inventory.pair(*dataset);
    std::vector<std::string> remove = own_pair_properties(*found);
    if (remove.empty()) {
        co_return sync::not_configured(parts_, *dataset);
    }
    auto whose = co_await all_of_it(parts_, *dataset);
    if (!whose) co_return whose.error();
    found = parts_.inventory.find(*dataset);
    if (found == nullptr) co_return sync::no_dataset(*dataset);
    std::vector<SnapshotName> held;
    std::vector<std::pair<DatasetName, std::string>> bookmarks;
    for (const auto& name : *whose) {
        const Versions* versions = parts_.inventory.versions(name);
        for (auto& one_held : held_by_us(name, versions)) held.push_back(std::move(one_held));
        for (auto& bookmark : own_bookmarks(versions)) bookmarks.emplace_back(name, bookmark);
    }
    rpc::Done out;
    for (const auto& name : held) out.steps.push_back("release the hold on " + quote(name.str()));
    for (const auto& [of, name] : bookmarks) {
        out.steps.push_back("destroy bookmark " + quote(of.str() + "#" + name));
    }
    // Without the pair nobody would open its fence.
    PropertyList unfenced;
    const std::string canmount = failover::canmount_of(*found);
    const bool master = found->local(prop::kMaster) == "yes";
    if (master && canmount != found->canmount) unfenced.emplace_back("canmount", canmount);
    if (!unfenced.empty()) out.steps.push_back("set canmount=" + canmount);
    out.steps.push_back("remove " + join(remove, ", ") + " from " + quote(dataset->str()));
    const std::string closed = master ? advice_for_master(*found) : "";
    if (!closed.empty()) out.notes.push_back(closed);
    if (pair) add_notes(*pair, *found, out);
    if (in.dry_run) co_return out;
    // The properties last: cut off before that, it is still a pair, and clear can be run again.
    if (!held.empty()) {
        auto released = co_await parts_.zfs.release(std::move(held));
        if (!released) out.notes.push_back(released.error().text());
    }
    for (const auto& [of, name] : bookmarks) {
        auto gone = co_await parts_.zfs.destroy_bookmark(of, name);
        if (!gone) out.notes.push_back(gone.error().text());
    }
    std::vector<SettingChange> changes{{*dataset, std::move(unfenced), std::move(remove)}};
    auto stored = co_await store(std::move(changes));
    if (!stored) co_return stored.error();
    parts_.runs.forget(*dataset);
    co_return out;
}

}  // namespace zrepd
