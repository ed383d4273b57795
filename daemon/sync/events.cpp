// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sync/events.hpp"

#include <algorithm>

#include "daemon/clock.hpp"
#include "daemon/log.hpp"

namespace zrepd::sync {

std::shared_ptr<void> EventBus::subscribe(Callback callback) {
    auto subscriber = std::make_shared<Subscriber>(Subscriber{std::move(callback)});
    subscribers_.push_back(subscriber);
    return subscriber;
}

void EventBus::publish(rpc::EventOut event) {
    event.seq = {++seq_};
    event.time = to_rfc3339(unix_now());
    for (auto it = subscribers_.begin(); it != subscribers_.end();) {
        const auto subscriber = it->lock();
        const bool keep = subscriber && subscriber->callback(event);
        it = keep ? std::next(it) : subscribers_.erase(it);
    }
    if (!event.progress) remember(std::move(event));
}

void EventBus::remember(rpc::EventOut event) {
    if (event.run && event.run->results.size() > kResultsKept) {
        auto& results = event.run->results;
        std::erase_if(results, [](const auto& result) { return !result.error; });
        if (results.size() > kResultsKept) results.resize(kResultsKept);
    }
    kept_.push_back(std::move(event));
    if (kept_.size() > kKept) kept_.pop_front();
}

std::vector<rpc::EventOut> EventBus::recent(std::size_t limit) const {
    const std::size_t count = std::min(limit, kept_.size());
    return {kept_.end() - static_cast<std::ptrdiff_t>(count), kept_.end()};
}

void EventBus::publish(std::string name, std::string dataset, std::string text) {
    rpc::EventOut event;
    event.event = std::move(name);
    event.dataset = std::move(dataset);
    event.text = std::move(text);
    publish(std::move(event));
}

void tell_peer_state(EventBus& events,
                     const HostName& host,
                     peer::PeerState state,
                     const Error* error) {
    const bool up = state == peer::PeerState::connected;
    log::event(up ? log::Level::info : log::Level::warn,
               up ? "peer_up" : "peer_down",
               {{"peer", host.str()}, {"error", error == nullptr ? "" : error->text()}});
    events.publish(up ? "peer_up" : "peer_down", "", host.str());
}

}  // namespace zrepd::sync
