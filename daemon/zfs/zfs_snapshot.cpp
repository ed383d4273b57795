// SPDX-License-Identifier: BSD-2-Clause
// ZfsCli's channel programs, and snapshots: by program, or with plain commands to the same outcome.
#include "daemon/clock.hpp"
#include "daemon/log.hpp"
#include "daemon/zfs/ack_program.hpp"
#include "daemon/zfs/command.hpp"
#include "daemon/zfs/parse.hpp"
#include "daemon/zfs/program_batches.hpp"
#include "daemon/zfs/snapshot_program.hpp"
#include "daemon/zfs/zfs_cli.hpp"

namespace zrepd {
namespace {

using Outcomes = std::vector<Result<Snapshot>>;

}  // namespace

bool ZfsCli::plain_commands_help(const Error& error) {
    // A pool or a daemon that is going away makes plain commands no better than the program.
    return error.code != Code::cancelled && error.code != Code::timed_out &&
           error.code != Code::pool_unavailable;
}

Task<Result<std::string>> ZfsCli::run_program(std::string pool,
                                              std::string_view text,
                                              std::vector<std::string> arguments) {
    if (programs_refused_) {
        co_return Error{.code = Code::unsupported, .message = "channel programs are refused here"};
    }
    Argv argv = command::program(pool, arguments);
    std::string input(text);
    Result<Output> output =
        co_await processes_.run(std::move(argv), kMutationLimit, std::move(input));
    if (!output.has_value()) co_return output.error();
    if (output->status.ok()) co_return std::move(output->out);

    Error error =
        parse::failure(output->err, output->status.text(), pool).in("zfs program " + pool);
    programs_refused_ = parse::classify(output->err) == parse::Complaint::programs_refused;
    if (plain_commands_help(error)) {
        log::event(log::Level::warn,
                   "channel_program_failed",
                   {{"pool", pool}, {"why", error.message}, {"instead", "plain zfs commands"}});
    }
    co_return error;
}

Task<Outcomes> ZfsCli::snapshot(std::vector<SnapshotName> names) {
    std::map<std::string, std::vector<std::size_t>> pools;
    for (std::size_t i = 0; i < names.size(); ++i) {
        pools[std::string(names[i].dataset().pool())].push_back(i);
    }
    Outcomes all(names.size(), Error{.code = Code::internal, .message = "not taken"});
    for (const auto& [pool, indices] : pools) {
        std::vector<SnapshotName> of_pool;
        for (const std::size_t i : indices) of_pool.push_back(names[i]);
        Outcomes taken = co_await snapshot_pool(pool, std::move(of_pool));
        for (std::size_t k = 0; k < indices.size(); ++k) all[indices[k]] = std::move(taken[k]);
    }
    co_return all;
}

Task<Outcomes> ZfsCli::snapshot_pool(std::string pool, std::vector<SnapshotName> names) {
    Result<void> checked = check_pool(pool);
    if (!checked.has_value()) co_return Outcomes(names.size(), checked.error());
    Outcomes all;
    const UnixSeconds begun = unix_now();
    for (const std::vector<SnapshotName>& part : program_batches(
             names, [](const SnapshotName& name) { return snapshot_program::arguments({name}); })) {
        Result<std::string> answer =
            co_await run_program(pool, snapshot_program::text(), snapshot_program::arguments(part));
        Result<Outcomes> taken = answer.has_value() ? snapshot_program::outcomes(*answer, part)
                                                    : Result<Outcomes>(answer.error());
        Outcomes outcomes;
        if (taken.has_value()) {
            outcomes = std::move(*taken);
        } else if (answer.has_value() || !plain_commands_help(taken.error())) {
            outcomes = Outcomes(part.size(), taken.error());
        } else {
            outcomes = co_await snapshot_plainly(part);
        }
        std::move(outcomes.begin(), outcomes.end(), std::back_inserter(all));
    }
    // The program does not say; what was written since is not in it.
    for (auto& taken : all) {
        if (taken && taken->created == 0) taken->created = begun;
    }
    co_return all;
}

Task<Outcomes> ZfsCli::snapshot_plainly(std::vector<SnapshotName> names) {
    std::map<std::string, Error> errors;
    Result<void> together = ok();
    for (Argv& argv : command::snapshot(names)) {
        Result<Output> output = co_await succeed(std::move(argv), kMutationLimit);
        if (!output.has_value()) together = output.error();
    }
    // All or nothing: one filesystem that cannot must not keep the others from it.
    for (std::size_t i = 0; !together.has_value() && i < names.size(); ++i) {
        std::vector<Argv> alone = command::snapshot({names[i]});
        Result<Output> output = co_await succeed(std::move(alone.at(0)), kMutationLimit);
        if (!output.has_value()) errors.emplace(names[i].str(), output.error());
    }
    Result<Output> output = co_await list(command::get_snapshots(names));
    if (!output.has_value()) co_return Outcomes(names.size(), output.error());
    const Result<std::map<DatasetName, Versions>> found = parse::versions(output->out);
    if (!found.has_value()) co_return Outcomes(names.size(), found.error());
    Outcomes outcomes;
    for (const SnapshotName& name : names) {
        outcomes.push_back(ack_program::missing(name));
        if (const auto error = errors.find(name.str()); error != errors.end()) {
            outcomes.back() = error->second;
            continue;
        }
        const auto versions = found->find(name.dataset());
        if (versions == found->end()) continue;
        for (const Snapshot& snapshot : versions->second.snapshots) {
            if (snapshot.name == name.snapshot()) outcomes.back() = snapshot;
        }
    }
    co_return outcomes;
}

Task<Result<std::vector<Snapshot>>> ZfsCli::snapshot_together(std::vector<SnapshotName> names) {
    std::vector<Snapshot> out;
    if (names.empty()) co_return out;
    Result<void> checked = check_pool(names.front().dataset().pool());
    if (!checked.has_value()) co_return checked.error();
    std::vector<Argv> commands = command::snapshot(names);
    if (commands.size() != 1) {
        co_return Error{.code = Code::invalid_params,
                        .message = std::to_string(names.size()) +
                                   " names are too long for one zfs snapshot, which is what makes "
                                   "them one moment"};
    }
    Result<Output> taken = co_await succeed(std::move(commands.front()), kMutationLimit);
    if (!taken.has_value()) co_return taken.error();
    Result<Output> listed = co_await list(command::get_snapshots(names));
    if (!listed.has_value()) co_return listed.error();
    const Result<std::map<DatasetName, Versions>> found = parse::versions(listed->out);
    if (!found.has_value()) co_return found.error();
    for (const SnapshotName& name : names) {
        const auto versions = found->find(name.dataset());
        const Snapshot* snapshot = nullptr;
        if (versions != found->end()) {
            for (const Snapshot& one : versions->second.snapshots) {
                if (one.name == name.snapshot()) snapshot = &one;
            }
        }
        if (snapshot == nullptr) co_return ack_program::missing(name);
        out.push_back(*snapshot);
    }
    co_return out;
}

Task<Result<void>> ZfsCli::flush(std::vector<std::string> pools) {
    std::erase_if(pools, [&](const std::string& pool) { return !check_pool(pool).has_value(); });
    if (pools.empty()) co_return ok();
    Result<Output> output = co_await succeed(command::flush(pools), kMutationLimit);
    if (!output.has_value()) co_return output.error();
    co_return ok();
}

}  // namespace zrepd
