// SPDX-License-Identifier: BSD-2-Clause
// The client side of the peer protocol: one session per host, kept open and shared by all requests,
// and one connection per data stream. Thread: io thread. Errors: those of Connection::why(), plus
// peer_protocol, timed_out, cancelled, and whatever the peer answers. Limits: a request has a time
// limit; 64 requests in flight per session; one look at a time for each peer that is away, every
// LookLimits; a session of a host that no pair has is closed when it is unused for `unused`.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "common/rpc/message.hpp"
#include "common/rpc/peer_types.hpp"
#include "daemon/async/signal.hpp"
#include "daemon/async/task_group.hpp"
#include "daemon/peer/absence.hpp"
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
    /// … and must send something within this: so long can a half-open connection go unnoticed.
    std::chrono::milliseconds ping_answer{15'000};
    /// For a host that is away.
    LookLimits look = {};
    /// Whoever waits for one says so again at least every 30 s.
    std::chrono::milliseconds awaited{90'000};
    /// After its last request a session that no pair needs stays open so long: for the next command
    /// of whoever is setting up a pair.
    std::chrono::milliseconds unused{120'000};
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
    /// Whether its greeting names this capability (rpc/peer_types.hpp): a request for what it does
    /// not offer would be refused. False before the first answer.
    bool offers(const HostName& host, std::string_view capability) const;

    /// Why it cannot be reached, while that is an absence. Nobody knows of one that nobody called.
    std::optional<Error> away(const HostName& host) const;
    /// Looks whether it has returned, as long as this is repeated within PeerLimits::awaited;
    /// `on_state` tells when it has. Nothing to do for a host that is not away.
    void await_return(const HostName& host);
    /// When it is looked for next; nullopt when it is not.
    std::optional<SteadyTime> next_look(const HostName& host) const;
    /// It called us: it is looked for now, not at the next turn.
    void heard_of(const HostName& host);

    /// Closes the sessions that nobody used for PeerLimits::unused, but those of these hosts.
    void close_unused(const std::function<bool(const HostName&)>& is_needed);
    /// Bytes of a stream to this host have moved: the connection that it shares with the session
    /// lives, however long a ping waits behind them.
    void note_moving(const HostName& host);
    std::size_t session_count() const { return sessions_.size(); }

    /// Closes every session and waits for its tasks.
    Task<> stop();

  private:
    /// A host that is away and that somebody waits for.
    struct Awaited {
        SteadyTime until;
        SteadyTime next;
        SteadyTime next_word;
        unsigned looks = 0;
        bool at_once = false;
        Alarm wake;
    };

    std::shared_ptr<Session> session(const HostName& host);
    std::shared_ptr<Session> existing(const HostName& host) const;
    Task<> look_for(HostName host, std::shared_ptr<Awaited> awaited);
    Task<bool> wait_for_turn(HostName host, std::shared_ptr<Awaited> awaited);
    void tell_of(const HostName& host, Awaited& awaited) const;

    asio::any_io_executor executor_;
    Transport& transport_;
    OnState on_state_;
    PeerLimits limits_;
    std::map<std::string, std::shared_ptr<Session>> sessions_;
    std::map<std::string, std::shared_ptr<Awaited>> awaited_;
    bool stopping_ = false;
    TaskGroup tasks_;
};

}  // namespace zrepd::peer
