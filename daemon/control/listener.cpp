// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/control/listener.hpp"

#include <fcntl.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>

#include "common/platform.hpp"
#include "daemon/log.hpp"

namespace zrepd::control {
namespace {

using Protocol = asio::local::stream_protocol;

constexpr const char* kGroup = "zrepd";

Error cannot_listen(const std::filesystem::path& path, const std::string& why, int number) {
    return Error{.code = Code::io_error,
                 .message = "cannot listen on " + path.string() + ": " + why,
                 .remedy = "check the runtime-dir setting",
                 .sys_errno = number};
}

Result<void> remove_stale(const std::filesystem::path& path) {
    struct stat found = {};
    if (::lstat(path.c_str(), &found) != 0) return ok();
    if (!S_ISSOCK(found.st_mode)) {
        return cannot_listen(path, "something that is no socket has this name", EEXIST);
    }
    ::unlink(path.c_str());
    return ok();
}

boost::system::error_code bind_private(Protocol::acceptor& acceptor, const std::string& path) {
    if (path.size() >= sizeof(sockaddr_un::sun_path)) return asio::error::name_too_long;
    boost::system::error_code ec;
    // Nobody may connect before group and mode are right.
    const mode_t before = ::umask(0177);
    acceptor.bind(Protocol::endpoint(path), ec);
    ::umask(before);
    return ec;
}

/// The zrepd group may operate; without that group, root alone.
void set_group(const std::string& path) {
    const group* entry = ::getgrnam(kGroup);  // NOLINT(concurrency-mt-unsafe): one thread
    if (entry == nullptr || ::chown(path.c_str(), static_cast<uid_t>(-1), entry->gr_gid) == 0)
        return;
    log::event(log::Level::warn,
               "socket_group",
               {{"socket", path}, {"group", kGroup}, {"instead", "only our own user may connect"}});
}

}  // namespace

Result<void> open_listener(Protocol::acceptor& acceptor,
                           const std::filesystem::path& path,
                           mode_t mode) {
    auto removed = remove_stale(path);
    if (!removed) return removed;
    boost::system::error_code ec;
    acceptor.open(Protocol(), ec);
    if (ec) return cannot_listen(path, ec.message(), ec.value());
    ::fcntl(acceptor.native_handle(), F_SETFD, FD_CLOEXEC);
    ec = bind_private(acceptor, path.string());
    if (ec) return cannot_listen(path, ec.message(), ec.value());
    set_group(path.string());
    if (::chmod(path.c_str(), mode) != 0)
        return cannot_listen(path, "its mode cannot be set", errno);
    acceptor.listen(asio::socket_base::max_listen_connections, ec);
    if (ec) return cannot_listen(path, ec.message(), ec.value());
    return ok();
}

Result<void> adopt_listener(Protocol::acceptor& acceptor,
                            const std::filesystem::path& path,
                            Fd socket) {
    boost::system::error_code ec;
    acceptor.assign(Protocol(), socket.get(), ec);
    if (ec) return cannot_listen(path, ec.message(), ec.value());
    socket.release();
    return ok();
}

Caller caller_of(int socket) {
    // Unknown is nobody's uid: what is for root alone is refused.
    const auto owner = platform::owner_of(socket);
    if (!owner) return {.uid = static_cast<unsigned>(-1), .pid = 0};
    return {.uid = owner->uid, .pid = owner->pid};
}

}  // namespace zrepd::control
