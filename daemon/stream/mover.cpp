// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/stream/mover.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "common/platform.hpp"

namespace zrepd::stream {
namespace {

// Where splice(2) does not serve. Larger buffers fall out of the processor's cache.
constexpr std::size_t kCopyBytes = std::size_t{256} << 10;

bool is_pipe(int fd) {
    struct stat status {};
    return ::fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
}

/// How much this end holds while nobody looks.
std::size_t room_of(int fd, int socket_option) {
    if (const std::size_t room = platform::pipe_room(fd); room > 0) return room;
    int size = 0;
    socklen_t length = sizeof size;
    if (::getsockopt(fd, SOL_SOCKET, socket_option, &size, &length) == 0 && size > 0) {
        // The kernel counts its own overhead against the buffer: about half of it is data.
        return static_cast<std::size_t>(size) / 2;
    }
    return kCopyBytes;
}

bool readable(int fd) {
    pollfd one{.fd = fd, .events = POLLIN, .revents = 0};
    return ::poll(&one, 1, 0) > 0;
}

bool would_block(int error) {
    return error == EAGAIN || error == EWOULDBLOCK;
}

}  // namespace

Mover::Mover(int in, int out)
    : in_(in), out_(out), capacity_(std::min(room_of(in, SO_RCVBUF), room_of(out, SO_SNDBUF))) {
    splices_ = platform::can_splice() && (is_pipe(in) || is_pipe(out));
}

Step Mover::step(std::size_t limit) {
    limit = std::min(limit, kStepBytes);
    return splices_ ? splice_step(limit) : copy_step(limit);
}

/// splice(2) says EAGAIN for either side.
Step Mover::blocked() const {
    return {.kind = readable(in_) ? Step::Kind::wait_for_out : Step::Kind::wait_for_in};
}

Step Mover::splice_step(std::size_t limit) {
    while (true) {
        const ssize_t n = platform::splice_some(in_, out_, limit);
        if (n > 0) return {.kind = Step::Kind::moved, .bytes = static_cast<std::size_t>(n)};
        if (n == 0) return {.kind = Step::Kind::end};
        const int error = errno;
        if (error == EINTR) continue;
        if (would_block(error)) return blocked();
        if (error == EINVAL) break;  // some file types cannot splice; nothing was moved yet
        return {.error = error, .writing = error == EPIPE};
    }
    splices_ = false;
    return copy_step(limit);
}

Step Mover::copy_step(std::size_t limit) {
    buffer_.resize(kCopyBytes);
    while (begin_ == end_) {
        if (at_end_) return {.kind = Step::Kind::end};
        const ssize_t n = ::read(in_, buffer_.data(), std::min(limit, buffer_.size()));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && would_block(errno)) return {.kind = Step::Kind::wait_for_in};
        if (n < 0) return {.error = errno};
        at_end_ = n == 0;
        begin_ = 0;
        end_ = static_cast<std::size_t>(n);
    }
    while (true) {
        const ssize_t n = ::write(out_, buffer_.data() + begin_, end_ - begin_);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && would_block(errno)) return {.kind = Step::Kind::wait_for_out};
        if (n < 0) return {.error = errno, .writing = true};
        begin_ += static_cast<std::size_t>(n);
        return {.kind = Step::Kind::moved, .bytes = static_cast<std::size_t>(n)};
    }
}

}  // namespace zrepd::stream
