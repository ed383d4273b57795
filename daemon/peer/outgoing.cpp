// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/peer/outgoing.hpp"

#include <algorithm>

#include "daemon/peer/session.hpp"

namespace zrepd::peer {
namespace {

constexpr int kRequestId = 1;

Error ended() {
    return Error{.code = Code::io_error, .message = "the connection was closed"};
}

/// Shared by the stream and the task that reads; whichever ends last closes the connection.
struct Opened {
    Opened(asio::any_io_executor executor,
           std::string name,
           std::unique_ptr<Connection> link,
           Fd in)
        : host(std::move(name)),
          connection(std::move(link)),
          reader(executor, std::move(in)),
          settled(executor, asio::steady_timer::time_point::max()) {}

    std::string host;
    std::unique_ptr<Connection> connection;
    LineReader reader;
    asio::steady_timer settled;
    std::optional<Result<std::uint64_t>> outcome;
    bool peer_said = false;  ///< the error is the peer's answer, not the connection's trouble
};

Result<std::uint64_t> parse_verdict(Opened& stream, const std::string& line) {
    Result<rpc::Message> message = rpc::parse_message(line, json_limits(line.size()));
    if (!message) return message.error();
    auto received = rpc::decode_as<rpc::Received>(message->params, rpc::Strictness::reply);
    if (message->error || message->method != "stream.received" || !received) {
        return Error{.code = Code::invalid_request, .message = "expected stream.received"};
    }
    stream.peer_said = true;
    if (received->error) return rpc::from_item_error(*received->error);
    return received->bytes;
}

Task<> hear_verdict(std::shared_ptr<Opened> stream) {
    Result<std::optional<std::string>> line = co_await stream->reader.read_line({});
    Result<std::uint64_t> outcome = ended();
    if (!line) {
        outcome = Result<std::uint64_t>(line.error());
    } else if (*line) {
        outcome = parse_verdict(*stream, **line);
    }
    if (!outcome && !stream->peer_said) {
        Task<Error> why = explain(*stream->connection, stream->host, outcome.error());
        Error error = co_await std::move(why);
        outcome = Result<std::uint64_t>(std::move(error));
    }
    stream->outcome.emplace(std::move(outcome));
    stream->settled.cancel();
}

class Outgoing : public OutgoingStream {
  public:
    Outgoing(std::shared_ptr<Opened> opened, Fd out)
        : opened_(std::move(opened)), out_(std::move(out)) {}
    Outgoing(const Outgoing&) = delete;
    Outgoing& operator=(const Outgoing&) = delete;
    ~Outgoing() override { opened_->reader.interrupt(); }

    Fd take_out() override { return std::move(out_); }

    Task<Result<std::uint64_t>> finish(std::chrono::seconds limit) override {
        out_.reset();
        const auto deadline = std::chrono::steady_clock::now() + limit;
        while (!opened_->outcome) {
            const bool stop = co_await cancelled();
            if (stop) {
                co_return Error{.code = Code::cancelled, .message = "the stream was cancelled"};
            }
            if (std::chrono::steady_clock::now() >= deadline) {
                co_return Error{.code = Code::timed_out,
                                .message = opened_->host +
                                           " did not acknowledge the stream within " +
                                           std::to_string(limit.count()) + " s"};
            }
            opened_->settled.expires_at(deadline);
            co_await opened_->settled.async_wait(nothrow);
        }
        co_return *opened_->outcome;
    }

  private:
    std::shared_ptr<Opened> opened_;
    Fd out_;
};

/// Sends one line on a connection that carries nothing else yet, and gives the descriptor back.
Task<Result<Fd>> send_line(Fd out, std::string line, std::chrono::milliseconds limit) {
    const auto executor = co_await asio::this_coro::executor;
    Outbox outbox(executor, std::move(out));
    outbox.push(std::move(line));
    outbox.close();
    Result<void> sent = co_await outbox.run(limit);
    if (!sent) co_return sent.error();
    co_return outbox.release();
}

Result<void> check_reply(Opened& stream, const std::string& line) {
    Result<rpc::Message> message = rpc::parse_message(line, json_limits(line.size()));
    if (!message) return message.error();
    stream.peer_said = message->error.has_value();
    if (message->error) return *message->error;
    // A verdict may follow at once, when zfs receive fails before it reads anything.
    if (!message->id || *message->id != kRequestId) {
        return Error{.code = Code::invalid_request,
                     .message = "unexpected reply to stream.receive"};
    }
    return ok();
}

/// From the greeting to the peer's yes; the descriptor that the stream goes into.
Task<Result<Fd>> ask(Opened& stream,
                     Fd out,
                     std::string request,
                     std::chrono::milliseconds limit,
                     PeerLimits limits) {
    Task<Result<rpc::Hello>> greeting =
        read_hello(stream.reader, stream.host, std::min(limit, limits.hello));
    Result<rpc::Hello> hello = co_await std::move(greeting);
    if (!hello) co_return hello.error();
    Task<Result<Fd>> sending = send_line(std::move(out), std::move(request), limit);
    Result<Fd> sent = co_await std::move(sending);
    if (!sent) co_return sent.error();
    Result<std::optional<std::string>> line =
        co_await stream.reader.read_line({.idle = limit, .half_line = limit});
    if (!line) co_return line.error();
    if (!*line) co_return ended();
    Result<void> accepted = check_reply(stream, **line);
    if (!accepted) co_return accepted.error();
    co_return std::move(*sent);
}

}  // namespace

Task<Result<std::unique_ptr<OutgoingStream>>> open_outgoing(TaskGroup& tasks,
                                                            Transport& transport,
                                                            HostName host,
                                                            rpc::ReceiveIn request,
                                                            std::chrono::milliseconds limit,
                                                            PeerLimits limits) {
    const auto executor = co_await asio::this_coro::executor;
    Result<std::unique_ptr<Connection>> connection = transport.open(host, Purpose::stream);
    if (!connection) co_return connection.error();
    Channel channel = (*connection)->take_channel();
    const auto opened = std::make_shared<Opened>(
        executor, host.str(), std::move(*connection), std::move(channel.in));
    std::string line =
        rpc::request_line({kRequestId, std::string("stream.receive"), rpc::encode(request)});
    Task<Result<Fd>> asking = ask(*opened, std::move(channel.out), std::move(line), limit, limits);
    Result<Fd> out = co_await std::move(asking);
    if (!out && opened->peer_said) co_return out.error();
    if (!out) {
        Task<Error> why = explain(*opened->connection, host.str(), out.error());
        co_return co_await std::move(why);
    }
    tasks.spawn("stream to " + host.str(), hear_verdict(opened));
    co_return std::unique_ptr<OutgoingStream>(std::make_unique<Outgoing>(opened, std::move(*out)));
}

}  // namespace zrepd::peer
