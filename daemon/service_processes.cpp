// SPDX-License-Identifier: BSD-2-Clause
// Processes that wait in the kernel and did not end even when killed, for status.
#include <algorithm>

#include "common/text.hpp"
#include "daemon/service.hpp"

namespace zrepd {
namespace {

// A pool that hangs and is asked again and again; the oldest say enough.
constexpr std::size_t kMostTold = 100;

/// Whether `name` is an argument of the command, or the dataset of one.
bool names(const std::string& command, const std::string& name) {
    for (auto at = command.find(name); at != command.npos; at = command.find(name, at + 1)) {
        const std::size_t end = at + name.size();
        const bool begins = at > 0 && command[at - 1] == ' ';
        const bool ends = end == command.size() || command.find_first_of(" @#", end) == end;
        if (begins && ends) return true;
    }
    return false;
}

/// The one dataset that it works on; a pool and what lies in it is the latter.
std::optional<std::string> dataset_of(const std::string& command,
                                      const sync::Inventory& inventory) {
    std::vector<DatasetName> found;
    for (const auto& [name, dataset] : inventory.all()) {
        if (!names(command, name.str())) continue;
        if (!found.empty() && name.is_below(found.back())) found.pop_back();
        found.push_back(name);
    }
    if (found.size() != 1) return std::nullopt;
    return found.front().str();
}

std::string what_to_do(const std::optional<std::string>& dataset) {
    const std::string pool = dataset ? dataset->substr(0, dataset->find('/')) : "";
    const std::string look = pool.empty() ? "zpool status" : "zpool status " + quote(pool);
    const std::string clear = pool.empty() ? "zpool clear POOL" : "zpool clear " + quote(pool);
    return "it waits for a disk or pool: see " + look + " and dmesg; it ends when that answers (" +
           clear + ", where the pool is suspended), or with the next boot";
}

}  // namespace

std::vector<rpc::AbandonedProcess> DaemonService::abandoned_processes(const Moment& now) const {
    if (processes_.abandoned() == 0) return {};
    std::vector<RunningProcess> all = processes_.running();
    std::erase_if(all, [](const RunningProcess& one) { return !one.abandoned; });
    std::sort(
        all.begin(), all.end(), [](const auto& a, const auto& b) { return a.since < b.since; });
    if (all.size() > kMostTold) all.resize(kMostTold);
    std::vector<rpc::AbandonedProcess> out;
    for (const RunningProcess& one : all) {
        const auto age = std::chrono::duration_cast<std::chrono::seconds>(now.steady - one.since);
        rpc::AbandonedProcess told;
        told.pid = one.pid;
        told.command = one.command;
        told.since = to_rfc3339(now.wall - age.count());
        told.dataset = dataset_of(one.command, parts_.inventory);
        told.remedy = what_to_do(told.dataset);
        out.push_back(std::move(told));
    }
    return out;
}

}  // namespace zrepd
