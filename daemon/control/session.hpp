// SPDX-License-Identifier: BSD-2-Clause
// One client of the control socket: lines in, replies and events out.
// Thread: io thread. Limits: 1 MiB per request line, kMaxQueued bytes of answers not yet read; a
// client beyond either is cut off, never waited for.
#pragma once

#include <boost/asio/local/stream_protocol.hpp>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "common/rpc/message.hpp"
#include "daemon/async/signal.hpp"
#include "daemon/async/task_group.hpp"
#include "daemon/control/registry.hpp"
#include "daemon/control/replies.hpp"

namespace zrepd::control {

/// What all sessions of a server share.
struct SessionContext {
    Service& service;
    EventSource& events;
    TaskGroup& tasks;
    ReplyCache& replies;
    /// From the first byte of a line to its end.
    std::chrono::seconds line_limit{60};
};

class Session : public std::enable_shared_from_this<Session> {
  public:
    using Socket = asio::local::stream_protocol::socket;

    Session(SessionContext context, Socket socket, Access access, Caller caller);

    /// Serves until the client leaves or is cut off.
    Task<> run();
    /// Ends both directions; run() returns soon after.
    void close();

  private:
    struct Queued {
        std::string line;
        std::string coalesce;  ///< progress of this dataset: a newer one replaces it
    };
    struct Call;

    Task<> write_loop();
    Task<> serve();
    Task<bool> handle(std::string line);
    Task<Result<Json>> dispatch(rpc::Request request);
    Task<> run_handler(const Method* method, Json params, std::shared_ptr<Call> call);
    Result<Json> subscribe(const Json& params);
    bool push_event(const rpc::EventOut& event);
    void push(Queued item);

    SessionContext context_;
    Socket socket_;
    Access access_;
    Caller caller_;
    std::deque<Queued> queue_;
    std::size_t queued_bytes_ = 0;
    bool closed_ = false;
    bool ending_ = false;  ///< close once the queue is written
    Signal wake_;
    std::shared_ptr<void> subscription_;
};

}  // namespace zrepd::control
