// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/metrics/http_server.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

#include "daemon/async/signal.hpp"
#include "daemon/control/listener.hpp"
#include "daemon/log.hpp"

namespace zrepd::metrics {
namespace {

using Local = asio::local::stream_protocol;
using Tcp = asio::ip::tcp;

// One read. A request has some hundred bytes.
constexpr std::size_t kReadBytes = 2048;
// Of a body that nobody asked for: read and thrown away, so that the client sees the answer and not
// a broken connection.
constexpr std::size_t kDiscardBytes = std::size_t{64} << 10;
// After a failed accept: no descriptor left.
constexpr std::chrono::milliseconds kAcceptPause{1'000};

// Not a status of HTTP: the client left before it had asked.
constexpr unsigned kGone = 0;

/// What waits for the socket goes on with an error.
void interrupt(asio::generic::stream_protocol::socket& socket) {
    boost::system::error_code ignored;
    socket.cancel(ignored);
}

Error cannot_listen(const config::ListenAddress& address, const std::string& why) {
    return Error{.code = Code::io_error,
                 .message = "cannot listen on " + address.text() + ": " + why,
                 .remedy = "choose another metrics-listen; ss -lxtp shows who has this one"};
}

/// Somebody answers there, one of our own sockets perhaps: it is not ours to replace.
bool is_taken(asio::any_io_executor executor, const std::string& path) {
    Local::socket probe(std::move(executor));
    boost::system::error_code ec;
    probe.open(Local(), ec);
    if (ec) return false;
    ::fcntl(probe.native_handle(), F_SETFD, FD_CLOEXEC);
    probe.non_blocking(true, ec);
    probe.connect(Local::endpoint(path), ec);
    // Its queue of clients is full: somebody is there.
    return !ec || ec == asio::error::would_block || ec == asio::error::try_again;
}

}  // namespace

HttpServer::HttpServer(asio::any_io_executor executor,
                       config::ListenAddress address,
                       Source source,
                       HttpLimits limits)
    : address_(std::move(address)),
      source_(std::move(source)),
      limits_(limits),
      socket_(executor),
      port_(executor),
      tasks_(executor) {}

void HttpServer::start() {
    tasks_.spawn("metrics", run());
}

Task<> HttpServer::stop() {
    boost::system::error_code ignored;
    if (socket_.is_open()) ::unlink(address_.path.c_str());
    socket_.close(ignored);
    port_.close(ignored);
    serves_ = false;
    tasks_.cancel();
    co_await tasks_.join();
}

Task<> HttpServer::run() {
    while (true) {
        const Result<void> opened = open();
        say(opened);
        if (opened) break;
        co_await sleep_for(limits_.again);
        const bool stop = co_await cancelled();
        if (stop) co_return;
    }
    serves_ = true;
    if (address_.path.empty()) {
        co_await accept_loop(&port_);
    } else {
        co_await accept_loop(&socket_);
    }
}

void HttpServer::say(const Result<void>& opened) {
    if (opened) {
        log::event(log::Level::info, "metrics_served", {{"at", address_.text()}});
    } else if (!said_) {
        log::event(log::Level::warn,
                   "metrics_not_served",
                   {{"error", opened.error().text()}, {"next", opened.error().remedy}});
    }
    said_ = !opened;
}

Result<void> HttpServer::open() {
    const Result<void> opened = address_.path.empty() ? open_port() : open_socket();
    if (opened) return opened;
    boost::system::error_code ignored;
    socket_.close(ignored);
    port_.close(ignored);
    return opened;
}

/// For everybody on the host, as what status shows is (zrepd-ro.sock).
Result<void> HttpServer::open_socket() {
    if (is_taken(socket_.get_executor(), address_.path)) {
        return cannot_listen(address_, "another program listens there");
    }
    auto opened = control::open_listener(socket_, address_.path, 0666);
    if (opened) return opened;
    Error error = opened.error();
    error.remedy = "its folder has to be there; choose another metrics-listen";
    return error;
}

Result<void> HttpServer::open_port() {
    boost::system::error_code ec;
    const auto host = asio::ip::make_address(address_.host, ec);
    if (ec) return cannot_listen(address_, ec.message());
    const Tcp::endpoint at(host, address_.port);
    port_.open(at.protocol(), ec);
    if (ec) return cannot_listen(address_, ec.message());
    ::fcntl(port_.native_handle(), F_SETFD, FD_CLOEXEC);
    // The connections of an earlier zrepd may linger.
    port_.set_option(Tcp::acceptor::reuse_address(true), ec);
    if (!ec) port_.bind(at, ec);
    if (!ec) port_.listen(asio::socket_base::max_listen_connections, ec);
    if (ec) return cannot_listen(address_, ec.message());
    return ok();
}

template <class Acceptor>
Task<> HttpServer::accept_loop(Acceptor* acceptor) {
    while (acceptor->is_open()) {
        auto [ec, socket] = co_await acceptor->async_accept(nothrow);
        const bool stop = co_await cancelled();
        if (stop) co_return;
        if (!ec) {
            admit(Socket(std::move(socket)));
        } else if (ec != asio::error::connection_aborted) {
            co_await sleep_for(kAcceptPause);
        }
    }
}

void HttpServer::admit(Socket socket) {
    ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
    if (connections_ >= limits_.connections) {
        const Reply reply = refusal(503);
        const std::string words = words_of(reply);
        const std::string text = head_of(reply, words.size()) + words;
        boost::system::error_code ignored;
        socket.non_blocking(true, ignored);
        socket.write_some(asio::buffer(text), ignored);
        return;
    }
    ++connections_;
    tasks_.spawn("metrics client", serve(std::make_shared<Socket>(std::move(socket))));
}

Task<> HttpServer::serve(std::shared_ptr<Socket> socket) {
    const Reply reply = co_await read_request(socket.get());
    const bool stop = co_await cancelled();
    if (!stop && reply.status != kGone) co_await answer(socket.get(), reply);
    --connections_;
}

/// What is answered to what was asked.
Task<Reply> HttpServer::read_request(Socket* socket) {
    const Deadline late(socket->get_executor(), limits_.time, [socket] { interrupt(*socket); });
    HttpParser parser;
    char chunk[kReadBytes];
    while (true) {
        auto [ec, count] = co_await socket->async_read_some(asio::buffer(chunk), nothrow);
        if (late.expired()) co_return refusal(408);
        if (ec) co_return refusal(kGone);
        switch (parser.feed({chunk, count})) {
            case HttpParser::State::more:
                break;
            case HttpParser::State::bad:
                co_return refusal(400);
            case HttpParser::State::too_long:
                co_return refusal(431);
            case HttpParser::State::complete:
                co_return reply_to(parser.request());
        }
    }
}

Task<> HttpServer::answer(Socket* socket, Reply reply) {
    // Not only a cancel: between two parts of a long answer there would be nothing to end.
    const Deadline slow(socket->get_executor(), limits_.time, [socket] {
        boost::system::error_code ignored;
        socket->close(ignored);
    });
    std::shared_ptr<const std::string> body;
    if (reply.figures) {
        body = source_(reply.format);
    } else {
        body = std::make_shared<const std::string>(words_of(reply));
    }
    const std::string head = head_of(reply, body->size());
    const std::array<asio::const_buffer, 2> whole{
        asio::buffer(head), reply.with_body ? asio::buffer(*body) : asio::const_buffer()};
    auto [ec, count] = co_await asio::async_write(*socket, whole, nothrow);
    if (ec) co_return;
    socket->shutdown(Socket::shutdown_send, ec);
    char chunk[kReadBytes];
    for (std::size_t left = kDiscardBytes; !ec && left >= sizeof chunk; left -= sizeof chunk) {
        auto [end, got] = co_await socket->async_read_some(asio::buffer(chunk), nothrow);
        ec = end;
    }
}

}  // namespace zrepd::metrics
