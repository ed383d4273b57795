// SPDX-License-Identifier: BSD-2-Clause
// One connection of a peer, as the serving side sees it: greeting, requests, perhaps a stream.
// Thread: io thread. Errors: answered on the wire; those of the connection end it.
// Limits: kMaxActive requests at once; limits.hpp: bytes that are not read; see the constants in
// incoming.cpp for its patience.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "daemon/async/signal.hpp"
#include "daemon/async/task_group.hpp"
#include "daemon/peer/methods.hpp"
#include "daemon/peer/server.hpp"
#include "daemon/peer/wire.hpp"

namespace zrepd::peer {

class Incoming {
  public:
    struct Limits {
        /// `zrepctl peer` says at once who asks. Who does not takes a place of those who would.
        std::chrono::milliseconds naming{10'000};
        std::chrono::milliseconds half_line{60'000};
        /// A client pings every 15 s: one that is quiet for this long is no longer there.
        std::chrono::milliseconds idle{120'000};
        /// The far side must take something of a line within this time, again and again.
        std::chrono::milliseconds write{60'000};
    };

    /// `peer` empty: it must identify itself first. `direct`: `channel.in` is a pipe that
    /// `zfs receive` can read by itself.
    Incoming(asio::any_io_executor executor,
             TargetService& target,
             Channel channel,
             std::string peer,
             bool direct,
             Limits limits);

    /// Requests of one host that run, on all its connections together.
    struct Load {
        explicit Load(asio::any_io_executor executor) : less(std::move(executor)) {}
        std::size_t active = 0;
        Signal less;
    };
    /// Asked with the name that a connection gives itself, before that counts; busy: too many.
    using Admit = std::function<Result<std::shared_ptr<Load>>(const std::string& peer)>;
    void admit_by(Admit admit) { admit_ = std::move(admit); }
    /// Asked for the bytes that a host has not read yet, on all its connections.
    using Unread = std::function<std::size_t(const std::string& peer)>;
    void count_unread_by(Unread unread) { unread_of_peer_ = std::move(unread); }
    /// Bytes of answers that the far side has not taken yet.
    std::size_t unread() const { return outbox_.bytes(); }
    /// Told of each stream that is refused for how it begins.
    using Refused = std::function<void(const std::string& peer, const Error& why)>;
    void tell_refused_by(Refused refused) { refused_ = std::move(refused); }
    /// It came as root (server.hpp).
    void let_choose() { root_ = true; }
    /// Who asks; empty until it has said so.
    const std::string& peer() const { return peer_; }

    /// Serves until either side ends. A request that runs when the far side goes away is finished;
    /// a stream then ends by end-of-file.
    Task<> run();
    /// Interrupts everything; run() then returns. A stream needs a cancel of run()'s task as well.
    void stop();
    /// Nobody waits for the end of the stream that is being received: it has to end soon.
    void sender_gone();

  private:
    enum class Next { more, close };

    Task<> write_lines();
    Task<> serve();
    Task<Next> one_request(std::string line);
    Result<void> identify(const rpc::Request& request);
    /// A name by which this host calls itself would pass for our own daemon, which needs no
    /// zrep:accept.
    Result<void> check_foreign(const HostName& host);
    Task<> answer(rpc::Request request, PeerMethod::Handler handler);
    bool is_unread(std::size_t more) const;
    Task<Next> begin_stream(rpc::Request request);
    Task<> receive_stream();
    Task<bool> wait_for_place();
    LineReader::Limits line_limits() const;

    TargetService& target_;
    std::string peer_;
    bool direct_;
    bool root_ = false;
    Limits limits_;
    Admit admit_;
    Unread unread_of_peer_;
    Refused refused_;
    std::shared_ptr<Load> load_;
    LineReader reader_;
    Outbox outbox_;
    Signal place_;
    TaskGroup requests_;
    TaskGroup writer_;
    std::unique_ptr<TargetService::Receiver> receiver_;
    std::optional<Guid> base_;  ///< of the stream that receiver_ waits for
    std::size_t active_ = 0;
    bool stopping_ = false;
    bool broken_ = false;  ///< nothing more can be written: nobody will read an answer
};

}  // namespace zrepd::peer
