// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/lock/lockfile.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "common/text.hpp"
#include "daemon/log.hpp"

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
std::optional<std::uint64_t> pid_in(int fd) {
    char text[32];
    const ssize_t got = ::pread(fd, text, sizeof text, 0);
    if (got <= 0) return std::nullopt;
    return parse_u64(trim(std::string_view(text, static_cast<std::size_t>(got))));
}

std::string holder_of(int fd) {
    const auto pid = pid_in(fd);
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
    if (const auto left = pid_in(fd.get()))
        log::event(log::Level::info,
                   "lock_taken_over",
                   {{"file", file.string()}, {"pid", std::to_string(*left)}});
    // For people; nobody trusts it.
    const std::string text = std::to_string(::getpid()) + "\n";
    if (::ftruncate(fd.get(), 0) != 0) return failed("write", file, errno);
    const ssize_t written = ::pwrite(fd.get(), text.data(), text.size(), 0);
    if (written != static_cast<ssize_t>(text.size())) {
        return failed("write", file, written < 0 ? errno : ENOSPC);
    }
    return fd;
}

void give_back(const Fd& lock) {
    // What is left in it misleads nobody but a reader of the next zrepd's log.
    if (::ftruncate(lock.get(), 0) != 0) return;
}

}  // namespace zrepd::lock
