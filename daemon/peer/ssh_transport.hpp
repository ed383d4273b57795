// SPDX-License-Identifier: BSD-2-Clause
// Connections to other hosts: ssh runs `zrepctl peer` there (docs/adr/0004-ssh-sharing.md).
// Thread: io thread. Errors: io_error when nothing can be started; the network's own show in
// Connection::why(). Limits: one ssh process per connection; none survives the daemon.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/peer/process.hpp"
#include "daemon/peer/transport.hpp"

namespace zrepd::peer {

struct SshOptions {
    std::string program = "ssh";
    std::filesystem::path config_file = {};  ///< -F; empty: ssh's own
    std::string user = {};                   ///< -l; empty: ssh's own, then kPeerUser
    /// For so long kPeerUser is the first who is tried, where it was let in and ssh's own was not.
    std::chrono::milliseconds keep_login = std::chrono::hours(1);
    /// Words run on the other host. Nothing in them may mean anything to a shell.
    std::vector<std::string> remote_command = {"zrepctl", "peer"};
};

class SshTransport : public Transport {
  public:
    /// `socket_dir` is ours alone (<runtime-dir>/ssh): it is made, 0700, and what an earlier daemon
    /// left there is removed. `us` is the name given to the peer.
    SshTransport(ProcessStarter& starter,
                 std::filesystem::path socket_dir,
                 HostName us,
                 SshOptions options);

    Result<std::unique_ptr<Connection>> open(const HostName& host, Purpose purpose) override;
    /// Between ssh's own user and kPeerUser, for this host; never from a configured one
    /// (docs/adr/0024-the-user-zrep-by-itself.md).
    std::string change_login(const HostName& host, const Error& refused) override;

    /// The argument list for one connection; for tests and `doctor`. Pure.
    static std::vector<std::string> command(const SshOptions& options,
                                            const std::filesystem::path& control_path,
                                            const HostName& us,
                                            const HostName& host,
                                            Purpose purpose);

  private:
    std::string login(const HostName& host, Purpose purpose);
    std::shared_ptr<const std::filesystem::path> control_path(const HostName& host,
                                                              Purpose purpose);

    ProcessStarter& starter_;
    std::filesystem::path socket_dir_;
    HostName us_;
    SshOptions options_;
    /// Of the newest session of each host; empty once that has ended.
    std::map<std::string, std::weak_ptr<const std::filesystem::path>> masters_;
    unsigned serial_ = 0;
    /// Where kPeerUser logs in: hosts that refused ssh's own user, and when.
    std::map<std::string, std::chrono::steady_clock::time_point> as_peer_user_;
};

}  // namespace zrepd::peer
