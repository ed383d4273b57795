// SPDX-License-Identifier: BSD-2-Clause
// Lines in and lines out on a descriptor, for both sides of the peer protocol.
// Thread: io thread. Errors: io_error, parse_error (a line over the limit), timed_out, cancelled.
// A stream's raw bytes never mix with lines: the sender waits for the reply to stream.receive, so
// whatever LineReader holds behind that request is a protocol error (leftover()).
// Limits: one line of the length given, json_limits(); Outbox holds what its owner bounds.
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/rpc/message.hpp"
#include "common/rpc/peer_types.hpp"
#include "daemon/async/fd.hpp"
#include "daemon/async/signal.hpp"
#include "daemon/async/task.hpp"

namespace zrepd::peer {

/// What a line of so many bytes may hold, a request or an answer. Snapshots of short names, which a
/// look at 500 datasets or the adoption of a tree lists by the ten thousand, have a key for every
/// 17 bytes; the flags of 500 pairs one for every 13; a list of names a value for every 4. One that
/// is all keys would take ten times as long to read as any of ours.
constexpr JsonLimits json_limits(std::size_t line_bytes) {
    return {.object_keys = 64, .keys = 4096 + line_bytes / 16, .values = 4096 + line_bytes / 4};
}

class LineReader {
  public:
    struct Limits {
        std::size_t line_bytes = rpc::kMaxRequestLine;
        /// From the call to the first byte of the line; zero: no limit.
        std::chrono::milliseconds idle{0};
        /// From there to its newline; zero: no limit.
        std::chrono::milliseconds half_line{0};
    };

    /// Takes the descriptor; it becomes non-blocking.
    LineReader(asio::any_io_executor executor, Fd fd);

    /// One line without its newline; nullopt at end-of-file. An unfinished last line is an
    /// io_error.
    Task<Result<std::optional<std::string>>> read_line(Limits limits);
    /// When bytes came last, of a line that has no end yet as well; before the first ones, when
    /// this was made.
    std::chrono::steady_clock::time_point heard_at() const { return heard_at_; }
    /// Bytes that were read behind the last line.
    bool leftover() const { return !buffer_.empty(); }
    /// Interrupts read_line(), now and later, which then says `cancelled`.
    void interrupt();
    /// Gives the descriptor back; nothing may be reading.
    Fd release();

  private:
    std::optional<std::string> take_line();
    Task<Result<bool>> fill(std::chrono::milliseconds limit);

    asio::posix::stream_descriptor in_;
    std::string buffer_;
    std::size_t searched_ = 0;  ///< no newline before this
    std::chrono::steady_clock::time_point heard_at_;
    bool interrupted_ = false;
};

/// Lines waiting to be written, in order. push() never waits; run() writes until closed.
class Outbox {
  public:
    /// `on_written` is called after each line.
    Outbox(asio::any_io_executor executor, Fd fd, std::function<void()> on_written = {});

    /// Lines not yet written.
    std::size_t pending() const { return lines_.size(); }
    /// Of these, and of the one that is being written.
    std::size_t bytes() const { return bytes_; }
    void push(std::string line);
    /// Writes what is pushed, until cancel, close() or an error. When no byte is taken for `limit`
    /// it is timed_out: the far side no longer reads. A long line on a slow link takes longer.
    Task<Result<void>> run(std::chrono::milliseconds limit);
    /// Lets run() end once everything pushed is written.
    void close();
    /// Gives the descriptor back after run() has ended.
    Fd release();

  private:
    Task<Result<void>> write(std::string_view rest, std::chrono::milliseconds limit);

    asio::posix::stream_descriptor out_;
    std::deque<std::string> lines_;
    std::size_t bytes_ = 0;
    Signal changed_;
    std::function<void()> on_written_;
    bool closed_ = false;
};

/// The `hello` in this line, when the peer's protocol is one we speak. Otherwise peer_protocol, or
/// the peer's own error when it sent one in place of a greeting.
Result<rpc::Hello> parse_hello(const std::string& host, const std::string& line);
/// peer_protocol, with the side to upgrade, unless the major numbers match.
Result<void> check_protocol(const std::string& host, const rpc::Hello& hello);

}  // namespace zrepd::peer
