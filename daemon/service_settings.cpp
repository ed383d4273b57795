// SPDX-License-Identifier: BSD-2-Clause
// The methods that change stored settings: set, pause, unpause, clear.
#include <algorithm>

#include "common/props.hpp"
#include "common/text.hpp"
#include "daemon/clock.hpp"
#include "daemon/service.hpp"

namespace zrepd {
namespace {

Error no_dataset(const DatasetName& name) {
    return Error{.code = Code::not_found,
                 .message = "no filesystem or volume " + quote(name.str()) + " here",
                 .remedy = "zfs list shows what there is"};
}

/// Everything that makes a dataset part of a pair, where it is this dataset's own.
std::vector<std::string> own_pair_properties(const Dataset& dataset) {
    constexpr std::array kSettingsToKeep{prop::kAccept,
                                         prop::kInterval,
                                         prop::kPaused,
                                         prop::kLimit,
                                         prop::kMinfree,
                                         prop::kMaxsnaps};
    std::vector<std::string> out;
    for (const auto name : prop::kOnDataset) {
        const bool kept = std::find(kSettingsToKeep.begin(), kSettingsToKeep.end(), name) !=
                          kSettingsToKeep.end();
        const auto found = dataset.props.find(name);
        if (kept || found == dataset.props.end()) continue;
        const Source source = found->second.source;
        if (source == Source::local || source == Source::received) out.emplace_back(name);
    }
    return out;
}

std::vector<SnapshotName> held_by_us(const DatasetName& dataset, const Versions* versions) {
    std::vector<SnapshotName> out;
    if (versions == nullptr) return out;
    for (const Snapshot& snapshot : versions->snapshots) {
        if (!snapshot.held || !zrep_sequence(snapshot.name)) continue;
        auto name = SnapshotName::make(dataset, snapshot.name);
        if (name) out.push_back(*name);
    }
    return out;
}

std::vector<std::string> own_bookmarks(const Versions* versions) {
    std::vector<std::string> out;
    if (versions == nullptr) return out;
    for (const Bookmark& bookmark : versions->bookmarks) {
        if (bookmark.name == zrep_bookmark_name(bookmark.guid)) out.push_back(bookmark.name);
    }
    return out;
}

void add_notes(const plan::Pair& pair, rpc::Done& out) {
    const std::string name = pair.dataset.str();
    if (pair.role == plan::Role::target) {
        out.notes.push_back(name +
                            " is still readonly; to use it: zfs set readonly=off canmount=on " +
                            quote(name));
    }
    out.notes.push_back("its snapshots stay; zrepd no longer expires them");
    if (pair.peer.str() != "localhost") {
        out.notes.push_back("the other side still knows the pair; on " + pair.peer.str() +
                            " run: zrepctl clear " + quote(pair.peer_dataset.str()));
    } else {
        out.notes.push_back("the other side still knows the pair; run: zrepctl clear " +
                            quote(pair.peer_dataset.str()));
    }
}

}  // namespace

Task<Result<void>> DaemonService::store(DatasetName dataset,
                                        PropertyList set,
                                        std::vector<std::string> remove) {
    auto available = parts_.zfs.check_pool(dataset.pool());
    if (!available) co_return available;
    if (!set.empty()) {
        auto done = co_await parts_.zfs.set(dataset, std::move(set));
        if (!done) co_return done;
    }
    if (!remove.empty()) {
        auto done = co_await parts_.zfs.inherit(dataset, std::move(remove));
        if (!done) co_return done;
    }
    parts_.events.publish("pair_changed", dataset.str(), "settings changed");
    // Everything below may inherit what changed.
    co_return co_await parts_.inventory.discover();
}

Task<Result<rpc::Done>> DaemonService::set(rpc::SetIn in, control::Caller) {
    auto dataset = DatasetName::parse(in.dataset);
    if (!dataset) co_return dataset.error();
    PropertyList set;
    std::vector<std::string> remove;
    rpc::Done out;
    for (const auto& [key, value] : in.settings) {
        auto checked = plan::check_setting(key, value);
        if (!checked) co_return checked.error();
        if (checked->second.empty()) {
            out.steps.push_back("zfs inherit " + checked->first + " " + dataset->str());
            remove.push_back(checked->first);
        } else {
            out.steps.push_back("zfs set " + checked->first + "=" + checked->second + " " +
                                dataset->str());
            set.push_back(*checked);
        }
    }
    if (in.settings.empty()) {
        co_return Error{.code = Code::invalid_params, .message = "no setting given"};
    }
    auto seen = co_await parts_.inventory.discover();
    if (!seen) co_return seen.error();
    if (parts_.inventory.find(*dataset) == nullptr) co_return no_dataset(*dataset);
    if (in.dry_run) co_return out;
    auto stored = co_await store(*dataset, std::move(set), std::move(remove));
    if (!stored) co_return stored.error();
    co_return out;
}

Task<Result<rpc::Done>> DaemonService::pause(rpc::PauseIn in, control::Caller caller) {
    const std::string value = in.until.value_or("yes");
    if (in.until && !from_rfc3339(*in.until)) {
        co_return Error{.code = Code::invalid_params,
                        .message = "until: " + quote(*in.until) + " is not a time",
                        .remedy = "write it like 2026-03-01T12:00:00Z"};
    }
    rpc::Done out;
    for (const auto& name : in.datasets) {
        rpc::SetIn one;
        one.dataset = name;
        one.settings[std::string(prop::kPaused)] = value;
        one.dry_run = in.dry_run;
        auto done = co_await set(std::move(one), caller);
        if (!done) co_return done;
        out.steps.insert(out.steps.end(), done->steps.begin(), done->steps.end());
    }
    if (in.datasets.empty()) {
        co_return Error{.code = Code::invalid_params, .message = "no filesystem named"};
    }
    out.notes.push_back("a run under way is not stopped; zrepctl sync of one by name still works");
    co_return out;
}

Task<Result<rpc::Done>> DaemonService::unpause(rpc::UnpauseIn in, control::Caller caller) {
    rpc::Done out;
    if (in.datasets.empty()) {
        co_return Error{.code = Code::invalid_params, .message = "no filesystem named"};
    }
    for (const auto& name : in.datasets) {
        rpc::SetIn one;
        one.dataset = name;
        one.settings[std::string(prop::kPaused)] = "";
        one.dry_run = in.dry_run;
        auto done = co_await set(one, caller);
        if (!done) co_return done;
        out.steps.insert(out.steps.end(), done->steps.begin(), done->steps.end());
        const auto dataset = DatasetName::parse(name);
        const Dataset* now = parts_.inventory.find(*dataset);
        const bool still = !in.dry_run && now != nullptr &&
                           sched::is_paused(plan::settings_of(*now).paused, unix_now());
        if (!still) continue;
        // Paused from above: this one is taken out of it by a value of its own.
        one.settings[std::string(prop::kPaused)] = "no";
        done = co_await set(std::move(one), caller);
        if (!done) co_return done;
        out.steps.insert(out.steps.end(), done->steps.begin(), done->steps.end());
        out.notes.push_back(name + " was paused by a dataset above it, which stays paused");
    }
    co_return out;
}

Task<Result<rpc::Done>> DaemonService::clear(rpc::ClearIn in, control::Caller) {
    auto dataset = DatasetName::parse(in.dataset);
    if (!dataset) co_return dataset.error();
    auto guard = parts_.locks.try_lock(*dataset, lock::Scope::node, "clear");
    if (!guard) co_return guard.error();
    auto seen = co_await parts_.inventory.refresh_one(*dataset, sync::Freshness::listed);
    if (!seen) co_return seen.error();
    const Dataset* found = parts_.inventory.find(*dataset);
    if (found == nullptr) co_return no_dataset(*dataset);
    const auto pair = parts_.inventory.pair(*dataset);
    std::vector<std::string> remove = own_pair_properties(*found);
    if (remove.empty()) {
        co_return Error{.code = Code::not_configured,
                        .message = dataset->str() + " is not part of a pair",
                        .remedy = "zrepctl list shows the pairs"};
    }
    const Versions* versions = parts_.inventory.versions(*dataset);
    std::vector<SnapshotName> held = held_by_us(*dataset, versions);
    std::vector<std::string> bookmarks = own_bookmarks(versions);
    rpc::Done out;
    out.steps.push_back("remove " + join(remove, ", ") + " from " + dataset->str());
    for (const auto& name : held) out.steps.push_back("release the hold on " + name.str());
    for (const auto& name : bookmarks) {
        out.steps.push_back("destroy bookmark " + dataset->str() + "#" + name);
    }
    if (pair) add_notes(*pair, out);
    if (in.dry_run) co_return out;
    auto stored = co_await store(*dataset, {}, std::move(remove));
    if (!stored) co_return stored.error();
    if (!held.empty()) {
        auto released = co_await parts_.zfs.release(std::move(held));
        if (!released) out.notes.push_back(released.error().text());
    }
    for (const auto& name : bookmarks) {
        auto gone = co_await parts_.zfs.destroy_bookmark(*dataset, name);
        if (!gone) out.notes.push_back(gone.error().text());
    }
    parts_.runs.forget(*dataset);
    co_return out;
}

}  // namespace zrepd
