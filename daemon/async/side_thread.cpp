// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/async/side_thread.hpp"

#include <boost/asio/post.hpp>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

#include "daemon/async/signal.hpp"

namespace zrepd {

/// Shared with a thread that may hang when everything else has ended.
struct SideThread::State : std::enable_shared_from_this<State> {
    explicit State(asio::any_io_executor on) : executor(on) { ended.emplace(std::move(on)); }

    void wake() {
        if (ended) ended->notify();
    }
    bool begin(std::function<void()> work, std::shared_ptr<bool> done);

    asio::any_io_executor executor;
    std::optional<Signal> ended;  ///< of the event loop: gone before that is
    bool busy = false;
    std::mutex guard;
    bool alive = true;  ///< the event loop is there; under `guard`
};

/// False when the system gives us no thread.
bool SideThread::State::begin(std::function<void()> work, std::shared_ptr<bool> done) {
    const auto body = [self = shared_from_this(), done, work = std::move(work)] {
        work();
        const std::lock_guard lock(self->guard);
        if (!self->alive) return;
        asio::post(self->executor, [self, done] {
            *done = true;
            self->busy = false;
            self->wake();
        });
    };
    busy = true;
    try {
        // Nobody waits for its end: it may never come.
        std::thread(body).detach();
        return true;
    } catch (const std::system_error&) {
        busy = false;
        return false;
    }
}

SideThread::SideThread(asio::any_io_executor executor)
    : state_(std::make_shared<State>(std::move(executor))) {}

SideThread::~SideThread() {
    const std::lock_guard lock(state_->guard);
    state_->alive = false;
    state_->ended.reset();
}

Task<SideThread::End> SideThread::run(std::function<void()> work, std::chrono::milliseconds limit) {
    const std::shared_ptr<State> state = state_;
    const Deadline late(state->executor, limit, [state] { state->wake(); });
    bool stop = false;
    while (state->busy && !late.expired() && !stop) {
        stop = co_await cancelled();
        if (!stop) co_await state->ended->wait();
    }
    if (state->busy) co_return End::not_begun;
    const auto done = std::make_shared<bool>(false);
    if (!state->begin(std::move(work), done)) co_return End::not_begun;
    stop = false;
    while (!*done && !late.expired() && !stop) {
        stop = co_await cancelled();
        if (!stop) co_await state->ended->wait();
    }
    co_return *done ? End::done : End::late;
}

}  // namespace zrepd
