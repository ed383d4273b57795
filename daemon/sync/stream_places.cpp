// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sync/stream_places.hpp"

namespace zrepd::sync {

struct StreamPlaces::Turn {
    Turn(asio::any_io_executor executor, plan::Stream what)
        : stream(std::move(what)), changed(std::move(executor)) {}

    plan::Stream stream;
    bool has_come = false;
    bool is_ended = false;
    Signal changed;
};

namespace {

Error is_stopping() {
    return Error{.code = Code::cancelled,
                 .message = "zrepd is stopping",
                 .remedy = "sync again when it is back: an interrupted stream is resumed"};
}

Error gave_way() {
    return Error{.code = Code::cancelled,
                 .message = "its filesystem is opened again first; nothing was sent yet",
                 .remedy = "nothing to do: the next sync sends it"};
}

}  // namespace

/// A filesystem that is readonly, and to be opened again, waits for what holds its lock.
Task<Result<StreamPlaces::Place>> StreamPlaces::acquire(plan::Stream stream, DatasetName dataset) {
    const auto turn = std::make_shared<Turn>(executor_, std::move(stream));
    waiting_.push_back(turn);
    let_in();
    if (turn->has_come) co_return Place(this, turn);
    sends_.add(dataset, [turn] {
        turn->is_ended = true;
        turn->changed.notify();
    });
    bool stop = false;
    while (!turn->has_come && !turn->is_ended && !stop) {
        co_await turn->changed.wait();
        stop = co_await cancelled();
    }
    sends_.remove(dataset);
    if (turn->has_come) co_return Place(this, turn);
    leave(turn);
    co_return stop ? is_stopping() : gave_way();
}

void StreamPlaces::know(std::set<HostName> peers) {
    peers_ = std::move(peers);
    let_in();
}

void StreamPlaces::let_in() {
    // The one beyond is for an urgent one.
    while (taken_.size() <= count_ && !waiting_.empty()) {
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
