// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sched/scheduler.hpp"

#include <algorithm>
#include <random>
#include <set>
#include <utility>

#include "daemon/log.hpp"
#include "daemon/plan/foreign.hpp"

namespace zrepd::sched {
namespace {

// Changes come in bursts (a clone of a tree, a script): one look a little later sees them all.
constexpr std::chrono::seconds kDiscoverAfter{2};
// What changed is being worked on by a run of ours, which most likely did it: at its end is early
// enough, unless that takes long.
constexpr std::chrono::seconds kDiscoverBusy{60};
// Without ZFS, or with a pool that does not answer.
constexpr std::chrono::seconds kDiscoverRetry{30};
// Nothing is due: still look now and then, at the clock, which may have been set, and for pools
// that were suspended.
constexpr std::chrono::seconds kIdle{30};
// Nobody says when a role is settled; that it is asked for again costs nothing.
constexpr std::chrono::seconds kHeldBack{2};

double draw_jitter() {
    static std::minstd_rand generator{std::random_device{}()};
    return std::uniform_real_distribution<double>(0, 1)(generator);
}

/// Whether its last run failed for want of a peer.
bool missed_its_peer(const sync::PairMemory* memory) {
    return memory != nullptr && memory->error && peer::is_absence(memory->error->code);
}

/// Whether what its last run failed of may be over at any moment, with nobody doing anything.
bool passes(const sync::PairMemory& memory) {
    if (!memory.error || !info(memory.error->code).retryable) return false;
    switch (memory.error->code) {
        case Code::peer_auth:
        case Code::peer_host_key:
        case Code::peer_protocol:
            return false;  // somebody there has to let us in, and sees each try in a log
        default:
            return true;
    }
}

}  // namespace

Scheduler::Scheduler(sync::Parts& parts, sync::Engine& engine, peer::Peers& peers)
    : parts_(parts), engine_(engine), peers_(peers), discover_at_(Clock::now()) {
    subscription_ = parts_.events.listen([this](const rpc::EventOut& event) {
        hear(event);
        return true;
    });
}

void Scheduler::hear(const rpc::EventOut& event) {
    if (event.event == "peer_up" || event.event == "peer_down") note_return(event.text);
    if (event.event != "run_finished") return;
    if (event.run) forget_returns(*event.run);
    parts_.inventory.changed().notify();
}

void Scheduler::note_return(const std::string& host) {
    const auto name = HostName::parse(host);
    // One that is there and refuses us has something else to say to those that wait.
    if (!name || peers_.away(*name)) return;
    const auto pairs = parts_.inventory.pairs();
    const bool awaited = std::any_of(pairs.begin(), pairs.end(), [&](const plan::Pair& pair) {
        return pair.peer == *name && missed_its_peer(parts_.runs.remembered(pair.dataset));
    });
    if (!awaited) return;
    Return& entry = returns_[*name];
    entry.go_at = Clock::now() + wait_after_return(++entry.in_a_row, draw_jitter());
    parts_.inventory.changed().notify();
}

void Scheduler::forget_returns(const rpc::RunOut& run) {
    if (returns_.empty() || run.operation != "sync") return;
    for (const auto& result : run.results) {
        const auto name = DatasetName::parse(result.dataset);
        const auto pair = name ? parts_.inventory.pair(*name) : std::nullopt;
        const auto found = pair && !result.error ? returns_.find(pair->peer) : returns_.end();
        if (found == returns_.end()) continue;
        found->second.in_a_row = 0;
        if (found->second.go_at) found->second.go_at = Clock::now();
    }
}

void Scheduler::let_go() {
    const auto now = Clock::now();
    for (const auto& pair : parts_.inventory.pairs()) {
        const auto found = returns_.find(pair.peer);
        if (found == returns_.end() || !found->second.go_at || *found->second.go_at > now) continue;
        // With the start forgotten it is due, and what failed before still makes the next pause.
        const bool missed = missed_its_peer(parts_.runs.remembered(pair.dataset));
        if (missed && !parts_.runs.active(pair.dataset))
            parts_.runs.memory(pair.dataset).last_start.reset();
    }
    for (auto& [peer, entry] : returns_) {
        if (entry.go_at && *entry.go_at <= now) entry.go_at.reset();
    }
}

bool Scheduler::waits_for_peer(const plan::Pair& pair) const {
    return missed_its_peer(parts_.runs.remembered(pair.dataset)) && peers_.away(pair.peer);
}

bool Scheduler::is_held_back(const plan::Pair& pair) const {
    return held_back_ && held_back_(pair.dataset);
}

Task<> Scheduler::run() {
    while (true) {
        const bool stop = co_await cancelled();
        if (stop) co_return;
        parts_.inventory.look_for_returned_pools();
        tell_pools();
        co_await discover_if_needed();
        // A cancel that ended that wait wakes nobody from the next one; and nothing starts any
        // more.
        const bool stopped = co_await cancelled();
        if (stopped) co_return;
        tell_foreign_pairs();
        if (!returns_.empty()) let_go();
        start_due();
        close_unused_sessions();
        co_await parts_.inventory.changed().wait_until(next_wake());
    }
}

Task<> Scheduler::discover_if_needed() {
    const auto due = discovery_due(Clock::now());
    if (!due || Clock::now() < *due) co_return;
    auto seen = co_await parts_.inventory.discover();
    discover_at_.reset();
    if (seen) co_return;
    log::event(
        log::Level::warn, "discovery_failed", {{"error", seen.error().text()}, {"retry", "30s"}});
    not_before_ = Clock::now() + kDiscoverRetry;
}

std::optional<Clock::time_point> Scheduler::discovery_due(Clock::time_point now) {
    const auto& inventory = parts_.inventory;
    if (!inventory.needs_discovery() && !inventory.lacks_versions()) {
        discover_at_.reset();
        return std::nullopt;
    }
    const auto busy = [&](const DatasetName& name) { return parts_.runs.active(name) != nullptr; };
    const auto by = now + (inventory.needs_discovery(busy) ? kDiscoverAfter : kDiscoverBusy);
    discover_at_ = std::min(discover_at_.value_or(by), by);
    return std::max(*discover_at_, not_before_);
}

std::optional<Clock::time_point> Scheduler::next_run(const plan::Pair& pair,
                                                     const Moment& now) const {
    if (pair.role != plan::Role::master) return std::nullopt;
    PairTiming timing{.interval = pair.settings.interval,
                      .paused = is_paused(pair.settings.paused, now.wall),
                      .last_start = {}};
    if (const auto* memory = parts_.runs.remembered(pair.dataset)) {
        timing.last_start = memory->last_start;
        timing.failures = memory->failures;
        timing.jitter = memory->jitter;
        if (passes(*memory)) timing.failed_at = memory->failed_at;
    }
    if (waits_for_peer(pair)) timing.looked_for = peers_.next_look(pair.peer).value_or(now.steady);
    return sched::next_run(timing, now.steady);
}

void Scheduler::start_due() {
    const Moment now;
    std::vector<DatasetName> due;
    for (const auto& pair : parts_.inventory.pairs()) {
        const auto at = next_run(pair, now);
        if (at && waits_for_peer(pair)) {
            peers_.await_return(pair.peer);
            continue;
        }
        const bool now_due = at && *at <= now.steady && !parts_.runs.active(pair.dataset);
        if (now_due && !is_held_back(pair)) {
            due.push_back(pair.dataset);
        }
    }
    if (due.empty()) return;
    auto started = engine_.start_sync(due, sync::Freshness::cached);
    if (!started) {
        log::event(log::Level::warn, "schedule_failed", {{"error", started.error().text()}});
    }
}

void Scheduler::close_unused_sessions() {
    if (!parts_.inventory.ready()) return;
    std::optional<std::set<HostName>> needed;
    peers_.close_unused([&](const HostName& host) {
        if (!needed) {
            needed.emplace();
            for (const auto& pair : parts_.inventory.pairs()) needed->insert(pair.peer);
        }
        return needed->contains(host);
    });
}

void Scheduler::tell_pools() {
    std::set<std::string> unavailable;
    for (const std::string& pool : parts_.zfs.unavailable_pools()) {
        const auto checked = parts_.zfs.check_pool(pool);
        if (checked) continue;
        unavailable.insert(pool);
        if (told_pools_.contains(pool)) continue;
        const Error& error = checked.error();
        log::event(log::Level::error,
                   "pool_unavailable",
                   {{"pool", pool}, {"error", error.text()}, {"next", error.remedy}});
        parts_.events.publish("pool_unavailable", pool, error.text());
    }
    for (const std::string& pool : told_pools_) {
        if (unavailable.contains(pool)) continue;
        log::event(log::Level::info, "pool_back", {{"pool", pool}});
        parts_.events.publish("pool_back", pool, "its pairs go on");
    }
    told_pools_ = std::move(unavailable);
}

void Scheduler::tell_foreign_pairs() {
    const auto found =
        plan::foreign_pairs(parts_.inventory.all(), parts_.self, parts_.config.file.string());
    const std::string text = found ? found->text() : "";
    if (std::exchange(told_foreign_, text) == text || !found) return;
    log::event(log::Level::warn, "foreign_pairs", {{"error", text}, {"next", found->remedy}});
}

Clock::time_point Scheduler::wake_for(const plan::Pair& pair, const Moment& now) const {
    const Clock::time_point idle = now.steady + kIdle;
    const auto at = next_run(pair, now);
    // Its return wakes us; but a run that ended as soon as it began woke nobody.
    if (at && waits_for_peer(pair)) return peers_.next_look(pair.peer) ? idle : now.steady;
    if (at && *at <= now.steady && is_held_back(pair)) return now.steady + kHeldBack;
    if (at) return *at;
    const Pause pause = read_pause(pair.settings.paused);
    const bool waits = pair.role == plan::Role::master && pair.settings.interval &&
                       pause.kind == Pause::Kind::until && pause.until > now.wall;
    if (!waits) return idle;
    // A time far away fits into no clock's duration: it is compared before it is added.
    const auto left = pause.until - now.wall;
    return left < kIdle.count() ? now.steady + std::chrono::seconds(left) : idle;
}

Clock::time_point Scheduler::next_wake() {
    const Moment now;
    Clock::time_point wake = now.steady + kIdle;
    if (const auto due = discovery_due(now.steady)) wake = std::min(wake, *due);
    for (const auto& [peer, entry] : returns_) {
        if (entry.go_at) wake = std::min(wake, *entry.go_at);
    }
    for (const auto& pair : parts_.inventory.pairs()) {
        // A running one is looked at again when its run ends.
        if (parts_.runs.active(pair.dataset)) continue;
        wake = std::min(wake, wake_for(pair, now));
    }
    // At most one wake-up a second, whatever the intervals are.
    return std::max(wake, now.steady + std::chrono::seconds(1));
}

}  // namespace zrepd::sched
