// SPDX-License-Identifier: BSD-2-Clause
// Drills: a copy is tried on clones of it, which live as long as the run.
#include <algorithm>
#include <filesystem>

#include "common/props.hpp"
#include "common/text.hpp"
#include "daemon/failover/copies.hpp"
#include "daemon/failover/hooks.hpp"
#include "daemon/log.hpp"
#include "daemon/sync/bookkeeping.hpp"
#include "daemon/sync/refusals.hpp"
#include "daemon/sync/tree_sync.hpp"

namespace zrepd::failover {
namespace {

namespace fs = std::filesystem;
using sync::Freshness;

// A check that reads everything of a large filesystem takes its time; one that hangs must end.
constexpr std::chrono::minutes kProgramLimit{60};

Result<DatasetName> clone_name(const DatasetName& dataset) {
    return DatasetName::parse(dataset.str() + (dataset.parent() ? "_drill" : "/drill"));
}

PropertyList clone_properties(const DatasetName& dataset, bool volume, const std::string& place) {
    PropertyList out{{"readonly", "on"}, {std::string(prop::kDrill), dataset.str()}};
    if (volume) return out;
    // What a copy holds is its master's word: nobody here is to run it with more rights.
    out.emplace_back("setuid", "off");
    out.emplace_back("devices", "off");
    out.emplace_back("canmount", "noauto");
    out.emplace_back("mountpoint", place);
    return out;
}

bool is_one_of(const std::vector<DatasetName>& names, const DatasetName& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

/// "; without backup/fs/new, which has no part of it".
std::string without(const std::vector<DatasetName>& left_out) {
    constexpr std::size_t kShown = 5;
    if (left_out.empty()) return "";
    std::vector<std::string> names;
    for (const DatasetName& name : left_out) {
        if (names.size() < kShown) names.push_back(name.str());
    }
    if (left_out.size() > kShown)
        names.push_back(std::to_string(left_out.size() - kShown) + " more");
    return "; without " + join(names, ", ") + ", of which there is no part of it";
}

}  // namespace

std::string place_below(const std::string& root, const std::string& relative, std::size_t index) {
    const fs::path inside = fs::path(root) / relative;
    std::error_code ec;
    const fs::path top = fs::canonical(root, ec);
    if (!ec && fs::canonical(inside, ec) == top / relative && !ec && fs::is_directory(inside, ec))
        return inside.string();
    return root + "_" + std::to_string(index);
}

bool is_drill_clone(const Dataset& dataset) {
    return dataset.local(prop::kDrill) && !dataset.origin.empty();
}

Result<std::vector<std::string>> Copies::describe_drill(const DatasetName& dataset,
                                                        const std::string& program) const {
    const auto pair = parts_.inventory.pair(dataset);
    if (!pair) return sync::no_pair(parts_, dataset);
    if (auto usable = parts_.zfs.check_pool(dataset.pool()); !usable) return usable.error();
    std::string step = "clone the newest acknowledged snapshot of " + dataset.str();
    if (pair->tree) {
        const std::size_t below = parts_.inventory.members(dataset).size() - 1;
        step += " and its parts of the " + std::to_string(below) + " below it";
    }
    step += pair->tree ? ", mount the clones readonly, " : ", mount the clone readonly, ";
    step += program.empty() ? "look at " : "run " + program + " on ";
    step += pair->tree ? "them, unmount and destroy them" : "it, unmount and destroy it";
    return std::vector<std::string>{step};
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
    auto clone = clone_name(dataset);
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
    auto tried = co_await try_it(run, &what);
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

Task<Result<std::string>> Copies::try_it(sync::RunPtr run, Drill* what) {
    parts_.runs.phase(*run, what->dataset, "cloning");
    std::vector<DatasetName> one{what->dataset};
    auto left_out = co_await sync::look_here(parts_, std::move(one), Freshness::listed);
    if (!left_out) co_return left_out.error();
    if (!left_out->empty()) co_return left_out->begin()->second;
    auto free = co_await clear_place(what->clone);
    if (!free) co_return free.error();
    const auto name = choose_clones(what);
    if (!name) co_return name.error();
    auto unlocked = co_await load_keys(what);
    if (!unlocked) co_return unlocked.error();
    auto made = co_await make_clones(what);
    if (!made) co_return made.error();
    parts_.runs.phase(*run, what->dataset, "checking");
    auto found = co_await look_at(what);
    if (!found) co_return found;
    const std::size_t below = what->clones.size() - 1;
    const std::string all =
        below == 0 ? "" : ", with its parts of the " + std::to_string(below) + " below it,";
    // Unloading it would take it from whoever began to use it meanwhile.
    const std::string key = "; its key was loaded for that and stays so: zfs unload-key " +
                            join(what->unlocked, ", ") + " takes it back";
    co_return "@" + *name + all + " is usable: " + *found + without(what->left_out) +
        (what->unlocked.empty() ? "" : key);
}

/// What an earlier drill left.
Task<Result<void>> Copies::clear_place(DatasetName clone) {
    auto seen = co_await parts_.inventory.refresh_one(clone, Freshness::listed);
    if (!seen) co_return seen;
    const Dataset* there = parts_.inventory.find(clone);
    if (there == nullptr) co_return ok();
    if (!is_drill_clone(*there)) {
        co_return Error{.code = Code::already_exists,
                        .message = clone.str() + " exists already, and is not a drill's",
                        .remedy = "rename it: zfs rename " + quote(clone.str())};
    }
    auto all = co_await parts_.inventory.discover();
    if (!all) co_return all;
    for (const DatasetName& left : clones_at(clone)) {
        auto gone = co_await destroy(left);
        if (!gone) co_return gone;
    }
    co_return ok();
}

/// The snapshot's name. A member that joined later has no part of it, and is left out.
Result<std::string> Copies::choose_clones(Drill* what) const {
    const Versions* versions = parts_.inventory.versions(what->dataset);
    const Snapshot* newest = versions == nullptr ? nullptr : sync::last_acked(*versions);
    if (newest == nullptr) {
        return Error{.code = Code::not_found,
                     .message = what->dataset.str() + " has no acknowledged snapshot to be tried",
                     .remedy = "sync it first"};
    }
    for (const DatasetName& member : parts_.inventory.with_members({what->dataset})) {
        const Dataset* now = parts_.inventory.find(member);
        const Versions* of_it = parts_.inventory.versions(member);
        const bool root = member == what->dataset;
        if (now == nullptr || of_it == nullptr) continue;
        const Snapshot* part = root ? newest : plan::part_of(*of_it, *newest);
        const auto above = member.parent();
        const bool apart = !root && above && is_one_of(what->left_out, *above);
        if (part == nullptr || apart) {
            what->left_out.push_back(member);
            continue;
        }
        const std::string relative = plan::relative_name(what->dataset, member);
        auto name = root ? what->clone : plan::member_name(what->clone, relative);
        auto origin = SnapshotName::make(member, part->name);
        if (!name) return name.error();
        if (!origin) return origin.error();
        what->clones.push_back({*origin, *name, "", now->kind == Kind::volume});
    }
    return newest->name;
}

Task<Result<void>> Copies::load_keys(Drill* what) {
    for (const Clone& clone : what->clones) {
        const DatasetName name = clone.origin.dataset();
        const Dataset* now = parts_.inventory.find(name);
        if (now == nullptr || now->key_loaded) continue;
        auto loaded = co_await parts_.zfs.load_key(name, /*only_try=*/false);
        if (!loaded) co_return loaded.error().in("load the key of " + name.str());
        what->unlocked.push_back(quote(name.str()));
        // One key may open several of them.
        std::vector<DatasetName> all = parts_.inventory.with_members({what->dataset});
        auto seen = co_await parts_.inventory.refresh(std::move(all), Freshness::cached);
        if (!seen) co_return seen.error();
    }
    co_return ok();
}

Task<Result<void>> Copies::make_clones(Drill* what) {
    auto closed = make_closed(fs::path(what->place).parent_path());
    if (!closed) co_return closed;
    for (Clone& clone : what->clones) {
        const bool root = clone.name == what->clone;
        clone.place = what->place;
        if (!root) {
            const auto index = static_cast<std::size_t>(&clone - what->clones.data());
            clone.place =
                place_below(what->place, plan::relative_name(what->clone, clone.name), index);
        }
        if (clone.volume) clone.place = "/dev/zvol/" + clone.name.str();
        PropertyList properties = clone_properties(what->dataset, clone.volume, clone.place);
        auto made = co_await parts_.zfs.clone(clone.origin, clone.name, std::move(properties));
        if (!made) co_return made;
        if (clone.volume) continue;
        auto mounted = co_await parts_.zfs.mount(clone.name);
        if (!mounted) co_return mounted;
    }
    co_return ok();
}

Task<Result<std::string>> Copies::look_at(const Drill* what) {
    const std::string& first = what->clones.front().place;
    if (what->program.empty()) co_return std::string("it was cloned and mounted at ") + first;
    std::vector<std::string> argv{what->program};
    for (const Clone& clone : what->clones) argv.push_back(clone.place);
    auto output = co_await role_.processes.run(argv, kProgramLimit);
    if (!output) co_return output.error();
    const std::string words(last_line(output->err.empty() ? output->out : output->err));
    if (output->status.ok()) {
        co_return what->program + " is content" + (words.empty() ? "" : ": " + quote(words));
    }
    co_return Error{.code = Code::refused,
                    .message = what->program + " ended with " + output->status.text() +
                               (words.empty() ? "" : ": " + quote(words)),
                    .remedy = "look at what it says: the copy is as zfs received it"};
}

/// Children first; the clones that it did not come to are none.
Task<Result<void>> Copies::remove(Drill what) {
    Result<void> out = ok();
    if (what.clones.empty()) co_return out;
    for (auto it = what.clones.rbegin(); it != what.clones.rend(); ++it) {
        auto gone = co_await destroy(it->name);
        if (!gone && out) out = gone;
        // What lies in another clone is that one's, and may be a link.
        const bool ours = it->place == what.place || it->place.starts_with(what.place + "_");
        std::error_code ignored;
        if (!it->volume && ours) fs::remove(it->place, ignored);
    }
    co_return out;
}

/// Of one drill, children first.
std::vector<DatasetName> Copies::clones_at(const DatasetName& clone) const {
    std::vector<DatasetName> out;
    for (const auto& [name, dataset] : parts_.inventory.all()) {
        if ((name == clone || name.is_below(clone)) && is_drill_clone(dataset)) out.push_back(name);
    }
    std::reverse(out.begin(), out.end());
    return out;
}

/// One that began since clears its place itself.
bool Copies::is_drill_under_way(const DatasetName& clone) const {
    const Dataset* now = parts_.inventory.find(clone);
    if (now == nullptr) return false;
    const auto of = DatasetName::parse(now->local(prop::kDrill).value_or(""));
    return of && parts_.runs.active(*of, "drill", "");
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
        if (is_drill_clone(dataset)) left.push_back(name);
    }
    std::reverse(left.begin(), left.end());
    for (const DatasetName& clone : left) {
        if (!is_drill_under_way(clone)) co_await clean_up(clone);
    }
}

}  // namespace zrepd::failover
