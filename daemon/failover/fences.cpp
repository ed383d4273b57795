// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/failover/fences.hpp"

#include <algorithm>

#include "common/props.hpp"
#include "common/text.hpp"
#include "daemon/failover/fence.hpp"
#include "daemon/failover/lease.hpp"
#include "daemon/failover/mount_place.hpp"
#include "daemon/failover/parts.hpp"
#include "daemon/log.hpp"

namespace zrepd::failover {
namespace {

using Clock = std::chrono::steady_clock;

// A set that failed, or a lock that somebody holds.
constexpr std::chrono::seconds kRetry{10};

void warn(const DatasetName& dataset, const Error& error) {
    log::event(log::Level::warn,
               "fence_failed",
               {{"dataset", dataset.str()}, {"error", error.text()}, {"next", error.remedy}});
}

}  // namespace

void Fences::tell_over(const DatasetName& dataset) {
    log::event(log::Level::info, "fence_over", {{"dataset", dataset.str()}});
    parts_.events.publish("fence_over", dataset.str(), "it does not wait for its peer any more");
}

bool Fences::must_hear(const Dataset& dataset, const plan::Pair& pair) const {
    return must_hear_peer(dataset, pair, opened_.contains(dataset.name));
}

bool Fences::waits(const DatasetName& name) const {
    const Dataset* dataset = parts_.inventory.find(name);
    const auto pair = parts_.inventory.pair(name);
    return dataset != nullptr && pair && must_hear(*dataset, *pair);
}

bool Fences::waits(const std::vector<plan::Pair>& pairs) const {
    return std::any_of(
        pairs.begin(), pairs.end(), [&](const plan::Pair& pair) { return waits(pair.dataset); });
}

void Fences::forget_gone() {
    std::erase_if(opened_, [&](const auto& name) { return !parts_.inventory.find(name); });
}

void Fences::look_after(const plan::Pair& pair, TaskGroup& tasks) {
    const Dataset* dataset = parts_.inventory.find(pair.dataset);
    if (dataset == nullptr) return;
    // A role change goes through what a fence looks like.
    const sync::RunPtr run = parts_.runs.active(pair.dataset);
    if (!run || !is_role_change(run->operation())) tell(*dataset, pair);
    if (fence_work(*dataset, pair).empty()) return;
    Clock::time_point& busy_until = busy_until_[pair.dataset];
    if (busy_until > Clock::now()) return;
    busy_until = Clock::now() + kRetry;
    tasks.spawn("fence " + pair.dataset.str(), settle(pair.dataset));
}

void Fences::tell(const Dataset& dataset, const plan::Pair& pair) {
    if (!must_hear(dataset, pair)) {
        const bool told = told_.erase(pair.dataset) != 0;
        // One that became a target instead says so itself: role_changed.
        if (told && pair.role == plan::Role::master) tell_over(pair.dataset);
    } else if (told_.insert(pair.dataset).second) {
        const Error error = waits_for_peer(dataset, pair);
        log::event(
            log::Level::warn,
            "fence_waits",
            {{"dataset", pair.dataset.str()}, {"peer", pair.peer.str()}, {"next", error.remedy}});
        parts_.events.publish("fence_waits", pair.dataset.str(), error.text());
    }
}

Task<> Fences::settle(DatasetName dataset) {
    auto changed = co_await change(dataset);
    if (!changed) {
        // A lock that somebody holds is no trouble.
        if (changed.error().code != Code::busy) warn(dataset, changed.error());
        co_return;
    }
    busy_until_.erase(dataset);
    parts_.events.publish("pair_changed", dataset.str(), "zrep:fence took effect");
}

Task<Result<void>> Fences::change(DatasetName name) {
    auto guard = parts_.locks.try_lock(name, lock::Scope::node, "fence");
    if (!guard) co_return Error{.code = Code::busy, .message = guard.error().message};
    auto seen = co_await parts_.inventory.refresh_one(name, sync::Freshness::cached);
    if (!seen) co_return seen.error();
    const Dataset* dataset = parts_.inventory.find(name);
    const auto pair = parts_.inventory.pair(name);
    if (dataset == nullptr || !pair) co_return ok();
    PropertyList work = fence_work(*dataset, *pair);
    if (work.empty()) co_return ok();
    const auto link = link_problem(dataset->mountpoint, *dataset, mounted_here(parts_.inventory));
    if (link) keep_from_boot(work);
    const bool fenced = pair->settings.fence != plan::Fence::off;
    const bool hidden = is_hidden(*dataset) && !opened_.contains(name);
    auto set = co_await parts_.zfs.set(name, work);
    if (!set) co_return set.error();
    parts_.inventory.note_set(name, work);
    log::event(
        log::Level::info,
        "fence_changed",
        {{"dataset", name.str()}, {"fence", std::string(plan::fence_name(pair->settings.fence))}});
    if (!fenced) {
        // What a set cannot say: nothing, instead of empty.
        std::vector<std::string> kept{std::string(prop::kCanmount)};
        auto tidied = co_await parts_.zfs.inherit(name, std::move(kept));
        if (!tidied) warn(name, tidied.error());
    }
    // Who takes a closed fence away vouches for what is behind it.
    if (fenced || !hidden || pair->role != plan::Role::master) co_return ok();
    if (link) co_return *link;
    co_return co_await parts_.zfs.mount(name);
}

std::optional<Error> Fences::trouble_of(const DatasetName& name) const {
    const Dataset* dataset = parts_.inventory.find(name);
    const auto pair = parts_.inventory.pair(name);
    if (dataset == nullptr || !pair) return std::nullopt;
    if (must_hear(*dataset, *pair)) return waits_for_peer(*dataset, *pair);
    return unfenceable(*dataset, *pair);
}

Result<std::vector<std::string>> Fences::describe_unfence(const plan::Pair& pair) const {
    if (!waits(pair.dataset)) return not_fenced(pair.dataset);
    const std::string there = pair.peer.str() + ":" + pair.peer_dataset.str();
    std::vector<std::string> out{
        "serve " + pair.dataset.str() + " without the word of " + there +
        ": if that is the master already, what is written here goes into a rescue when it answers"};
    const Dataset* dataset = parts_.inventory.find(pair.dataset);
    if (dataset != nullptr && is_leased(*dataset, pair)) out.push_back(unfence_price(pair));
    return out;
}

}  // namespace zrepd::failover
