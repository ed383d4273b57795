// SPDX-License-Identifier: BSD-2-Clause
// ZfsCli: which pools there are, and which of them no command may touch.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "common/text.hpp"
#include "common/time.hpp"
#include "daemon/clock.hpp"
#include "daemon/zfs/command.hpp"
#include "daemon/zfs/parse.hpp"
#include "daemon/zfs/zfs_cli.hpp"

namespace zrepd {
namespace {

/// First line of a small file; empty when it cannot be read.
std::string read_line(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

}  // namespace

Result<void> ZfsCli::check_pool(std::string_view pool) {
    auto state = check_state(pool);
    if (!state) return state;
    return check_stuck(std::string(pool));
}

Result<void> ZfsCli::check_state(std::string_view pool) const {
    const std::string name(pool);
    const std::optional<std::string> trouble =
        parse::pool_trouble(read_line(paths_.kstat + "/" + name + "/state"));
    if (!trouble) return ok();
    return Error{
        .code = Code::pool_unavailable,
        .message = "pool " + name + " is " + *trouble + "; nothing was tried on it",
        .remedy = "repair it: zpool status " + quote(name) + ", then zpool clear " + quote(name)};
}

/// Each further command would be one more that nothing ends. That it was reaped clears it.
Result<void> ZfsCli::check_stuck(const std::string& pool) const {
    if (processes_.abandoned() == 0) return ok();
    const std::vector<std::string> imported = pools();
    for (const RunningProcess& one : processes_.running()) {
        if (!one.abandoned || !command::is_about_only(one.argv, pool, imported)) continue;
        const auto age = std::chrono::duration_cast<std::chrono::seconds>(
            std::chrono::steady_clock::now() - one.since);
        return Error{
            .code = Code::pool_unavailable,
            .message = "pool " + pool + " does not answer: process " + std::to_string(one.pid) +
                       " (" + one.argv[0] + " " + one.argv[1] + ") waits in the kernel since " +
                       to_rfc3339(unix_now() - age.count()) + "; nothing else was tried on it",
            .remedy = "look for a disk or path that hangs: zpool status " + quote(pool) +
                      ", and dmesg; it goes on by itself when that process has ended"};
    }
    return ok();
}

Task<Result<void>> ZfsCli::check_writable(std::string pool) {
    Result<void> checked = check_pool(pool);
    if (!checked.has_value()) co_return checked;
    Result<Output> output = co_await succeed(command::pool_readonly(pool), kListLimit);
    if (!output.has_value()) co_return output.error();
    if (trim(output->out) != "on") co_return ok();
    co_return parse::failure("pool is read-only", "", pool).in("pool " + pool);
}

Result<void> ZfsCli::check_pools(const std::vector<DatasetName>& which) {
    std::set<std::string_view> pools;
    for (const DatasetName& dataset : which) pools.insert(dataset.pool());
    for (const std::string_view pool : pools) {
        Result<void> checked = check_pool(pool);
        if (!checked.has_value()) return checked;
    }
    return ok();
}

std::vector<std::string> ZfsCli::pools() const {
    std::vector<std::string> found;
    std::error_code ec;
    for (std::filesystem::directory_iterator at(paths_.kstat, ec), end; !ec && at != end;
         at.increment(ec)) {
        std::error_code ignored;
        if (!std::filesystem::exists(at->path() / "state", ignored)) continue;
        found.push_back(at->path().filename().string());
    }
    return found;
}

std::vector<std::string> ZfsCli::unavailable_pools() {
    std::vector<std::string> found = pools();
    std::erase_if(found, [&](const std::string& pool) { return check_pool(pool).has_value(); });
    return found;
}

std::string ZfsCli::version() {
    return parse::version(read_line(paths_.module_version));
}

}  // namespace zrepd
