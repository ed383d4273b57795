// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/failover/writable_targets.hpp"

#include <set>

#include "daemon/failover/journal.hpp"
#include "daemon/log.hpp"
#include "daemon/plan/writable.hpp"
#include "daemon/zfs/parse_mounts.hpp"

namespace zrepd::failover {

void WritableTargets::look(const std::vector<plan::Pair>& pairs, const std::string& table) {
    const auto writable = parse::writable_zfs(table);
    std::set<DatasetName> targets;
    for (const auto& pair : pairs) {
        if (pair.role != plan::Role::target) continue;
        targets.insert(pair.dataset);
        if (is_moving(pair)) continue;
        std::vector<const Dataset*> sides;
        for (const auto& name : parts_.inventory.with_members({pair.dataset}))
            sides.push_back(parts_.inventory.find(name));
        note(pair.dataset, plan::writable_target(sides, writable));
    }
    std::vector<DatasetName> former;
    for (const auto& [name, error] : found_) {
        if (!targets.contains(name)) former.push_back(name);
    }
    for (const auto& name : former) note(name, std::nullopt);
}

std::optional<Error> WritableTargets::trouble_of(const DatasetName& dataset) const {
    const auto found = found_.find(dataset);
    if (found == found_.end()) return std::nullopt;
    return found->second;
}

/// A stream that comes in, for days maybe, moves no role.
bool WritableTargets::is_moving(const plan::Pair& pair) const {
    const Dataset* dataset = parts_.inventory.find(pair.dataset);
    if (dataset == nullptr || entry_of(*dataset).journal != Journal::none) return true;
    const auto run = parts_.runs.active(pair.dataset);
    return run != nullptr && run->operation() != "receive";
}

void WritableTargets::note(const DatasetName& dataset, const std::optional<Error>& found) {
    const bool known = found_.contains(dataset);
    if (found)
        found_.insert_or_assign(dataset, *found);
    else
        found_.erase(dataset);
    if (found && !known) {
        log::event(log::Level::warn,
                   "target_writable",
                   {{"dataset", dataset.str()}, {"error", found->text()}, {"next", found->remedy}});
        parts_.events.publish(
            "target_writable", dataset.str(), found->text() + "; next: " + found->remedy);
    } else if (!found && known) {
        log::event(log::Level::info, "target_writable_over", {{"dataset", dataset.str()}});
        parts_.events.publish(
            "target_writable_over", dataset.str(), "it is not a target that can be written to");
    }
}

}  // namespace zrepd::failover
