// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/zfs/zfs_cli.hpp"

#include <algorithm>
#include <cerrno>
#include <deque>

#include "common/text.hpp"
#include "daemon/async/gather.hpp"
#include "daemon/zfs/command.hpp"
#include "daemon/zfs/events.hpp"
#include "daemon/zfs/parse.hpp"

namespace zrepd {
namespace {

/// "zfs snapshot": what failed, in front of zfs's own words.
std::string title(const std::vector<std::string>& argv) {
    return argv.size() < 2 ? argv.at(0) : argv[0] + " " + argv[1];
}

Error failed(const std::vector<std::string>& argv, const Output& output) {
    return parse::failure(output.err, output.status.text(), command::subject(argv)).in(title(argv));
}

std::map<std::string, std::vector<SnapshotName>> by_pool(const std::vector<SnapshotName>& names) {
    std::map<std::string, std::vector<SnapshotName>> result;
    for (const SnapshotName& name : names) {
        result[std::string(name.dataset().pool())].push_back(name);
    }
    return result;
}

// Names for one zfs hold or release, and how many of those run at once.
constexpr std::size_t kNamesPerTag = 16;
constexpr std::size_t kTagsAtOnce = 8;

std::vector<std::vector<SnapshotName>> groups_of(const std::vector<SnapshotName>& names,
                                                 std::size_t size) {
    std::vector<std::vector<SnapshotName>> out;
    for (const SnapshotName& name : names) {
        if (out.empty() || out.back().size() == size) out.emplace_back();
        out.back().push_back(name);
    }
    return out;
}

/// It was killed for what it wrote, or how long it took; not for a disk that does not answer.
bool is_too_much(const Error& error) {
    return error.sys_errno == EFBIG || error.sys_errno == ETIMEDOUT;
}

}  // namespace

ZfsCli::ZfsCli(Processes& processes, ZfsPaths paths)
    : processes_(processes), paths_(std::move(paths)) {}

Task<Result<Output>> ZfsCli::succeed(Argv argv, std::chrono::seconds limit) {
    Result<Output> output = co_await processes_.run(argv, limit);
    if (output.has_value() && !output->status.ok()) co_return failed(argv, *output);
    co_return output;
}

Task<Result<void>> ZfsCli::mutate(std::string pool, std::vector<Argv> commands) {
    Result<void> checked = check_pool(pool);
    if (!checked.has_value()) co_return checked;
    for (Argv& argv : commands) {
        Result<Output> output = co_await succeed(std::move(argv), kMutationLimit);
        if (!output.has_value()) co_return output.error();
    }
    co_return ok();
}

Task<Result<Output>> ZfsCli::list(std::vector<Argv> commands,
                                  std::chrono::seconds limit,
                                  std::size_t most) {
    Output all;
    for (Argv& argv : commands) {
        std::string nothing;
        Result<Output> output = co_await processes_.run(argv, limit, std::move(nothing), most);
        if (!output.has_value()) co_return output;
        const bool usable = output->status.ok() || parse::only_missing(output->err);
        if (!usable) co_return failed(argv, *output);
        all.out += output->out;
        all.err += output->err;
    }
    co_return all;
}

Task<Result<std::map<DatasetName, Versions>>> ZfsCli::versions_of(std::vector<DatasetName> which) {
    const bool alone = which.size() == 1;
    Result<Output> output = co_await list(command::get_versions(which),
                                          alone ? kListAloneLimit : kListLimit,
                                          alone ? kMaxAloneBytes : kMaxOutputBytes);
    if (!output.has_value()) co_return output.error();
    Result<std::map<DatasetName, Versions>> found = parse::versions(output->out);
    if (!found.has_value()) co_return found;
    for (const DatasetName& dataset : which) {
        const bool missing = output->err.find("'" + dataset.str() + "'") != std::string::npos;
        if (!missing) found->try_emplace(dataset);
    }
    co_return found;
}

Task<Result<std::map<DatasetName, Versions>>> ZfsCli::versions(std::vector<DatasetName> which) {
    std::map<DatasetName, Versions> all;
    if (which.empty()) co_return all;
    Result<void> checked = check_pools(which);
    if (!checked.has_value()) co_return checked.error();
    const auto until = std::chrono::steady_clock::now() + kListAllLimit;
    std::vector<std::vector<DatasetName>> left{std::move(which)};
    while (!left.empty()) {
        const std::vector<DatasetName> part = std::move(left.back());
        left.pop_back();
        if (part.size() > names_at_once_) {
            const auto half = part.begin() + static_cast<std::ptrdiff_t>(part.size() / 2);
            left.emplace_back(half, part.end());
            left.emplace_back(part.begin(), half);
            continue;
        }
        const auto began = std::chrono::steady_clock::now();
        if (began >= until) {
            co_return Error{.code = Code::timed_out,
                            .message = "the snapshots were not listed within 15 minutes",
                            .remedy =
                                "zpool status and zpool iostat show what the pool is busy with; "
                                "fewer snapshots list faster"};
        }
        auto found = co_await versions_of(part);
        const auto now = std::chrono::steady_clock::now();
        if (!found && part.size() > 1 && is_too_much(found.error()) && now < until) {
            names_at_once_ = part.size() / 2;
            left.push_back(part);
            continue;
        }
        if (!found) co_return found;
        // What made it slow may be over. The halves of what was too much are never more than half
        // of it.
        if (part.size() > names_at_once_ / 2 && now - began < kListLimit / 10) names_at_once_ *= 2;
        all.merge(*found);
    }
    co_return all;
}

Task<Result<void>> ZfsCli::set(DatasetName dataset, PropertyList properties) {
    Result<Argv> argv = command::set(dataset, properties);
    if (!argv.has_value()) co_return argv.error();
    const bool closes = std::find(properties.begin(),
                                  properties.end(),
                                  PropertyList::value_type("readonly", "on")) != properties.end();
    if (closes) {
        // A lease that ran out ends a master, whatever else hangs in its pool: the other side
        // counts on that, and a command that hangs, too, loses nothing.
        Result<void> checked = check_state(dataset.pool());
        if (!checked.has_value()) co_return checked;
        Result<Output> output = co_await succeed(std::move(*argv), kMutationLimit);
        if (!output.has_value()) co_return output.error();
        co_return ok();
    }
    std::vector<Argv> commands{std::move(*argv)};
    co_return co_await mutate(std::string(dataset.pool()), std::move(commands));
}

Task<Result<void>> ZfsCli::inherit(DatasetName dataset, std::vector<std::string> properties) {
    std::vector<Argv> commands;
    for (const std::string& property : properties) {
        Result<Argv> argv = command::inherit(dataset, property);
        if (!argv.has_value()) co_return argv.error();
        commands.push_back(std::move(*argv));
    }
    co_return co_await mutate(std::string(dataset.pool()), std::move(commands));
}

struct ZfsCli::Tagging {
    Tagging(asio::any_io_executor executor, bool release)
        : done(std::move(executor)),
          tolerated(release ? parse::Complaint::hold_missing : parse::Complaint::hold_exists) {}

    void fail(Error error) {
        if (!first) first = std::move(error);
    }

    struct OfPool {
        std::string pool;
        Argv argv;
    };
    std::deque<OfPool> commands;
    Signal done;
    std::size_t left = 0;  ///< tasks
    std::optional<Error> first;
    parse::Complaint tolerated;
};

Task<> ZfsCli::tag_some(Tagging* work) {
    while (!work->commands.empty()) {
        const Tagging::OfPool next = std::move(work->commands.front());
        const Argv& argv = next.argv;
        work->commands.pop_front();
        Result<Output> output = co_await processes_.run(argv, kMutationLimit);
        if (!output.has_value()) {
            work->fail(output.error());
            const bool stop = co_await cancelled();
            std::erase_if(work->commands,
                          [&](const auto& other) { return stop || other.pool == next.pool; });
            continue;
        }
        if (output->status.ok()) continue;
        // zfs does the snapshots one after the other and complains of each.
        const std::vector<std::string> said = parse::complaints(output->err);
        const bool fine = !said.empty() && std::all_of(said.begin(), said.end(), [&](auto& one) {
            return parse::classify(one) == work->tolerated;
        });
        if (!fine) work->fail(failed(argv, *output));
    }
    --work->left;
    work->done.notify();
}

Task<Result<void>> ZfsCli::tag_snapshots(std::vector<SnapshotName> names, bool release) {
    const auto executor = co_await asio::this_coro::executor;
    Tagging work(executor, release);
    const auto pools = by_pool(names);
    for (const auto& [pool, of_pool] : pools) {
        // One pool in trouble keeps no other's holds from their change.
        Result<void> checked = check_pool(pool);
        if (!checked.has_value()) {
            work.fail(checked.error());
            continue;
        }
        for (const auto& some : groups_of(of_pool, kNamesPerTag)) {
            std::vector<Argv> commands = release ? command::release(some) : command::hold(some);
            for (Argv& argv : commands) work.commands.push_back({pool, std::move(argv)});
        }
    }
    TaskGroup tasks(executor);
    work.left = std::min(work.commands.size(), kTagsAtOnce);
    for (std::size_t i = work.left; i > 0; --i)
        tasks.spawn(release ? "release" : "hold", tag_some(&work));
    co_await gather(tasks, work.left, work.done);
    if (work.first) co_return std::move(*work.first);
    co_return ok();
}

Task<Result<void>> ZfsCli::hold(std::vector<SnapshotName> names) {
    co_return co_await tag_snapshots(std::move(names), /*release=*/false);
}

Task<Result<void>> ZfsCli::release(std::vector<SnapshotName> names) {
    co_return co_await tag_snapshots(std::move(names), /*release=*/true);
}

Task<Result<void>> ZfsCli::forget_sent(std::vector<SnapshotName> names) {
    const auto pools = by_pool(names);
    for (const auto& [pool, of_pool] : pools) {
        std::vector<Argv> commands = command::inherit_sent(of_pool);
        Result<void> done = co_await mutate(pool, std::move(commands));
        if (!done.has_value()) co_return done;
    }
    co_return ok();
}

Task<Result<std::set<SnapshotName>>> ZfsCli::foreign_holds(std::vector<SnapshotName> names) {
    std::set<SnapshotName> out;
    for (Argv& argv : command::holds(names)) {
        Result<Output> output = co_await succeed(std::move(argv), kListLimit);
        if (!output.has_value()) co_return output.error();
        out.merge(parse::foreign_holds(output->out));
    }
    co_return out;
}

Task<Result<void>> ZfsCli::destroy_each(DatasetName dataset,
                                        std::vector<std::string> names,
                                        std::vector<std::string>& destroyed,
                                        std::vector<Error>& failed_ones) {
    Result<std::vector<Argv>> together = command::destroy_snapshots(dataset, names);
    if (!together.has_value()) co_return together.error();
    Result<void> all = co_await mutate(std::string(dataset.pool()), std::move(*together));
    if (all.has_value()) {
        destroyed.insert(destroyed.end(), names.begin(), names.end());
        co_return ok();
    }
    const Code code = all.error().code;
    const bool hopeless = code == Code::timed_out || code == Code::cancelled ||
                          code == Code::pool_unavailable || code == Code::access_denied;
    if (hopeless) co_return all;
    for (const std::string& name : names) {
        Result<std::vector<Argv>> alone = command::destroy_snapshots(dataset, {name});
        if (!alone.has_value()) co_return alone.error();
        Argv argv = std::move(alone->at(0));
        Result<Output> output = co_await processes_.run(argv, kMutationLimit);
        if (!output.has_value()) co_return output.error();
        const bool gone =
            output->status.ok() || parse::classify(output->err) == parse::Complaint::no_snapshots;
        if (gone) {
            destroyed.push_back(name);
        } else {
            failed_ones.push_back(parse::not_destroyed(
                dataset.str() + "@" + name, output->err, output->status.text()));
        }
    }
    co_return ok();
}

Task<Result<void>> ZfsCli::destroy_snapshots(DatasetName dataset, std::vector<std::string> names) {
    std::vector<std::string> destroyed;
    std::vector<Error> failures;
    Result<void> done = co_await destroy_each(dataset, std::move(names), destroyed, failures);
    if (!done.has_value()) co_return done;
    if (failures.empty()) co_return ok();
    // What is in the way of the others is said once this one is gone.
    std::vector<std::string> messages;
    for (const Error& failure : failures) messages.push_back(failure.message);
    co_return Error{
        .code = Code::busy, .message = join(messages, "; "), .remedy = failures.front().remedy};
}

Task<Result<void>> ZfsCli::destroy_bookmark(DatasetName dataset, std::string name) {
    Result<void> checked = check_pool(dataset.pool());
    if (!checked.has_value()) co_return checked;
    Result<Argv> argv = command::destroy_bookmark(dataset, name);
    if (!argv.has_value()) co_return argv.error();
    Result<Output> output = co_await processes_.run(*argv, kMutationLimit);
    if (!output.has_value()) co_return output.error();
    const bool gone =
        output->status.ok() || parse::classify(output->err) == parse::Complaint::bookmark_missing;
    if (!gone) co_return failed(*argv, *output);
    co_return ok();
}

Task<Result<void>> ZfsCli::rollback(SnapshotName snapshot) {
    Result<void> checked = check_pool(snapshot.dataset().pool());
    if (!checked.has_value()) co_return checked;
    Result<Output> output = co_await succeed(command::rollback(snapshot), kFreeLimit);
    if (!output.has_value()) co_return output.error();
    co_return ok();
}

Task<Result<void>> ZfsCli::abort_receive(DatasetName dataset) {
    Result<void> checked = check_pool(dataset.pool());
    if (!checked.has_value()) co_return checked;
    const Argv argv = command::abort_receive(dataset);
    Result<Output> output = co_await processes_.run(argv, kFreeLimit);
    if (!output.has_value()) co_return output.error();
    const bool gone =
        output->status.ok() || parse::classify(output->err) == parse::Complaint::no_resume_state;
    if (!gone) co_return failed(argv, *output);
    co_return ok();
}

Task<Result<TokenInfo>> ZfsCli::token_info(std::string token) {
    Result<Argv> argv = command::token_info(token);
    if (!argv.has_value()) co_return argv.error();
    Result<Output> output = co_await processes_.run(*argv, kListLimit);
    if (!output.has_value()) co_return output.error();
    if (output->status.ok()) co_return parse::token(output->out);
    TokenInfo gone;
    gone.gone = true;
    gone.snapshot = parse::gone_snapshot(output->err);
    if (gone.snapshot) co_return gone;
    co_return failed(*argv, *output);
}

Task<> ZfsCli::watch(std::function<void(Change)> on_change) {
    co_await follow_events(processes_, std::move(on_change));
}

}  // namespace zrepd
