// SPDX-License-Identifier: BSD-2-Clause
// Runs one coroutine to its end and returns its value. Bounded in real time: a coroutine that
// hangs ends the test program with a message, because it cannot be unwound safely.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>
#include <utility>

#include "daemon/async/task_group.hpp"

namespace zrepd::test {

// Far more than any of these tests needs, also under a sanitizer on a busy machine.
inline constexpr std::chrono::seconds kPatience{90};

/// Runs `io` until `done()` holds, as long as there is patience.
inline void run_until(asio::io_context& io, const std::function<bool()>& done) {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (!done()) {
        if (std::chrono::steady_clock::now() > until) {
            std::fputs("run_until: the test's coroutine did not end\n", stderr);
            std::abort();
        }
        if (io.stopped()) io.restart();
        io.run_one_for(std::chrono::milliseconds(100));
    }
}

namespace detail {

template <class T>
Task<> store(Task<T> task, std::optional<T>* into) {
    T value = co_await std::move(task);
    into->emplace(std::move(value));
}

}  // namespace detail

template <class T>
T run_task(asio::io_context& io, Task<T> task) {
    TaskGroup group(io.get_executor());
    std::optional<T> value;
    group.spawn("test", detail::store(std::move(task), &value));
    run_until(io, [&group] { return group.size() == 0; });
    return std::move(value).value();
}

inline void run_task(asio::io_context& io, Task<> task) {
    TaskGroup group(io.get_executor());
    group.spawn("test", std::move(task));
    run_until(io, [&group] { return group.size() == 0; });
}

/// Runs what is ready, and what that makes ready, without waiting for any timer.
inline void run_ready(asio::io_context& io) {
    if (io.stopped()) io.restart();
    io.poll();
}

}  // namespace zrepd::test
