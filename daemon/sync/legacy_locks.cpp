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

constexpr std::chrono::seconds kLookForPools{5};

bool is_alive(std::uint64_t pid) {
    if (pid == 0 || pid > INT32_MAX) return false;
    return ::kill(static_cast<pid_t>(pid), 0) == 0 || errno != ESRCH;
}

}  // namespace

std::vector<DatasetName> left_locked(const std::map<DatasetName, Dataset>& all,
                                     const std::function<bool(std::uint64_t pid)>& lives) {
    std::vector<DatasetName> out;
    for (const auto& [name, dataset] : all) {
        const auto text = dataset.local(prop::kLockPid);
        if (!text || text->empty()) continue;
        const auto pid = parse_u64(*text);
        if (!pid || !lives(*pid)) out.push_back(name);
    }
    return out;
}

Task<> clear_stale_locks(Parts& parts) {
    while (!parts.inventory.ready()) {
        co_await parts.inventory.changed().wait_until(SteadyClock::now() + kLookForPools);
        const bool stop = co_await cancelled();
        if (stop) co_return;
    }
    for (const DatasetName& name : left_locked(parts.inventory.all(), is_alive)) {
        const Dataset* dataset = parts.inventory.find(name);
        const std::string pid =
            dataset == nullptr ? "" : dataset->local(prop::kLockPid).value_or("");
        std::vector<std::string> lock{std::string(prop::kLockPid), std::string(prop::kLockTime)};
        auto cleared = co_await parts.zfs.inherit(name, std::move(lock));
        if (!cleared) {
            log::event(log::Level::warn,
                       "bookkeeping",
                       {{"dataset", name.str()}, {"warning", cleared.error().text()}});
            continue;
        }
        parts.inventory.note_set(
            name, {{std::string(prop::kLockPid), ""}, {std::string(prop::kLockTime), ""}});
        log::event(log::Level::info, "stale_lock", {{"dataset", name.str()}, {"pid", pid}});
    }
}

}  // namespace zrepd::sync
