// SPDX-License-Identifier: BSD-2-Clause
// Events for subscribers of the control socket, and the last of them for who comes later. Thread:
// io thread. Limits: kKept events; every subscriber bounds its own queue and is dropped when it
// returns false.
#pragma once

#include <deque>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "daemon/control/service.hpp"
#include "daemon/peer/peers.hpp"

namespace zrepd::sync {

class EventBus : public control::EventSource {
  public:
    std::shared_ptr<void> subscribe(Callback callback) override;
    /// For parts of this process: they hear what is said to nobody else, too.
    std::shared_ptr<void> listen(Callback callback);
    rpc::U64 last_seq() const override { return {seq_}; }

    /// The newest `limit` of those kept, oldest first. No progress; of a run that has more than
    /// kResultsKept results, which may be thousands, so many of those that failed.
    std::vector<rpc::EventOut> recent(std::size_t limit) const;

    /// Stamps sequence number and time, and hands it to every subscriber.
    void publish(rpc::EventOut event);
    void publish(std::string name, std::string dataset, std::string text);
    /// To those that listen alone: no number, and none of those kept.
    void hint(std::string name, std::string text);
    /// To subscribers alone: those that listen heard it before.
    void say(std::string name, std::string text);

    /// A busy night's worth; with 20 results each they are some megabytes at most.
    static constexpr std::size_t kKept = 1000;
    static constexpr std::size_t kResultsKept = 20;

  private:
    struct Subscriber {
        Callback callback;
        bool listens = false;
    };
    std::shared_ptr<void> add(Callback callback, bool listens);
    /// To those of one kind.
    void hand_to(const rpc::EventOut& event, bool listening);
    /// Stamps it, hands it to subscribers and remembers it.
    void give(rpc::EventOut event, bool listeners_too);
    void remember(rpc::EventOut event);
    std::uint64_t seq_ = 0;
    std::deque<rpc::EventOut> kept_;
    std::list<std::weak_ptr<Subscriber>> subscribers_;
};

}  // namespace zrepd::sync
