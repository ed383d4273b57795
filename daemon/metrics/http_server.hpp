// SPDX-License-Identifier: BSD-2-Clause
// Serves the figures by HTTP, on a Unix socket or a loopback port. Thread: io thread. Errors: none
// stops zrepd: what cannot be listened on is tried again, and said once. Limits: HttpLimits, and
// kMaxHead for a request.
#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "daemon/async/task_group.hpp"
#include "daemon/config/listen_address.hpp"
#include "daemon/metrics/http_parser.hpp"

namespace zrepd::metrics {

/// The figures of this moment.
using Source = std::function<std::shared_ptr<const std::string>(Format)>;

struct HttpLimits {
    /// Prometheus asks once in a while; every local user may ask, and may not use up descriptors.
    std::size_t connections = 16;
    /// For a request, and again for its answer.
    std::chrono::milliseconds time{5'000};
    /// Until the next attempt to listen.
    std::chrono::milliseconds again{30'000};
};

class HttpServer {
  public:
    HttpServer(asio::any_io_executor executor,
               config::ListenAddress address,
               Source source,
               HttpLimits limits = {});

    /// Begins to listen and to serve.
    void start();
    /// Cuts every client off and removes the socket.
    Task<> stop();
    /// Whether it listens at the moment.
    bool serves() const { return serves_; }

  private:
    using Socket = asio::generic::stream_protocol::socket;

    Task<> run();
    Result<void> open();
    Result<void> open_socket();
    Result<void> open_port();
    void say(const Result<void>& opened);
    template <class Acceptor>
    Task<> accept_loop(Acceptor* acceptor);
    void admit(Socket socket);
    Task<> serve(std::shared_ptr<Socket> socket);
    Task<Reply> read_request(Socket* socket);
    Task<> answer(Socket* socket, Reply reply);

    config::ListenAddress address_;
    Source source_;
    HttpLimits limits_;
    asio::local::stream_protocol::acceptor socket_;
    asio::ip::tcp::acceptor port_;
    TaskGroup tasks_;
    std::size_t connections_ = 0;
    bool serves_ = false;
    bool said_ = false;  ///< that it cannot listen
};

}  // namespace zrepd::metrics
