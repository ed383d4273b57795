// SPDX-License-Identifier: BSD-2-Clause
// Processes that wait in the kernel and did not end even when killed, for status.
#include <algorithm>
#include <set>

#include "common/text.hpp"
#include "daemon/service.hpp"

namespace zrepd {
namespace {

// A pool that hangs and is asked again and again; the oldest say enough.
constexpr std::size_t kMostTold = 100;

// A listing may name thousands of filesystems: what it is shows at its beginning.
constexpr std::size_t kMostOfACommand = 1024;

std::string shortened(const std::string& command) {
    std::string out(command, 0, kMostOfACommand);
    if (out.size() < command.size()) out += "...";
    return out;
}

/// The one dataset that it works on; a pool and what lies in it is the latter. A listing may name
/// thousands.
std::optional<std::string> dataset_of(const RunningProcess& process,
                                      const sync::Inventory& inventory) {
    if (process.command.size() > kMostOfACommand) return std::nullopt;
    std::set<DatasetName> found;
    for (const std::string& word : process.argv) {
        const auto name = DatasetName::parse(word.substr(0, word.find_first_of("@#")));
        if (name && inventory.find(*name) != nullptr) found.insert(*name);
    }
    std::erase_if(found, [&found](const DatasetName& one) {
        return std::any_of(found.begin(), found.end(), [&](const DatasetName& other) {
            return other.is_below(one);
        });
    });
    if (found.size() != 1) return std::nullopt;
    return found.begin()->str();
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
        told.command = shortened(one.command);
        told.since = to_rfc3339(now.wall - age.count());
        told.dataset = dataset_of(one, parts_.inventory);
        told.remedy = what_to_do(told.dataset);
        out.push_back(std::move(told));
    }
    return out;
}

}  // namespace zrepd
