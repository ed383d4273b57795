// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/notify.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "common/platform.hpp"
#include "common/text.hpp"
#include "daemon/async/signal.hpp"

namespace zrepd {
namespace {

// How old what `systemctl status` shows may be where nothing has to be heard of the loop.
constexpr std::chrono::seconds kAgain{10};
// A busy manager takes a while; a unit's start has 90 s.
constexpr std::chrono::seconds kSettled{20};
// A watchdog of microseconds would be a loop that does nothing else.
constexpr std::chrono::milliseconds kShortest{10};

std::string value_of(const char* name) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing in the daemon changes its environment
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

std::uint64_t number(const std::string& text) {
    std::uint64_t out = 0;
    const char* end = text.data() + text.size();
    const auto [last, error] = std::from_chars(text.data(), end, out);
    return error == std::errc() && last == end ? out : 0;
}

}  // namespace

Notifier Notifier::from_environment() {
    std::string socket = value_of("NOTIFY_SOCKET");
    const std::uint64_t limit = number(value_of("WATCHDOG_USEC"));
    const std::string pid = value_of("WATCHDOG_PID");
    const bool ours = pid.empty() || pid == std::to_string(::getpid());
    // More than a year is never.
    const std::uint64_t longest = 31'536'000'000'000;
    return {std::move(socket), std::chrono::microseconds(ours ? std::min(limit, longest) : 0)};
}

Notifier::Notifier(std::string socket, std::chrono::microseconds watchdog)
    : socket_(std::move(socket)), watchdog_(watchdog) {
    if (socket_.empty() || socket_.size() >= sizeof(sockaddr_un::sun_path)) return;
    fd_ = Fd(platform::unix_socket(SOCK_DGRAM, /*nonblocking=*/true));
}

bool Notifier::send(std::string_view text, int passed) const {
    if (fd_.get() < 0) {
        errno = ENOTCONN;
        return false;
    }
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, socket_.data(), socket_.size());
    // An abstract name begins with a zero, and ends where the address does.
    if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
    iovec words{.iov_base = const_cast<char*>(text.data()), .iov_len = text.size()};
    msghdr message{};
    message.msg_name = &address;
    message.msg_namelen = size;
    message.msg_iov = &words;
    message.msg_iovlen = 1;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> beside{};
    if (passed >= 0) {
        message.msg_control = beside.data();
        message.msg_controllen = beside.size();
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        std::memcpy(CMSG_DATA(header), &passed, sizeof passed);
    }
    return ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL) >= 0;
}

Result<void> Notifier::pass(std::string_view text, int fd) const {
    if (!fd_) {
        return Error{
            .code = Code::refused,
            .message = "there is no service manager that keeps descriptors",
            .remedy = "this is for systemd, as ExecStartPre= of a service with Type=notify"};
    }
    if (send(text, fd)) return ok();
    return Error{.code = Code::io_error,
                 .message = "cannot tell the service manager at " + quote(socket_),
                 .remedy = "look at its own state: systemctl status",
                 .sys_errno = errno};
}

Result<void> Notifier::store(const char* name, int fd) const {
    // Not watched: a table of mounts always has an event, which to the manager is the end of it.
    return pass("FDSTORE=1\nFDPOLL=0\nFDNAME=" + std::string(name), fd);
}

void Notifier::forget(const char* name) const {
    send("FDSTOREREMOVE=1\nFDNAME=" + std::string(name));
}

Result<void> Notifier::settle() const {
    auto pipe = make_pipe();
    if (!pipe) return pipe.error();
    if (auto told = pass("BARRIER=1", pipe->write.get()); !told) return told;
    pipe->write.reset();
    // The manager closes its end when it has come so far.
    pollfd end{.fd = pipe->read.get(), .events = 0, .revents = 0};
    const auto limit = std::chrono::milliseconds(kSettled).count();
    if (::poll(&end, 1, static_cast<int>(limit)) > 0) return ok();
    return Error{.code = Code::timed_out,
                 .message = "the service manager did not take what it was told",
                 .remedy = "it is busy or stuck: systemctl is-system-running",
                 .sys_errno = 0};
}

void Notifier::ready() {
    ready_untold_ = !send("READY=1");
}

void Notifier::stopping() {
    send("STOPPING=1\nSTATUS=stopping");
}

Task<> Notifier::run(std::function<std::string()> status) {
    if (fd_.get() < 0) co_return;
    const bool watched = watchdog_.count() > 0;
    const auto third = std::chrono::duration_cast<std::chrono::milliseconds>(watchdog_ / 3);
    const std::chrono::milliseconds often = std::max(kShortest, third);
    std::string told;
    while (true) {
        if (watched) send("WATCHDOG=1");
        if (ready_untold_) ready();
        std::string now = status();
        if (now != told && send("STATUS=" + now)) told = std::move(now);
        co_await sleep_for(watched ? std::min<std::chrono::milliseconds>(often, kAgain) : kAgain);
        const bool stop = co_await cancelled();
        if (stop) co_return;
    }
}

}  // namespace zrepd
