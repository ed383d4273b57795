// SPDX-License-Identifier: BSD-2-Clause
// ZfsCli: datasets and their properties; everything at once where that is possible, and in parts
// where it is not.
#include <algorithm>
#include <cerrno>
#include <iterator>

#include "common/text.hpp"
#include "daemon/zfs/command.hpp"
#include "daemon/zfs/zfs_cli.hpp"

namespace zrepd {
namespace {

/// It was killed for that.
bool wrote_too_much(const Error& error) {
    return error.sys_errno == EFBIG;
}

std::vector<DatasetName> names_in(std::string_view out) {
    std::vector<DatasetName> names;
    for (const std::string_view line : split(out, '\n')) {
        auto name = DatasetName::parse(line);
        // Others are of no use to us, and of no harm.
        if (name) names.push_back(std::move(*name));
    }
    return names;
}

Error listing_too_slow() {
    return {.code = Code::timed_out,
            .message = "the datasets were not listed within 15 minutes",
            .remedy =
                "zpool status and zpool iostat show what the pool is busy with; fewer "
                "filesystems list faster"};
}

Error pool_came_back() {
    return {.code = Code::busy,
            .message = "a pool came back while the others were listed",
            .remedy = "run it again in a moment"};
}

void add_to(std::vector<Dataset>& all, std::vector<Dataset> some) {
    std::move(some.begin(), some.end(), std::back_inserter(all));
}

}  // namespace

Task<Result<std::vector<Dataset>>> ZfsCli::datasets(std::vector<DatasetName> which) {
    if (which.empty()) co_return co_await all_datasets();
    Result<void> checked = check_pools(which);
    if (!checked.has_value()) co_return checked.error();
    co_return co_await datasets_of(std::move(which));
}

/// Never more in memory than one command may write, besides what was read from it.
Task<Result<std::vector<Dataset>>> ZfsCli::datasets_of(std::vector<DatasetName> which) {
    const auto until = std::chrono::steady_clock::now() + kListAllLimit;
    std::vector<Dataset> all;
    std::vector<std::vector<DatasetName>> left{std::move(which)};
    while (!left.empty()) {
        const std::vector<DatasetName> part = std::move(left.back());
        left.pop_back();
        if (std::chrono::steady_clock::now() >= until) co_return listing_too_slow();
        std::vector<Argv> commands = command::get_datasets(part);
        bool too_much = commands.size() > 1;
        if (!too_much) {
            Result<Output> output = co_await list(std::move(commands));
            too_much = !output && part.size() > 1 && wrote_too_much(output.error());
            if (!output && !too_much) co_return output.error();
            Result<std::vector<Dataset>> some = std::vector<Dataset>();
            if (output) some = parse::datasets(output->out);
            if (!some) co_return some;
            add_to(all, std::move(*some));
        }
        if (!too_much) continue;
        const auto half = part.begin() + static_cast<std::ptrdiff_t>(part.size() / 2);
        left.emplace_back(half, part.end());
        left.emplace_back(part.begin(), half);
    }
    co_return all;
}

Task<Result<std::vector<Dataset>>> ZfsCli::all_datasets() {
    const std::vector<std::string> imported = pools();
    std::erase_if(large_pools_, [&](const auto& one) {
        return std::find(imported.begin(), imported.end(), one.first) == imported.end() &&
               !one.first.empty();
    });
    Error why = pool_came_back();
    if (!large_pools_.empty()) co_return co_await datasets_of_each_pool(std::move(why));
    std::vector<Argv> commands = command::get_datasets({});
    if (!unavailable_pools().empty()) {
        std::vector<std::string> healthy = imported;
        std::erase_if(healthy, [&](const std::string& pool) { return !check_pool(pool); });
        if (healthy.empty()) co_return std::vector<Dataset>();
        commands = {command::get_datasets_of_pools(healthy)};
    }
    Result<Output> output = co_await list(std::move(commands));
    if (output.has_value()) co_return parse::datasets(output->out);
    const bool too_much = wrote_too_much(output.error());
    const bool late = output.error().code == Code::timed_out && imported.size() > 1;
    if (!late && !too_much) co_return output.error();
    if (late) why = output.error();
    // Asked alone, it would say the same once more.
    if (imported.size() < 2) large_pools_.emplace(imported.empty() ? "" : imported.front(), 0);
    co_return co_await datasets_of_each_pool(std::move(why));
}

/// One that hangs is unavailable from then on. Of one that is only slow nobody may think that what
/// is not listed is gone: then this fails as the first listing did. So it does when one that was
/// left out is back: whoever asks what was left out would not find it there.
Task<Result<std::vector<Dataset>>> ZfsCli::datasets_of_each_pool(Error why) {
    std::vector<std::string> imported = pools();
    // Not knowable here: all of them are as one.
    if (imported.empty()) imported.emplace_back();
    const auto usable = [&](const std::string& pool) {
        return pool.empty() || check_pool(pool).has_value();
    };
    std::vector<Dataset> all;
    std::vector<std::string> skipped;
    for (const std::string& pool : imported) {
        if (!usable(pool)) {
            skipped.push_back(pool);
            continue;
        }
        auto some = co_await datasets_of_pool(pool);
        if (some.has_value())
            add_to(all, std::move(*some));
        else if (usable(pool))
            co_return some.error();
        else
            skipped.push_back(pool);
    }
    if (std::any_of(skipped.begin(), skipped.end(), usable)) co_return why;
    co_return all;
}

/// In parts where that is too much; their names alone are a fiftieth of it.
Task<Result<std::vector<Dataset>>> ZfsCli::datasets_of_pool(std::string pool) {
    const auto known = large_pools_.find(pool);
    if (known == large_pools_.end()) {
        std::vector<Argv> commands{command::get_datasets_of_pools({pool})};
        Result<Output> output = co_await list(std::move(commands));
        if (output.has_value()) co_return parse::datasets(output->out);
        if (!wrote_too_much(output.error())) co_return output.error();
    }
    std::vector<Argv> commands{command::list_names(pool)};
    Result<Output> output = co_await list(std::move(commands));
    if (!output.has_value()) co_return output.error();
    std::vector<DatasetName> names = names_in(output->out);
    // The next one begins with the names, until there are far fewer of them.
    std::size_t& most = large_pools_[pool];
    most = std::max(most, names.size());
    if (names.size() < most / 2) large_pools_.erase(pool);
    if (names.empty()) co_return std::vector<Dataset>();
    co_return co_await datasets_of(std::move(names));
}

}  // namespace zrepd
