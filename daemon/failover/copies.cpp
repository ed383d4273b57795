// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/failover/copies.hpp"

#include <filesystem>

#include "common/props.hpp"
#include "common/text.hpp"
#include "common/units.hpp"
#include "daemon/failover/hooks.hpp"
#include "daemon/failover/journal.hpp"
#include "daemon/log.hpp"
#include "daemon/sync/bookkeeping.hpp"
#include "daemon/sync/refusals.hpp"

namespace zrepd::failover {
namespace {

namespace fs = std::filesystem;
using sync::Freshness;

// A check that reads everything of a large filesystem takes its time; one that hangs must end.
constexpr std::chrono::minutes kProgramLimit{60};

bool is_drill(const Dataset& dataset) {
    return dataset.local(prop::kDrill) && !dataset.origin.empty();
}

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
    if (!dataset->local(prop::kRescue) && !is_drill(*dataset)) {
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

Result<rpc::RunStarted> Copies::start_drill(const DatasetName& dataset, std::string program) {
    if (!program.empty() && !program.starts_with('/')) {
        return Error{.code = Code::invalid_params,
                     .message = quote(program) + " is not a path from the root",
                     .remedy = "name the program with its whole path"};
    }
    if (!parts_.inventory.pair(dataset)) return sync::no_pair(parts_, dataset);
    if (const sync::RunPtr same = parts_.runs.active(dataset, "drill", "")) {
        return sync::same_work(*same, dataset);
    }
    const std::string beside = dataset.parent() ? "_drill" : "/drill";
    auto clone = DatasetName::parse(dataset.str() + beside);
    if (!clone) return clone.error();
    std::vector<DatasetName> one{dataset};
    sync::RunPtr run = parts_.runs.start("drill", one);
    Drill what{.dataset = dataset, .clone = *clone, .program = std::move(program), .place = ""};
    what.place = (parts_.config.runtime_dir / "drill" / run->id()).string();
    rpc::RunStarted out;
    out.run_id = run->id();
    tasks_.spawn("drill " + dataset.str(), drill(run, std::move(what)));
    return out;
}

Task<> Copies::drill(sync::RunPtr run, Drill what) {
    auto tried = co_await try_it(run, what);
    // Whatever came of it, and also when zrepd is being stopped: nothing is left behind.
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    auto gone = co_await remove(what);
    if (!tried || !gone) {
        parts_.runs.fail(*run, what.dataset, tried ? gone.error() : tried.error());
        co_return;
    }
    rpc::RunResult result;
    result.outcome = "done";
    result.text = *tried;
    parts_.runs.succeed(*run, what.dataset, std::move(result));
}

Task<Result<std::string>> Copies::try_it(sync::RunPtr run, Drill what) {
    parts_.runs.phase(*run, what.dataset, "cloning");
    auto seen = co_await parts_.inventory.refresh_one(what.dataset, Freshness::listed);
    if (!seen) co_return seen.error();
    auto left = co_await parts_.inventory.refresh_one(what.clone, Freshness::listed);
    if (!left) co_return left.error();
    if (const Dataset* there = parts_.inventory.find(what.clone)) {
        if (!is_drill(*there)) {
            co_return Error{.code = Code::already_exists,
                            .message = what.clone.str() + " exists already, and is not a drill's",
                            .remedy = "rename it: zfs rename " + quote(what.clone.str())};
        }
        auto gone = co_await destroy(what.clone);
        if (!gone) co_return gone.error();
    }
    const Dataset* dataset = parts_.inventory.find(what.dataset);
    const Versions* versions = parts_.inventory.versions(what.dataset);
    const Snapshot* newest = versions == nullptr ? nullptr : sync::last_acked(*versions);
    if (dataset == nullptr || newest == nullptr) {
        co_return Error{.code = Code::not_found,
                        .message = what.dataset.str() + " has no acknowledged snapshot to be tried",
                        .remedy = "sync it first"};
    }
    const std::string name = newest->name;
    const bool volume = dataset->kind == Kind::volume;
    const bool locked = !dataset->key_loaded;
    if (locked) {
        auto loaded = co_await parts_.zfs.load_key(what.dataset, /*only_try=*/false);
        if (!loaded) co_return loaded.error().in("load the key of " + what.dataset.str());
    }
    auto origin = SnapshotName::make(what.dataset, name);
    if (!origin) co_return origin.error();
    PropertyList properties{{"readonly", "on"}, {std::string(prop::kDrill), what.dataset.str()}};
    if (!volume) {
        properties.emplace_back("canmount", "noauto");
        properties.emplace_back("mountpoint", what.place);
    }
    auto made = co_await parts_.zfs.clone(*origin, what.clone, std::move(properties));
    if (!made) co_return made.error();
    if (volume) what.place = "/dev/zvol/" + what.clone.str();
    if (!volume) {
        auto mounted = co_await parts_.zfs.mount(what.clone);
        if (!mounted) co_return mounted.error();
    }
    parts_.runs.phase(*run, what.dataset, "checking");
    auto found = co_await look_at(what);
    if (!found) co_return found;
    // Unloading it would take it from whoever began to use it meanwhile.
    const std::string key = "; its key was loaded for that and stays so: zfs unload-key " +
                            quote(what.dataset.str()) + " takes it back";
    co_return "@" + name + " is usable: " + *found + (locked ? key : "");
}

Task<Result<std::string>> Copies::look_at(Drill what) {
    if (what.program.empty()) co_return std::string("it was cloned and mounted at ") + what.place;
    std::vector<std::string> argv{what.program, what.place};
    auto output = co_await role_.processes.run(argv, kProgramLimit);
    if (!output) co_return output.error();
    const std::string words(last_line(output->err.empty() ? output->out : output->err));
    if (output->status.ok()) {
        co_return what.program + " is content" + (words.empty() ? "" : ": " + quote(words));
    }
    co_return Error{.code = Code::refused,
                    .message = what.program + " ended with " + output->status.text() +
                               (words.empty() ? "" : ": " + quote(words)),
                    .remedy = "look at what it says: the copy is as zfs received it"};
}

Task<Result<void>> Copies::remove(Drill what) {
    auto gone = co_await destroy(what.clone);
    std::error_code ignored;
    fs::remove(what.place, ignored);
    co_return gone;
}

Task<> Copies::clean_up(DatasetName clone) {
    auto gone = co_await destroy(clone);
    log::event(log::Level::warn,
               "drill_left_over",
               {{"dataset", clone.str()}, {"error", gone ? "" : gone.error().text()}});
}

Task<> Copies::run() {
    while (true) {
        const bool stop = co_await cancelled();
        if (stop) co_return;
        if (parts_.inventory.ready()) break;
        co_await sleep_for(kLookAgain);
    }
    co_await end_left_looks();
    std::vector<DatasetName> left;
    for (const auto& [name, dataset] : parts_.inventory.all()) {
        const auto of = DatasetName::parse(dataset.local(prop::kDrill).value_or(""));
        const bool in_use = of && parts_.runs.active(*of, "drill", "");
        if (is_drill(dataset) && !in_use) left.push_back(name);
    }
    for (const DatasetName& clone : left) co_await clean_up(clone);
}

Task<> Copies::stop() {
    tasks_.cancel();
    co_await tasks_.join();
}

}  // namespace zrepd::failover
