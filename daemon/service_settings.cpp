// SPDX-License-Identifier: BSD-2-Clause
// The methods that change stored settings: set, pause, unpause.
#include <algorithm>
#include <array>

#include "common/props.hpp"
#include "common/text.hpp"
#include "daemon/clock.hpp"
#include "daemon/failover/fence.hpp"
#include "daemon/plan/accept.hpp"
#include "daemon/service.hpp"
#include "daemon/sync/refusals.hpp"

namespace zrepd {
namespace {

void add_steps(const SettingChange& change, rpc::Done& out) {
    const std::string name = quote(change.dataset.str());
    for (const auto& [key, value] : change.set) {
        out.steps.push_back(join({"zfs set", join({key, value}, "="), name}, " "));
    }
    for (const auto& key : change.remove) {
        out.steps.push_back(join({"zfs inherit", key, name}, " "));
    }
}

Error not_paused_here(const plan::Pair& pair, const std::optional<std::string>& until) {
    const std::string how = until ? "--until " + *until + " " : "";
    const std::string command = "zrepctl pause " + how + quote(pair.peer_dataset.str());
    return Error{.code = Code::wrong_role,
                 .message = pair.dataset.str() + " is the target here; when it is synced is " +
                            "decided by its master, " + pair.peer_dataset.str() + " on " +
                            pair.peer.str(),
                 .remedy = sync::run_on_other_side(pair, command)};
}

/// A target keeps what steers syncs for the day on which it is the master.
void add_target_note(const plan::Pair& pair, const SettingChange& change, rpc::Done& out) {
    constexpr std::array kSteerSyncs{prop::kInterval,
                                     prop::kPaused,
                                     prop::kLimit,
                                     prop::kMinfree,
                                     prop::kMaxsnaps,
                                     prop::kFence};
    std::vector<std::string> keys;
    std::string words;
    const auto add = [&](const std::string& key, const std::string& value) {
        if (std::find(kSteerSyncs.begin(), kSteerSyncs.end(), key) == kSteerSyncs.end()) return;
        keys.push_back(key);
        words += " " + key.substr(std::string_view("zrep:").size()) + "=" + value;
    };
    for (const auto& [key, value] : change.set) add(key, value);
    for (const auto& key : change.remove) add(key, "");
    if (keys.empty()) return;
    const std::string command = "zrepctl set " + quote(pair.peer_dataset.str()) + words;
    out.notes.push_back(pair.dataset.str() + " is the target here: " + join(keys, ", ") +
                        " takes effect here only while this side is master; until then " +
                        sync::run_on_other_side(pair, command));
}

bool sets_fence(const SettingChange& change) {
    return std::any_of(change.set.begin(), change.set.end(), [](const auto& one) {
        return one.first == prop::kFence && one.second != "off";
    });
}

/// Each side has a fence of its own, for the time in which it is the master.
void add_fence_note(const plan::Pair& pair, const SettingChange& change, rpc::Done& out) {
    for (const auto& [key, value] : change.set) {
        if (key != prop::kFence || pair.role != plan::Role::master) continue;
        const std::string command =
            "zrepctl set " + quote(pair.peer_dataset.str()) + " fence=" + value;
        out.notes.push_back(
            "it counts on this side alone; for the day on which the other side is "
            "the master " +
            sync::run_on_other_side(pair, command));
    }
}

bool is_accept(const std::string& key) {
    return key == prop::kAccept || key == "accept";
}

/// One host more or less on the list that is in force now, and not on one that somebody read
/// before.
Result<void> add_accept_change(const sync::Inventory& inventory,
                               const DatasetName& name,
                               const std::string& how,
                               SettingChange& change,
                               rpc::Done& out) {
    const auto above = name.parent();
    const Dataset* parent = above ? inventory.find(*above) : nullptr;
    auto edit = plan::edit_accept(*inventory.find(name), parent, how);
    if (!edit) return edit.error();
    out.notes.insert(out.notes.end(), edit->notes.begin(), edit->notes.end());
    if (!edit->changes) return ok();
    if (edit->value.empty())
        change.remove.emplace_back(prop::kAccept);
    else
        change.set.emplace_back(prop::kAccept, edit->value);
    return ok();
}

bool is_one_of(const std::vector<DatasetName>& names, const DatasetName& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

/// Whether it is paused from above once those of `unpaused` no longer are.
bool is_paused_from_above(const sync::Inventory& inventory,
                          const DatasetName& name,
                          const std::vector<DatasetName>& unpaused) {
    for (auto above = name.parent(); above; above = above->parent()) {
        if (is_one_of(unpaused, *above)) return false;
        const Dataset* dataset = inventory.find(*above);
        if (dataset == nullptr) continue;
        const auto found = dataset->props.find(prop::kPaused);
        if (found == dataset->props.end()) continue;
        const Source source = found->second.source;
        if (source != Source::local && source != Source::received) continue;
        return sched::is_paused(found->second.value, unix_now());
    }
    return false;
}

/// Says which datasets below `name` go their own way: with a zrep:paused of their own that is not
/// what `verb` wants.
void note_exceptions(const sync::Inventory& inventory,
                     const DatasetName& name,
                     const std::vector<DatasetName>& named,
                     const std::string& verb,
                     rpc::Done& out) {
    constexpr std::size_t kShown = 5;
    std::vector<std::string> names;
    std::size_t count = 0;
    for (const auto& [below, dataset] : inventory.all()) {
        if (!below.is_below(name) || is_one_of(named, below)) continue;
        const auto value = dataset.own(prop::kPaused);
        if (!value || sched::is_paused(*value, unix_now()) == (verb == "pause")) continue;
        const auto pair = inventory.pair(below);
        if (pair && pair->role == plan::Role::target) continue;
        if (++count <= kShown) names.push_back(quote(below.str()));
    }
    if (names.empty()) return;
    const std::string more =
        count > kShown ? " and " + std::to_string(count - kShown) + " more" : "";
    out.notes.push_back("with a zrep:paused of their own, " + join(names, ", ") + more +
                        (verb == "pause" ? " are not paused by this" : " stay paused") + "; to " +
                        verb + " them too: zrepctl " + verb + " " + join(names, " "));
}

bool has_master_at_or_below(const sync::Inventory& inventory, const DatasetName& name) {
    const auto pairs = inventory.pairs();
    return std::any_of(pairs.begin(), pairs.end(), [&](const plan::Pair& pair) {
        const bool inside = pair.dataset == name || pair.dataset.is_below(name);
        return inside && pair.role != plan::Role::target;
    });
}

}  // namespace

Task<Result<std::vector<DatasetName>>> DaemonService::look_up(std::vector<std::string> names) {
    auto parsed = parse_names(names);
    if (!parsed) co_return parsed.error();
    if (parsed->empty()) {
        co_return Error{.code = Code::invalid_params,
                        .message = "no filesystem named",
                        .remedy = "name pairs, or datasets above pairs"};
    }
    for (const auto& name : *parsed) {
        auto available = parts_.zfs.check_pool(name.pool());
        if (!available) co_return available.error();
    }
    auto seen = co_await parts_.inventory.discover();
    if (!seen) co_return seen.error();
    for (const auto& name : *parsed) {
        if (parts_.inventory.find(name) == nullptr) co_return sync::no_dataset(name);
    }
    co_return parsed;
}

Task<Result<rpc::Done>> DaemonService::carry_out(std::vector<SettingChange> changes,
                                                 rpc::Done out,
                                                 bool dry_run) {
    for (const auto& change : changes) add_steps(change, out);
    if (dry_run) co_return out;
    auto stored = co_await store(std::move(changes));
    if (!stored) co_return stored.error();
    co_return out;
}

Task<Result<void>> DaemonService::store(std::vector<SettingChange> changes) {
    std::vector<std::string> done;
    for (auto& change : changes) {
        const std::string name = quote(change.dataset.str());
        auto stored = co_await store_one(std::move(change));
        if (!stored) {
            Error error = stored.error();
            if (!done.empty()) error.message += "; changed before that: " + join(done, ", ");
            co_return error;
        }
        done.push_back(name);
    }
    // Everything below may inherit what changed.
    auto seen = co_await parts_.inventory.discover();
    roles_.look_again();
    co_return seen;
}

Task<Result<void>> DaemonService::store_one(SettingChange change) {
    auto available = parts_.zfs.check_pool(change.dataset.pool());
    if (!available) co_return available;
    if (!change.set.empty()) {
        auto set = co_await parts_.zfs.set(change.dataset, std::move(change.set));
        if (!set) co_return set;
    }
    if (!change.remove.empty()) {
        auto removed = co_await parts_.zfs.inherit(change.dataset, std::move(change.remove));
        if (!removed) co_return removed;
    }
    parts_.events.publish("pair_changed", change.dataset.str(), "settings changed");
    co_return ok();
}

Task<Result<rpc::Done>> DaemonService::set(rpc::SetIn in, control::Caller) {
    auto dataset = DatasetName::parse(in.dataset);
    if (!dataset) co_return dataset.error();
    SettingChange change{*dataset, {}, {}};
    std::optional<std::string> accept_change;
    for (const auto& [key, value] : in.settings) {
        if (is_accept(key) && plan::is_accept_change(value)) {
            auto good = plan::check_accept_change(value);
            if (!good) co_return good.error();
            accept_change = value;
            continue;
        }
        auto checked = plan::check_setting(key, value);
        if (!checked) co_return checked.error();
        if (checked->second.empty())
            change.remove.push_back(checked->first);
        else
            change.set.push_back(*checked);
    }
    if (in.settings.empty()) {
        co_return Error{.code = Code::invalid_params,
                        .message = "no setting given",
                        .remedy = "give KEY=VALUE; zrepctl set --help names the keys"};
    }
    // Two at once would both go by the list of before.
    Semaphore::Place turn;
    if (accept_change) turn = co_await accept_changes_.acquire();
    std::vector<std::string> names{in.dataset};
    auto named = co_await look_up(std::move(names));
    if (!named) co_return named.error();
    rpc::Done out;
    if (accept_change) {
        auto edited = add_accept_change(parts_.inventory, *dataset, *accept_change, change, out);
        if (!edited) co_return edited.error();
        if (change.set.empty() && change.remove.empty()) co_return out;
    }
    const auto pair = parts_.inventory.pair(*dataset);
    if (pair && pair->role == plan::Role::target) add_target_note(*pair, change, out);
    if (pair) add_fence_note(*pair, change, out);
    if (pair && pair->tree && sets_fence(change)) co_return sync::no_fence_of_a_tree(*pair);
    std::vector<SettingChange> changes{std::move(change)};
    co_return co_await carry_out(std::move(changes), std::move(out), in.dry_run);
}

Task<Result<rpc::Done>> DaemonService::pause(rpc::PauseIn in, control::Caller) {
    if (in.until && !from_rfc3339(*in.until)) {
        co_return Error{.code = Code::invalid_params,
                        .message = "until: " + quote(*in.until) + " is not a time",
                        .remedy = "write it like 2026-03-01T12:00:00Z"};
    }
    auto named = co_await look_up(std::move(in.datasets));
    if (!named) co_return named.error();
    rpc::Done out;
    std::vector<SettingChange> changes;
    for (const auto& name : *named) {
        const auto pair = parts_.inventory.pair(name);
        if (pair && pair->role == plan::Role::target) co_return not_paused_here(*pair, in.until);
        changes.push_back({name, {{std::string(prop::kPaused), in.until.value_or("yes")}}, {}});
        note_exceptions(parts_.inventory, name, *named, "pause", out);
        if (has_master_at_or_below(parts_.inventory, name)) continue;
        out.notes.push_back("no pair at or below " + name.str() +
                            " has its master here: until one has, this pauses nothing");
    }
    out.notes.emplace_back(
        "a run under way is not stopped; zrepctl sync of one by name still works");
    co_return co_await carry_out(std::move(changes), std::move(out), in.dry_run);
}

Task<Result<rpc::Done>> DaemonService::unpause(rpc::UnpauseIn in, control::Caller) {
    auto named = co_await look_up(std::move(in.datasets));
    if (!named) co_return named.error();
    rpc::Done out;
    std::vector<SettingChange> changes;
    for (const auto& name : *named) {
        SettingChange change{name, {}, {}};
        if (is_paused_from_above(parts_.inventory, name, *named)) {
            change.set.emplace_back(prop::kPaused, "no");
            out.notes.push_back(name.str() +
                                " was paused by a dataset above it, which stays paused");
        } else {
            change.remove.emplace_back(prop::kPaused);
        }
        // Its target waits at a snapshot no longer.
        if (parts_.inventory.find(name)->local(prop::kBack))
            change.remove.emplace_back(prop::kBack);
        const auto pair = parts_.inventory.pair(name);
        if (pair && pair->role == plan::Role::target) add_target_note(*pair, change, out);
        note_exceptions(parts_.inventory, name, *named, "unpause", out);
        changes.push_back(std::move(change));
    }
    co_return co_await carry_out(std::move(changes), std::move(out), in.dry_run);
}

}  // namespace zrepd
