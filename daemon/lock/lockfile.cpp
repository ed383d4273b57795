// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/lock/lockfile.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "common/text.hpp"

namespace zrepd::lock {
namespace {

Error failed(const std::string& what, const std::filesystem::path& file, int error) {
    return Error{.code = Code::io_error,
                 .message = "cannot " + what + " " + file.string() + ": " +
                            std::generic_category().message(error),
                 .remedy = "run zrepd as root, or set runtime-dir",
                 .sys_errno = error};
}

/// What the holder wrote about itself; it may be just about to.
std::string holder_of(int fd) {
    char text[32];
    const ssize_t got = ::pread(fd, text, sizeof text, 0);
    if (got <= 0) return "pid not known";
    const auto pid = parse_u64(trim(std::string_view(text, static_cast<std::size_t>(got))));
    return pid ? "pid " + std::to_string(*pid) : "pid not known";
}

}  // namespace

Result<Fd> take_daemon_lock(const std::filesystem::path& file) {
    // O_NOFOLLOW: the file is written to, so a link must not lead elsewhere.
    Fd fd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!fd) return failed("open", file, errno);
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) return failed("lock", file, errno);
        return Error{.code = Code::busy,
                     .message = "another zrepd is running (" + holder_of(fd.get()) + ", lock " +
                                file.string() + ")",
                     .remedy = "use that one, or stop it first: systemctl stop zrepd"};
    }
    // For people; nobody trusts it.
    const std::string text = std::to_string(::getpid()) + "\n";
    if (::ftruncate(fd.get(), 0) != 0) return failed("write", file, errno);
    const ssize_t written = ::pwrite(fd.get(), text.data(), text.size(), 0);
    if (written != static_cast<ssize_t>(text.size())) {
        return failed("write", file, written < 0 ? errno : ENOSPC);
    }
    return fd;
}

}  // namespace zrepd::lock
