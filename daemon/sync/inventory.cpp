// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sync/inventory.hpp"

#include <algorithm>
#include <iterator>

#include "daemon/clock.hpp"

namespace zrepd::sync {
namespace {

// More names that are no dataset's are not kept in memory.
constexpr std::size_t kMaxUnknown = 10'000;

std::map<std::string, std::vector<DatasetName>> by_pool(const std::vector<DatasetName>& which) {
    std::map<std::string, std::vector<DatasetName>> out;
    for (const DatasetName& name : which) out[std::string(name.pool())].push_back(name);
    return out;
}

void set_aside(std::vector<DatasetName>& which,
               const std::vector<DatasetName>& names,
               const Error& why,
               LeftOut& out) {
    for (const DatasetName& name : names) {
        out.emplace(name, why);
        std::erase(which, name);
    }
}

}  // namespace

Inventory::Inventory(asio::any_io_executor executor, Zfs& zfs, plan::Self self)
    : zfs_(zfs), self_(std::move(self)), changed_(executor), executor_(std::move(executor)) {}

Task<Result<void>> Inventory::discover_now() {
    // Cleared first: what changes while we look must be looked at again.
    needs_discovery_ = false;
    altered_.clear();
    const std::uint64_t asked = ++questions_;
    const auto before = zfs_.unavailable_pools();
    std::set<std::string, std::less<>> left_out(before.begin(), before.end());
    const auto asked_at = boot_now();
    auto seen = co_await zfs_.datasets({});
    if (!seen) {
        needs_discovery_ = true;
        if (!ready_) ready_ = seen.error();
        co_return seen.error();
    }
    // One that was asked later has been answered already.
    if (asked < discovered_) co_return ok();
    // A pool may have been suspended before zfs came to it.
    for (std::string& pool : zfs_.unavailable_pools()) left_out.insert(std::move(pool));
    ready_ = ok();
    for (Dataset& dataset : *seen) dataset.asked_at = asked_at;
    replace_all(std::move(*seen), asked, std::move(left_out));
    std::vector<DatasetName> unknown;
    for (const auto& pair : pairs()) unknown.push_back(pair.dataset);
    unknown = with_members(unknown);
    std::erase_if(unknown, [&](const DatasetName& name) { return versions_.contains(name); });
    auto listed = co_await list_versions(std::move(unknown));
    lacks_versions_ = !listed;
    changed_.notify();
    if (!listed) co_return listed.error();
    co_return ok();
}

/// All that was seen, but for what somebody looked at after we had asked.
void Inventory::replace_all(std::vector<Dataset> seen,
                            std::uint64_t asked,
                            std::set<std::string, std::less<>> left_out) {
    const auto older = [&](const DatasetName& name) {
        const auto known = asked_.find(name);
        return known == asked_.end() || known->second.dataset < asked;
    };
    left_out_ = std::move(left_out);
    discovered_ = asked;
    for (const Dataset& dataset : seen) {
        if (older(dataset.name)) doubt_if_another(dataset);
    }
    std::erase_if(datasets_, [&](const auto& entry) {
        return !is_left_out(entry.first) && older(entry.first);
    });
    for (Dataset& dataset : seen) {
        const DatasetName name = dataset.name;
        if (older(name)) datasets_.insert_or_assign(name, std::move(dataset));
    }
    const auto unknown = [&](const DatasetName& name) { return !datasets_.contains(name); };
    std::erase_if(versions_, [&](const auto& entry) { return unknown(entry.first); });
    std::erase_if(asked_, [&](const auto& entry) {
        return unknown(entry.first) && entry.second.dataset < asked;
    });
    std::erase_if(contradicted_, unknown);
}

bool Inventory::is_left_out(const DatasetName& name) const {
    return left_out_.contains(name.pool());
}

std::uint64_t Inventory::known_since(const DatasetName& name) const {
    const auto known = asked_.find(name);
    const std::uint64_t own = known == asked_.end() ? 0 : known->second.dataset;
    return is_left_out(name) ? own : std::max(own, discovered_);
}

Result<void> Inventory::looked_at(const DatasetName& name) const {
    if (!ready_) return ready_;
    if (!is_left_out(name)) return ok();
    return zfs_.check_pool(name.pool());
}

std::size_t Inventory::leave_out(std::vector<DatasetName>& which, LeftOut& out) {
    return std::erase_if(which, [&](const DatasetName& name) {
        auto available = zfs_.check_pool(name.pool());
        if (!available) out.emplace(name, available.error());
        return !available;
    });
}

/// These, behind the datasets that their pools begin with, as far as those are known: what is free
/// is told there, and costs no process of its own. Of the names of a command the last one is told.
std::vector<DatasetName> Inventory::with_pools(std::vector<DatasetName> which) const {
    std::set<DatasetName> pools;
    for (const DatasetName& name : which) {
        const auto pool = DatasetName::parse(name.pool());
        if (pool && find(*pool) != nullptr) pools.insert(*pool);
    }
    for (const DatasetName& name : which) pools.erase(name);
    which.insert(which.begin(), pools.begin(), pools.end());
    return which;
}

/// A pool that is suspended while we ask, or hangs without being so, must not cost the others their
/// answer. What it did cost goes from `which` to `out`.
Task<Result<std::vector<Dataset>>> Inventory::ask_datasets(std::vector<DatasetName>& which,
                                                           LeftOut& out) {
    std::vector<DatasetName> asked = with_pools(which);
    auto seen = co_await zfs_.datasets(asked);
    while (!seen && leave_out(which, out) != 0) {
        if (which.empty()) co_return std::vector<Dataset>();
        asked = with_pools(which);
        seen = co_await zfs_.datasets(asked);
    }
    const auto pools = by_pool(which);
    if (seen || seen.error().code != Code::timed_out || pools.size() < 2) co_return seen;
    std::vector<Dataset> all;
    for (const auto& [pool, names] : pools) {
        asked = with_pools(names);
        auto some = co_await zfs_.datasets(asked);
        if (some)
            std::move(some->begin(), some->end(), std::back_inserter(all));
        else
            set_aside(which, names, some.error(), out);
    }
    co_return all;
}

/// The same of snapshots and bookmarks.
Task<Result<std::map<DatasetName, Versions>>> Inventory::ask_versions(
    std::vector<DatasetName>& which, LeftOut& out) {
    auto listed = co_await zfs_.versions(which);
    while (!listed && leave_out(which, out) != 0) {
        if (which.empty()) co_return std::map<DatasetName, Versions>();
        listed = co_await zfs_.versions(which);
    }
    const auto pools = by_pool(which);
    if (listed || listed.error().code != Code::timed_out || pools.size() < 2) co_return listed;
    std::map<DatasetName, Versions> all;
    for (const auto& [pool, names] : pools) {
        auto some = co_await zfs_.versions(names);
        if (some)
            all.merge(*some);
        else
            set_aside(which, names, some.error(), out);
    }
    co_return all;
}

/// Destroyed, and made anew under the same name: what is listed is the former one's.
void Inventory::doubt_if_another(const Dataset& seen) {
    const Dataset* known = find(seen.name);
    if (known != nullptr && known->guid != seen.guid) contradicted_.insert(seen.name);
}

void Inventory::take_in(const std::vector<DatasetName>& which,
                        std::vector<Dataset> seen,
                        std::uint64_t asked) {
    const std::set<DatasetName> wanted(which.begin(), which.end());
    std::set<DatasetName> newer;
    for (const auto& name : which) {
        if (known_since(name) > asked) newer.insert(name);
    }
    std::erase_if(seen, [&](const Dataset& dataset) { return newer.contains(dataset.name); });
    for (const Dataset& dataset : seen) doubt_if_another(dataset);
    for (const auto& name : which) {
        if (newer.contains(name)) continue;
        datasets_.erase(name);
        asked_[name].dataset = asked;
    }
    for (Dataset& dataset : seen) {
        const DatasetName name = dataset.name;
        if (wanted.contains(name)) {
            datasets_.insert_or_assign(name, std::move(dataset));
            continue;
        }
        const auto pool = datasets_.find(name);
        if (pool != datasets_.end()) pool->second.available_bytes = dataset.available_bytes;
    }
}

Task<Result<LeftOut>> Inventory::refresh(std::vector<DatasetName> which, Freshness freshness) {
    LeftOut out;
    leave_out(which, out);
    if (which.empty()) co_return out;
    const std::uint64_t asked = ++questions_;
    const auto asked_at = boot_now();
    auto seen = co_await ask_datasets(which, out);
    if (!seen) co_return seen.error();
    if (which.empty()) co_return out;
    for (Dataset& dataset : *seen) dataset.asked_at = asked_at;
    take_in(which, std::move(*seen), asked);
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
    // Peers may ask for names that were never there; a discovery forgets them.
    if (asked_.size() > datasets_.size() + kMaxUnknown && !needs_discovery_) {
        needs_discovery_ = true;
        changed_.notify();
    }
    auto listed = co_await list_versions(std::move(to_list));
    if (!listed) co_return listed.error();
    out.merge(*listed);
    co_return out;
}

Task<Result<void>> Inventory::refresh_one(DatasetName name, Freshness freshness) {
    std::vector<DatasetName> which{std::move(name)};
    auto seen = co_await refresh(std::move(which), freshness);
    if (!seen) co_return seen.error();
    if (!seen->empty()) co_return seen->begin()->second;
    co_return ok();
}

Task<Result<LeftOut>> Inventory::list_versions(std::vector<DatasetName> which) {
    std::erase_if(which, [&](const DatasetName& name) {
        return versions_.contains(name) && !contradicted_.contains(name) &&
               !being_listed_.contains(name);
    });
    LeftOut out;
    leave_out(which, out);
    if (which.empty()) co_return out;
    for (const auto& name : which) {
        contradicted_.erase(name);
        being_listed_.insert(name);
    }
    const std::uint64_t asked = ++questions_;
    const std::vector<DatasetName> all = which;
    auto listed = co_await ask_versions(which, out);
    for (const auto& name : all) being_listed_.erase(name);
    if (!listed) contradicted_.insert(all.begin(), all.end());
    if (!listed) co_return listed.error();
    for (const auto& [name, why] : out) contradicted_.insert(name);
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
    co_return out;
}

const Dataset* Inventory::find(const DatasetName& name) const {
    const auto found = datasets_.find(name);
    return found == datasets_.end() ? nullptr : &found->second;
}

const Versions* Inventory::versions(const DatasetName& name) const {
    const auto found = versions_.find(name);
    return found == versions_.end() ? nullptr : &found->second;
}

std::uint64_t Inventory::pool_free(const DatasetName& name) const {
    const auto pool = DatasetName::parse(name.pool());
    const Dataset* tells = pool ? find(*pool) : nullptr;
    // Not to be seen from inside a container or zone: then what the dataset may use has to do.
    if (tells == nullptr) tells = find(name);
    return tells == nullptr ? 0 : tells->available_bytes;
}

std::optional<plan::Pair> Inventory::pair(const DatasetName& name) const {
    const Dataset* dataset = find(name);
    return dataset == nullptr ? std::nullopt : plan::pair_of(*dataset, self_);
}

std::optional<plan::Pair> Inventory::side(const DatasetName& name) const {
    const Dataset* dataset = find(name);
    if (dataset == nullptr) return std::nullopt;
    if (plan::stands_apart(*dataset)) return pair(name);
    const auto root = plan::tree_around(datasets_, name, self_);
    if (!root) return std::nullopt;
    auto member = plan::member_pair(*root, *dataset);
    return member ? std::optional(std::move(*member)) : std::nullopt;
}

std::vector<DatasetName> Inventory::members(const DatasetName& root) const {
    return plan::members_of(datasets_, root);
}

std::vector<DatasetName> Inventory::with_members(const std::vector<DatasetName>& which) const {
    std::vector<DatasetName> out;
    for (const auto& name : which) {
        const auto found = pair(name);
        if (found && found->tree) {
            for (auto& member : members(name)) out.push_back(std::move(member));
        } else {
            out.push_back(name);
        }
    }
    return out;
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
