// SPDX-License-Identifier: BSD-2-Clause
// What goes on by itself: unfinished role changes, and the question who is master.
#include "common/text.hpp"
#include "daemon/failover/roles.hpp"
#include "daemon/log.hpp"
#include "daemon/sched/due.hpp"

namespace zrepd::failover {
namespace {

using Clock = std::chrono::steady_clock;

// An unfinished role change means that nobody may write: it is tried again soon, always.
constexpr std::chrono::seconds kRetryMost{10};
constexpr std::chrono::seconds kIdle{30};
constexpr std::chrono::seconds kLookAgain{1};
constexpr std::chrono::seconds kAskLimit{60};
constexpr std::chrono::seconds kLockWait{60};

Clock::time_point later(unsigned failures, Clock::duration most) {
    const Clock::duration wait = sched::backoff(failures, 0.5);
    return Clock::now() + std::min(wait, most);
}

}  // namespace

rpc::RolesIn::Side asking_side(const plan::Pair& pair) {
    rpc::RolesIn::Side out;
    out.source = pair.dataset.str();
    out.target = pair.peer_dataset.str();
    out.master = pair.role == plan::Role::master;
    out.epoch = pair.epoch;
    return out;
}

/// A sync that found the other side to be master too is where a role change was missed.
void Roles::watch_results(const rpc::EventOut& event) {
    if (event.event != "run_finished" || !event.run || event.run->operation != "sync") return;
    for (const auto& result : event.run->results) {
        if (!result.error) continue;
        const bool doubtful =
            result.error->kind == "conflict" || result.error->kind == "split_brain";
        const auto name = DatasetName::parse(result.dataset);
        if (doubtful && name) doubt(*name);
    }
}

void Roles::doubt(const DatasetName& dataset) {
    const auto pair = parts_.inventory.pair(dataset);
    if (!pair) return;
    heard_.erase(dataset);
    wake_.notify();
}

Task<> Roles::run() {
    while (true) {
        const bool stop = co_await cancelled();
        if (stop) co_return;
        const auto wake = look_after_pairs();
        co_await wake_.wait_until(std::max(wake, Clock::now() + std::chrono::milliseconds(200)));
    }
}

/// Starts what is due; when to look again.
Clock::time_point Roles::look_after_pairs() {
    const auto now = Clock::now();
    if (!parts_.inventory.ready()) return now + std::chrono::seconds(1);
    Clock::time_point wake = now + kIdle;
    for (const auto& pair : parts_.inventory.pairs()) {
        if (pair.role == plan::Role::initializing) continue;
        const bool open = entry_of(*parts_.inventory.find(pair.dataset)).journal != Journal::none;
        if (!open && !pending_.contains(pair.dataset)) continue;
        Pending& pending = pending_[pair.dataset];
        if (pending.running || parts_.runs.active(pair.dataset)) continue;
        if (pending.not_before > now) {
            wake = std::min(wake, pending.not_before);
            continue;
        }
        pending.running = true;
        // It may end before anybody waits for its notification.
        wake = std::min(wake, now + kLookAgain);
        tasks_.spawn("recover " + pair.dataset.str(), recover(pair.dataset));
    }
    ask_peers(now);
    for (const auto& [peer, pending] : asking_) {
        if (!pending.running && pending.not_before > now) wake = std::min(wake, pending.not_before);
    }
    return wake;
}

/// Each peer at once for all pairs that it has not answered for since the start, or that are in
/// doubt.
void Roles::ask_peers(Clock::time_point now) {
    std::map<HostName, std::vector<plan::Pair>> unheard;
    for (auto& pair : parts_.inventory.pairs()) {
        const bool known = pair.role == plan::Role::initializing || heard_.contains(pair.dataset);
        if (!known) unheard[pair.peer].push_back(std::move(pair));
    }
    std::erase_if(asking_, [&](const auto& entry) {
        return !entry.second.running && !unheard.contains(entry.first);
    });
    for (auto& [peer, pairs] : unheard) {
        Pending& asking = asking_[peer];
        if (asking.running || asking.not_before > now) continue;
        asking.running = true;
        if (pairs.size() > sync::kMaxPerRequest) pairs.resize(sync::kMaxPerRequest, pairs.front());
        tasks_.spawn("ask " + peer.str(), ask_about(peer, std::move(pairs)));
    }
}

Task<> Roles::ask_about(HostName peer, std::vector<plan::Pair> pairs) {
    rpc::RolesIn in;
    for (const auto& pair : pairs) in.sides.push_back(asking_side(pair));
    auto answer = co_await role_.peers.call_as<rpc::RolesOut>(peer, "peer.roles", in, kAskLimit);
    Pending& asking = asking_[peer];
    asking.running = false;
    if (!answer || answer->sides.size() != pairs.size()) {
        asking.not_before = later(++asking.failures, sched::kMaxBackoff);
        co_return;
    }
    asking = {};
    for (std::size_t i = 0; i < pairs.size(); ++i) {
        heard_.insert(pairs[i].dataset);
        judge(pairs[i], answer->sides[i]);
    }
    wake_.notify();
}

/// What the other side's word means for this one.
void Roles::judge(const plan::Pair& pair, const rpc::RolesOut::Side& side) {
    const bool both = side.known && side.master && pair.role == plan::Role::master;
    if (!both) {
        troubles_.erase(pair.dataset);
        return;
    }
    if (side.epoch > pair.epoch) pending_[pair.dataset].not_before = {};
    if (side.epoch != pair.epoch) return;
    troubles_[pair.dataset] =
        Error{.code = Code::split_brain,
              .message = "split brain: " + pair.dataset.str() + " and " + side.target + " on " +
                         pair.peer.str() + " are both master of epoch " +
                         std::to_string(pair.epoch) + "; nothing is sent either way",
              .remedy = "decide whose data counts: zrepctl resolve " + quote(pair.dataset.str()) +
                        " --keep HERE (or PEER); the other side's data is kept beside it"};
}

/// Goes on with what the journal says, or finds out who is master. Its run is only seen when there
/// is something to do.
Task<> Roles::recover(DatasetName dataset) {
    std::vector<DatasetName> one{dataset};
    sync::RunPtr run = parts_.runs.start(std::string(kRejoin), one);
    auto guard = co_await parts_.locks.lock(
        dataset, lock::Scope::node, run->operation(), kLockWait, run->id());
    Result<Stored> stored = Error{};
    std::optional<Error> trouble;
    rpc::RunResult result;
    if (guard) {
        Change work(role_, run, dataset, std::string(kRejoin));
        work.alone();
        stored = co_await work.go(Recover{});
        trouble = work.trouble();
        result.text = join(work.notes(), "; ");
    } else {
        stored = guard.error();
    }
    Pending& pending = pending_[dataset];
    pending.running = false;
    const bool settled = stored && stored->journal == Journal::none;
    if (settled) {
        result.outcome = "done";
        if (result.text.empty()) result.text = stored->master ? "master" : "target";
        parts_.runs.succeed(*run, dataset, std::move(result));
        pending_.erase(dataset);
        troubles_.erase(dataset);
        heard_.erase(dataset);
        parts_.runs.memory(dataset).failures = 0;
        parts_.inventory.changed().notify();
        wake_.notify();
        co_return;
    }
    Error error = stored
                      ? trouble.value_or(Error{.code = Code::busy, .message = "not finished yet"})
                      : stored.error();
    if (stored) {
        error.context.push_back("role change of " + dataset.str() + " is not finished (" +
                                std::string(name(stored->journal)) + "), it is tried again");
    }
    pending.not_before = later(++pending.failures, kRetryMost);
    troubles_[dataset] = error;
    parts_.runs.fail(*run, dataset, error);
    wake_.notify();
}

}  // namespace zrepd::failover
