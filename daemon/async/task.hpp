// SPDX-License-Identifier: BSD-2-Clause
// How coroutines are written here (Boost 1.81, g++ 12;
// docs/adr/0001-one-thread-and-task-groups.md).
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace zrepd {

namespace asio = boost::asio;

template <class T = void>
using Task = asio::awaitable<T>;

/// Passed to every async operation: errors come back as values, `auto [ec, n] = co_await …`.
inline constexpr auto nothrow = asio::as_tuple(asio::use_awaitable);

/// True once the task was asked to stop. A cancel interrupts only the wait it finds, so loops ask.
inline Task<bool> cancelled() {
    const auto state = co_await asio::this_coro::cancellation_state;
    co_return state.cancelled() != asio::cancellation_type::none;
}

}  // namespace zrepd
