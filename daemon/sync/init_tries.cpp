// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sync/init_tries.hpp"

#include "daemon/log.hpp"
#include "daemon/plan/plan.hpp"
#include "daemon/sync/bookkeeping.hpp"

namespace zrepd::sync {
namespace {

/// Whoever holds them.
std::vector<std::string> held_ones(const Versions* versions, const std::string& sent_now) {
    std::vector<std::string> out;
    if (versions == nullptr) return out;
    for (const Snapshot& snapshot : versions->snapshots) {
        const bool may_go = snapshot.held && !snapshot.sent && !snapshot.cloned;
        if (may_go && plan::sendable(snapshot) && snapshot.name != sent_now)
            out.push_back(snapshot.name);
    }
    return out;
}

void warn_of(const DatasetName& dataset, const Error& error) {
    log::event(
        log::Level::warn, "bookkeeping", {{"dataset", dataset.str()}, {"warning", error.text()}});
}

}  // namespace

bool was_begun(const Inventory& inventory, const DatasetName& dataset) {
    const auto pair = inventory.pair(dataset);
    return pair && pair->role == plan::Role::initializing;
}

Task<Result<std::vector<std::string>>> earlier_tries(Parts& parts,
                                                     DatasetName dataset,
                                                     std::string sent_now) {
    const std::vector<std::string> held = held_ones(parts.inventory.versions(dataset), sent_now);
    std::vector<std::string> out;
    if (held.empty()) co_return out;
    std::vector<SnapshotName> asked = full_names(dataset, held);
    auto foreign = co_await parts.zfs.foreign_holds(asked);
    if (!foreign) co_return foreign.error();
    for (const SnapshotName& name : asked) {
        if (!foreign->contains(name)) out.push_back(name.snapshot());
    }
    co_return out;
}

Task<> drop_earlier_tries(Parts& parts, DatasetName dataset, std::string sent_now) {
    auto tries = co_await earlier_tries(parts, dataset, std::move(sent_now));
    if (!tries) warn_of(dataset, tries.error());
    if (!tries || tries->empty()) co_return;
    std::vector<SnapshotName> names = full_names(dataset, *tries);
    auto gone = co_await parts.zfs.release(std::move(names));
    if (gone) gone = co_await parts.zfs.destroy_snapshots(dataset, *tries);
    if (gone)
        parts.inventory.forget_snapshots(dataset, *tries);
    else
        warn_of(dataset, gone.error());
}

}  // namespace zrepd::sync
