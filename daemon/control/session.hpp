// SPDX-License-Identifier: BSD-2-Clause
// One client of the control socket: lines in, replies and events out. Requests of one connection
// are answered one after another; events go out between them.
// Thread: io thread. Errors: a line that is no request ends the connection, after saying why.
// Limits: 1 MiB per request line, kMaxReaderLine of who may only read; Outbox's for what the client
// has not read yet; a client beyond either is cut off, never waited for.
#pragma once

#include <boost/asio/local/stream_protocol.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "common/rpc/message.hpp"
#include "daemon/async/signal.hpp"
#include "daemon/async/task_group.hpp"
#include "daemon/control/calls.hpp"
#include "daemon/control/lines.hpp"
#include "daemon/control/registry.hpp"

namespace zrepd::control {

/// A request line of who may only read, which everybody may: hundreds of names.
inline constexpr std::size_t kMaxReaderLine = std::size_t{64} << 10;

/// Limits of a connection; tests shorten them.
struct SessionLimits {
    /// From the first byte of a line to its end. An idle client may stay as long as it likes.
    std::chrono::milliseconds line{60'000};
    /// A client that takes not one byte of an answer for this long is gone.
    std::chrono::milliseconds write_stall{30'000};
    /// What requests that have not ended may take, of all clients together. Beyond it a long one is
    /// refused; short ones do not fill a memory.
    std::size_t held_bytes = std::size_t{128} << 20;
    /// After an error is said, for the client to read it and to stop sending.
    std::chrono::milliseconds last_words{2'000};
};

/// What all sessions of a server share.
struct SessionContext {
    Service& service;
    EventSource& events;
    TaskGroup& tasks;
    Calls& calls;
    SessionLimits limits;
    std::size_t& held_bytes;  ///< of requests that were not taken, by all sessions
};

class Session : public std::enable_shared_from_this<Session> {
  public:
    using Socket = asio::local::stream_protocol::socket;

    Session(SessionContext context, Socket socket, Caller caller);
    ~Session() { context_.held_bytes -= held_; }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    /// Serves until the client leaves or is cut off.
    Task<> run();
    /// Ends both directions; run() returns soon after.
    void close();

  private:
    enum class Read { got_bytes, end_of_input, overdue };

    std::size_t max_line() const;
    Task<bool> serve();
    bool holds_too_much() const;
    void let_go();
    Task<Read> read();
    bool take_bytes();
    Task<bool> handle(std::string line);
    Task<Result<Json>> dispatch(rpc::Request request);
    Task<> write_loop();
    Task<bool> write(const std::string& line);
    Task<> drain();
    void say_error(const Error& error);
    Result<Json> subscribe(const Method& method, const Json& params);
    bool push_event(const rpc::EventOut& event);
    void push(std::string line, std::string topic = {});
    void cut_off();

    SessionContext context_;
    Socket socket_;
    Caller caller_;
    LineBuffer lines_{max_line()};
    std::size_t held_ = 0;                   ///< in lines_, as counted in context_.held_bytes
    std::optional<Deadline> line_deadline_;  ///< while half a line is here
    bool line_overdue_ = false;
    Outbox outbox_;
    bool closed_ = false;
    bool ending_ = false;  ///< nothing more is queued; the writer leaves when all is written
    bool writer_done_ = false;
    Signal wake_;  ///< something was queued, written, or ended
    std::shared_ptr<void> subscription_;
};

}  // namespace zrepd::control
