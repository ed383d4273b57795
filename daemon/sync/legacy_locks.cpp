// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sync/legacy_locks.hpp"

#include <csignal>

#include <cerrno>
#include <cstdint>

#include "common/props.hpp"
#include "common/text.hpp"
#include "daemon/log.hpp"

namespace zrepd::sync {
namespace {

constexpr std::chrono::seconds kLookForPools{1};

bool is_alive(std::uint64_t pid) {
    if (pid == 0 || pid > INT32_MAX) return false;
    return ::kill(static_cast<pid_t>(pid), 0) == 0 || errno != ESRCH;
}

bool is_left(const Dataset& dataset, const std::function<bool(std::uint64_t pid)>& lives) {
    const auto text = dataset.local(prop::kLockPid);
    if (!text || text->empty()) return false;
    const auto pid = parse_u64(*text);
    return !pid || !lives(*pid);
}

Task<> clear_lock(Parts& parts, DatasetName name) {
    const std::string pid = parts.inventory.find(name)->local(prop::kLockPid).value_or("");
    std::vector<std::string> lock{std::string(prop::kLockPid), std::string(prop::kLockTime)};
    auto cleared = co_await parts.zfs.inherit(name, std::move(lock));
    if (!cleared) {
        log::event(log::Level::warn,
                   "bookkeeping",
                   {{"dataset", name.str()}, {"warning", cleared.error().text()}});
        co_return;
    }
    parts.inventory.note_set(
        name, {{std::string(prop::kLockPid), ""}, {std::string(prop::kLockTime), ""}});
    log::event(log::Level::info, "stale_lock", {{"dataset", name.str()}, {"pid", pid}});
}

}  // namespace

std::vector<DatasetName> left_locked(const std::map<DatasetName, Dataset>& all,
                                     const std::function<bool(std::uint64_t pid)>& lives) {
    std::vector<DatasetName> out;
    for (const auto& [name, dataset] : all)
        if (is_left(dataset, lives)) out.push_back(name);
    return out;
}

Task<> clear_stale_locks(Parts& parts) {
    // No wait for Inventory::changed(): that is for the scheduler alone, and each would wake the
    // other.
    while (!parts.inventory.ready()) {
        co_await sleep_for(kLookForPools);
        const bool stop = co_await cancelled();
        if (stop) co_return;
    }
    for (const DatasetName& name : left_locked(parts.inventory.all(), is_alive)) {
        // What is no side of a pair here is locked by whom we know nothing about, in a container
        // say.
        if (!parts.inventory.pair(name)) continue;
        // A shell zrep may have taken it over meanwhile.
        auto seen = co_await parts.inventory.refresh_one(name, Freshness::cached);
        const bool stop = co_await cancelled();
        if (stop) co_return;
        const Dataset* now = parts.inventory.find(name);
        if (seen && now != nullptr && is_left(*now, is_alive)) co_await clear_lock(parts, name);
    }
}

}  // namespace zrepd::sync
