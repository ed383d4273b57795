// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sync/inventory.hpp"

#include <algorithm>

namespace zrepd::sync {

Inventory::Inventory(asio::any_io_executor executor, Zfs& zfs, plan::Self self)
    : zfs_(zfs), self_(std::move(self)), changed_(std::move(executor)) {}

Task<Result<void>> Inventory::discover() {
    // Cleared first: what changes while we look must be looked at again.
    needs_discovery_ = false;
    altered_.clear();
    const std::uint64_t asked = ++questions_;
    left_out_ = zfs_.unavailable_pools();
    auto seen = co_await zfs_.datasets({});
    if (!seen) {
        needs_discovery_ = true;
        if (!ready_) ready_ = seen.error();
        co_return seen.error();
    }
    ready_ = ok();
    replace_all(std::move(*seen), asked);
    std::vector<DatasetName> unknown;
    for (const auto& pair : pairs()) {
        const bool readable = zfs_.check_pool(pair.dataset.pool()).has_value();
        if (readable && !versions_.contains(pair.dataset)) unknown.push_back(pair.dataset);
    }
    auto listed = co_await list_versions(std::move(unknown));
    changed_.notify();
    co_return listed;
}

/// All that was seen, but for what somebody looked at after we had asked.
void Inventory::replace_all(std::vector<Dataset> seen, std::uint64_t asked) {
    std::erase_if(datasets_, [&](const auto& entry) {
        const DatasetName& name = entry.first;
        const bool left_out =
            std::find(left_out_.begin(), left_out_.end(), name.pool()) != left_out_.end();
        return !left_out && asked_[name].dataset < asked;
    });
    for (Dataset& dataset : seen) {
        const DatasetName name = dataset.name;
        if (asked_[name].dataset < asked) datasets_.insert_or_assign(name, std::move(dataset));
    }
    const auto unknown = [&](const DatasetName& name) { return !datasets_.contains(name); };
    std::erase_if(versions_, [&](const auto& entry) { return unknown(entry.first); });
    std::erase_if(asked_, [&](const auto& entry) { return unknown(entry.first); });
    std::erase_if(contradicted_, unknown);
}

Task<Result<void>> Inventory::refresh(std::vector<DatasetName> which, Freshness freshness) {
    if (which.empty()) co_return ok();
    const std::uint64_t asked = ++questions_;
    auto seen = co_await zfs_.datasets(which);
    if (!seen) co_return seen.error();
    std::set<DatasetName> older;
    for (const auto& name : which) {
        if (asked_[name].dataset > asked) {
            older.insert(name);
            continue;
        }
        datasets_.erase(name);
        asked_[name].dataset = asked;
    }
    for (Dataset& dataset : *seen) {
        const DatasetName name = dataset.name;
        if (!older.contains(name)) datasets_.insert_or_assign(name, std::move(dataset));
    }
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
    const std::uint64_t asked = ++questions_;
    auto listed = co_await zfs_.versions(which);
    if (!listed) {
        contradicted_.insert(which.begin(), which.end());
        co_return listed.error();
    }
    for (const auto& name : which) {
        Asked& known = asked_[name];
        if (known.versions > asked) {
            // Changed by us or listed by somebody else since: neither is sure to be the whole
            // truth.
            contradicted_.insert(name);
            if (versions_.contains(name)) continue;
        }
        known.versions = std::max(known.versions, asked);
        const auto found = listed->find(name);
        versions_[name] = found == listed->end() ? Versions{} : std::move(found->second);
    }
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

/// nullptr when there is no list: one change does not make a whole one.
Versions* Inventory::versions_to_change(const DatasetName& name) {
    const auto found = versions_.find(name);
    asked_[name].versions = ++questions_;
    return found == versions_.end() ? nullptr : &found->second;
}

void Inventory::add_snapshot(const DatasetName& dataset, Snapshot snapshot) {
    Versions* known = versions_to_change(dataset);
    if (known == nullptr) return;
    auto& all = known->snapshots;
    std::erase_if(all, [&](const Snapshot& s) { return s.name == snapshot.name; });
    if (!all.empty()) snapshot.createtxg = std::max(snapshot.createtxg, all.back().createtxg + 1);
    all.push_back(std::move(snapshot));
}

void Inventory::mark_sent(const DatasetName& dataset, Guid guid, UnixSeconds sent) {
    Versions* known = versions_to_change(dataset);
    if (known == nullptr) return;
    for (Snapshot& snapshot : known->snapshots) {
        if (snapshot.guid == guid) snapshot.sent = sent;
    }
}

void Inventory::forget_snapshots(const DatasetName& dataset,
                                 const std::vector<std::string>& names) {
    Versions* known = versions_to_change(dataset);
    if (known == nullptr) return;
    std::erase_if(known->snapshots, [&](const Snapshot& s) {
        return std::find(names.begin(), names.end(), s.name) != names.end();
    });
}

void Inventory::add_bookmark(const DatasetName& dataset, Guid guid) {
    Versions* known = versions_to_change(dataset);
    if (known == nullptr) return;
    auto& all = known->bookmarks;
    const std::string name = zrep_bookmark_name(guid);
    std::erase_if(all, [&](const Bookmark& b) { return b.name == name; });
    Bookmark added;
    added.name = name;
    added.guid = guid;
    if (!all.empty()) added.createtxg = all.back().createtxg + 1;
    all.push_back(std::move(added));
}

void Inventory::forget_bookmark(const DatasetName& dataset, const std::string& name) {
    Versions* known = versions_to_change(dataset);
    if (known == nullptr) return;
    std::erase_if(known->bookmarks, [&](const Bookmark& b) { return b.name == name; });
}

bool Inventory::needs_discovery(const std::function<bool(const DatasetName&)>& busy) const {
    return needs_discovery_ ||
           std::any_of(altered_.begin(), altered_.end(), [&](const auto& n) { return !busy(n); });
}

void Inventory::look_for_returned_pools() {
    const auto returned = [&](const std::string& p) { return zfs_.check_pool(p).has_value(); };
    if (std::any_of(left_out_.begin(), left_out_.end(), returned)) needs_discovery_ = true;
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
