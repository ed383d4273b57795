// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/control/server.hpp"

#include <fcntl.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __sun
#include <ucred.h>
#endif

#include <cstring>
#include <set>

#include "common/rpc/message.hpp"
#include "daemon/log.hpp"

namespace zrepd::control {
namespace {

using Protocol = asio::local::stream_protocol;
// After a failed accept (no descriptor left): long enough to matter, short enough not to notice.
constexpr std::chrono::milliseconds kAcceptPause{200};

Caller caller_of(int fd) {
    Caller out;
#ifdef __sun
    ucred_t* peer = nullptr;
    if (::getpeerucred(fd, &peer) == 0) {
        out.uid = ::ucred_geteuid(peer);
        out.pid = ::ucred_getpid(peer);
        ::ucred_free(peer);
    }
#else
    ucred peer = {};
    socklen_t size = sizeof peer;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0) {
        out.uid = peer.uid;
        out.pid = peer.pid;
    } else {
        out.uid = static_cast<unsigned>(-1);
    }
#endif
    return out;
}

void set_group_and_mode(const std::string& path, mode_t mode) {
    // The zrepd group may operate; without that group, root alone.
    if (const group* entry = ::getgrnam("zrepd")) {  // NOLINT(concurrency-mt-unsafe): one thread
        if (::chown(path.c_str(), 0, entry->gr_gid) != 0) {
            log::event(log::Level::warn, "socket_group", {{"socket", path}, {"instead", "root only"}});
        }
    }
    ::chmod(path.c_str(), mode);
}

}  // namespace

struct Server::Impl : std::enable_shared_from_this<Server::Impl> {
    Impl(asio::any_io_executor ex, Service& service, EventSource& events,
         std::chrono::seconds line_limit)
        : executor(ex),
          main(ex),
          readers(ex),
          tasks(ex),
          context{service, events, tasks, replies, line_limit} {}

    Result<void> open(Protocol::acceptor& acceptor, const std::filesystem::path& path, mode_t mode);
    Task<> accept_loop(Protocol::acceptor* acceptor, bool read_only);
    Task<> serve(std::shared_ptr<Session> session);
    void refuse(Protocol::socket socket);

    asio::any_io_executor executor;
    Protocol::acceptor main;
    Protocol::acceptor readers;
    TaskGroup tasks;
    ReplyCache replies;
    SessionContext context;
    std::set<std::shared_ptr<Session>> sessions;
    bool stopping = false;
};

Server::Server(asio::any_io_executor executor, Service& service, EventSource& events,
               std::chrono::seconds line_limit)
    : impl_(std::make_shared<Impl>(std::move(executor), service, events, line_limit)) {}

Server::~Server() = default;

Result<void> Server::Impl::open(Protocol::acceptor& acceptor, const std::filesystem::path& path,
                                mode_t mode) {
    boost::system::error_code ec;
    ::unlink(path.c_str());
    acceptor.open(Protocol(), ec);
    if (!ec) {
        ::fcntl(acceptor.native_handle(), F_SETFD, FD_CLOEXEC);
        // Nobody may connect before the mode is set.
        const mode_t before = ::umask(0177);
        if (path.string().size() < sizeof(sockaddr_un::sun_path)) {
            acceptor.bind(Protocol::endpoint(path.string()), ec);
        } else {
            ec = asio::error::name_too_long;
        }
        ::umask(before);
    }
    if (!ec) acceptor.listen(asio::socket_base::max_listen_connections, ec);
    if (ec) {
        return Error{.code = Code::io_error,
                     .message = "cannot listen on " + path.string() + ": " + ec.message(),
                     .remedy = "check the runtime-dir setting",
                     .sys_errno = ec.value()};
    }
    set_group_and_mode(path.string(), mode);
    return ok();
}

Result<void> Server::listen(const std::filesystem::path& dir) {
    auto opened = impl_->open(impl_->main, dir / kSocketName, 0660);
    if (!opened) return opened;
    opened = impl_->open(impl_->readers, dir / kReadSocketName, 0666);
    if (!opened) return opened;
    impl_->tasks.spawn("accept", impl_->accept_loop(&impl_->main, /*read_only=*/false));
    impl_->tasks.spawn("accept readers", impl_->accept_loop(&impl_->readers, /*read_only=*/true));
    return ok();
}

Task<> Server::Impl::accept_loop(Protocol::acceptor* acceptor, bool read_only) {
    while (!stopping) {
        auto [ec, socket] = co_await acceptor->async_accept(nothrow);
        if (stopping || co_await cancelled()) co_return;
        if (ec) {
            co_await sleep_for(kAcceptPause);
            continue;
        }
        // Asio sets it on neither listening nor accepted sockets.
        ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
        if (sessions.size() >= kMaxConnections) {
            refuse(std::move(socket));
            continue;
        }
        const Caller caller = caller_of(socket.native_handle());
        const Access access =
            read_only ? Access::read : (caller.uid == 0 ? Access::admin : Access::operate);
        auto session = std::make_shared<Session>(context, std::move(socket), access, caller);
        tasks.spawn("control client", serve(std::move(session)));
    }
}

void Server::Impl::refuse(Protocol::socket socket) {
    const std::string line = rpc::error_line(
        nullptr, {.code = Code::busy,
                  .message = "too many clients are connected (" + std::to_string(kMaxConnections) + ")",
                  .remedy = "end some: ss -xp | grep zrepd"});
    boost::system::error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(line), ignored);
}

Task<> Server::Impl::serve(std::shared_ptr<Session> session) {
    sessions.insert(session);
    co_await session->run();
    sessions.erase(session);
}

Task<> Server::stop() {
    impl_->stopping = true;
    boost::system::error_code ignored;
    impl_->main.close(ignored);
    impl_->readers.close(ignored);
    const auto sessions = impl_->sessions;
    for (const auto& session : sessions) session->close();
    impl_->tasks.cancel();
    co_await impl_->tasks.join();
}

std::size_t Server::connections() const { return impl_->sessions.size(); }

}  // namespace zrepd::control
