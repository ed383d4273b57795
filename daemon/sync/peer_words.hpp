// SPDX-License-Identifier: BSD-2-Clause
// What is said of peers that come and go: peer_up and peer_down, for the log and for subscribers.
// One that greets and drops again and again is told of at growing distances, with the number of
// changes that were passed over (peer::Comings). What listens in this process hears of each.
// Thread: io thread. Errors: none. Limits: a host that has been calm for peer::kCalm is forgotten.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <map>
#include <string>

#include "daemon/peer/peers.hpp"
#include "daemon/sync/events.hpp"

namespace zrepd::sync {

class PeerWords {
  public:
    PeerWords(asio::any_io_executor executor, EventBus& events)
        : executor_(std::move(executor)), events_(events) {}

    /// For Peers::OnState: every change of a host's state, or of what keeps it away.
    void tell(const HostName& host, peer::PeerState state, const Error* error);
    std::size_t hosts() const { return said_.size(); }

  private:
    struct Entry {
        explicit Entry(const asio::any_io_executor& executor) : timer(executor) {}
        peer::Comings comings;
        bool up = false;
        std::string error;
        asio::steady_timer timer;  ///< set while something is unsaid
    };

    Entry& entry_of(const HostName& host, peer::SteadyTime now);
    void say_later(const HostName& host, Entry& entry);

    asio::any_io_executor executor_;
    EventBus& events_;
    std::map<HostName, Entry> said_;
};

}  // namespace zrepd::sync
