// SPDX-License-Identifier: BSD-2-Clause
// What operations of our own changed is noted in what was read, so that no other look is needed.
#include <algorithm>

#include "daemon/sync/inventory.hpp"

namespace zrepd::sync {

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

void Inventory::note_set(const DatasetName& name, const PropertyList& properties) {
    const auto found = datasets_.find(name);
    if (found == datasets_.end()) return;
    asked_[name].dataset = ++questions_;
    Dataset& dataset = found->second;
    for (const auto& [key, value] : properties) {
        if (key == "canmount") dataset.canmount = value;
        if (key == "volmode") dataset.volmode = value;
        if (key == "readonly") {
            dataset.readonly = value == "on";
            dataset.readonly_here = true;
        }
        if (key == "mountpoint") {
            dataset.mountpoint = value;
            dataset.mountpoint_here = true;
        }
        if (key.find(':') == key.npos) continue;
        dataset.props[key] = Property{.value = value, .source = Source::local};
    }
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
    const Snapshot* of = find_snapshot(*known, guid);
    if (of != nullptr)
        added.createtxg = of->createtxg;
    else if (!all.empty())
        added.createtxg = all.back().createtxg + 1;
    all.push_back(std::move(added));
}

void Inventory::forget_bookmark(const DatasetName& dataset, const std::string& name) {
    Versions* known = versions_to_change(dataset);
    if (known == nullptr) return;
    std::erase_if(known->bookmarks, [&](const Bookmark& b) { return b.name == name; });
}

}  // namespace zrepd::sync
