// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sync/stream_places.hpp"

namespace zrepd::sync {

struct StreamPlaces::Turn {
    Turn(asio::any_io_executor executor, plan::Stream what)
        : stream(std::move(what)), changed(std::move(executor)) {}

    plan::Stream stream;
    bool has_come = false;
    Signal changed;
};

Task<StreamPlaces::Place> StreamPlaces::acquire(plan::Stream stream) {
    const auto turn = std::make_shared<Turn>(executor_, std::move(stream));
    waiting_.push_back(turn);
    let_in();
    while (!turn->has_come) {
        co_await turn->changed.wait();
        const bool stop = co_await cancelled();
        if (!stop || turn->has_come) continue;
        leave(turn);
        co_return Place();
    }
    co_return Place(this, turn);
}

void StreamPlaces::know(std::set<HostName> peers) {
    peers_ = std::move(peers);
    let_in();
}

void StreamPlaces::let_in() {
    while (taken_.size() < count_ && !waiting_.empty()) {
        plan::Places places{.count = count_, .peers = peers_};
        for (const auto& turn : taken_) places.taken.push_back(turn->stream);
        for (const auto& turn : waiting_) places.waiting.push_back(turn->stream);
        const auto next = plan::next_stream(places);
        if (!next) return;
        const std::shared_ptr<Turn> turn = waiting_[*next];
        waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(*next));
        taken_.push_back(turn);
        turn->has_come = true;
        turn->changed.notify();
    }
}

void StreamPlaces::leave(const std::shared_ptr<Turn>& turn) {
    std::erase(taken_, turn);
    std::erase(waiting_, turn);
    let_in();
}

}  // namespace zrepd::sync
