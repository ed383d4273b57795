// SPDX-License-Identifier: BSD-2-Clause
// Discoveries are shared: however many ask, one runs and at most one waits.
#include "daemon/sync/inventory.hpp"

namespace zrepd::sync {

/// Makes `mine` the running one. Whatever ends it, those who wait for it, or for its end, go on.
class Inventory::Turn {
  public:
    Turn(std::shared_ptr<Discoveries> all, std::shared_ptr<Discovery> mine)
        : all_(std::move(all)), mine_(std::move(mine)) {
        all_->running = mine_;
        if (all_->next == mine_) all_->next.reset();
    }
    ~Turn() {
        all_->running.reset();
        mine_->ended.notify();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

  private:
    std::shared_ptr<Discoveries> all_;
    std::shared_ptr<Discovery> mine_;
};

Task<Result<void>> Inventory::discover() {
    if (!discoveries_->next) discoveries_->next = std::make_shared<Discovery>(executor_);
    const std::shared_ptr<Discovery> mine = discoveries_->next;
    while (!mine->outcome) {
        const bool stop = co_await cancelled();
        if (stop) co_return Error{.code = Code::cancelled, .message = "the look was cancelled"};
        if (const std::shared_ptr<Discovery> running = discoveries_->running) {
            co_await running->ended.wait();
            continue;
        }
        const Turn turn(discoveries_, mine);
        auto seen = co_await discover_now();
        // Cancelled: that is about the task that carried it out, and no answer for the others.
        const bool gave_up = co_await cancelled();
        if (gave_up) co_return seen;
        looked_ = Looked{std::chrono::steady_clock::now(), seen};
        mine->outcome = std::move(seen);
    }
    co_return *mine->outcome;
}

Task<Result<void>> Inventory::discover_for_peer() {
    if (!ready_) co_return co_await discover();
    const auto now = std::chrono::steady_clock::now();
    const bool soon = peer_looked_ && now - *peer_looked_ < kPeerLookEvery;
    if (!needs_discovery() || soon) {
        // One that runs may be the one that finds it.
        const std::shared_ptr<Discovery> running = discoveries_->running;
        if (running) co_await running->ended.wait();
        co_return ok();
    }
    peer_looked_ = now;
    co_return co_await discover();
}

Task<Result<void>> Inventory::discover_for_reader() {
    const auto now = std::chrono::steady_clock::now();
    const std::shared_ptr<Discovery> running = discoveries_->running;
    if (running) co_await running->ended.wait();
    if (looked_ && now - looked_->at < kReaderLookEvery) co_return looked_->outcome;
    co_return co_await discover();
}

}  // namespace zrepd::sync
