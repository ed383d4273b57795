// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/failover/leases.hpp"

#include <algorithm>

#include "common/text.hpp"
#include "daemon/clock.hpp"
#include "daemon/failover/check.hpp"
#include "daemon/failover/journal.hpp"
#include "daemon/failover/parts.hpp"
#include "daemon/log.hpp"
#include "daemon/sync/peer_group.hpp"

namespace zrepd::failover {
namespace {

// The boot clock goes on while timers stand still, in a suspended host: it is looked at so often.
constexpr BootTime kLook{1'000};
constexpr BootTime kNothingDue{30'000};
// After an answer that did not confirm all: the note may be on disk over there by now.
constexpr BootTime kAskAgain{1'000};
constexpr unsigned kTries = 3;

/// A third of the lease: one lost renewal leaves time for another.
BootTime renew_every(BootTime time) {
    return time / 3;
}

/// What is answered later confirms too little to be waited for.
BootTime answer_limit(BootTime time) {
    return time / 2;
}

Error not_confirmed_yet(const plan::Pair& pair) {
    const std::string there = pair.peer.str() + ":" + pair.peer_dataset.str();
    return Error{.code = Code::unsupported,
                 .message = "the lease of " + pair.dataset.str() + " is not confirmed yet by " +
                            there + ": until then zrep:fence=lease keeps nobody from writing here",
                 .remedy = "it takes effect as soon as " + pair.peer.str() +
                           " answers and its zrepd knows leases: zrepctl status"};
}

Error readonly_for_nobody(const plan::Pair& pair) {
    const std::string name = quote(pair.dataset.str());
    return Error{.code = Code::refused,
                 .message = pair.dataset.str() + " is the master and readonly: somebody set that",
                 .remedy = "when zrepctl status on " + pair.peer.str() +
                           " says that it is the target there: zfs set readonly=off " + name};
}

}  // namespace

Leases::Leases(
    sync::Parts& parts, peer::Peers& peers, Fences& fences, WitnessFolder& witness, Hooks hooks)
    : parts_(parts),
      peers_(peers),
      fences_(fences),
      witness_(witness),
      hooks_(std::move(hooks)),
      places_(parts.executor, kParallelSets),
      stored_(parts.executor),
      wake_(parts.executor),
      tasks_(parts.executor) {}

Task<> Leases::run() {
    load();
    while (true) {
        const bool stop = co_await cancelled();
        if (stop) co_return;
        const BootTime now = boot_now();
        const BootTime wait = std::max(BootTime(50), tick(now) - now);
        co_await wake_.wait_until(std::chrono::steady_clock::now() + wait);
    }
}

Task<> Leases::stop() {
    tasks_.cancel();
    co_await tasks_.join();
}

/// Starts what is due; when to look again.
BootTime Leases::tick(BootTime now) {
    if (!parts_.inventory.ready()) return now + kLook;
    Due due;
    std::vector<plan::Pair> recorded;
    BootTime wake = std::min(now + kNothingDue, watch_hidden(now));
    for (const auto& pair : parts_.inventory.pairs()) {
        const Dataset* dataset = parts_.inventory.find(pair.dataset);
        const bool noted = dataset != nullptr && pair.role == plan::Role::target &&
                           note_of(*dataset) && !note_of(*dataset)->witness.empty();
        if (noted) recorded.push_back(pair);
        const bool leased = dataset != nullptr && is_leased(*dataset, pair);
        if (!leased) {
            const bool was = leases_.erase(pair.dataset) != 0;
            if (was) save();
            if (was && pair.role == plan::Role::master) released_.insert(pair.dataset);
            lost_.erase(pair.dataset);
            written_back_.erase(pair.dataset);
            if (dataset != nullptr && closed_note_of(*dataset)) close(*dataset, pair, now);
            if (pair.role != plan::Role::master) released_.erase(pair.dataset);
            if (!released_.contains(pair.dataset)) continue;
        } else {
            released_.erase(pair.dataset);
            const Lease lease = lease_of(pair, now);
            watch(*dataset, pair, lease, now);
            for (const BootTime before : {parts_.config.lease_time / 4, BootTime(0)}) {
                const bool later = lease.until && *lease.until - before > now;
                if (later) wake = std::min(wake, *lease.until - before + BootTime(1));
            }
        }
        wake = std::min(wake, now + kLook);
        // It can vouch for nothing, neither to its peer nor at the witness.
        if (leased && spoiled_epoch(*dataset, pair, parts_.self)) continue;
        if (leased) recorded.push_back(pair);
        due[pair.peer].push_back(pair);
    }
    looked_ = true;
    // Cleared: what is made of it anew has another lease. One whose pool is away keeps its own.
    std::erase_if(leases_, [this](const auto& entry) {
        return parts_.inventory.find(entry.first) != nullptr &&
               !parts_.inventory.pair(entry.first) && !hidden_.contains(entry.first);
    });
    if (!parts_.config.witness.empty() && !recorded.empty()) {
        ask_witness(recorded, now);
        wake = std::min(wake, std::max(at_witness_.next, now + BootTime(50)));
    }
    // What is not there any more is not what comes under its name later; but for a pool in trouble.
    std::erase_if(kept_, [this](const auto& kept) {
        return !parts_.inventory.left_out().contains(kept.first.pool());
    });
    return std::min(wake, renew_due(std::move(due), now));
}

/// One that zrepd finds at its start may be counted on; one that appears later begins as a new one.
Lease& Leases::lease_of(const plan::Pair& pair, BootTime now) {
    const auto found = leases_.find(pair.dataset);
    const Dataset* dataset = parts_.inventory.find(pair.dataset);
    const Guid guid = dataset == nullptr ? Guid{} : dataset->guid;
    if (found != leases_.end() && found->second.epoch == pair.epoch) {
        if (!found->second.guid.known()) found->second.guid = guid;
        return found->second;
    }
    Lease lease{.epoch = pair.epoch, .until = std::nullopt};
    // An epoch that went down, is no number, or is one again, is no role change: the target may
    // count on what it confirmed, and that runs out.
    const bool by_hand =
        found != leases_.end() && (pair.epoch < found->second.epoch || found->second.epoch == 0);
    if (by_hand) lease.until = found->second.until;
    const auto kept = kept_.find(pair.dataset);
    std::optional<Lease> left;
    if (kept != kept_.end()) left = kept->second;
    if (!looked_ || (left && left->epoch == pair.epoch)) {
        lease = after_start(left, pair.epoch, now, parts_.config.lease_time);
    }
    kept_.erase(pair.dataset);
    lease.guid = guid;
    leases_[pair.dataset] = lease;
    save();
    return leases_[pair.dataset];
}

BootTime Leases::renew_due(Due due, BootTime now) {
    BootTime wake = now + kNothingDue;
    for (auto& [peer, pairs] : due) {
        Link& link = links_[peer];
        if (!link.running && link.next <= now) {
            link.running = true;
            link.next = now + renew_every(parts_.config.lease_time);
            tasks_.spawn("leases of " + peer.str(), renew(peer, std::move(pairs)));
        }
        // One under way wakes us when it ends.
        if (!link.running) wake = std::min(wake, link.next);
    }
    return wake;
}

rpc::LeaseIn Leases::request(const std::vector<plan::Pair>& pairs) const {
    rpc::LeaseIn in;
    in.lease_ms = static_cast<std::uint64_t>(parts_.config.lease_time.count());
    if (!parts_.config.witness.empty()) in.witness = parts_.config.witness;
    in.sent_ms = static_cast<std::uint64_t>(boot_now().count());
    for (const auto& pair : pairs) {
        rpc::LeaseIn::Side side;
        side.source = pair.dataset.str();
        side.target = pair.peer_dataset.str();
        side.epoch = pair.epoch;
        side.release = released_.contains(pair.dataset);
        const auto lease = leases_.find(pair.dataset);
        side.counts = lease != leases_.end() && lease->second.until;
        in.sides.push_back(std::move(side));
    }
    return in;
}

Task<> Leases::renew(HostName peer, std::vector<plan::Pair> pairs) {
    const BootTime time = parts_.config.lease_time;
    bool all = true;
    for (std::size_t from = 0; from < pairs.size(); from += sync::kMaxPerRequest) {
        const auto begin = pairs.begin() + static_cast<std::ptrdiff_t>(from);
        const auto size = std::min(pairs.size() - from, sync::kMaxPerRequest);
        const std::vector<plan::Pair> some(begin, begin + static_cast<std::ptrdiff_t>(size));
        const rpc::LeaseIn in = request(some);
        const BootTime sent(static_cast<BootTime::rep>(in.sent_ms));
        auto answer =
            co_await peers_.call_as<rpc::LeaseOut>(peer, "peer.lease", in, answer_limit(time));
        const bool complete = answer && answer->sides.size() == some.size();
        for (std::size_t i = 0; complete && i < some.size(); ++i) {
            const bool good = take(some[i], in.sides[i], answer->sides[i], sent);
            all = all && good;
        }
        // An older zrepd there will not learn it within a second.
        const bool later = !answer && answer.error().code == Code::method_not_found;
        all = all && (complete || later);
        save();
    }
    Link& link = links_[peer];
    link.running = false;
    if (!all) link.next = std::min(link.next, boot_now() + kAskAgain);
    wake_.notify();
}

/// Whether there is nothing left to be asked again soon.
bool Leases::take(const plan::Pair& pair,
                  const rpc::LeaseIn::Side& asked,
                  const rpc::LeaseOut::Side& side,
                  BootTime sent) {
    if (side.master && side.epoch > pair.epoch) hooks_.overtaken(pair.dataset);
    // Given up while a renewal was under way, its confirmation is of the lease, not of its end.
    if (asked.release && side.confirmed) {
        released_.erase(pair.dataset);
        return true;
    }
    const auto found = leases_.find(pair.dataset);
    if (found == leases_.end() || found->second.epoch != pair.epoch) return true;
    if (!side.confirmed) return false;
    // Of the next one the target hears that it counts from now on.
    const bool first = !found->second.until;
    failover::confirm(found->second, sent, parts_.config.lease_time);
    found->second.witness = parts_.config.witness;
    if (!first) return true;
    save();
    log::event(log::Level::info,
               "lease_confirmed",
               {{"dataset", pair.dataset.str()}, {"peer", pair.peer.str()}});
    parts_.events.publish("lease_confirmed", pair.dataset.str(), "by " + pair.peer.str());
    return false;
}

Task<Result<void>> Leases::confirm(plan::Pair pair) {
    lease_of(pair, boot_now());
    for (unsigned i = 0; i < kTries; ++i) {
        if (i > 0) co_await sleep_for(kAskAgain);
        const std::vector<plan::Pair> one{pair};
        const rpc::LeaseIn in = request(one);
        const BootTime sent(static_cast<BootTime::rep>(in.sent_ms));
        auto answer = co_await peers_.call_as<rpc::LeaseOut>(
            pair.peer, "peer.lease", in, answer_limit(parts_.config.lease_time));
        if (!answer) co_return answer.error();
        if (answer->sides.size() != 1 || !answer->sides[0].confirmed) continue;
        take(pair, in.sides[0], answer->sides[0], sent);
        save();
        if (!is_out(pair.dataset)) co_return ok();
    }
    co_return Error{.code = Code::busy,
                    .message = pair.peer.str() + " does not confirm the lease of " +
                               pair.dataset.str() + ": a takeover may be under way there",
                    .remedy = "zrepctl status on both hosts shows who is master"};
}

bool Leases::is_out(const DatasetName& dataset, std::uint64_t epoch) const {
    const auto found = leases_.find(dataset);
    return found != leases_.end() && found->second.epoch == epoch && is_out(dataset);
}

bool Leases::is_out(const DatasetName& dataset) const {
    const auto found = leases_.find(dataset);
    return found != leases_.end() && has_run_out(found->second, boot_now());
}

void Leases::vouch(const DatasetName& dataset) {
    const auto pair = parts_.inventory.pair(dataset);
    const Dataset* now = parts_.inventory.find(dataset);
    if (!pair || now == nullptr || !is_leased(*now, *pair)) return;
    leases_[dataset] = {
        .epoch = pair->epoch, .until = std::nullopt, .witness = {}, .guid = now->guid};
    save();
}

std::optional<Error> Leases::trouble_of(const DatasetName& dataset) const {
    const auto pair = parts_.inventory.pair(dataset);
    const Dataset* now = parts_.inventory.find(dataset);
    const auto found = leases_.find(dataset);
    if (!pair || now == nullptr || !is_leased(*now, *pair) || found == leases_.end())
        return std::nullopt;
    const bool closing = closed_note_of(*now) || storing_.contains(dataset);
    if (now->readonly && entry_of(*now).journal == Journal::none && !closing)
        return readonly_for_nobody(*pair);
    if (found->second.until) return std::nullopt;
    return not_confirmed_yet(*pair);
}

}  // namespace zrepd::failover
