// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/key_file.hpp"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <utility>

#include "common/text.hpp"

namespace zrepd::ctl {
namespace {

constexpr const char* kFolder = ".ssh";
constexpr const char* kFile = "authorized_keys";
// Public keys are no secret, and sshd reads them as the user.
constexpr mode_t kFileMode = 0644;
constexpr mode_t kFolderMode = 0755;
constexpr int kMaxGroups = 256;
// Another zrepctl holds it for milliseconds.
constexpr int kLockTries = 50;
constexpr int kLockPauseMilliseconds = 100;

Error system_error(const std::string& what, const std::string& path) {
    const int error = errno;
    const std::string why = std::strerror(error);  // NOLINT(concurrency-mt-unsafe)
    Error out{.code = Code::io_error,
              .message = "cannot " + what + " " + quote(path) + ": " + why,
              .sys_errno = error};
    if (error == ELOOP || error == ENOTDIR) out.remedy = "a link there is not followed";
    if (error == EACCES || error == EPERM) out.remedy = "run it as root";
    return out;
}

Error refused(std::string message, std::string remedy) {
    return Error{.code = Code::refused, .message = std::move(message), .remedy = std::move(remedy)};
}

/// sshd would not use it either.
Result<void> check_owner(const struct stat& status, uid_t user, const std::string& path) {
    if (status.st_uid != 0 && status.st_uid != user)
        return refused(quote(path) + " belongs to neither root nor the user",
                       "chown root " + quote(path));
    if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return refused("others may write " + quote(path), "chmod go-w " + quote(path));
    return ok();
}

Result<int> open_folder(int above, const char* name, const Account& account, std::string path) {
    const int fd = ::openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return system_error("open", path);
    struct stat status {};
    auto good = ::fstat(fd, &status) == 0 ? check_owner(status, account.uid, path)
                                          : Result<void>(system_error("look at", path));
    if (good) return fd;
    ::close(fd);
    return good.error();
}

/// Everything up to its end; nothing when that is more than `limit`.
Result<std::optional<std::string>> read_all(int fd, std::size_t limit, const std::string& path) {
    std::string out;
    std::array<char, 4096> chunk;
    while (true) {
        const ssize_t n = ::read(fd, chunk.data(), chunk.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return system_error("read", path);
        if (n == 0) return std::optional(std::move(out));
        out.append(chunk.data(), static_cast<std::size_t>(n));
        if (out.size() > limit) return std::optional<std::string>();
    }
}

bool write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t n = ::write(fd, text.data(), text.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        text.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

/// With this mode whatever root's umask is: sshd reads what is in it as the user. A chmod
/// afterwards might meet a link.
bool make_folder(int above, const char* name) {
    const mode_t before = ::umask(S_IWGRP | S_IWOTH);
    const int made = ::mkdirat(above, name, kFolderMode);
    const int error = errno;
    ::umask(before);
    errno = error;
    return made == 0 || error == EEXIST;
}

void pause() {
    ::poll(nullptr, 0, kLockPauseMilliseconds);
}

}  // namespace

Result<Account> find_account(const std::string& name) {
    std::array<char, 16384> buffer;
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 ||
        found == nullptr) {
        return Error{.code = Code::not_found,
                     .message = "this host has no user " + quote(name),
                     .remedy = name == "zrep" ? "systemd-sysusers zrepd.conf; without systemd: "
                                                "useradd --system --home-dir /var/lib/zrep --shell "
                                                "/bin/sh zrep; then start zrepd anew"
                                              : "give another --user"};
    }
    Account out{.name = name,
                .uid = entry.pw_uid,
                .home = entry.pw_dir,
                .shell = entry.pw_shell,
                .groups = std::vector<gid_t>(kMaxGroups)};
    int count = kMaxGroups;
    if (::getgrouplist(name.c_str(), entry.pw_gid, out.groups.data(), &count) < 0)
        count = kMaxGroups;
    out.groups.resize(static_cast<std::size_t>(count));
    return out;
}

Result<void> check_login(const Account& account) {
    const std::string& shell = account.shell;
    if (shell.ends_with("/nologin") || shell.ends_with("/false"))
        return refused(
            "the shell of " + account.name + " is " + shell + ": sshd runs no command with that",
            "usermod --shell /bin/sh " + account.name);
    if (!account.home.starts_with('/') || account.home == "/" ||
        account.home.starts_with("/nonexistent"))
        return refused(account.name + " has no home of its own",
                       "usermod --home /var/lib/zrep " + account.name);
    return ok();
}

bool may_connect(const Account& account, const struct stat& socket) {
    if (account.uid == 0) return true;
    if (account.uid == socket.st_uid) return (socket.st_mode & S_IWUSR) != 0;
    const bool member = std::find(account.groups.begin(), account.groups.end(), socket.st_gid) !=
                        account.groups.end();
    return (socket.st_mode & (member ? S_IWGRP : S_IWOTH)) != 0;
}

Result<std::string> read_public_key_file(const std::string& path) {
    // A FIFO or a device without an end must not hold us up.
    const int fd =
        path == "-" ? ::dup(STDIN_FILENO) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return system_error("open", path);
    struct stat status {};
    const bool file = path == "-" || (::fstat(fd, &status) == 0 && S_ISREG(status.st_mode));
    auto text = file ? read_all(fd, kMaxPublicKeyFile, path)
                     : Result<std::optional<std::string>>(Error{
                           .code = Code::invalid_params, .message = quote(path) + " is no file"});
    ::close(fd);
    if (!text) return text.error();
    if (*text) return std::move(**text);
    return Error{.code = Code::invalid_params,
                 .message = quote(path) + " is too long for a public key",
                 .remedy = "give the .pub file of the other host's key"};
}

Result<KeyFile> KeyFile::open(const Account& account) {
    KeyFile out(account, account.home + "/" + kFolder + "/" + kFile);
    auto entered = out.enter(/*make=*/false);
    if (!entered) return entered.error();
    if (out.folder_ < 0) return out;
    auto read = out.read();
    if (!read) return read.error();
    return out;
}

KeyFile::KeyFile(KeyFile&& other) noexcept
    : account_(std::move(other.account_)),
      path_(std::move(other.path_)),
      home_(std::exchange(other.home_, -1)),
      folder_(std::exchange(other.folder_, -1)),
      text_(std::move(other.text_)),
      there_(other.there_),
      old_(other.old_) {}

KeyFile::~KeyFile() {
    if (folder_ >= 0) ::close(folder_);  // which gives the lock back
    if (home_ >= 0) ::close(home_);
}

/// Opens home and folder, and with `make` makes what is missing. Without it, either may stay -1.
Result<void> KeyFile::enter(bool make) {
    const std::string folder = account_.home + "/" + kFolder;
    if (home_ < 0) {
        if (make && !make_folder(AT_FDCWD, account_.home.c_str()))
            return system_error("make", account_.home);
        auto home = open_folder(AT_FDCWD, account_.home.c_str(), account_, account_.home);
        if (!home && !make && home.error().sys_errno == ENOENT) return ok();
        if (!home) return home.error();
        home_ = *home;
    }
    if (make && !make_folder(home_, kFolder)) return system_error("make", folder);
    auto opened = open_folder(home_, kFolder, account_, folder);
    if (!opened && !make && opened.error().sys_errno == ENOENT) return ok();
    if (!opened) return opened.error();
    folder_ = *opened;
    return lock();
}

Result<void> KeyFile::lock() const {
    for (int i = 0; ::flock(folder_, LOCK_EX | LOCK_NB) != 0; ++i) {
        if (errno != EWOULDBLOCK && errno != EINTR) return system_error("lock", path_);
        if (i == kLockTries)
            return Error{
                .code = Code::busy,
                .message = "another zrepctl changes " + quote(path_),
                .remedy = "try again; fuser " + quote(account_.home + "/" + kFolder) + " says who"};
        pause();
    }
    return ok();
}

Result<void> KeyFile::read() {
    const int fd = ::openat(folder_, kFile, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return ok();
    if (fd < 0) return system_error("open", path_);
    Result<std::optional<std::string>> text = std::optional<std::string>();
    Result<void> good = ::fstat(fd, &old_) == 0 ? check_owner(old_, account_.uid, path_)
                                                : Result<void>(system_error("look at", path_));
    // With a second name it may be any file of root's.
    if (good && (!S_ISREG(old_.st_mode) || old_.st_nlink != 1))
        good = refused(quote(path_) + " is no file of its own", "ls -l " + quote(path_));
    if (good) text = read_all(fd, kMaxAuthorizedKeys, path_);
    ::close(fd);
    if (!good) return good;
    if (!text) return text.error();
    if (!*text) return refused(quote(path_) + " is larger than 1 MiB", "take old keys out of it");
    text_ = std::move(**text);
    there_ = true;
    return ok();
}

Result<void> KeyFile::write_beside(std::string_view text, const char* name) const {
    const int fd =
        ::openat(folder_, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR);
    if (fd < 0) return system_error("write", path_);
    // Where there was none it is whoever's runs this, which is root.
    const mode_t mode = there_ ? old_.st_mode & 07777 : kFileMode;
    const bool owned = !there_ || ::fchown(fd, old_.st_uid, old_.st_gid) == 0;
    const bool written =
        owned && write_all(fd, text) && ::fchmod(fd, mode) == 0 && ::fsync(fd) == 0;
    const Error error = system_error("write", path_);
    ::close(fd);
    if (written) return ok();
    return error;
}

Result<void> KeyFile::replace(std::string_view text) {
    if (folder_ < 0) {
        auto entered = enter(/*make=*/true);
        if (!entered) return entered;
        // Nobody but somebody else who does the same can have made one since.
        struct stat status {};
        if (::fstatat(folder_, kFile, &status, AT_SYMLINK_NOFOLLOW) == 0)
            return Error{.code = Code::busy,
                         .message = quote(path_) + " came into being meanwhile",
                         .remedy = "run it again"};
    }
    char name[64];
    std::snprintf(name, sizeof name, ".authorized_keys.zrepctl.%ld", static_cast<long>(::getpid()));
    ::unlinkat(folder_, name, 0);  // of a killed one that had the same number
    auto written = write_beside(text, name);
    if (written && ::renameat(folder_, name, folder_, kFile) != 0)
        written = system_error("write", path_);
    if (!written) {
        ::unlinkat(folder_, name, 0);
        return written;
    }
    // Without it a power cut may bring the old one back.
    if (::fsync(folder_) != 0) return system_error("store", path_);
    return ok();
}

}  // namespace zrepd::ctl
