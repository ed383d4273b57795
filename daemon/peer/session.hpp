// SPDX-License-Identifier: BSD-2-Clause
// The long-lived connection to one peer: connects when there is something to say, matches replies
// to requests, notices when the other side is gone.
// Thread: io thread. Errors: each waiting call gets the connection's; see peers.hpp.
// Limits: kMaxInFlight requests on the wire, kMaxWaiting behind them; each has one reply, and
// nothing else comes: a peer that sends more is given up.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "daemon/async/task_group.hpp"
#include "daemon/peer/absence.hpp"
#include "daemon/peer/peers.hpp"
#include "daemon/peer/wire.hpp"

namespace zrepd::peer {

inline constexpr std::size_t kMaxInFlight = 64;
/// Callers are a scheduler with bounded concurrency; more than this means that something loops.
inline constexpr std::size_t kMaxWaiting = 1024;
/// Requests whose callers no longer wait and whose replies may still come; of more, that of the
/// oldest is one that nobody asked for.
inline constexpr std::size_t kMaxGivenUp = 1024;

/// A request and, later, its outcome. The timer is set to its time limit; an outcome cancels it.
struct Call {
    Call(asio::any_io_executor executor,
         std::string name,
         Json arguments,
         std::chrono::milliseconds limit)
        : method(std::move(name)),
          params(std::move(arguments)),
          timer(std::move(executor), limit) {}

    void settle(Result<Json> result) {
        outcome.emplace(std::move(result));
        timer.cancel();
    }

    std::string method;
    Json params;
    asio::steady_timer timer;
    const std::chrono::steady_clock::time_point asked_at = std::chrono::steady_clock::now();
    std::uint64_t id = 0;  ///< 0: not on the wire yet
    std::optional<Result<Json>> outcome;
};

class Session {
  public:
    Session(asio::any_io_executor executor,
            Transport& transport,
            HostName host,
            PeerLimits limits,
            Peers::OnState on_state);

    /// Queues a call; true when run() must be started for it.
    Result<bool> submit(std::shared_ptr<Call> call);
    /// The caller no longer waits; the reply, if it still comes, is dropped.
    void withdraw(const std::shared_ptr<Call>& call);
    /// Connects and serves the calls until the connection breaks and nobody waits any more.
    Task<> run();
    void stop();

    const HostName& host() const { return host_; }
    PeerState state() const { return state_; }
    /// Why the last connection broke or could not be made; while there is none.
    const std::optional<Error>& trouble() const { return trouble_; }
    /// The last try to connect; only while there is trouble.
    const Attempt& attempt() const { return attempt_; }
    /// What the peer's greeting offers; only while it is connected.
    bool offers(std::string_view capability) const;
    /// Whether somebody waits for an answer.
    bool is_busy() const { return running_ && (!waiting_.empty() || !in_flight_.empty()); }
    /// When the last call of a caller came; a ping of our own is none.
    std::chrono::steady_clock::time_point used_at() const { return used_at_; }

    /// A stream to the same peer, which shares this connection, has moved: that lives, and what is
    /// asked waits behind it.
    void note_moving() { moved_at_ = std::chrono::steady_clock::now(); }

  private:
    struct Wire;

    Task<Error> connect_and_serve();
    Task<Error> connect_and_serve_once();
    Task<Error> serve(Wire& wire);
    Task<Error> read_replies(Wire& wire);
    Task<> write_requests(Wire& wire);
    Task<> ping(Wire& wire);
    void lose_calls(const Error& error);
    Result<void> take_reply(const std::string& line);
    void send_waiting();
    void send(const std::shared_ptr<Call>& call);
    void set_state(PeerState state, const Error* error);
    void note_trouble(const Error* error);

    asio::any_io_executor executor_;
    Transport& transport_;
    HostName host_;
    PeerLimits limits_;
    Peers::OnState on_state_;
    Wire* wire_ = nullptr;  ///< while there is a connection; it lives in run()'s frame
    std::deque<std::shared_ptr<Call>> waiting_;
    std::map<std::uint64_t, std::shared_ptr<Call>> in_flight_;
    std::set<std::uint64_t> given_up_;  ///< withdrawn, and on the wire
    std::uint64_t last_id_ = 0;
    PeerState state_ = PeerState::unknown;
    std::vector<std::string> capabilities_;
    struct ChangedLogin {
        std::string as;
        std::string refused;  ///< what the one before was told
    };
    std::optional<ChangedLogin> changed_login_;  ///< while that connection lasts
    std::optional<Code> reported_;
    std::optional<Error> trouble_;
    Attempt attempt_;
    std::chrono::steady_clock::time_point used_at_;
    std::chrono::steady_clock::time_point moved_at_;  ///< bytes of a stream to this peer
    bool was_connected_ = false;  ///< the current or last connection got its greeting
    bool running_ = false;
    bool stopping_ = false;
};

/// What a line that could not be read, understood or sent means to the caller: the transport's
/// reason when the connection broke, peer_protocol for nonsense, peer_unreachable for silence. Not
/// for errors that the peer itself sent.
Task<Error> explain(Connection& connection, std::string host, Error error);
/// Reads and checks the greeting within `limit`.
Task<Result<rpc::Hello>> read_hello(LineReader& reader,
                                    std::string host,
                                    std::chrono::milliseconds limit);

}  // namespace zrepd::peer
