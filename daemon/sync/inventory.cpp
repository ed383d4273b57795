// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sync/inventory.hpp"

#include <algorithm>

namespace zrepd::sync {

Inventory::Inventory(asio::any_io_executor executor, Zfs& zfs, plan::Self self)
    : zfs_(zfs), self_(std::move(self)), changed_(std::move(executor)) {}

void Inventory::store(Dataset dataset) {
    const DatasetName name = dataset.name;
    datasets_.insert_or_assign(name, std::move(dataset));
}

Task<Result<void>> Inventory::discover() {
    // Cleared first: what changes while we look must be looked at again.
    needs_discovery_ = false;
    altered_.clear();
    auto seen = co_await zfs_.datasets({});
    if (!seen) {
        needs_discovery_ = true;
        co_return seen.error();
    }
    datasets_.clear();
    for (Dataset& dataset : *seen) store(std::move(dataset));
    std::erase_if(versions_, [&](const auto& entry) { return !datasets_.contains(entry.first); });
    std::vector<DatasetName> unknown;
    for (const auto& pair : pairs()) {
        if (!versions_.contains(pair.dataset)) unknown.push_back(pair.dataset);
    }
    auto listed = co_await list_versions(std::move(unknown));
    changed_.notify();
    co_return listed;
}

Task<Result<void>> Inventory::refresh(std::vector<DatasetName> which, Freshness freshness) {
    if (which.empty()) co_return ok();
    auto seen = co_await zfs_.datasets(which);
    if (!seen) co_return seen.error();
    for (const auto& name : which) datasets_.erase(name);
    for (Dataset& dataset : *seen) store(std::move(dataset));
    std::vector<DatasetName> to_list;
    for (const auto& name : which) {
        const Dataset* dataset = find(name);
        if (dataset == nullptr) {
            versions_.erase(name);
        } else {
            if (freshness == Freshness::listed || dataset->written_bytes != 0) {
                contradicted_.insert(name);
            }
            to_list.push_back(name);
        }
    }
    co_return co_await list_versions(std::move(to_list));
}

Task<Result<void>> Inventory::list_versions(std::vector<DatasetName> which) {
    std::erase_if(which, [&](const DatasetName& name) {
        return versions_.contains(name) && !contradicted_.contains(name);
    });
    if (which.empty()) co_return ok();
    for (const auto& name : which) contradicted_.erase(name);
    auto listed = co_await zfs_.versions(which);
    if (!listed) {
        contradicted_.insert(which.begin(), which.end());
        co_return listed.error();
    }
    for (const auto& name : which) versions_[name] = {};
    for (auto& [name, versions] : *listed) versions_.insert_or_assign(name, std::move(versions));
    co_return ok();
}

const Dataset* Inventory::find(const DatasetName& name) const {
    const auto found = datasets_.find(name);
    return found == datasets_.end() ? nullptr : &found->second;
}

const Versions* Inventory::versions(const DatasetName& name) const {
    const auto found = versions_.find(name);
    return found == versions_.end() ? nullptr : &found->second;
}

std::optional<plan::Pair> Inventory::pair(const DatasetName& name) const {
    const Dataset* dataset = find(name);
    return dataset == nullptr ? std::nullopt : plan::pair_of(*dataset, self_);
}

std::vector<plan::Pair> Inventory::pairs() const {
    std::vector<plan::Pair> out;
    for (const auto& [name, dataset] : datasets_) {
        if (auto pair = plan::pair_of(dataset, self_)) out.push_back(std::move(*pair));
    }
    return out;
}

const Dataset* Inventory::nearest(const DatasetName& name) const {
    std::optional<DatasetName> at = name;
    while (at) {
        if (const Dataset* dataset = find(*at)) return dataset;
        at = at->parent();
    }
    return nullptr;
}

void Inventory::add_snapshot(const DatasetName& dataset, Snapshot snapshot) {
    auto& all = versions_[dataset].snapshots;
    std::erase_if(all, [&](const Snapshot& s) { return s.name == snapshot.name; });
    if (!all.empty()) snapshot.createtxg = std::max(snapshot.createtxg, all.back().createtxg + 1);
    all.push_back(std::move(snapshot));
}

void Inventory::mark_sent(const DatasetName& dataset, Guid guid, UnixSeconds sent) {
    const auto found = versions_.find(dataset);
    if (found == versions_.end()) return;
    for (Snapshot& snapshot : found->second.snapshots) {
        if (snapshot.guid == guid) snapshot.sent = sent;
    }
}

void Inventory::forget_snapshots(const DatasetName& dataset,
                                 const std::vector<std::string>& names) {
    const auto found = versions_.find(dataset);
    if (found == versions_.end()) return;
    std::erase_if(found->second.snapshots, [&](const Snapshot& s) {
        return std::find(names.begin(), names.end(), s.name) != names.end();
    });
}

void Inventory::add_bookmark(const DatasetName& dataset, Guid guid) {
    auto& all = versions_[dataset].bookmarks;
    const std::string name = zrep_bookmark_name(guid);
    std::erase_if(all, [&](const Bookmark& b) { return b.name == name; });
    Bookmark added;
    added.name = name;
    added.guid = guid;
    if (!all.empty()) added.createtxg = all.back().createtxg + 1;
    all.push_back(std::move(added));
}

void Inventory::forget_bookmark(const DatasetName& dataset, const std::string& name) {
    const auto found = versions_.find(dataset);
    if (found == versions_.end()) return;
    std::erase_if(found->second.bookmarks, [&](const Bookmark& b) { return b.name == name; });
}

bool Inventory::needs_discovery(const std::function<bool(const DatasetName&)>& busy) const {
    return needs_discovery_ ||
           std::any_of(altered_.begin(), altered_.end(), [&](const auto& n) { return !busy(n); });
}

void Inventory::note(const Change& change) {
    if (change.dataset) {
        contradicted_.insert(*change.dataset);
        if (change.versions_only) return;
        altered_.insert(*change.dataset);
    } else {
        for (const auto& [name, ignored] : versions_) contradicted_.insert(name);
        needs_discovery_ = true;
    }
    changed_.notify();
}

}  // namespace zrepd::sync
