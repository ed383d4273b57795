// SPDX-License-Identifier: BSD-2-Clause
// What goes on by itself: unfinished role changes, and the question who is master.
#include <algorithm>
#include <iterator>
#include <utility>

#include "common/platform.hpp"
#include "common/text.hpp"
#include "daemon/failover/check.hpp"
#include "daemon/failover/roles.hpp"
#include "daemon/log.hpp"
#include "daemon/peer/absence.hpp"
#include "daemon/plan/conflicts.hpp"
#include "daemon/sched/due.hpp"

namespace zrepd::failover {
namespace {

using Clock = std::chrono::steady_clock;

// An unfinished role change means that nobody may write: it is tried again soon, always.
constexpr std::chrono::seconds kRetryMost{10};
// Room for a rescue comes from somebody who makes it.
constexpr std::chrono::seconds kRetryFull{60};
constexpr std::chrono::seconds kIdle{30};
// As long may a master that was overtaken while it heard nobody go on once the link is back.
constexpr std::chrono::seconds kAskMost{30};

Clock::time_point later(unsigned failures, Clock::duration most) {
    const Clock::duration wait = sched::backoff(failures, 0.5);
    return Clock::now() + std::min(wait, most);
}

bool has_mounts_to_see(const plan::Pair& pair) {
    return pair.tree || pair.role == plan::Role::target;
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

/// A sync that found the other side to be master too is where a role change was missed; one that
/// was acknowledged has no split brain.
void Roles::watch_results(const rpc::EventOut& event) {
    if (event.event == "peer_up") peer_answers(event.text);
    if (event.event != "run_finished" || !event.run || event.run->operation != "sync") return;
    for (const auto& result : event.run->results) {
        const auto name = DatasetName::parse(result.dataset);
        if (!name) continue;
        const auto known = trouble_of(*name);
        if (!result.error && known && known->code == Code::split_brain) {
            troubles_.erase(*name);
            wake_.notify();
        }
        const bool doubtful = result.error && (result.error->kind == "conflict" ||
                                               result.error->kind == "split_brain");
        if (doubtful) doubt(*name);
    }
}

/// A session with it is open: what waited for that need not wait for its turn.
void Roles::peer_answers(const std::string& peer) {
    for (const auto& pair : parts_.inventory.pairs()) {
        if (pair.peer.str() != peer) continue;
        const auto pending = pending_.find(pair.dataset);
        if (pending != pending_.end()) pending->second.not_before = {};
        const auto asking = asking_.find(pair.peer);
        if (asking != asking_.end()) asking->second.not_before = {};
    }
    wake_.notify();
}

void Roles::doubt(const DatasetName& dataset) {
    const auto pair = parts_.inventory.pair(dataset);
    if (!pair) return;
    heard_.erase(dataset);
    wake_.notify();
}

/// Found out before the next question about roles: while it lasts, nobody confirms the lease.
void Roles::is_overtaken(const DatasetName& dataset) {
    doubt(dataset);
    const auto pair = parts_.inventory.pair(dataset);
    if (pair) asking_[pair->peer].not_before = {};
}

Task<> Roles::run() {
    tasks_.spawn("leases", leases_.run());
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
    forget_former_pairs();
    tell_splits();
    Clock::time_point wake = now + kIdle;
    fences_.forget_gone();
    leases_.look_again();
    const auto pairs = parts_.inventory.pairs();
    const std::string mounts =
        std::any_of(pairs.begin(), pairs.end(), has_mounts_to_see) ? platform::mount_table() : "";
    writable_.look(pairs, mounts);
    for (const auto& pair : pairs) {
        if (pair.role == plan::Role::initializing) continue;
        fences_.look_after(pair, tasks_);
        look_for_stuck_mounts(pair, mounts);
        const bool waits = fences_.waits(pair.dataset) && !pending_.contains(pair.dataset);
        // What the peer said was about another role, which a hand may have changed.
        const auto role = roles_.emplace(pair.dataset, pair.role).first;
        const bool other = std::exchange(role->second, pair.role) != pair.role;
        if (waits || other) heard_.erase(pair.dataset);
        const bool open = entry_of(*parts_.inventory.find(pair.dataset)).journal != Journal::none;
        const bool left = open || has_member_half_way(parts_.inventory, pair);
        if (!left && !pending_.contains(pair.dataset)) continue;
        // A role change under way has its journal open, which is no reason to recover from it.
        if (parts_.runs.active(pair.dataset)) {
            end_sync_in_the_way(pair);
            continue;
        }
        Pending& pending = pending_[pair.dataset];
        if (pending.running) continue;
        // Its return is an event, and peer_answers() goes on here. What a fence holds back may be
        // let go by the witness as well, whose return is none.
        if (!fences_.waits(pair.dataset) && waits_for_peer(pending, pair.peer)) {
            role_.peers.await_return(pair.peer);
            continue;
        }
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

/// A stream may take hours, and until it ends nobody could write. What arrived of it counts: the
/// next sync goes on from there.
void Roles::end_sync_in_the_way(const plan::Pair& pair) {
    const Dataset* now = parts_.inventory.find(pair.dataset);
    const bool closed = now != nullptr && (entry_of(*now).journal == Journal::freezing ||
                                           fences_.waits(pair.dataset));
    // A role change sends as well, with the same journal: whose stream it is says the lock.
    const auto holder = parts_.locks.conflicting(pair.dataset, lock::Scope::node);
    const bool syncs = holder && holder->reason == "sync";
    if (pair.role != plan::Role::master || !closed || !syncs) return;
    for (const auto& name : parts_.inventory.with_members({pair.dataset})) parts_.sends.end(name);
}

bool Roles::waits_for_peer(const Pending& pending, const HostName& peer) const {
    return pending.error && peer::is_absence(*pending.error) && role_.peers.away(peer);
}

/// Each is told of once when it is found, whoever found it, and once when it is over: another
/// trouble in its place, or none that anybody knows of, is not its end.
void Roles::tell_splits() {
    const auto is_over = [this](const DatasetName& name) {
        const auto pair = parts_.inventory.pair(name);
        const bool asked = !pair || pair->role != plan::Role::master || heard_.contains(name);
        return asked && !troubles_.contains(name);
    };
    for (const auto& [name, error] : troubles_) {
        if (error.code != Code::split_brain || !split_.insert(name).second) continue;
        log::event(log::Level::error,
                   "split_brain",
                   {{"dataset", name.str()}, {"error", error.text()}, {"next", error.remedy}});
        parts_.events.publish("split_brain", name.str(), error.text());
    }
    for (auto at = split_.begin(); at != split_.end();) {
        const DatasetName name = *at;
        at = is_over(name) ? split_.erase(at) : std::next(at);
        if (split_.contains(name) || !parts_.inventory.pair(name)) continue;
        log::event(log::Level::info, "split_brain_over", {{"dataset", name.str()}});
        parts_.events.publish("split_brain_over", name.str(), "one side is the master again");
    }
}

void Roles::forget_former_pairs() {
    const auto is_former = [this](const DatasetName& name) {
        return !parts_.inventory.pair(name).has_value();
    };
    std::erase_if(troubles_, [&](const auto& entry) { return is_former(entry.first); });
    std::erase_if(heard_, is_former);
    std::erase_if(left_, is_former);
    std::erase_if(promoted_, [&](const auto& entry) { return is_former(entry.first); });
    std::erase_if(roles_, [&](const auto& entry) { return is_former(entry.first); });
    std::erase_if(masterless_, is_former);
    std::erase_if(pending_, [&](const auto& entry) {
        return !entry.second.running && is_former(entry.first);
    });
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
        // It is looked for once for all that wait for it, and peer_answers() goes on here.
        if (role_.peers.away(peer)) {
            role_.peers.await_return(peer);
            continue;
        }
        asking.running = true;
        if (pairs.size() > sync::kMaxPerRequest) pairs.resize(sync::kMaxPerRequest, pairs.front());
        tasks_.spawn("ask " + peer.str(), ask_about(peer, std::move(pairs)));
    }
}

Task<> Roles::ask_about(HostName peer, std::vector<plan::Pair> pairs) {
    rpc::RolesIn in;
    for (const auto& pair : pairs) {
        in.sides.push_back(asking_side(pair));
        in.sides.back().idle = !parts_.locks.conflicting(pair.dataset, lock::Scope::node);
    }
    auto answer = co_await role_.peers.call_as<rpc::RolesOut>(peer, "peer.roles", in, kAskLimit);
    Pending& asking = asking_[peer];
    asking.running = false;
    if (!answer || answer->sides.size() != pairs.size()) {
        const bool fenced = fences_.waits(pairs);
        asking.not_before = later(++asking.failures, fenced ? kRetryMost : kAskMost);
        wake_.notify();
        co_return;
    }
    asking = {};
    for (std::size_t i = 0; i < pairs.size(); ++i) {
        // Its pool may not be imported yet: then it knows nothing, and is asked again.
        const bool waits = fences_.waits(pairs[i].dataset);
        if (waits && !answer->sides[i].known) {
            asking.not_before = later(1, kRetryMost);
            continue;
        }
        heard_.insert(pairs[i].dataset);
        judge(pairs[i], answer->sides[i]);
        // Again, until one of them is: what was asked a moment before is no state.
        if (masterless_.contains(pairs[i].dataset)) {
            heard_.erase(pairs[i].dataset);
            const bool told = troubles_.contains(pairs[i].dataset);
            asking.not_before = told ? Clock::now() + kAskMost : later(1, kRetryMost);
        }
    }
    wake_.notify();
}

/// Two targets at rest, as only hands can make them. Told when it is seen a second time.
void Roles::judge_masterless(const plan::Pair& pair, const rpc::RolesOut::Side& side) {
    const Journal journal = entry_of(*parts_.inventory.find(pair.dataset)).journal;
    const bool at_rest = journal == Journal::none && side.journal == name(Journal::none);
    const bool none = pair.role == plan::Role::target && side.known && !side.master && at_rest;
    if (!none) {
        masterless_.erase(pair.dataset);
        return;
    }
    if (!masterless_.insert(pair.dataset).second)
        troubles_[pair.dataset] = neither_is_master(pair, side.epoch);
}

/// What the other side's word means for this one, which it was when it asked.
void Roles::judge(const plan::Pair& pair, const rpc::RolesOut::Side& side) {
    const auto now = parts_.inventory.pair(pair.dataset);
    const bool changed = !now || now->role != pair.role || now->epoch != pair.epoch;
    if (changed) {
        heard_.erase(pair.dataset);
        return;
    }
    // A peer that does not know the pair now, as with its pool exported, ends no split brain.
    const bool split = !side.known && split_.contains(pair.dataset);
    if (!pending_.contains(pair.dataset) && !split) troubles_.erase(pair.dataset);
    judge_masterless(pair, side);
    const bool noted = side.known && !side.master && side.leased;
    if (noted && pair.role == plan::Role::master) leases_.release(pair.dataset);
    const bool both = side.known && side.master && pair.role == plan::Role::master;
    const bool in_the_way = both && side.epoch >= pair.epoch;
    if (side.known && !in_the_way && fences_.waits(pair.dataset)) {
        pending_[pair.dataset].not_before = {};
    }
    if (!both) return;
    if (side.epoch > pair.epoch) pending_[pair.dataset].not_before = {};
    if (side.epoch != pair.epoch) return;
    troubles_[pair.dataset] =
        Error{.code = Code::split_brain,
              .message = "split brain: " + pair.dataset.str() + " and " + side.target + " on " +
                         pair.peer.str() + " are both master of epoch " +
                         std::to_string(pair.epoch) + "; nothing is sent either way",
              .remedy = plan::keep_one(pair.dataset)};
}

namespace {

/// Not what stands in the journal, and not a peer that does not answer: that has a backoff of its
/// own. A demotion, say, that could not be stored.
bool is_settled(const Result<Stored>& stored, const Change& work) {
    const bool at_rest = stored && stored->journal == Journal::none;
    return at_rest && (!work.trouble() || work.is_unheard());
}

Error unfinished(const DatasetName& dataset, const Result<Stored>& stored, const Change& work) {
    if (!stored) return stored.error();
    Error error = work.trouble().value_or(
        Error{.code = Code::busy,
              .message = "not finished yet",
              .remedy = "zrepctl status " + quote(dataset.str()) + " shows what it waits for"});
    error.context.push_back("role change of " + dataset.str() + " is not finished (" +
                            std::string(name(stored->journal)) + "), it is tried again");
    return error;
}

/// What the hooks are told: a side that was overtaken, or stands alone, rejoins; anything else that
/// was cut off is set right.
bool is_rejoin(Journal journal) {
    return journal == Journal::none || journal == Journal::rejoining ||
           journal == Journal::stepping_down;
}

}  // namespace

/// Goes on with what the journal says, or finds out who is master. Its run is only seen when there
/// is something to do.
Task<> Roles::recover(DatasetName dataset) {
    std::vector<DatasetName> one{dataset};
    const bool again = pending_[dataset].error.has_value();
    sync::RunPtr run = again ? parts_.runs.start_again(std::string(kRejoin), one)
                             : parts_.runs.start(std::string(kRejoin), one);
    auto guard = co_await parts_.locks.lock(
        dataset, lock::Scope::node, run->operation(), kLockWait, run->id());
    const Dataset* before = parts_.inventory.find(dataset);
    const bool rejoin = before == nullptr || is_rejoin(entry_of(*before).journal);
    Change work(role_, run, dataset, std::string(rejoin ? kRejoin : kRecovery));
    if (rejoin) work.alone();
    Result<Guards> below = Guards{};
    if (guard) below = co_await lock_for_recovery(dataset, run->operation());
    Result<Stored> stored = Error{};
    if (!guard)
        stored = guard.error();
    else if (!below)
        stored = below.error();
    else
        stored = co_await carry(&work, dataset, Recover{});
    bool whole = true;
    if (is_settled(stored, work)) whole = co_await work.settle_members(*stored);
    Pending& pending = pending_[dataset];
    pending.running = false;
    if (whole && is_settled(stored, work)) {
        rpc::RunResult result;
        result.outcome = "done";
        result.text = join(work.words(), "; ");
        if (result.text.empty()) result.text = stored->master ? "master" : "target";
        parts_.runs.succeed(*run, dataset, std::move(result));
        settled(dataset);
        co_return;
    }
    const Error error = unfinished(dataset, stored, work);
    // That a fence waits for it says what to do about a silent peer.
    const bool fenced = work.is_unheard() && fences_.waits(dataset);
    if (fenced)
        troubles_.erase(dataset);
    else
        troubles_[dataset] = error;
    put_off(run, dataset, error);
}

/// The same failure every ten seconds is one event and one line of log, and another every 60.
void Roles::put_off(sync::RunPtr run, const DatasetName& dataset, const Error& error) {
    Pending& pending = pending_[dataset];
    const bool repeated = pending.error == error.code && pending.failures % 60 != 0;
    const bool full = error.code == Code::no_space;
    pending.error = error.code;
    pending.not_before = later(++pending.failures, full ? kRetryFull : kRetryMost);
    if (!repeated) parts_.runs.tell(*run);
    const auto told = repeated ? sync::Runs::Told::yes : sync::Runs::Told::no;
    parts_.runs.fail(*run, dataset, error, told);
    wake_.notify();
}

void Roles::settled(const DatasetName& dataset) {
    pending_.erase(dataset);
    troubles_.erase(dataset);
    heard_.erase(dataset);
    parts_.runs.memory(dataset).failures = 0;
    parts_.inventory.changed().notify();
    wake_.notify();
}

}  // namespace zrepd::failover
