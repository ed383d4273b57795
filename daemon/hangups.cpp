// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/hangups.hpp"

#include <csignal>
#include <optional>
#include <utility>

#include "daemon/log.hpp"

namespace zrepd {

Hangups::Hangups(asio::any_io_executor executor, std::chrono::steady_clock::duration pause)
    : signals_(std::move(executor), SIGHUP), pause_(pause) {}

Task<> Hangups::run() {
    using Clock = std::chrono::steady_clock;
    std::optional<Clock::time_point> told;
    while (true) {
        // All of them are taken, told of or not: Asio would keep each until it is asked for.
        const auto [ec, number] = co_await signals_.async_wait(nothrow);
        if (ec) co_return;
        const auto now = Clock::now();
        if (told && now - *told < pause_) continue;
        told = now;
        log::event(log::Level::warn,
                   "hangup_ignored",
                   {{"instead", "zrepd goes on as it is: settings are read at its start alone"},
                    {"next", "systemctl restart zrepd"}});
    }
}

}  // namespace zrepd
