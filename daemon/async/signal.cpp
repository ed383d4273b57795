// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/async/signal.hpp"

namespace zrepd {

Task<> sleep_for(std::chrono::steady_clock::duration duration) {
    asio::steady_timer timer(co_await asio::this_coro::executor, duration);
    co_await timer.async_wait(nothrow);
}

struct Deadline::State : std::enable_shared_from_this<Deadline::State> {
    State(asio::any_io_executor executor,
          std::chrono::steady_clock::duration limit,
          std::function<void()> action)
        : timer(std::move(executor)), after(limit), on_expiry(std::move(action)) {}

    void arm(std::chrono::steady_clock::time_point now) {
        due = now + after;
        if (!waiting) wait();
    }
    /// Restarting only moves `due`: a timer re-armed at every chunk would cost more than the chunk.
    void wait() {
        waiting = true;
        timer.expires_at(due);
        timer.async_wait([self = shared_from_this()](const boost::system::error_code& ec) {
            self->waiting = false;
            if (ec || !self->on_expiry) return;
            if (std::chrono::steady_clock::now() < self->due) return self->wait();
            self->fired = true;
            self->on_expiry();
        });
    }

    asio::steady_timer timer;
    std::chrono::steady_clock::duration after;
    std::function<void()> on_expiry;
    std::chrono::steady_clock::time_point due;
    bool waiting = false;
    bool fired = false;
};

Deadline::Deadline(asio::any_io_executor executor,
                   std::chrono::steady_clock::duration after,
                   std::function<void()> on_expiry)
    : state_(std::make_shared<State>(std::move(executor), after, std::move(on_expiry))) {
    state_->arm(std::chrono::steady_clock::now());
}

Deadline::~Deadline() {
    state_->on_expiry = nullptr;
    state_->timer.cancel();
}

void Deadline::restart(std::chrono::steady_clock::time_point now) {
    state_->arm(now);
}

bool Deadline::expired() const {
    return state_->fired;
}

}  // namespace zrepd
