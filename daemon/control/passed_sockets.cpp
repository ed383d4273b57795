// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/control/passed_sockets.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <string>

#include "common/text.hpp"
#include "daemon/log.hpp"

namespace zrepd::control {
namespace {

/// A whole decimal number; -1 otherwise.
long number_of(const char* variable) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing in the daemon changes its environment
    const char* text = std::getenv(variable);
    if (text == nullptr) return -1;
    long value = -1;
    const char* end = text + std::strlen(text);
    const auto [last, error] = std::from_chars(text, end, value);
    return error == std::errc() && last == end ? value : -1;
}

int option_of(int socket, int option) {
    int value = -1;
    socklen_t size = sizeof value;
    return ::getsockopt(socket, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

/// The path of a Unix socket that listens for streams; empty for anything else.
std::string listens_on(int socket) {
    if (option_of(socket, SO_TYPE) != SOCK_STREAM || option_of(socket, SO_ACCEPTCONN) != 1)
        return "";
    sockaddr_un address{};
    socklen_t size = sizeof address;
    if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return "";
    if (address.sun_family != AF_UNIX) return "";
    // An abstract name begins with a zero: for us it is none.
    return {address.sun_path, ::strnlen(address.sun_path, sizeof address.sun_path)};
}

}  // namespace

PassedSockets PassedSockets::from_environment(int first) {
    PassedSockets out;
    // Somebody else's: a shell that systemd started starts us, too, with its variables.
    if (number_of("LISTEN_PID") != ::getpid()) return out;
    const long count = std::clamp(number_of("LISTEN_FDS"), 0L, static_cast<long>(kMaxPassed));
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing in the daemon changes its environment
    const char* all = std::getenv("LISTEN_FDNAMES");
    const auto names = split(all == nullptr ? "" : all, ':');
    for (int fd = first; fd < first + count; ++fd) {
        const auto number = static_cast<std::size_t>(fd - first);
        std::string name(number < names.size() ? names[number] : "");
        // A descriptor that is not open is none of ours to close later, either.
        if (::fcntl(fd, F_SETFD, FD_CLOEXEC) == 0) out.passed_.push_back({Fd(fd), std::move(name)});
    }
    return out;
}

PassedSockets::~PassedSockets() {
    for (const Passed& unused : passed_) {
        log::event(log::Level::warn,
                   "socket_unexpected",
                   {{"socket", listens_on(unused.fd.get())},
                    {"instead", "closed: zrepd listens on its own sockets in runtime-dir"}});
    }
}

Fd PassedSockets::take(const std::filesystem::path& path) {
    const auto found = std::find_if(passed_.begin(), passed_.end(), [&path](const Passed& one) {
        return !path.empty() && listens_on(one.fd.get()) == path.native();
    });
    if (found == passed_.end()) return {};
    Fd out = std::move(found->fd);
    passed_.erase(found);
    return out;
}

Fd PassedSockets::take_named(std::string_view name) {
    const auto found = std::find_if(
        passed_.begin(), passed_.end(), [name](const Passed& one) { return one.name == name; });
    if (found == passed_.end()) return {};
    Fd out = std::move(found->fd);
    passed_.erase(found);
    return out;
}

}  // namespace zrepd::control
