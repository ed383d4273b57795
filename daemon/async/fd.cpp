// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/async/fd.hpp"

#include <fcntl.h>

#include <cerrno>

#include "common/platform.hpp"

namespace zrepd {
Result<Fd> Fd::duplicate() const {
    Fd copy(::fcntl(fd_, F_DUPFD_CLOEXEC, 3));
    if (!copy) {
        return Error{
            .code = Code::io_error, .message = "no file descriptor left", .sys_errno = errno};
    }
    return copy;
}

Result<Pipe> make_pipe(int bytes) {
    std::array<int, 2> ends{};
    if (!platform::make_pipe(ends)) {
        return Error{.code = Code::io_error,
                     .message = "cannot make a pipe: the limit on open files is reached",
                     .remedy = "raise LimitNOFILE of the zrepd service",
                     .sys_errno = errno};
    }
    Pipe pipe{Fd(ends[0]), Fd(ends[1])};
    platform::enlarge_pipe(pipe.read.get(), bytes, kPipeBytes);
    return pipe;
}

void set_nonblocking(int fd) {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags >= 0) ::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

}  // namespace zrepd
