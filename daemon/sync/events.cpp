// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sync/events.hpp"

#include <algorithm>

#include "daemon/clock.hpp"

namespace zrepd::sync {

std::shared_ptr<void> EventBus::add(Callback callback, bool listens) {
    auto subscriber = std::make_shared<Subscriber>(Subscriber{std::move(callback), listens});
    subscribers_.push_back(subscriber);
    return subscriber;
}

std::shared_ptr<void> EventBus::subscribe(Callback callback) {
    return add(std::move(callback), /*listens=*/false);
}

std::shared_ptr<void> EventBus::listen(Callback callback) {
    return add(std::move(callback), /*listens=*/true);
}

void EventBus::hand_to(const rpc::EventOut& event, bool listening) {
    for (auto it = subscribers_.begin(); it != subscribers_.end();) {
        const auto subscriber = it->lock();
        const bool concerned = subscriber && subscriber->listens == listening;
        const bool keep = subscriber && (!concerned || subscriber->callback(event));
        it = keep ? std::next(it) : subscribers_.erase(it);
    }
}

void EventBus::give(rpc::EventOut event, bool listeners_too) {
    event.seq = {++seq_};
    event.time = to_rfc3339(unix_now());
    // Subscribers first: what a listener does about it may be an event of its own.
    hand_to(event, /*listening=*/false);
    if (listeners_too) hand_to(event, /*listening=*/true);
    if (!event.progress) remember(std::move(event));
}

void EventBus::publish(rpc::EventOut event) {
    give(std::move(event), /*listeners_too=*/true);
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

void EventBus::hint(std::string name, std::string text) {
    rpc::EventOut event;
    event.event = std::move(name);
    event.text = std::move(text);
    hand_to(event, /*listening=*/true);
}

void EventBus::say(std::string name, std::string text) {
    rpc::EventOut event;
    event.event = std::move(name);
    event.text = std::move(text);
    give(std::move(event), /*listeners_too=*/false);
}

}  // namespace zrepd::sync
