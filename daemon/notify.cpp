// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/notify.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "common/platform.hpp"
#include "daemon/async/signal.hpp"

namespace zrepd {
namespace {

// How old what `systemctl status` shows may be where nothing has to be heard of the loop.
constexpr std::chrono::seconds kAgain{10};
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

bool Notifier::send(std::string_view text) const {
    if (fd_.get() < 0) return false;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, socket_.data(), socket_.size());
    // An abstract name begins with a zero, and ends where the address does.
    if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
    const ssize_t sent = ::sendto(fd_.get(),
                                  text.data(),
                                  text.size(),
                                  MSG_NOSIGNAL,
                                  reinterpret_cast<const sockaddr*>(&address),
                                  size);
    return sent >= 0;
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
