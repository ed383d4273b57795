// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/async/fd.hpp"

#include <fcntl.h>

#include <cerrno>
#include <cstring>

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
    int ends[2];
#ifdef __linux__
    const int made = ::pipe2(ends, O_CLOEXEC);
#else
    const int made = ::pipe(ends);
    if (made == 0) {
        ::fcntl(ends[0], F_SETFD, FD_CLOEXEC);
        ::fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    }
#endif
    if (made != 0) {
        return Error{.code = Code::io_error,
                     .message = "cannot make a pipe: the limit on open files is reached",
                     .remedy = "raise LimitNOFILE of the zrepd service",
                     .sys_errno = errno};
    }
    Pipe pipe{Fd(ends[0]), Fd(ends[1])};
#ifdef F_SETPIPE_SZ
    // Refused when the user's pipe budget is spent; the default size still works.
    const int enlarged = ::fcntl(pipe.read.get(), F_SETPIPE_SZ, bytes);
    if (enlarged < 0) ::fcntl(pipe.read.get(), F_SETPIPE_SZ, kPipeBytes);
#else
    (void)bytes;
#endif
    return pipe;
}

void set_nonblocking(int fd) {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags >= 0) ::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

}  // namespace zrepd
