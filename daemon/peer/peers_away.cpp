// SPDX-License-Identifier: BSD-2-Clause
// Hosts that cannot be reached: one of us looks for each, so that nobody else has to.
#include <algorithm>
#include <random>

#include "daemon/clock.hpp"
#include "daemon/log.hpp"
#include "daemon/peer/peers.hpp"
#include "daemon/peer/session.hpp"

namespace zrepd::peer {
namespace {

using Clock = std::chrono::steady_clock;

// A session says why it could not be opened before this, on all but the slowest ways.
constexpr std::chrono::seconds kLookLimit{18};
constexpr std::chrono::seconds kAfterBusy{1};
// A host that calls us is looked for soon, and no more often than this.
constexpr std::chrono::seconds kAtOnce{1};

double draw_jitter() {
    static std::minstd_rand generator{std::random_device{}()};
    return std::uniform_real_distribution<double>(0, 1)(generator);
}

}  // namespace

std::optional<Error> Peers::away(const HostName& host) const {
    const auto session = existing(host);
    const bool lost = session && session->state() == PeerState::unreachable && session->trouble();
    if (!lost || !is_absence(session->trouble()->code)) return std::nullopt;
    return session->trouble();
}

void Peers::await_return(const HostName& host) {
    const auto session = existing(host);
    if (stopping_ || !away(host)) return;
    const auto now = Clock::now();
    std::shared_ptr<Awaited>& entry = awaited_[host.str()];
    if (entry) {
        entry->until = now + limits_.awaited;
        return;
    }
    const SteadyTime word = next_word(session->attempt().away_since, now);
    entry = std::make_shared<Awaited>(Awaited{
        .until = now + limits_.awaited, .next = now, .next_word = word, .wake = Alarm(executor_)});
    entry->next = peer::next_look(session->attempt(), limits_.look, draw_jitter());
    tasks_.spawn("look for " + host.str(), look_for(host, entry));
}

std::optional<SteadyTime> Peers::next_look(const HostName& host) const {
    const auto found = awaited_.find(host.str());
    if (found == awaited_.end()) return std::nullopt;
    return found->second->next;
}

void Peers::heard_of(const HostName& host) {
    const auto found = awaited_.find(host.str());
    if (found == awaited_.end()) return;
    found->second->at_once = true;
    found->second->wake.notify();
}

/// False when there is nothing to look for any more.
Task<bool> Peers::wait_for_turn(HostName host, std::shared_ptr<Awaited> awaited) {
    const double jitter = draw_jitter();
    while (true) {
        const bool stop = co_await cancelled();
        const auto now = Clock::now();
        if (stop || stopping_ || !away(host) || now > awaited->until) co_return false;
        const Attempt attempt = existing(host)->attempt();
        // Whoever tried meanwhile has looked, too.
        awaited->next = peer::next_look(attempt, limits_.look, jitter);
        if (awaited->at_once) awaited->next = std::min(awaited->next, attempt.ended + kAtOnce);
        if (awaited->next <= now) co_return true;
        co_await awaited->wake.wait_until(awaited->next);
    }
}

Task<> Peers::look_for(HostName host, std::shared_ptr<Awaited> awaited) {
    while (true) {
        const bool go = co_await wait_for_turn(host, awaited);
        if (!go) break;
        awaited->at_once = false;
        Json params = Json::object();
        auto looking = call(host, "peer.ping", std::move(params), kLookLimit);
        auto seen = co_await std::move(looking);
        ++awaited->looks;
        if (!seen) tell_of(host, *awaited);
        // A full queue refuses without a wait, and drains only while others have their turn.
        if (!seen && seen.error().code == Code::busy) co_await sleep_for(kAfterBusy);
    }
    awaited_.erase(host.str());
}

/// One line for all that wait for it, ever more seldom.
void Peers::tell_of(const HostName& host, Awaited& awaited) const {
    const auto why = away(host);
    const auto now = Clock::now();
    if (!why || now < awaited.next_word) return;
    const SteadyTime since = existing(host)->attempt().away_since;
    awaited.next_word = next_word(since, now);
    const auto passed = std::chrono::duration_cast<std::chrono::seconds>(now - since);
    log::event(log::Level::warn,
               "peer_away",
               {{"peer", host.str()},
                {"since", to_rfc3339(unix_now() - passed.count())},
                {"looks", std::to_string(awaited.looks)},
                {"error", why->text()},
                {"next", why->remedy}});
}

}  // namespace zrepd::peer
