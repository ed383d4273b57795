// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sync/events.hpp"

#include "daemon/clock.hpp"

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
}

void EventBus::publish(std::string name, std::string dataset, std::string text) {
    rpc::EventOut event;
    event.event = std::move(name);
    event.dataset = std::move(dataset);
    event.text = std::move(text);
    publish(std::move(event));
}

}  // namespace zrepd::sync
