// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/peer/server.hpp"

#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstring>
#include <list>
#include <map>

#include "common/platform.hpp"
#include "daemon/async/signal.hpp"
#include "daemon/log.hpp"
#include "daemon/peer/incoming.hpp"
#include "daemon/peer/limits.hpp"

namespace zrepd::peer {
namespace {

// Room for every peer's connections to arrive at once after a network came back.
constexpr int kBacklog = 128;
// Out of descriptors or memory: the connections that wait are taken up a little later.
constexpr auto kAcceptPause = std::chrono::seconds(1);
// As whom other hosts log in, where there is such a user. It owns the socket: so it needs no group
// that may operate zrepd.
constexpr const char* kLoginUser = "zrep";
// Somebody who tries ten thousand times is told of in one line.
constexpr auto kTellRefusalsEvery = std::chrono::seconds(10);

Error failed(const std::string& what, const std::filesystem::path& path, int error) {
    const std::string why = std::strerror(error);  // NOLINT(concurrency-mt-unsafe)
    return Error{.code = Code::io_error,
                 .message = "cannot " + what + " the peer socket " + path.string() + ": " + why,
                 .sys_errno = error};
}

std::optional<gid_t> group_id(const std::string& name) {
    std::array<char, 16384> buffer;
    group entry{};
    group* found = nullptr;
    if (name.empty() ||
        ::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 ||
        found == nullptr) {
        return std::nullopt;
    }
    return entry.gr_gid;
}

std::optional<uid_t> user_id(const std::string& name) {
    std::array<char, 16384> buffer;
    passwd entry{};
    passwd* found = nullptr;
    if (name.empty() ||
        ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 ||
        found == nullptr) {
        return std::nullopt;
    }
    return entry.pw_uid;
}

Result<Fd> bind_socket(const std::filesystem::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.native().size() >= sizeof address.sun_path) return failed("name", path, ENAMETOOLONG);
    path.native().copy(address.sun_path, sizeof address.sun_path - 1);
    Fd fd(platform::unix_socket(SOCK_STREAM, /*nonblocking=*/true));
    if (!fd) return failed("make", path, errno);
    struct stat old {};
    if (::lstat(path.c_str(), &old) == 0 && S_ISSOCK(old.st_mode)) ::unlink(path.c_str());
    // Between bind and chmod nobody else may connect. One thread, so umask is ours to change.
    const mode_t before = ::umask(S_IRWXG | S_IRWXO);
    const int bound = ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    const int error = errno;
    ::umask(before);
    if (bound != 0) return failed("bind", path, error);
    return fd;
}

/// Whether it is root's, or of whoever runs this zrepd.
bool is_root(int fd) {
    const auto caller = platform::owner_of(fd);
    if (!caller) return false;
    log::event(log::Level::debug,
               "peer_accepted",
               {{"uid", std::to_string(caller->uid)}, {"pid", std::to_string(caller->pid)}});
    return caller->uid == 0 || caller->uid == ::geteuid();
}

}  // namespace

struct Server::Impl {
    Impl(asio::any_io_executor on, TargetService& service)
        : executor(on), target(service), listener(on), room(on), tasks(on) {}

    Task<> accept_loop();
    void accept_waiting();
    std::size_t count_of(const std::string& peer) const;
    std::size_t unread_of(const std::string& peer) const;
    Result<std::shared_ptr<Incoming::Load>> admit(const std::string& peer);
    void tell_refusal(const std::string& peer, const Error& error);
    void tell_refused_stream(const std::string& peer, const Error& error);
    std::weak_ptr<Incoming> add(Channel channel, std::string peer, bool direct);
    Task<> serve(std::shared_ptr<Incoming> connection);

    asio::any_io_executor executor;
    TargetService& target;
    asio::posix::stream_descriptor listener;
    std::filesystem::path path;
    std::list<std::shared_ptr<Incoming>> connections;
    bool pause = false;
    Signal room;  ///< an unnamed connection is unnamed or there no longer
    std::map<std::string, std::weak_ptr<Incoming::Load>> loads;
    std::size_t refusals = 0;  ///< since they were told last
    std::optional<std::chrono::steady_clock::time_point> told;
    struct RefusedStreams {
        std::chrono::steady_clock::time_point told;
        std::size_t untold = 0;
    };
    /// By host: as many as are let in, for only they get so far.
    std::map<std::string, RefusedStreams> refused_streams;
    TaskGroup tasks;
};

Task<> Server::Impl::accept_loop() {
    while (listener.is_open()) {
        if (count_of("") >= kMaxUnnamed) {
            co_await room.wait();
            continue;
        }
        co_await listener.async_wait(asio::posix::stream_descriptor::wait_read, nothrow);
        if (listener.is_open()) accept_waiting();
        if (std::exchange(pause, false)) co_await sleep_for(kAcceptPause);
    }
}

std::size_t Server::Impl::count_of(const std::string& peer) const {
    return static_cast<std::size_t>(
        std::count_if(connections.begin(), connections.end(), [&](const auto& connection) {
            return connection->peer() == peer;
        }));
}

std::size_t Server::Impl::unread_of(const std::string& peer) const {
    std::size_t bytes = 0;
    for (const auto& connection : connections) {
        if (connection->peer() == peer) bytes += connection->unread();
    }
    return bytes;
}

Result<std::shared_ptr<Incoming::Load>> Server::Impl::admit(const std::string& peer) {
    room.notify();
    if (count_of(peer) < kMaxOfOnePeer) {
        std::erase_if(loads, [](const auto& entry) { return entry.second.expired(); });
        std::shared_ptr<Incoming::Load> load = loads[peer].lock();
        if (!load) load = std::make_shared<Incoming::Load>(executor);
        loads[peer] = load;
        return load;
    }
    Error error{.code = Code::busy,
                .message = "this host serves " + std::to_string(kMaxOfOnePeer) +
                           " connections of " + peer + " already"};
    tell_refusal(peer, error);
    return error;
}

void Server::Impl::tell_refusal(const std::string& peer, const Error& error) {
    ++refusals;
    const auto now = std::chrono::steady_clock::now();
    if (told && now - *told < kTellRefusalsEvery) return;
    log::event(log::Level::warn,
               "peer_refused",
               {{"peer", peer}, {"error", error.message}, {"times", std::to_string(refusals)}});
    told = now;
    refusals = 0;
}

/// One after the other costs its sender next to nothing: a line in a while for each host.
void Server::Impl::tell_refused_stream(const std::string& peer, const Error& error) {
    const auto now = std::chrono::steady_clock::now();
    const auto [entry, first] = refused_streams.try_emplace(peer, RefusedStreams{.told = now});
    RefusedStreams& streams = entry->second;
    ++streams.untold;
    if (!first && now - streams.told < kTellRefusalsEvery) return;
    log::event(
        log::Level::warn,
        "stream_refused",
        {{"peer", peer}, {"error", error.text()}, {"times", std::to_string(streams.untold)}});
    streams = {.told = now};
}

void Server::Impl::accept_waiting() {
    while (count_of("") < kMaxUnnamed) {
        Fd fd(platform::accept_nonblocking(listener.native_handle()));
        if (!fd) {
            if (errno == EINTR || errno == ECONNABORTED) continue;
            pause = errno != EAGAIN && errno != EWOULDBLOCK;
            return;
        }
        const bool root = is_root(fd.get());
        Result<Fd> out = fd.duplicate();
        if (!out) {
            pause = true;
            return;
        }
        const auto added = add({std::move(fd), std::move(*out)}, "", /*direct=*/false).lock();
        if (added && root) added->let_choose();
    }
}

std::weak_ptr<Incoming> Server::Impl::add(Channel channel, std::string peer, bool direct) {
    if (connections.size() >= kMaxPeerConnections) {
        const Error error{.code = Code::busy,
                          .message = "this host serves " + std::to_string(kMaxPeerConnections) +
                                     " peer connections already"};
        tell_refusal(peer, error);
        const std::string line = rpc::error_line(nullptr, error);
        // A fresh connection has room for it; if not, the closing says enough.
        if (::write(channel.out.get(), line.data(), line.size()) < 0) return {};
        return {};
    }
    auto connection = std::make_shared<Incoming>(
        executor, target, std::move(channel), std::move(peer), direct, Incoming::Limits{});
    connection->admit_by([this](const std::string& name) { return admit(name); });
    connection->count_unread_by([this](const std::string& name) { return unread_of(name); });
    connection->tell_refused_by(
        [this](const std::string& name, const Error& why) { tell_refused_stream(name, why); });
    connections.push_back(connection);
    tasks.spawn("peer connection", serve(connection));
    return connection;
}

Task<> Server::Impl::serve(std::shared_ptr<Incoming> connection) {
    co_await connection->run();
    connections.remove(connection);
    room.notify();
}

Server::Server(asio::any_io_executor executor, TargetService& target)
    : impl_(std::make_unique<Impl>(executor, target)) {}

Server::~Server() = default;

Result<void> Server::listen(const std::filesystem::path& socket_path, const std::string& group) {
    Result<Fd> fd = bind_socket(socket_path);
    if (!fd) return fd.error();
    const uid_t uid = user_id(kLoginUser).value_or(static_cast<uid_t>(-1));
    const gid_t gid = group_id(group).value_or(static_cast<gid_t>(-1));
    if (::chown(socket_path.c_str(), uid, gid) != 0) {
        return failed("give to its user and the group " + group, socket_path, errno);
    }
    if (::chmod(socket_path.c_str(), S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP) != 0) {
        return failed("open", socket_path, errno);
    }
    if (::listen(fd->get(), kBacklog) != 0) return failed("listen on", socket_path, errno);
    impl_->listener.assign(fd->release());
    impl_->path = socket_path;
    impl_->tasks.spawn("peer socket", impl_->accept_loop());
    return ok();
}

std::function<void()> Server::serve_local(Channel channel, std::string peer) {
    const auto weak = impl_->add(std::move(channel), std::move(peer), /*direct=*/true);
    if (const auto connection = weak.lock()) connection->let_choose();
    return [weak] {
        if (const auto connection = weak.lock()) connection->sender_gone();
    };
}

Task<> Server::stop() {
    if (impl_->listener.is_open()) {
        impl_->listener.close();
        ::unlink(impl_->path.c_str());
    }
    for (const auto& connection : impl_->connections) connection->stop();
    impl_->tasks.cancel();
    co_await impl_->tasks.join();
}

}  // namespace zrepd::peer
