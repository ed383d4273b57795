// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/peer/wire.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <cerrno>
#include <cstring>

#include "common/text.hpp"
#include "common/version.hpp"

namespace zrepd::peer {
namespace {

constexpr std::size_t kReadBytes = std::size_t{64} << 10;

Error cancelled_error() {
    return Error{.code = Code::cancelled, .message = "the connection was closed on our side"};
}

Error io_failure(const char* what, int error) {
    const std::string why = std::strerror(error);  // NOLINT(concurrency-mt-unsafe)
    return Error{
        .code = Code::io_error, .message = std::string(what) + ": " + why, .sys_errno = error};
}

Error too_long(std::size_t limit) {
    return Error{.code = Code::parse_error,
                 .message = "a line is longer than " + std::to_string(limit) + " bytes"};
}

/// Appends what is there now. Not a coroutine, so that an idle connection holds no buffer.
/// >0 bytes, 0 end-of-file, -1 with errno.
ssize_t append_from(int fd, std::string& to) {
    std::array<char, kReadBytes> chunk;
    ssize_t n = 0;
    do {
        n = ::read(fd, chunk.data(), chunk.size());
    } while (n < 0 && errno == EINTR);
    if (n > 0) to.append(chunk.data(), static_cast<std::size_t>(n));
    // A far side that closed with our bytes unread says so; for the reader that is the end.
    if (n < 0 && errno == ECONNRESET) return 0;
    return n;
}

Error not_a_peer(const std::string& host, const std::string& line) {
    return Error{
        .code = Code::peer_protocol,
        .message = host + " did not answer as zrepd does; its first line was " + quote(line),
        .remedy = "a login there must print nothing: run `ssh -T " + host +
                  " true </dev/null` and silence what writes text, often ~/.bashrc or a forced "
                  "command in authorized_keys"};
}

}  // namespace

LineReader::LineReader(asio::any_io_executor executor, Fd fd)
    : in_(std::move(executor)), heard_at_(std::chrono::steady_clock::now()) {
    set_nonblocking(fd.get());
    in_.assign(fd.release());
}

std::optional<std::string> LineReader::take_line() {
    const auto newline = buffer_.find('\n', searched_);
    searched_ = buffer_.size();
    if (newline == std::string::npos) return std::nullopt;
    std::string line = buffer_.substr(0, newline);
    buffer_.erase(0, newline + 1);
    searched_ = 0;
    return line;
}

/// Waits and reads once; false at end-of-file.
Task<Result<bool>> LineReader::fill(std::chrono::milliseconds limit) {
    const auto executor = co_await asio::this_coro::executor;
    bool expired = false;
    std::optional<Deadline> deadline;
    if (limit.count() > 0) {
        deadline.emplace(executor, limit, [this, &expired] {
            expired = true;
            in_.cancel();
        });
    }
    while (true) {
        const bool stop = co_await cancelled();
        if (stop || interrupted_) co_return cancelled_error();
        if (expired) {
            co_return Error{.code = Code::timed_out,
                            .message = "nothing more came within " +
                                       std::to_string((limit.count() + 999) / 1000) + " s"};
        }
        co_await in_.async_wait(asio::posix::stream_descriptor::wait_read, nothrow);
        const ssize_t n = append_from(in_.native_handle(), buffer_);
        if (n > 0) heard_at_ = std::chrono::steady_clock::now();
        if (n >= 0) co_return n > 0;
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            co_return io_failure("cannot read from the connection", errno);
        }
    }
}

Task<Result<std::optional<std::string>>> LineReader::read_line(Limits limits) {
    std::optional<std::chrono::steady_clock::time_point> begun;
    while (true) {
        std::optional<std::string> line = take_line();
        if ((line ? line->size() : buffer_.size()) > limits.line_bytes) {
            co_return too_long(limits.line_bytes);
        }
        if (line) co_return line;
        std::chrono::milliseconds left = limits.idle;
        if (!buffer_.empty() && limits.half_line.count() > 0) {
            // Counted from the line's beginning: a byte now and then must not keep it alive for
            // ever.
            if (!begun) begun = std::chrono::steady_clock::now();
            const auto spent = std::chrono::duration_cast<std::chrono::milliseconds>(
                std::chrono::steady_clock::now() - *begun);
            left = std::max(limits.half_line - spent, std::chrono::milliseconds(1));
        }
        Result<bool> more = co_await fill(left);
        if (!more) co_return more.error();
        if (*more) continue;
        if (buffer_.empty()) co_return std::nullopt;
        co_return Error{.code = Code::io_error, .message = "the connection ended inside a line"};
    }
}

void LineReader::interrupt() {
    interrupted_ = true;
    if (in_.is_open()) in_.cancel();
}

Fd LineReader::release() {
    return Fd(in_.is_open() ? in_.release() : -1);
}

Outbox::Outbox(asio::any_io_executor executor, Fd fd, std::function<void()> on_written)
    : out_(executor), changed_(executor), on_written_(std::move(on_written)) {
    set_nonblocking(fd.get());
    out_.assign(fd.release());
}

void Outbox::push(std::string line) {
    bytes_ += line.size();
    lines_.push_back(std::move(line));
    changed_.notify();
}

void Outbox::close() {
    closed_ = true;
    changed_.notify();
}

Fd Outbox::release() {
    return Fd(out_.is_open() ? out_.release() : -1);
}

Task<Result<void>> Outbox::run(std::chrono::milliseconds limit) {
    while (true) {
        const bool stop = co_await cancelled();
        if (stop) co_return cancelled_error();
        if (lines_.empty()) {
            if (closed_) co_return ok();
            co_await changed_.wait();
            continue;
        }
        const std::string line = std::move(lines_.front());
        lines_.pop_front();
        Task<Result<void>> writing = write(line, limit);
        Result<void> written = co_await std::move(writing);
        if (!written) co_return written;
        bytes_ -= line.size();
        if (on_written_) on_written_();
    }
}

/// One line; `limit` counts from the last byte that was taken.
Task<Result<void>> Outbox::write(std::string_view rest, std::chrono::milliseconds limit) {
    const auto executor = co_await asio::this_coro::executor;
    Deadline deadline(executor, limit, [this] { out_.cancel(); });
    while (!rest.empty()) {
        const bool stop = co_await cancelled();
        if (stop) co_return cancelled_error();
        const auto buffer = asio::buffer(rest);
        auto [ec, n] = co_await out_.async_write_some(buffer, nothrow);
        if (ec && deadline.expired()) {
            co_return Error{.code = Code::timed_out,
                            .message = "the other side does not read what we send"};
        }
        if (ec == asio::error::operation_aborted) co_return cancelled_error();
        if (ec) co_return io_failure("cannot write to the connection", ec.value());
        rest.remove_prefix(n);
        deadline.restart(std::chrono::steady_clock::now());
    }
    co_return ok();
}

Result<rpc::Hello> parse_hello(const std::string& host, const std::string& line) {
    auto message = rpc::parse_message(line, json_limits(line.size()));
    if (!message) return not_a_peer(host, line);
    if (message->error) return std::move(*message->error).in(host);
    if (message->method != "hello") return not_a_peer(host, line);
    auto hello = rpc::decode_as<rpc::Hello>(message->params, rpc::Strictness::reply);
    if (!hello) return not_a_peer(host, line);
    if (auto fits = check_protocol(host, *hello); !fits) return fits.error();
    return hello;
}

Result<void> check_protocol(const std::string& host, const rpc::Hello& hello) {
    const auto major = [](std::string_view protocol) {
        return parse_u64(protocol.substr(0, protocol.find('.')));
    };
    const auto theirs = major(hello.protocol);
    const auto ours = major(rpc::kProtocol);
    if (theirs && theirs == ours) return ok();
    const bool older = theirs && *theirs < *ours;
    return Error{.code = Code::peer_protocol,
                 .message = host + " speaks peer protocol " + quote(hello.protocol) + " (zrepd " +
                            quote(hello.version) + "), this host speaks '" +
                            std::string(rpc::kProtocol) + "' (zrepd '" +
                            std::string(kBuildVersion) + "')",
                 .remedy = older ? "upgrade zrepd on " + host : "upgrade zrepd on this host"};
}

}  // namespace zrepd::peer
