// SPDX-License-Identifier: BSD-2-Clause
// Status from memory: no process, no wait (docs/control-api.md).
#include <algorithm>
#include <set>

#include "common/props.hpp"
#include "common/units.hpp"
#include "common/version.hpp"
#include "daemon/failover/check.hpp"
#include "daemon/failover/journal.hpp"
#include "daemon/failover/rescue_plan.hpp"
#include "daemon/plan/displaced.hpp"
#include "daemon/plan/foreign.hpp"
#include "daemon/plan/writable.hpp"
#include "daemon/service.hpp"
#include "daemon/sync/bookkeeping.hpp"
#include "daemon/sync/refusals.hpp"

namespace zrepd {
namespace {

/// Seconds for which a trouble may be unseen and is the same when it is back; what is wrong is
/// noted every 15 s.
constexpr UnixSeconds kBriefly = 60;

std::string peer_state_name(peer::PeerState state) {
    switch (state) {
        case peer::PeerState::connected:
            return "connected";
        case peer::PeerState::unreachable:
            return "unreachable";
        case peer::PeerState::unknown:
            return "unknown";
    }
    return "unknown";
}

/// A point of the monotonic clock as a wall-clock time, for people.
std::string to_wall(sched::Clock::time_point point, const Moment& now) {
    const auto ahead = std::chrono::ceil<std::chrono::seconds>(point - now.steady);
    return to_rfc3339(now.wall + std::max<std::int64_t>(0, ahead.count()));
}

rpc::Trouble trouble(const Error& error, UnixSeconds since) {
    return {std::string(info(error.code).name), error.text(), error.remedy, to_rfc3339(since)};
}

/// Nobody works on it now, and nobody has said yet what it waits for.
std::optional<Error> left_open(const plan::Pair& pair, const Dataset& dataset) {
    using failover::Journal;
    const Journal journal = failover::entry_of(dataset).journal;
    if (journal == Journal::none) return std::nullopt;
    Error out{.code = Code::busy,
              .message = "a role change of " + pair.dataset.str() + " is not finished (" +
                         std::string(failover::name(journal)) + "); zrepd goes on with it",
              .remedy = "nothing, unless it stays so: then zrepctl events shows what it waits for"};
    const bool given_away = journal == Journal::handed_over || journal == Journal::stepping_down;
    if (journal == Journal::handed_over) {
        out.remedy += "; or, on " + pair.peer.str() + ": zrepctl takeover -L " +
                      quote(pair.peer_dataset.str()) + " makes that the master at once";
    }
    if (given_away) out.remedy += failover::take_back(pair);
    return out;
}

}  // namespace

Result<rpc::StatusOut> DaemonService::status(const rpc::DatasetsIn& in) {
    const Moment now;
    rpc::StatusOut out;
    out.host = parts_.self.host.str();
    out.version = kBuildVersion;
    out.time = to_rfc3339(now.wall);
    note_pool_troubles(now.wall);
    out.abandoned = abandoned_processes(now);
    if (in.datasets.empty()) out.problem = unknown_pairs();
    if (in.datasets.empty() && !out.problem) out.problem = hidden_pairs(now.wall);
    std::vector<std::string> missing = in.datasets;
    for (const auto& pair : parts_.inventory.pairs()) {
        const auto& names = in.datasets;
        const bool wanted =
            names.empty() ||
            std::find(names.begin(), names.end(), pair.dataset.str()) != names.end();
        if (!wanted) continue;
        out.pairs.push_back(status_of(pair, now));
        std::erase(missing, pair.dataset.str());
    }
    if (missing.empty()) return out;
    const auto name = DatasetName::parse(missing.front());
    if (!name) return name.error();
    auto looked = parts_.inventory.looked_at(*name);
    if (!looked) return looked.error();
    return sync::not_configured(parts_, *name);
}

/// Pairs under a name that this host or their dataset had before: nothing of them is done or shown.
std::optional<rpc::Trouble> DaemonService::hidden_pairs(UnixSeconds now) {
    const auto& all = parts_.inventory.all();
    auto found = plan::foreign_pairs(all, parts_.self, parts_.config.file.string());
    if (!found) found = plan::displaced_pairs(all, parts_.self);
    return first_seen("", found, now);
}

std::optional<rpc::Trouble> DaemonService::first_seen(const std::string& of,
                                                      const std::optional<Error>& found,
                                                      UnixSeconds now) {
    const auto before = seen_troubles_.find(of);
    const bool lately = before != seen_troubles_.end() && now - before->second.last <= kBriefly;
    if (!found) {
        if (before != seen_troubles_.end() && !lately) seen_troubles_.erase(before);
        return std::nullopt;
    }
    // The same trouble in other words, as one that counts, or after it was looked at anew, as a
    // split brain is by each try to settle it, is as old as it was.
    const bool same = lately && before->second.trouble.kind == info(found->code).name;
    rpc::Trouble out = trouble(*found, now);
    if (same) out.since = before->second.trouble.since;
    seen_troubles_[of] = {.trouble = out, .last = now};
    return out;
}

/// Once for all pairs of a pool, and with the time when it was first seen so.
void DaemonService::note_pool_troubles(UnixSeconds now) {
    std::map<std::string, rpc::Trouble, std::less<>> troubles;
    for (const std::string& pool : parts_.zfs.unavailable_pools()) {
        auto checked = parts_.zfs.check_pool(pool);
        if (checked) continue;
        const auto known = pool_troubles_.find(pool);
        troubles.emplace(
            pool, known == pool_troubles_.end() ? trouble(checked.error(), now) : known->second);
    }
    pool_troubles_ = std::move(troubles);
}

/// What keeps us from knowing all pairs there are.
std::optional<rpc::Trouble> DaemonService::unknown_pairs() const {
    const Result<void> ready = parts_.inventory.ready();
    if (!ready) return trouble(ready.error(), started_);
    for (const std::string& pool : parts_.inventory.left_out()) {
        const auto found = pool_troubles_.find(pool);
        if (found == pool_troubles_.end()) continue;
        rpc::Trouble out = found->second;
        out.message += "; its pairs are shown as last seen, or not at all";
        return out;
    }
    return std::nullopt;
}

/// That a list of these is not as new as it says.
std::optional<rpc::Trouble> DaemonService::unseen_now(const std::vector<DatasetName>& names) const {
    for (const DatasetName& name : names) {
        const auto found = pool_troubles_.find(name.pool());
        if (!parts_.inventory.left_out().contains(name.pool()) || found == pool_troubles_.end())
            continue;
        rpc::Trouble out = found->second;
        out.message += "; " + name.str() + " is shown as last seen";
        return out;
    }
    return std::nullopt;
}

rpc::PairStatus DaemonService::status_of(const plan::Pair& pair, const Moment& now) {
    rpc::PairStatus out;
    out.dataset = pair.dataset.str();
    out.role = plan::role_name(pair.role);
    out.epoch = pair.epoch;
    out.peer = pair.peer.str();
    out.peer_dataset = pair.peer_dataset.str();
    out.peer_state = peer_state_name(peers_.state(pair.peer));
    if (pair.settings.interval) out.interval = format_duration(*pair.settings.interval);
    out.paused = sched::is_paused(pair.settings.paused, now.wall);
    out.running = parts_.runs.progress_of(pair.dataset);
    add_snapshots(out, pair, now.wall);
    const auto back = parts_.inventory.find(pair.dataset)->local(prop::kBack);
    // A sync by name has brought it forward since, or the pause was taken back by zfs(8).
    const bool there = out.paused && out.last_acked && back == out.last_acked->guid.str();
    if (there && pair.role == plan::Role::master) out.put_back = out.last_acked->snapshot;
    out.fence = plan::fence_name(pair.settings.fence);
    out.fenced = roles_.is_fenced(pair.dataset);
    out.last_error = trouble_of(out, pair, now.wall);
    out.warning = warning_of(pair, now.wall);
    if (const auto next = scheduler_.next_run(pair, now)) out.next_run = to_wall(*next, now);
    for (const auto& name : parts_.inventory.with_members({pair.dataset})) {
        const auto found = rescues_of(name);
        out.rescues.insert(out.rescues.end(), found.begin(), found.end());
    }
    out.health = health_of(out, pair);
    if (out.health == "late" && !out.warning) out.warning = lateness(out, pair, now.wall);
    return out;
}

/// Since when a copy is older than it should be, and what there is to see of why.
rpc::Trouble DaemonService::lateness(const rpc::PairStatus& status,
                                     const plan::Pair& pair,
                                     UnixSeconds now) const {
    const auto fresh_at =
        status.lag_seconds ? std::optional(now - *status.lag_seconds) : std::nullopt;
    const UnixSeconds late_at =
        fresh_at ? *fresh_at + late_after(*pair.settings.interval).count() : started_;
    rpc::Trouble out{.kind = "late", .message = {}, .remedy = {}, .since = to_rfc3339(late_at)};
    const std::string last =
        fresh_at ? "it has the data of " + to_rfc3339(*fresh_at) : "no sync was seen yet";
    out.message = "the copy is late: " + last + ", and one is due every " + *status.interval;
    if (status.running) {
        out.message += "; one has been running since " + status.running->since;
        out.remedy =
            "zrepctl status --watch shows how far it is; it ends by itself, or with an "
            "error, when no byte moves for stall-timeout";
    } else {
        out.remedy = "zrepctl sync " + quote(status.dataset) +
                     " does it now, and says what is "
                     "in its way";
    }
    return out;
}

/// Next to each other in the inventory's order: nothing is gone through for pairs that have none.
std::vector<std::string> DaemonService::rescues_of(const DatasetName& dataset) const {
    const auto& all = parts_.inventory.all();
    std::set<std::string> out;
    const auto add_below = [&](const DatasetName& from, const std::string& begin) {
        for (auto it = all.upper_bound(from); it != all.end(); ++it) {
            if (!it->first.str().starts_with(begin)) break;
            if (it->second.local(prop::kRescue) == dataset.str()) out.insert(it->first.str());
        }
    };
    // Beside it, renamed ones too.
    add_below(dataset, dataset.str());
    for (const std::string& place : failover::rescue_places(dataset)) {
        if (const auto from = DatasetName::parse(place)) add_below(*from, place);
    }
    return {out.begin(), out.end()};
}

/// Of a tree: what its members add to what is known of its root.
void DaemonService::add_members(rpc::PairStatus& out, const plan::Pair& pair) const {
    const std::vector<DatasetName> members = parts_.inventory.members(pair.dataset);
    out.members = static_cast<unsigned>(members.size());
    const auto* memory = parts_.runs.remembered(pair.dataset);
    if (memory != nullptr) out.left_behind = memory->left_behind;
    if (pair.role != plan::Role::master) return;
    for (const auto& name : members) {
        if (name == pair.dataset) continue;
        out.backlog_bytes += parts_.inventory.find(name)->written_bytes;
        const Versions* versions = parts_.inventory.versions(name);
        if (versions == nullptr) continue;
        const auto& all = versions->snapshots;
        for (auto it = all.rbegin(); it != all.rend() && !it->sent; ++it)
            out.backlog_bytes += it->written_bytes;
    }
}

/// Fills in what the snapshots tell.
void DaemonService::add_snapshots(rpc::PairStatus& out,
                                  const plan::Pair& pair,
                                  UnixSeconds now) const {
    const Versions* versions = parts_.inventory.versions(pair.dataset);
    const auto lag = [&](const Snapshot* acked) {
        const auto found = parts_.runs.lag(pair.dataset, acked, now);
        if (found) out.lag_seconds = found->count();
    };
    // A pool that was imported again, say: what was seen before holds until it is listed.
    if (versions == nullptr) {
        lag(nullptr);
        return;
    }
    out.pending_snapshots = sync::pending_count(*versions);
    if (pair.role == plan::Role::master) {
        const auto& all = versions->snapshots;
        for (auto it = all.rbegin(); it != all.rend() && !it->sent; ++it) {
            out.backlog_bytes += it->written_bytes;
        }
        out.backlog_bytes += parts_.inventory.find(pair.dataset)->written_bytes;
    }
    if (pair.tree) add_members(out, pair);
    const Snapshot* acked = sync::last_acked(*versions);
    if (acked == nullptr) return;
    out.last_acked =
        rpc::AckedSnapshot{out.dataset + "@" + acked->name, acked->guid, to_rfc3339(*acked->sent)};
    lag(acked);
}

/// The last run's error, else what is wrong without one: a target runs nothing that would fail, nor
/// does a master without a schedule.
std::optional<rpc::Trouble> DaemonService::trouble_of(const rpc::PairStatus& status,
                                                      const plan::Pair& pair,
                                                      UnixSeconds now) {
    const auto* memory = parts_.runs.remembered(pair.dataset);
    const auto unsettled = roles_.trouble_of(pair.dataset);
    // A fence that protects nothing is said when nothing else is wrong.
    const bool weighs = unsettled && unsettled->code != Code::unsupported;
    const auto pool = pool_troubles_.find(pair.dataset.pool());
    const bool failed = !weighs && memory != nullptr && memory->error;
    // What these stand before begins anew once it is seen again.
    if (failed || pool != pool_troubles_.end()) seen_troubles_.erase(status.dataset);
    if (failed) return trouble(*memory->error, memory->error_since);
    if (pool != pool_troubles_.end()) return pool->second;
    std::optional<Error> found = unsettled;
    if (!found && pair.role == plan::Role::initializing && !status.running)
        found = sync::unfinished_init(pair);
    const Dataset* dataset = parts_.inventory.find(pair.dataset);
    if (!found) found = plan::unreadable_epoch(*dataset, parts_.self);
    if (!found && !status.running && pair.role != plan::Role::initializing)
        found = left_open(pair, *dataset);
    if (!found) found = plan::unreadable_setting(*dataset, pair.role);
    return first_seen(status.dataset, found, now);
}

/// Nothing is kept from being done by it.
std::optional<rpc::Trouble> DaemonService::warning_of(const plan::Pair& pair, UnixSeconds now) {
    // '@' is in no dataset's name.
    auto out = first_seen(pair.dataset.str() + "@", roles_.warning_of(pair.dataset), now);
    if (out) out->kind = plan::kWritableTarget;
    return out;
}

std::string DaemonService::health_of(const rpc::PairStatus& status, const plan::Pair& pair) const {
    if (status.last_error) {
        if (status.last_error->kind == "split_brain") return "split_brain";
        if (status.last_error->kind == "conflict") return "conflict";
        return "failing";
    }
    if (pair.role == plan::Role::initializing && !status.running) return "failing";
    return is_late(status, pair) ? "late" : "ok";
}

bool DaemonService::is_late(const rpc::PairStatus& status, const plan::Pair& pair) {
    if (pair.role != plan::Role::master || !pair.settings.interval || status.paused) return false;
    const auto limit = late_after(*pair.settings.interval);
    return !status.lag_seconds || *status.lag_seconds > limit.count();
}

}  // namespace zrepd
