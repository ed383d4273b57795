// SPDX-License-Identifier: BSD-2-Clause
// The long-running ones: send, receive, and the follower of pool events.
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>

#include "daemon/async/signal.hpp"
#include "daemon/log.hpp"
#include "daemon/zfs/command.hpp"
#include "daemon/zfs/parse.hpp"
#include "daemon/zfs/zfs_cli.hpp"

namespace zrepd {
namespace {

constexpr std::chrono::seconds kFirstRestart{1};
constexpr std::chrono::seconds kMaxRestart{60};

class ChildStream : public StreamProcess {
  public:
    explicit ChildStream(Child child) : child_(std::move(child)) {}

    Task<Result<void>> wait() override {
        const ExitStatus status = co_await child_.wait();
        if (status.ok()) co_return ok();
        if (killed_) co_return Error{.code = Code::cancelled, .message = "ended by zrepd"};
        const std::string err = child_.stderr_tail();
        if (err.empty()) co_return Error{.code = Code::stream_failed, .message = status.text()};
        co_return parse::failure(err);
    }
    void kill() override {
        killed_ = true;
        child_.terminate();
    }

  private:
    Child child_;
    bool killed_ = false;
};

}  // namespace

Result<std::unique_ptr<StreamProcess>> ZfsCli::send(SendSpec spec, Fd out) {
    if (spec.token.empty() ? !spec.snapshot : !command::is_token(spec.token)) {
        return Error{.code = Code::internal, .message = "nothing to send"};
    }
    auto child = processes_.start({.argv = command::send(spec), .in = Fd(), .out = std::move(out)});
    if (!child) return child.error();
    return std::unique_ptr<StreamProcess>(std::make_unique<ChildStream>(std::move(*child)));
}

Result<std::unique_ptr<StreamProcess>> ZfsCli::receive(ReceiveSpec spec, Fd in) {
    auto child = processes_.start({.argv = command::receive(spec), .in = std::move(in), .out = Fd()});
    if (!child) return child.error();
    return std::unique_ptr<StreamProcess>(std::make_unique<ChildStream>(std::move(*child)));
}

Task<> ZfsCli::watch(std::function<void(Change)> on_change) {
    std::chrono::seconds pause = kFirstRestart;
    while (!co_await cancelled()) {
        const auto began = std::chrono::steady_clock::now();
        auto ended = co_await follow_events(on_change);
        if (co_await cancelled()) co_return;
        log::event(log::Level::warn, "pool_events_ended",
                   {{"error", ended ? "" : ended.error().text()},
                    {"restart_seconds", std::to_string(pause.count())}});
        co_await sleep_for(pause);
        // What happened meanwhile is unknown.
        on_change(Change{});
        const bool lasted = std::chrono::steady_clock::now() - began > kMaxRestart;
        pause = lasted ? kFirstRestart : std::min(pause * 2, kMaxRestart);
    }
}

Task<Result<void>> ZfsCli::follow_events(std::function<void(Change)>& on_change) {
    auto pipe = make_pipe();
    if (!pipe) co_return pipe.error();
    auto child = processes_.start({.argv = command::events(), .in = Fd(), .out = std::move(pipe->write)});
    if (!child) co_return child.error();
    set_nonblocking(pipe->read.get());
    asio::posix::stream_descriptor from(executor_, pipe->read.release());
    constexpr std::size_t kMaxLine = 64 * 1024;
    std::string buffer;
    parse::EventReader reader;
    while (!co_await cancelled()) {
        auto [ec, count] = co_await asio::async_read_until(
            from, asio::dynamic_buffer(buffer, kMaxLine), '\n', nothrow);
        if (ec) break;
        const std::string line = buffer.substr(0, count);
        buffer.erase(0, count);
        if (auto change = reader.line(line)) on_change(std::move(*change));
    }
    child->terminate();
    const ExitStatus status = co_await child->wait();
    const std::string err = child->stderr_tail();
    co_return Error{.code = Code::zfs_failed, .message = err.empty() ? status.text() : err};
}

}  // namespace zrepd
