// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sync/peer_words.hpp"

#include "daemon/log.hpp"

namespace zrepd::sync {
namespace {

using Clock = std::chrono::steady_clock;

void write_line(const HostName& host, bool up, const std::string& error, unsigned unsaid) {
    const log::Level level = up ? log::Level::info : log::Level::warn;
    if (unsaid == 0) {
        log::event(level, up ? "peer_up" : "peer_down", {{"peer", host.str()}, {"error", error}});
        return;
    }
    log::event(level,
               up ? "peer_up" : "peer_down",
               {{"peer", host.str()}, {"error", error}, {"unsaid", std::to_string(unsaid)}});
}

}  // namespace

PeerWords::Entry& PeerWords::entry_of(const HostName& host, peer::SteadyTime now) {
    std::erase_if(said_, [&](const auto& one) {
        const peer::Comings& comings = one.second.comings;
        return one.first != host && comings.unsaid == 0 && now - comings.changed >= peer::kCalm;
    });
    return said_.try_emplace(host, executor_).first->second;
}

void PeerWords::tell(const HostName& host, peer::PeerState state, const Error* error) {
    const auto now = Clock::now();
    Entry& entry = entry_of(host, now);
    entry.up = state == peer::PeerState::connected;
    entry.error = error == nullptr ? "" : error->text();
    const bool said = peer::note_change(entry.comings, now);
    if (!said) {
        events_.hint(entry.up ? "peer_up" : "peer_down", host.str());
        if (entry.comings.unsaid == 1) say_later(host, entry);
        return;
    }
    write_line(host, entry.up, entry.error, 0);
    events_.publish(entry.up ? "peer_up" : "peer_down", "", host.str());
}

/// Then as it stands, so that the last word is what is so.
void PeerWords::say_later(const HostName& host, Entry& entry) {
    entry.timer.expires_at(entry.comings.next_word);
    entry.timer.async_wait([this, host](const boost::system::error_code& ec) {
        if (ec) return;
        const auto found = said_.find(host);
        if (found == said_.end()) return;
        Entry& due = found->second;
        const unsigned unsaid = peer::take_unsaid(due.comings, Clock::now());
        write_line(host, due.up, due.error, unsaid);
        events_.say(due.up ? "peer_up" : "peer_down", host.str());
    });
}

}  // namespace zrepd::sync
