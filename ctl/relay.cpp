// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/relay.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <vector>

namespace zrepd {
namespace {

// Few enough system calls per second at 1 GB/s, and still inside the processor's cache.
constexpr std::size_t kBufferBytes = std::size_t{256} << 10;

bool again(int error) {
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

/// One direction. What was read is written before more is read.
struct Way {
    int from;
    int to;
    std::vector<char> buffer;
    std::size_t begin = 0;
    std::size_t end = 0;
    bool ended = false;   ///< nothing more will be read
    bool broken = false;  ///< nobody takes what we write

    bool full() const { return begin < end; }
    bool done() const { return broken || (ended && !full()); }

    void read_some() {
        const ssize_t n = ::read(from, buffer.data(), buffer.size());
        if (n < 0 && again(errno)) return;
        ended = n <= 0;
        begin = 0;
        end = n > 0 ? static_cast<std::size_t>(n) : 0;
    }
    void write_some() {
        const ssize_t n = ::write(to, buffer.data() + begin, end - begin);
        if (n >= 0) {
            begin += static_cast<std::size_t>(n);
        } else if (!again(errno)) {
            broken = true;
        }
    }
    void step() {
        if (!full() && !ended) read_some();
        if (full() && !broken) write_some();
    }
    pollfd wanted() const {
        if (done()) return {.fd = -1, .events = 0, .revents = 0};
        if (full()) return {.fd = to, .events = POLLOUT, .revents = 0};
        return {.fd = from, .events = POLLIN, .revents = 0};
    }
};

void set_nonblocking(int fd) {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags >= 0) ::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

}  // namespace

void relay(int in, int out, int socket, std::string first, std::chrono::milliseconds patience) {
    for (const int fd : {in, out, socket}) set_nonblocking(fd);
    Way up{.from = in, .to = socket, .buffer = std::vector<char>(kBufferBytes)};
    Way down{.from = socket, .to = out, .buffer = std::vector<char>(kBufferBytes)};
    if (first.size() > down.buffer.size()) down.buffer.resize(first.size());
    down.end = first.copy(down.buffer.data(), first.size());
    bool write_side_open = true;
    bool daemon_gone = false;
    while (!down.done()) {
        // The last two ask for nothing: poll reports by itself when nobody reads `out` any more,
        // and when the daemon has closed, which it would report each time.
        std::array<pollfd, 4> fds{
            up.wanted(),
            down.wanted(),
            pollfd{.fd = out, .events = 0, .revents = 0},
            pollfd{.fd = daemon_gone ? -1 : socket, .events = 0, .revents = 0}};
        const int timeout = daemon_gone ? static_cast<int>(patience.count()) : -1;
        const int ready = ::poll(fds.data(), fds.size(), timeout);
        if (ready == 0 || (ready < 0 && errno != EINTR)) return;
        if ((fds[2].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) return;
        daemon_gone = daemon_gone || (fds[3].revents & (POLLERR | POLLHUP)) != 0;
        if (fds[0].revents != 0) up.step();
        if (fds[1].revents != 0) down.step();
        if (up.done() && write_side_open) {
            ::shutdown(socket, SHUT_WR);
            write_side_open = false;
        }
    }
}

}  // namespace zrepd
