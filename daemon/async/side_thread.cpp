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
struct SideThread::State {
    explicit State(asio::any_io_executor on) : executor(on) { ended.emplace(std::move(on)); }
    asio::any_io_executor executor;
    std::optional<Signal> ended;  ///< of the event loop: gone before that is
    bool busy = false;
    std::mutex guard;
    bool alive = true;  ///< the event loop is there; under `guard`
};

SideThread::SideThread(asio::any_io_executor executor)
    : state_(std::make_shared<State>(std::move(executor))) {}

SideThread::~SideThread() {
    const std::lock_guard lock(state_->guard);
    state_->alive = false;
    state_->ended.reset();
}

Task<bool> SideThread::run(std::function<void()> work, std::chrono::milliseconds limit) {
    const std::shared_ptr<State> state = state_;
    if (state->busy) co_return false;
    const auto done = std::make_shared<bool>(false);
    const auto body = [state, done, work = std::move(work)] {
        work();
        const std::lock_guard lock(state->guard);
        if (!state->alive) return;
        asio::post(state->executor, [state, done] {
            *done = true;
            state->busy = false;
            if (state->ended) state->ended->notify();
        });
    };
    const Deadline late(state->executor, limit, [state] {
        if (state->ended) state->ended->notify();
    });
    state->busy = true;
    try {
        // Nobody waits for its end: it may never come.
        std::thread(body).detach();
    } catch (const std::system_error&) {
        state->busy = false;
        co_return false;
    }
    while (!*done && !late.expired()) {
        co_await state->ended->wait();
        const bool stop = co_await cancelled();
        if (stop) break;
    }
    co_return *done;
}

}  // namespace zrepd
