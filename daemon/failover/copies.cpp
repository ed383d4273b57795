// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/failover/copies.hpp"

#include "common/props.hpp"
#include "common/text.hpp"
#include "daemon/failover/journal.hpp"
#include "daemon/sync/bookkeeping.hpp"
#include "daemon/sync/refusals.hpp"

namespace zrepd::failover {
namespace {

using sync::Freshness;

/// Why the rescue of `of` is not to go yet.
std::optional<Error> still_needed(const sync::Inventory& inventory,
                                  const DatasetName& of,
                                  const DatasetName& copy) {
    const Dataset* now = inventory.find(of);
    const Journal journal = now == nullptr ? Journal::none : entry_of(*now).journal;
    if (journal != Journal::rejoining && journal != Journal::stepping_down) return std::nullopt;
    return Error{.code = Code::busy,
                 .message = of.str() + " is being rescued to " + copy.str(),
                 .remedy = "wait for its end: zrepctl status " + quote(of.str())};
}

}  // namespace

Result<void> make_closed(const std::filesystem::path& folder) {
    std::error_code ec;
    std::filesystem::create_directories(folder, ec);
    if (!ec) std::filesystem::permissions(folder, std::filesystem::perms::owner_all, ec);
    if (!ec) return ok();
    return Error{.code = Code::io_error,
                 .message = "no folder " + folder.string() + " can be made: " + ec.message(),
                 .remedy = "ls -ld " + quote(folder.string())};
}

Copies::Copies(RoleParts parts) : role_(parts), parts_(parts.parts), tasks_(parts_.executor) {}

Result<void> Copies::check_rescue(const DatasetName& copy) const {
    const Dataset* dataset = parts_.inventory.find(copy);
    if (dataset == nullptr) {
        return Error{.code = Code::not_found,
                     .message = "no filesystem or volume " + quote(copy.str()) + " here",
                     .remedy = "zrepctl rescue list shows the rescues"};
    }
    if (dataset->local(prop::kRescue)) return ok();
    return Error{.code = Code::conflict,
                 .message = copy.str() + " is not a rescue; nothing was done",
                 .remedy = "zrepctl rescue list shows the rescues"};
}

Result<std::vector<std::string>> Copies::describe_drop(const DatasetName& copy) const {
    auto checked = check_rescue(copy);
    if (!checked) return checked.error();
    const Dataset* dataset = parts_.inventory.find(copy);
    const auto of = DatasetName::parse(dataset->local(prop::kRescue).value_or(""));
    const auto needed = of ? still_needed(parts_.inventory, *of, copy) : std::nullopt;
    if (needed) return *needed;
    return std::vector<std::string>{"destroy " + copy.str() + " with its snapshots: what " +
                                    dataset->local(prop::kRescue).value_or("") +
                                    " had and the other side never got"};
}

Result<rpc::RunStarted> Copies::start_drop(const DatasetName& copy) {
    auto checked = check_rescue(copy);
    if (!checked) return checked.error();
    if (const sync::RunPtr other = parts_.runs.active(copy)) return sync::other_work(*other, copy);
    std::vector<DatasetName> one{copy};
    sync::RunPtr run = parts_.runs.start("drop", one);
    rpc::RunStarted out;
    out.run_id = run->id();
    tasks_.spawn("drop " + copy.str(), drop(run, copy));
    return out;
}

Task<> Copies::drop(sync::RunPtr run, DatasetName copy) {
    auto done = co_await drop_locked(run, copy);
    if (!done) {
        parts_.runs.fail(*run, copy, done.error());
        co_return;
    }
    rpc::RunResult result;
    result.outcome = "done";
    result.text = "destroyed " + copy.str();
    parts_.runs.succeed(*run, copy, std::move(result));
}

/// With what it was rescued from: a rescue under way still needs its copy, and only once that is
/// rolled back is this one all there is.
Task<Result<void>> Copies::drop_locked(sync::RunPtr run, DatasetName copy) {
    const Dataset* rescue = parts_.inventory.find(copy);
    const auto of = DatasetName::parse(
        rescue == nullptr ? "" : std::string(rescue->local(prop::kRescue).value_or("")));
    std::optional<lock::LockTable::Guard> source;
    if (of && parts_.inventory.find(*of) != nullptr) {
        auto guard =
            co_await parts_.locks.lock(*of, lock::Scope::node, "drop", kLockWait, run->id());
        if (!guard) co_return guard.error();
        source = std::move(*guard);
        auto seen = co_await parts_.inventory.refresh_one(*of, Freshness::cached);
        if (!seen) co_return seen;
        const auto needed = still_needed(parts_.inventory, *of, copy);
        if (needed) co_return *needed;
    }
    auto guard = co_await parts_.locks.lock(copy, lock::Scope::tree, "drop", kLockWait, run->id());
    if (!guard) co_return guard.error();
    co_return co_await destroy(copy);
}

/// Only what is ours still says so now.
Task<Result<void>> Copies::destroy(DatasetName copy) {
    auto seen = co_await parts_.inventory.refresh_one(copy, Freshness::listed);
    if (!seen) co_return seen;
    const Dataset* dataset = parts_.inventory.find(copy);
    if (dataset == nullptr) co_return ok();
    if (!dataset->local(prop::kRescue) && !is_drill_clone(*dataset)) {
        co_return Error{.code = Code::conflict,
                        .message = copy.str() + " is no rescue and no drill any more",
                        .remedy = "nothing was destroyed; zfs destroy -r " + quote(copy.str()) +
                                  " if it is to go"};
    }
    if (dataset->mounted) {
        auto unmounted = co_await parts_.zfs.unmount(copy);
        if (!unmounted) co_return unmounted;
    }
    std::vector<std::string> names;
    if (const Versions* versions = parts_.inventory.versions(copy)) {
        for (const Snapshot& s : versions->snapshots) names.push_back(s.name);
    }
    if (!names.empty()) {
        auto gone = co_await parts_.zfs.destroy_snapshots(copy, std::move(names));
        if (!gone) co_return gone;
    }
    co_return co_await parts_.zfs.destroy_dataset(copy);
}

Task<> Copies::stop() {
    tasks_.cancel();
    co_await tasks_.join();
}

}  // namespace zrepd::failover
