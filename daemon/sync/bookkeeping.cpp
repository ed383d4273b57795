// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sync/bookkeeping.hpp"

#include <algorithm>
#include <limits>

#include "daemon/clock.hpp"
#include "daemon/log.hpp"
#include "daemon/plan/prune.hpp"
#include "daemon/sync/refusals.hpp"

namespace zrepd::sync {
namespace {

// How many replaced bookmarks may pile up before they are destroyed together.
constexpr std::size_t kOldBookmarks = 8;

/// The list with the acknowledged snapshot in it, also when it came after the list was made.
Versions with_snapshot(const Versions* known, const Acked& item) {
    Versions out = known == nullptr ? Versions{} : *known;
    if (find_snapshot(out, item.guid) == nullptr) {
        Snapshot added;
        added.name = item.snapshot.snapshot();
        added.guid = item.guid;
        added.createtxg = out.snapshots.empty() ? 1 : out.snapshots.back().createtxg + 1;
        out.snapshots.push_back(std::move(added));
    }
    return out;
}

/// Our holds on what is older than the new base. A release of a tag that is not there is no error.
std::vector<SnapshotName> releases(const Versions& versions, const Acked& item) {
    std::vector<SnapshotName> out;
    for (const Snapshot& snapshot : versions.snapshots) {
        if (snapshot.guid == item.guid) break;
        if (!may_hold(snapshot)) continue;
        auto name = SnapshotName::make(item.snapshot.dataset(), snapshot.name);
        if (name) out.push_back(std::move(*name));
    }
    return out;
}

/// As it is set now. Of what is not known nothing is destroyed on a guess.
plan::Retention retention_now(const Inventory& inventory, const DatasetName& name) {
    plan::Retention out;
    const Dataset* dataset = inventory.find(name);
    if (dataset != nullptr)
        out = plan::settings_of(*dataset).retention;
    else
        out.everything = true;
    return out;
}

AckItem program_item(const Inventory& inventory,
                     const Versions& versions,
                     const Acked& item,
                     Side side) {
    AckItem out{.snapshot = item.snapshot, .guid = item.guid};
    const plan::Retention retention = retention_now(inventory, item.snapshot.dataset());
    out.destroy = plan::to_destroy(plan::prune(versions, item.guid, retention));
    out.bookmark = side == Side::master;
    return out;
}

/// Our bookmarks that a newer one has replaced, once there are enough of them: each costs a process
/// of its own (ADR 0006).
std::vector<std::string> old_bookmarks(const Versions* versions, const Acked& item) {
    std::vector<std::string> out;
    if (versions == nullptr) return out;
    for (const Bookmark& bookmark : versions->bookmarks) {
        const bool ours = bookmark.name == zrep_bookmark_name(bookmark.guid);
        if (ours && bookmark.guid != item.guid) out.push_back(bookmark.name);
    }
    if (out.size() <= kOldBookmarks) out.clear();
    return out;
}

/// Only called once the new bookmark stands: there is always one of an acknowledged snapshot.
Task<> drop_old_bookmarks(Parts& parts, const Acked& item, AckOutcome& outcome) {
    const DatasetName dataset = item.snapshot.dataset();
    const std::vector<std::string> names = old_bookmarks(parts.inventory.versions(dataset), item);
    for (const std::string& name : names) {
        auto gone = co_await parts.zfs.destroy_bookmark(dataset, name);
        if (gone) {
            parts.inventory.forget_bookmark(dataset, name);
        } else {
            outcome.failed.push_back("destroy " + dataset.str() + "#" + name + ": " +
                                     gone.error().text());
        }
    }
}

void note_in_inventory(Inventory& inventory,
                       const Acked& item,
                       UnixSeconds sent,
                       const AckOutcome& outcome) {
    const DatasetName& dataset = item.snapshot.dataset();
    const Versions* known = inventory.versions(dataset);
    if (known == nullptr || find_snapshot(*known, item.guid) == nullptr) {
        Snapshot added;
        added.name = item.snapshot.snapshot();
        added.guid = item.guid;
        added.held = true;
        inventory.add_snapshot(dataset, std::move(added));
    }
    inventory.mark_sent(dataset, item.guid, sent);
    inventory.forget_snapshots(dataset, outcome.destroyed);
    if (outcome.bookmarked) inventory.add_bookmark(dataset, item.guid);
}

}  // namespace

std::vector<SnapshotName> full_names(const DatasetName& dataset,
                                     const std::vector<std::string>& names) {
    std::vector<SnapshotName> out;
    for (const std::string& name : names) {
        auto full = SnapshotName::make(dataset, name);
        if (full) out.push_back(std::move(*full));
    }
    return out;
}

bool may_hold(const Snapshot& snapshot) {
    return snapshot.held && (zrep_sequence(snapshot.name) || snapshot.sent);
}

Task<std::vector<AckOutcome>> acknowledge(Parts& parts,
                                          Side side,
                                          UnixSeconds sent,
                                          std::vector<Acked> items) {
    std::vector<DatasetName> unknown;
    for (const Acked& item : items) {
        if (parts.inventory.versions(item.snapshot.dataset()) == nullptr) {
            unknown.push_back(item.snapshot.dataset());
        }
    }
    // Without a list nothing is expired or released this time; the acknowledgement itself stands.
    auto listed = co_await parts.inventory.list_versions(std::move(unknown));
    if (!listed) log::event(log::Level::debug, "list_failed", {{"error", listed.error().text()}});

    AckBatch batch{.sent = sent, .items = {}};
    std::vector<SnapshotName> to_hold;
    std::vector<std::vector<SnapshotName>> replaced;  // holds, per item
    for (const Acked& item : items) {
        const Versions versions =
            with_snapshot(parts.inventory.versions(item.snapshot.dataset()), item);
        // Also where something holds it already: that may be somebody else's hold.
        to_hold.push_back(item.snapshot);
        replaced.push_back(releases(versions, item));
        batch.items.push_back(program_item(parts.inventory, versions, item, side));
    }
    auto held = co_await parts.zfs.hold(std::move(to_hold));
    std::vector<AckOutcome> outcomes = co_await parts.zfs.acknowledge(std::move(batch));
    std::vector<SnapshotName> to_release;
    for (std::size_t i = 0; i < replaced.size() && i < outcomes.size(); ++i) {
        if (!outcomes[i].acknowledged) continue;
        std::move(replaced[i].begin(), replaced[i].end(), std::back_inserter(to_release));
    }
    Result<void> released = ok();
    // A base that could not be held keeps the old one held: one of them must survive a clean-up.
    if (held && !to_release.empty()) released = co_await parts.zfs.release(std::move(to_release));
    for (std::size_t i = 0; i < items.size() && i < outcomes.size(); ++i) {
        if (!outcomes[i].acknowledged) continue;
        if (!held) outcomes[i].failed.push_back("hold: " + held.error().text());
        if (!released) outcomes[i].failed.push_back("release: " + released.error().text());
        note_in_inventory(parts.inventory, items[i], sent, outcomes[i]);
        if (outcomes[i].bookmarked) co_await drop_old_bookmarks(parts, items[i], outcomes[i]);
    }
    co_return outcomes;
}

std::vector<std::string> expiring(const Inventory& inventory,
                                  const DatasetName& dataset,
                                  const plan::Retention& retention) {
    const Versions* versions = inventory.versions(dataset);
    const Snapshot* base = versions == nullptr ? nullptr : last_acked(*versions);
    if (base == nullptr) return {};
    return plan::to_destroy(plan::prune(*versions, base->guid, retention));
}

std::vector<std::string> expiring_after(const Versions* versions,
                                        const std::string& snapshot,
                                        const plan::Retention& retention) {
    if (versions == nullptr) return {};
    Versions then = *versions;
    const auto found = std::find_if(then.snapshots.begin(),
                                    then.snapshots.end(),
                                    [&](const Snapshot& s) { return s.name == snapshot; });
    Guid base{std::numeric_limits<std::uint64_t>::max()};
    if (found != then.snapshots.end()) {
        base = found->guid;
    } else {
        Snapshot& coming = then.snapshots.emplace_back();
        coming.name = snapshot;
        coming.guid = base;
        coming.createtxg = std::numeric_limits<std::uint64_t>::max();
    }
    return plan::to_destroy(plan::prune(then, base, retention));
}

Task<Result<std::vector<std::string>>> expire(Parts& parts, DatasetName dataset) {
    std::vector<std::string> chosen =
        expiring(parts.inventory, dataset, retention_now(parts.inventory, dataset));
    if (chosen.empty()) co_return chosen;
    auto destroyed = co_await parts.zfs.destroy_snapshots(dataset, chosen);
    if (!destroyed) co_return destroyed.error();
    parts.inventory.forget_snapshots(dataset, chosen);
    co_return chosen;
}

Task<Result<Versions>> with_foreign_holds(Parts& parts, DatasetName dataset, Guid base) {
    const Versions* versions = parts.inventory.versions(dataset);
    if (versions == nullptr) co_return no_pair(parts, dataset);
    Versions out = *versions;
    const Snapshot* from = find_snapshot(out, base);
    std::vector<SnapshotName> held;
    for (const Snapshot& s : out.snapshots) {
        if (from == nullptr || s.createtxg <= from->createtxg || !s.held) continue;
        auto name = SnapshotName::make(dataset, s.name);
        if (name) held.push_back(*std::move(name));
    }
    if (held.empty()) co_return out;
    auto foreign = co_await parts.zfs.foreign_holds(std::move(held));
    if (!foreign) co_return foreign.error();
    for (Snapshot& s : out.snapshots) {
        const auto name = SnapshotName::make(dataset, s.name);
        s.foreign_hold = name && foreign->contains(*name);
    }
    co_return out;
}

Task<Result<void>> forget_acknowledged(Parts& parts, DatasetName dataset) {
    const Versions* versions = parts.inventory.versions(dataset);
    std::vector<SnapshotName> sent;
    if (versions != nullptr) {
        for (const Snapshot& s : versions->snapshots) {
            auto name = SnapshotName::make(dataset, s.name);
            if (s.sent && name) sent.push_back(*std::move(name));
        }
    }
    if (sent.empty()) co_return ok();
    co_return co_await parts.zfs.forget_sent(std::move(sent));
}

std::vector<SnapshotName> acknowledged_after(const Versions& versions,
                                             const DatasetName& dataset,
                                             Guid base) {
    std::vector<SnapshotName> out;
    for (auto s = versions.snapshots.rbegin(); s != versions.snapshots.rend(); ++s) {
        if (s->guid == base) return out;
        auto name = SnapshotName::make(dataset, s->name);
        if (s->sent && name) out.push_back(*std::move(name));
    }
    return {};  // only a bookmark of it is left: nothing is told by the order here
}

Task<Result<void>> forget_newer(Parts& parts, DatasetName dataset, Guid base) {
    const Versions* versions = parts.inventory.versions(dataset);
    if (versions == nullptr) co_return ok();
    auto sent = acknowledged_after(*versions, dataset, base);
    if (sent.empty()) co_return ok();
    std::vector<SnapshotName> held;
    for (const SnapshotName& name : sent)
        if (!zrep_sequence(name.snapshot())) held.push_back(name);
    if (!held.empty()) {
        auto released = co_await parts.zfs.release(std::move(held));
        if (!released) co_return released;
    }
    auto forgotten = co_await parts.zfs.forget_sent(std::move(sent));
    if (!forgotten) co_return forgotten;
    co_return co_await parts.inventory.refresh_one(dataset, Freshness::listed);
}

const Snapshot* last_acked(const Versions& versions) {
    const auto found = std::find_if(versions.snapshots.rbegin(),
                                    versions.snapshots.rend(),
                                    [](const Snapshot& s) { return s.sent.has_value(); });
    return found == versions.snapshots.rend() ? nullptr : &*found;
}

std::optional<Guid> current_snapshot(const Inventory& inventory, const DatasetName& name) {
    const Dataset* dataset = inventory.find(name);
    const Versions* versions = inventory.versions(name);
    if (dataset == nullptr || versions == nullptr || dataset->written_bytes != 0)
        return std::nullopt;
    const auto& all = versions->snapshots;
    for (auto it = all.rbegin(); it != all.rend(); ++it) {
        if (it->sent) return it->guid;
        if (it->written_bytes != 0) return std::nullopt;
    }
    return std::nullopt;
}

void note_unchanged(Parts& parts, const DatasetName& dataset) {
    // Something may have been looked at again since the plan, and written to.
    for (const auto& name : parts.inventory.with_members({dataset})) {
        if (!current_snapshot(parts.inventory, name)) return;
    }
    const auto acked = current_snapshot(parts.inventory, dataset);
    if (acked) parts.runs.note_fresh(dataset, *acked, known_for(parts.inventory, dataset));
}

std::chrono::seconds known_for(const Inventory& inventory, const DatasetName& dataset) {
    auto asked_at = boot_now();
    for (const auto& name : inventory.with_members({dataset})) {
        const Dataset* one = inventory.find(name);
        if (one != nullptr) asked_at = std::min(asked_at, one->asked_at);
    }
    return std::chrono::ceil<std::chrono::seconds>(boot_now() - asked_at);
}

std::optional<std::chrono::seconds> age_of(const Snapshot& snapshot) {
    if (snapshot.created == 0) return std::nullopt;
    return std::chrono::seconds(std::max<UnixSeconds>(0, unix_now() - snapshot.created));
}

std::optional<std::int64_t> age_for_peer(const Snapshot& snapshot) {
    const auto age = age_of(snapshot);
    return age ? std::optional<std::int64_t>(age->count()) : std::nullopt;
}

unsigned pending_count(const Versions& versions) {
    unsigned count = 0;
    for (auto it = versions.snapshots.rbegin(); it != versions.snapshots.rend(); ++it) {
        if (it->sent) break;
        if (zrep_sequence(it->name)) ++count;
    }
    return count;
}

}  // namespace zrepd::sync
