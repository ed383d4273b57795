// SPDX-License-Identifier: BSD-2-Clause
// The client side of the peer protocol: one session per host, kept open and shared by all requests,
// and one connection per data stream. Thread: io thread. Errors: those of Connection::why(), plus
// peer_protocol, timed_out, cancelled, and whatever the peer answers. Limits: a request has a time
// limit; 64 requests in flight per session.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "common/rpc/message.hpp"
#include "common/rpc/peer_types.hpp"
#include "daemon/async/task_group.hpp"
#include "daemon/peer/transport.hpp"
#include "daemon/stream/pump.hpp"

namespace zrepd::peer {

enum class PeerState { unknown, connected, unreachable };

class Session;

/// The client's patience; tests shorten it.
struct PeerLimits {
    /// From starting ssh to the greeting. Longer than ssh's own ConnectTimeout (10 s), because ssh
    /// can say why it failed and we cannot.
    std::chrono::milliseconds hello{15'000};
    /// A session on which nothing arrived for this long is asked whether it is alive …
    std::chrono::milliseconds ping_every{15'000};
    /// … and must answer within this: so long can a half-open connection go unnoticed.
    std::chrono::milliseconds ping_answer{15'000};
};

/// A data stream to a peer whose daemon said yes: write the raw stream into it, then finish().
class OutgoingStream {
  public:
    virtual ~OutgoingStream() = default;
    /// Where the raw stream goes; taken once. For localhost this is a pipe that `zfs receive` reads
    /// directly; otherwise it leads to ssh.
    virtual Fd take_out() = 0;
    /// Waits for the acknowledgement (`stream.received`) after `out` was closed, or earlier when
    /// the peer gave up. At most `limit`; the number of bytes the peer saw.
    virtual Task<Result<std::uint64_t>> finish(std::chrono::seconds limit) = 0;
};

class Peers {
  public:
    using OnState = std::function<void(const HostName&, PeerState, const Error*)>;

    /// `on_state` is called at every change of a host's state (for events, log and status).
    Peers(asio::any_io_executor executor,
          Transport& transport,
          OnState on_state,
          PeerLimits limits = {});
    ~Peers();

    /// One request, one reply. Connects first when there is no session; `limit` includes that. When
    /// it passes, or on cancel, the peer may still carry the request out.
    Task<Result<Json>> call(HostName host,
                            std::string method,
                            Json params,
                            std::chrono::milliseconds limit);
    template <class Out, class In>
    Task<Result<Out>> call_as(HostName host,
                              std::string method,
                              const In& in,
                              std::chrono::milliseconds limit) {
        Json params = rpc::encode(in);
        Result<Json> reply =
            co_await call(std::move(host), std::move(method), std::move(params), limit);
        if (!reply) co_return reply.error();
        co_return rpc::decode_as<Out>(*reply, rpc::Strictness::reply);
    }
    /// Opens a data stream: sends stream.receive and waits for its reply.
    Task<Result<std::unique_ptr<OutgoingStream>>> open_stream(HostName host,
                                                              rpc::ReceiveIn request,
                                                              std::chrono::seconds limit);
    PeerState state(const HostName& host) const;
    /// Closes every session and waits for its tasks.
    Task<> stop();

  private:
    std::shared_ptr<Session> session(const HostName& host);

    asio::any_io_executor executor_;
    Transport& transport_;
    OnState on_state_;
    PeerLimits limits_;
    std::map<std::string, std::shared_ptr<Session>> sessions_;
    bool stopping_ = false;
    TaskGroup tasks_;
};

}  // namespace zrepd::peer
