// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/lock/lockfile.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/text.hpp"

namespace zrepd::lock {

Result<Fd> take_daemon_lock(const std::filesystem::path& file) {
    Fd fd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (!fd) {
        return Error{.code = Code::io_error,
                     .message = "cannot open " + file.string() + ": " + std::strerror(errno),  // NOLINT
                     .remedy = "run zrepd as root, or set runtime-dir",
                     .sys_errno = errno};
    }
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        char pid[32] = "";
        const ssize_t got = ::pread(fd.get(), pid, sizeof pid - 1, 0);
        const std::string_view holder = trim(std::string_view(pid, got > 0 ? static_cast<std::size_t>(got) : 0));
        return Error{.code = Code::busy,
                     .message = "another zrepd is running (pid " + std::string(holder) + ", lock " +
                                file.string() + ")",
                     .remedy = "use that one, or stop it first: systemctl stop zrepd"};
    }
    // For people; nobody trusts it.
    const std::string text = std::to_string(::getpid()) + "\n";
    if (::ftruncate(fd.get(), 0) != 0 ||
        ::pwrite(fd.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
        return Error{.code = Code::io_error, .message = "cannot write " + file.string(),
                     .sys_errno = errno};
    }
    return fd;
}

}  // namespace zrepd::lock
