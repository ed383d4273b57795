// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/peer/ssh_transport.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <system_error>

#include "daemon/peer/ssh_errors.hpp"

namespace zrepd::peer {
namespace {

namespace fs = std::filesystem;

// How long why() waits for ssh to end and say its last words.
constexpr auto kLastWords = std::chrono::seconds(2);

class SshConnection : public Connection {
  public:
    SshConnection(std::string host,
                  std::string us,
                  std::string user,
                  Channel channel,
                  std::unique_ptr<Running> ssh,
                  std::shared_ptr<const fs::path> master_socket)
        : host_(std::move(host)),
          us_(std::move(us)),
          user_(std::move(user)),
          channel_(std::move(channel)),
          ssh_(std::move(ssh)),
          master_socket_(std::move(master_socket)) {}
    SshConnection(const SshConnection&) = delete;
    SshConnection& operator=(const SshConnection&) = delete;
    ~SshConnection() override {
        ssh_.reset();
        // A master that is killed leaves its socket behind; the name is never used again.
        if (master_socket_) ::unlink(master_socket_->c_str());
    }

    Channel take_channel() override { return std::move(channel_); }

    Task<Error> why() override {
        const std::optional<ProcessEnd> end = co_await ssh_->wait(kLastWords);
        std::optional<int> status;
        if (end && end->exit_status >= 0) status = end->exit_status;
        const std::string tail = ssh_->stderr_tail();
        co_return translate_ssh_failure(host_, us_, user_, status, tail);
    }

  private:
    std::string host_;
    std::string us_;
    std::string user_;
    Channel channel_;
    std::unique_ptr<Running> ssh_;
    std::shared_ptr<const fs::path> master_socket_;
};

}  // namespace

SshTransport::SshTransport(ProcessStarter& starter,
                           fs::path socket_dir,
                           HostName us,
                           SshOptions options)
    : starter_(starter),
      socket_dir_(std::move(socket_dir)),
      us_(std::move(us)),
      options_(std::move(options)) {
    // Failing here only costs the sharing: ssh then says so and connects by itself.
    std::error_code ignored;
    fs::remove_all(socket_dir_, ignored);
    ::mkdir(socket_dir_.c_str(), S_IRWXU);
}

/// A name per session and daemon process, so that neither a socket left by a killed daemon nor a
/// dying master that still cleans up can stand in the way of a new one. Short: a socket's path has
/// 107 bytes, and ssh adds 17 while it creates it.
std::shared_ptr<const fs::path> SshTransport::control_path(const HostName& host, Purpose purpose) {
    if (purpose == Purpose::session) {
        // Of hosts that nobody talks to any more nothing is kept.
        std::erase_if(masters_, [](const auto& entry) { return entry.second.expired(); });
        const std::string name = std::to_string(::getpid()) + "-" + std::to_string(++serial_);
        auto path = std::make_shared<const fs::path>(socket_dir_ / name);
        masters_[host.str()] = path;
        return path;
    }
    const auto found = masters_.find(host.str());
    return found == masters_.end() ? nullptr : found->second.lock();
}

std::vector<std::string> SshTransport::command(const SshOptions& options,
                                               const fs::path& control_path,
                                               const HostName& us,
                                               const HostName& host,
                                               Purpose purpose) {
    std::vector<std::string> argv{options.program, "-T"};
    if (!options.config_file.empty()) argv.insert(argv.end(), {"-F", options.config_file.string()});
    if (!options.user.empty()) argv.insert(argv.end(), {"-l", options.user});
    const auto set = [&argv](std::string option) {
        argv.emplace_back("-o");
        argv.push_back(std::move(option));
    };
    set("BatchMode=yes");
    // Whatever root's ssh_config says: what is sent is all that a filesystem has.
    set("StrictHostKeyChecking=yes");
    set("ConnectTimeout=10");
    set("ServerAliveInterval=15");
    set("ServerAliveCountMax=3");
    set("ClearAllForwardings=yes");
    set("ForwardAgent=no");
    set("ForwardX11=no");
    set("PermitLocalCommand=no");
    set("ControlPersist=no");
    set(purpose == Purpose::session ? "ControlMaster=yes" : "ControlMaster=no");
    set("ControlPath=" + (control_path.empty() ? "none" : control_path.string()));
    argv.emplace_back("--");
    argv.push_back(host.str());
    argv.insert(argv.end(), options.remote_command.begin(), options.remote_command.end());
    argv.insert(argv.end(), {"--as", us.str(), "--unrestricted"});
    return argv;
}

std::string SshTransport::change_login(const HostName& host, const Error& refused) {
    if (!options_.user.empty()) return "";
    if (as_peer_user_.erase(host.str()) > 0) return "ssh's own user";
    // Root's configuration may name the same user: once is enough.
    if (refused.message.find(std::string("'") + kPeerUser + "@") != std::string::npos) return "";
    as_peer_user_[host.str()] = std::chrono::steady_clock::now();
    return kPeerUser;
}

/// A refusal may have been a passing one: a new session after a while begins with ssh's own again.
std::string SshTransport::login(const HostName& host, Purpose purpose) {
    const auto found = as_peer_user_.find(host.str());
    if (found == as_peer_user_.end()) return options_.user;
    const auto age = std::chrono::steady_clock::now() - found->second;
    if (purpose == Purpose::stream || age < options_.keep_login) return kPeerUser;
    as_peer_user_.erase(found);
    return options_.user;
}

Result<std::unique_ptr<Connection>> SshTransport::open(const HostName& host, Purpose purpose) {
    const std::shared_ptr<const fs::path> path = control_path(host, purpose);
    Result<Pipe> there = make_pipe();
    if (!there) return there.error();
    Result<Pipe> back = make_pipe();
    if (!back) return back.error();
    SshOptions options = options_;
    options.user = login(host, purpose);
    Result<std::unique_ptr<Running>> ssh =
        starter_.start(command(options, path ? *path : fs::path(), us_, host, purpose),
                       std::move(there->read),
                       std::move(back->write));
    if (!ssh) return Error(ssh.error()).in("ssh to " + host.str());
    return std::unique_ptr<Connection>(
        std::make_unique<SshConnection>(host.str(),
                                        us_.str(),
                                        options.user,
                                        Channel{std::move(back->read), std::move(there->write)},
                                        std::move(*ssh),
                                        purpose == Purpose::session ? path : nullptr));
}

}  // namespace zrepd::peer
