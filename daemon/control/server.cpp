// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/control/server.hpp"

#include <fcntl.h>
#include <unistd.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <algorithm>
#include <set>

#include "daemon/control/listener.hpp"
#include "daemon/log.hpp"

namespace zrepd::control {
namespace {

using Protocol = asio::local::stream_protocol;

// After a failed accept (no descriptor left): doubled from the first to the last.
constexpr std::chrono::milliseconds kFirstPause{100};
constexpr std::chrono::milliseconds kLastPause{5'000};

// So many clients take some MiB; when a quarter of them is left, that goes back to the system.
constexpr std::size_t kCrowd = 128;

/// glibc keeps what lies between two pieces that are in use.
void give_memory_back() {
#ifdef __GLIBC__
    ::malloc_trim(0);
#endif
}

/// Whoever may open the main socket may operate; root, and whoever runs the daemon, may all.
Access access_of(const Caller& caller, bool read_only) {
    if (read_only || caller.uid == static_cast<unsigned>(-1)) return Access::read;
    return caller.uid == 0 || caller.uid == ::geteuid() ? Access::admin : Access::operate;
}

void refuse(Protocol::socket socket) {
    const Error error{.code = Code::busy,
                      .message = "too many clients are connected to zrepd",
                      .remedy = "end some; ss -xp | grep zrepd shows them"};
    const std::string line = rpc::error_line(nullptr, error);
    boost::system::error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(line), ignored);
}

}  // namespace

ServerLimits limits_within(std::size_t descriptors) {
    ServerLimits out;
    out.connections = std::min(out.connections, descriptors / 2);
    out.readers = std::min(out.readers, out.connections / 3 * 2);
    return out;
}

struct Server::Impl {
    Impl(asio::any_io_executor ex, Service& service, EventSource& events, ServerLimits l)
        : limits(l),
          main(ex),
          readers(ex),
          tasks(ex),
          calls(ex, service, tasks, limits.answer),
          context{service, events, tasks, calls, limits.session, held_bytes} {}

    Result<void> open(Protocol::acceptor& acceptor,
                      const std::filesystem::path& path,
                      mode_t mode,
                      PassedSockets& passed);
    Task<> accept_loop(Protocol::acceptor* acceptor, bool read_only);
    Task<> pause_accepting(const boost::system::error_code* ec, std::chrono::milliseconds* pause);
    void admit(Protocol::socket socket, bool read_only);
    Task<> serve(std::shared_ptr<Session> session, bool read_only);

    ServerLimits limits;
    Protocol::acceptor main;
    Protocol::acceptor readers;
    std::size_t held_bytes = 0;
    TaskGroup tasks;
    Calls calls;
    SessionContext context;
    std::set<std::shared_ptr<Session>> sessions;
    std::size_t reading = 0;
    std::vector<std::filesystem::path> made;  ///< what stop() has to remove
    bool crowded = false;                     ///< since memory was given back
    bool stopping = false;
};

Server::Server(asio::any_io_executor executor,
               Service& service,
               EventSource& events,
               ServerLimits limits)
    : impl_(std::make_unique<Impl>(std::move(executor), service, events, limits)) {}

Server::~Server() = default;

Result<void> Server::listen(const std::filesystem::path& dir, PassedSockets passed) {
    auto opened = impl_->open(impl_->main, dir / kSocketName, 0660, passed);
    if (!opened) return opened;
    opened = impl_->open(impl_->readers, dir / kReadSocketName, 0666, passed);
    if (!opened) return opened;
    impl_->tasks.spawn("accept", impl_->accept_loop(&impl_->main, /*read_only=*/false));
    impl_->tasks.spawn("accept readers", impl_->accept_loop(&impl_->readers, /*read_only=*/true));
    return ok();
}

/// The service manager's socket, which stays when we go, or one of our own.
Result<void> Server::Impl::open(Protocol::acceptor& acceptor,
                                const std::filesystem::path& path,
                                mode_t mode,
                                PassedSockets& passed) {
    Fd socket = passed.take(path);
    if (socket) return adopt_listener(acceptor, path, std::move(socket));
    auto opened = open_listener(acceptor, path, mode);
    if (opened) made.push_back(path);
    return opened;
}

Task<> Server::Impl::accept_loop(Protocol::acceptor* acceptor, bool read_only) {
    std::chrono::milliseconds pause = kFirstPause;
    while (!stopping) {
        auto [ec, socket] = co_await acceptor->async_accept(nothrow);
        const bool stop = co_await cancelled();
        if (stop || stopping) co_return;
        if (ec == asio::error::connection_aborted) continue;
        if (ec) {
            const boost::system::error_code* const why = &ec;
            co_await pause_accepting(why, &pause);
            continue;
        }
        pause = kFirstPause;
        // Asio sets it on neither listening nor accepted sockets.
        ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
        admit(std::move(socket), read_only);
    }
}

Task<> Server::Impl::pause_accepting(const boost::system::error_code* ec,
                                     std::chrono::milliseconds* pause) {
    if (*pause == kFirstPause) {
        log::event(log::Level::warn,
                   "accept_paused",
                   {{"error", ec->message()}, {"next", "raise LimitNOFILE of the zrepd service"}});
    }
    co_await sleep_for(*pause);
    *pause = std::min(*pause * 2, kLastPause);
}

void Server::Impl::admit(Protocol::socket socket, bool read_only) {
    const bool full =
        sessions.size() >= limits.connections || (read_only && reading >= limits.readers);
    if (full) return refuse(std::move(socket));
    Caller caller = caller_of(socket.native_handle());
    caller.access = access_of(caller, read_only);
    auto session = std::make_shared<Session>(context, std::move(socket), caller);
    sessions.insert(session);
    if (read_only) ++reading;
    crowded = crowded || sessions.size() >= kCrowd;
    tasks.spawn("control client", serve(std::move(session), read_only));
}

Task<> Server::Impl::serve(std::shared_ptr<Session> session, bool read_only) {
    co_await session->run();
    sessions.erase(session);
    session.reset();
    if (read_only) --reading;
    if (!crowded || sessions.size() > kCrowd / 4) co_return;
    crowded = false;
    give_memory_back();
}

Task<> Server::stop() {
    impl_->stopping = true;
    boost::system::error_code ignored;
    impl_->main.close(ignored);
    impl_->readers.close(ignored);
    for (const auto& path : impl_->made) ::unlink(path.c_str());
    const auto sessions = impl_->sessions;
    for (const auto& session : sessions) session->close();
    impl_->tasks.cancel();
    co_await impl_->tasks.join();
}

std::size_t Server::connections() const {
    return impl_->sessions.size();
}

}  // namespace zrepd::control
