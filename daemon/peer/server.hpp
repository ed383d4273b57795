// SPDX-License-Identifier: BSD-2-Clause
// The server side of the peer protocol, on <runtime-dir>/peer.sock and, for localhost, on pipes.
// Thread: io thread. Limits: kMaxPeerConnections; 1 MiB lines; a connection that has not said a
// whole line 60 s after it began one is closed. A peer names only what TargetService lets it.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "common/rpc/doctor_types.hpp"
#include "common/rpc/peer_adopt_types.hpp"
#include "common/rpc/peer_role_types.hpp"
#include "daemon/async/task_group.hpp"
#include "daemon/peer/transport.hpp"

namespace zrepd::peer {

/// Sessions and streams of all peers together; more than this is somebody's mistake.
inline constexpr std::size_t kMaxPeerConnections = 256;

class RoleService;

/// Who asks. `root`: it came as root of this host, by a login that may do anything here, or is this
/// zrepd itself; else a key for `zrepctl peer` alone let it in, or a member of the group (ADR
/// 0022).
struct Caller {
    std::string peer = {};
    bool root = false;
};

/// What a peer may ask of this host; implemented in daemon/sync/target.cpp.
class TargetService {
  public:
    virtual ~TargetService() = default;
    virtual rpc::Hello hello() = 0;
    /// Who answers for the roles; none: those methods are unsupported.
    virtual RoleService* roles() { return nullptr; }
    virtual Task<Result<rpc::LookOut>> look(std::string peer, rpc::LookIn in) = 0;
    virtual Task<Result<rpc::TreeOut>> tree(std::string peer, rpc::TreeIn in) = 0;
    virtual Task<Result<rpc::PrepareOut>> prepare(std::string peer, rpc::PrepareIn in) = 0;
    virtual Task<Result<rpc::AdoptOut>> adopt(std::string peer, rpc::AdoptIn in) = 0;
    virtual Task<Result<rpc::CommitOut>> commit(std::string peer, rpc::CommitIn in) = 0;
    virtual Task<Result<rpc::RollBackOut>> roll_back(std::string peer, rpc::RollBackIn in) = 0;
    virtual Task<Result<rpc::PeerExpireOut>> expire(std::string peer, rpc::LookIn in) = 0;
    virtual Task<Result<rpc::FactsOut>> facts(std::string peer, rpc::FactsIn in) = 0;
    /// Checks the request, takes the lock and gets ready. On success the server sends the reply {},
    /// then calls `receive` on the result with the descriptor the stream comes from.
    class Receiver {
      public:
        virtual ~Receiver() = default;
        /// Consumes the stream until end-of-file. `in` is a pipe that zfs may read directly when
        /// `direct`, otherwise a descriptor to pump from. `begun` was taken from it already.
        virtual Task<rpc::Received> receive(Fd in, bool direct, std::string begun) = 0;
        /// Whoever sent the stream waits no longer: receive() has to end soon.
        virtual void sender_gone() {}
    };
    virtual Task<Result<std::unique_ptr<Receiver>>> open_receive(std::string peer,
                                                                 rpc::ReceiveIn in) = 0;
};

/// What a peer may ask of this host about who is master; implemented in daemon/failover/.
class RoleService {
  public:
    virtual ~RoleService() = default;
    virtual Task<Result<rpc::RolesOut>> roles(std::string peer, rpc::RolesIn in) = 0;
    virtual Task<Result<rpc::LeaseOut>> lease(std::string peer, rpc::LeaseIn in) = 0;
    virtual Task<Result<rpc::CheckOut>> check(std::string peer, rpc::CheckIn in) = 0;
    virtual Task<Result<rpc::PromoteOut>> promote(std::string peer, rpc::PromoteIn in) = 0;
    virtual Task<Result<rpc::HandOverOut>> hand_over(std::string peer, rpc::HandOverIn in) = 0;
    virtual Task<Result<rpc::HandOverOut>> refresh(std::string peer, rpc::RefreshIn in) = 0;
    virtual Task<Result<rpc::PeerRunOut>> run(std::string peer, rpc::PeerRunIn in) = 0;
};

class Server {
  public:
    Server(asio::any_io_executor executor, TargetService& target);
    ~Server();

    /// Binds and listens, mode 0660, owned by `group` when that exists. A socket left there by a
    /// killed daemon is replaced: call it with the daemon's lock held. io_error otherwise.
    Result<void> listen(const std::filesystem::path& socket_path,
                        const std::string& group = "zrepd");
    /// Serves one connection given as two pipes; used by LocalTransport. `peer` is our own name.
    /// What comes back is to be called when nobody uses the other ends any more: zfs, which reads
    /// the stream directly, does not tell when it hangs.
    std::function<void()> serve_local(Channel channel, std::string peer);
    /// Stops accepting, ends every connection, waits for their tasks.
    Task<> stop();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace zrepd::peer
