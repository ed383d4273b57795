// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/zfs/events.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "daemon/async/signal.hpp"
#include "daemon/log.hpp"
#include "daemon/zfs/command.hpp"
#include "daemon/zfs/parse.hpp"

namespace zrepd {
namespace {

/// Reads one run of zpool events until it ends or the task is cancelled. Empty: it was cancelled.
Task<std::string> follow_once(Processes& processes, const std::function<void(Change)>& on_change) {
    Result<Pipe> pipe = make_pipe();
    if (!pipe.has_value()) co_return pipe.error().text();
    SpawnSpec spec{.argv = command::events(), .out = std::move(pipe->write)};
    Result<Child> started = processes.start(std::move(spec));
    if (!started.has_value()) co_return started.error().text();
    Child& child = *started;

    asio::posix::stream_descriptor out(co_await asio::this_coro::executor, pipe->read.release());
    child.on_end([&out] { out.cancel(); });
    parse::EventReader reader;
    std::array<char, std::size_t{16} * 1024> buffer;
    bool stop = false;
    while (!stop && !child.ended()) {
        const auto [ec, size] = co_await out.async_read_some(asio::buffer(buffer), nothrow);
        for (Change& change : reader.feed(std::string_view(buffer.data(), size))) {
            on_change(std::move(change));
        }
        stop = co_await cancelled();
        if (ec) break;
    }
    child.on_end([] {});
    child.terminate();
    const ExitStatus status = co_await child.wait();
    if (stop) co_return std::string();
    co_return parse::failure(child.stderr_tail(), status.text()).text();
}

}  // namespace

Task<> follow_events(Processes& processes, std::function<void(Change)> on_change) {
    std::chrono::seconds pause = kFirstRestart;
    while (true) {
        const auto began = std::chrono::steady_clock::now();
        const std::string why = co_await follow_once(processes, on_change);
        bool stop = co_await cancelled();
        if (stop) co_return;
        // One that ran for a while was healthy: begin again with the short pause.
        if (std::chrono::steady_clock::now() - began > kLastRestart) pause = kFirstRestart;
        log::event(log::Level::warn,
                   "zpool_events_ended",
                   {{"why", why}, {"restart_in_seconds", std::to_string(pause.count())}});
        co_await sleep_for(pause);
        stop = co_await cancelled();
        if (stop) co_return;
        pause = std::min(pause * 2, kLastRestart);
        on_change(Change{});
    }
}

}  // namespace zrepd
