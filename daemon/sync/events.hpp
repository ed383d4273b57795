// SPDX-License-Identifier: BSD-2-Clause
// Events for subscribers of the control socket. Thread: io thread. Limits: none kept here; every
// subscriber bounds its own queue and is dropped when it returns false.
#pragma once

#include <list>
#include <memory>
#include <string>

#include "daemon/control/service.hpp"

namespace zrepd::sync {

class EventBus : public control::EventSource {
  public:
    std::shared_ptr<void> subscribe(Callback callback) override;
    rpc::U64 last_seq() const override { return {seq_}; }

    /// Stamps sequence number and time, and hands it to every subscriber.
    void publish(rpc::EventOut event);
    void publish(std::string name, std::string dataset, std::string text);

  private:
    struct Subscriber {
        Callback callback;
    };
    std::uint64_t seq_ = 0;
    std::list<std::weak_ptr<Subscriber>> subscribers_;
};

}  // namespace zrepd::sync
