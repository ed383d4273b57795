// SPDX-License-Identifier: BSD-2-Clause
#include "common/platform.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <vector>

#if defined(__linux__) && !defined(ZREPD_PORTABLE)
#include <linux/close_range.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#define ZREPD_LINUX 1
#else
#include <spawn.h>
#if defined(__sun) && !defined(ZREPD_PORTABLE)
#include <ucred.h>
#define ZREPD_ILLUMOS 1
#elif (defined(__FreeBSD__) || defined(__NetBSD__)) && !defined(ZREPD_PORTABLE)
#define ZREPD_BSD 1
#endif
#endif

namespace zrepd::platform {
namespace {

#ifndef ZREPD_LINUX
/// In two calls: a child that starts between them inherits it. We start children on this thread
/// alone, so none does.
int marked(int fd, bool nonblocking) {
    if (fd < 0) return fd;
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    const int flags = nonblocking ? ::fcntl(fd, F_GETFL) : -1;
    if (flags >= 0) ::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    return fd;
}
#endif

std::chrono::nanoseconds read_clock(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

/// All of a small file below /proc.
std::string content_of(const std::string& path) {
#ifdef ZREPD_LINUX
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
#else
    (void)path;
    return "";
#endif
}

#ifdef ZREPD_LINUX
/// tee(2) copies from pipe to pipe only.
ssize_t peek_pipe(int fd, char* into, std::size_t limit) {
    std::array<int, 2> copy{-1, -1};
    if (!make_pipe(copy)) return -1;
    ssize_t bytes = ::tee(fd, copy[1], limit, SPLICE_F_NONBLOCK);
    const int error = errno;
    if (bytes > 0) bytes = ::read(copy[0], into, limit);
    for (const int end : copy) ::close(end);
    errno = error;
    return bytes;
}
#endif

int passed_mount_table = -1;

int open_linux_file(const char* path) {
#ifdef ZREPD_LINUX
    return ::open(path, O_RDONLY | O_CLOEXEC);
#else
    (void)path;
    errno = ENOSYS;
    return -1;
#endif
}

/// All of an open file, from its beginning.
std::string content_of(int fd) {
    std::string out;
    std::array<char, 8192> part;
    while (true) {
        const ssize_t size = ::pread(fd, part.data(), part.size(), static_cast<off_t>(out.size()));
        if (size <= 0) return out;
        out.append(part.data(), static_cast<std::size_t>(size));
    }
}

std::string first_line_of(const std::string& path) {
    const std::string text = content_of(path);
    return text.substr(0, text.find('\n'));
}

#ifdef ZREPD_LINUX
// A few system calls deep; the page or two below are for their frames.
constexpr std::size_t kChildStackBytes = std::size_t{64} * 1024;
constexpr int kLastSignal = 64;

// The kernel's structure, larger than on any architecture; all zero is SIG_DFL, no flags.
struct KernelSigaction {
    std::array<unsigned long, 8> words{};
};

/// What the child sees, and what it leaves.
struct Child {
    const ProcessSpec& spec;
    pid_t parent;
    volatile int error = 0;
};

/// Runs in the child, in our memory, while we are suspended: nothing but system calls. They are
/// made directly because a sanitizer's wrappers would change our own process's state.
__attribute__((no_sanitize("address", "thread", "undefined"))) int child_main(void* argument) {
    auto* job = static_cast<Child*>(argument);
    const KernelSigaction by_default;
    const unsigned long no_signals = 0;
    for (int number = 1; number <= kLastSignal; ++number) {
        ::syscall(SYS_rt_sigaction, number, &by_default, nullptr, sizeof no_signals);
    }
    ::syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    // We may have died before that call: then nobody would ever kill this process.
    if (::syscall(SYS_getppid) != job->parent) ::syscall(SYS_exit_group, 127);
    ::syscall(SYS_setpgid, 0, 0);
    if (job->spec.mounts >= 0 && ::syscall(SYS_setns, job->spec.mounts, CLONE_NEWNS) != 0) {
        job->error = errno;
        ::syscall(SYS_exit_group, 127);
    }
    for (int target = 0; target < 3; ++target) {
        if (::syscall(SYS_dup3, job->spec.fds[static_cast<std::size_t>(target)], target, 0) < 0) {
            job->error = errno;
            ::syscall(SYS_exit_group, 127);
        }
    }
    // Older kernels lack it; then close-on-exec, set on everything of ours, does the work.
    ::syscall(SYS_close_range, 3U, ~0U, 0U);
    ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &no_signals, nullptr, sizeof no_signals);
    ::syscall(SYS_execve, job->spec.program, job->spec.argv, job->spec.envp);
    job->error = errno;
    ::syscall(SYS_exit_group, 127);
    return 127;
}
#else
// As many as the service may have open (LimitNOFILE); more cost a start more than they are worth.
constexpr int kHighestDescriptor = 16384;

/// POSIX has no call that closes all but three. Ours close on exec; a library's may not, nor what
/// whoever started us left open.
void close_all_on_exec() {
    const long limit = ::sysconf(_SC_OPEN_MAX);
    const int end =
        limit > 0 && limit < kHighestDescriptor ? static_cast<int>(limit) : kHighestDescriptor;
    for (int fd = 3; fd < end; ++fd) {
        const int flags = ::fcntl(fd, F_GETFD);
        if (flags >= 0 && (flags & FD_CLOEXEC) == 0) ::fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
    }
}
#endif

}  // namespace

std::string_view kind() {
#if defined(ZREPD_LINUX)
    return "linux";
#elif defined(ZREPD_ILLUMOS)
    return "illumos";
#else
    return "portable";
#endif
}

bool make_pipe(std::array<int, 2>& ends) {
#ifdef ZREPD_LINUX
    return ::pipe2(ends.data(), O_CLOEXEC) == 0;
#else
    if (::pipe(ends.data()) != 0) return false;
    for (const int end : ends) marked(end, /*nonblocking=*/false);
    return true;
#endif
}

void enlarge_pipe(int fd, int bytes, int otherwise) {
#ifdef ZREPD_LINUX
    // Refused when the user's pipe budget is spent; the default size still works.
    if (::fcntl(fd, F_SETPIPE_SZ, bytes) < 0) ::fcntl(fd, F_SETPIPE_SZ, otherwise);
#else
    (void)fd, (void)bytes, (void)otherwise;
#endif
}

std::size_t pipe_room(int fd) {
#ifdef ZREPD_LINUX
    const int size = ::fcntl(fd, F_GETPIPE_SZ);
    return size > 0 ? static_cast<std::size_t>(size) : 0;
#else
    (void)fd;
    return 0;
#endif
}

int unix_socket(int type, bool nonblocking) {
#ifdef ZREPD_LINUX
    return ::socket(AF_UNIX, type | SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0), 0);
#else
    return marked(::socket(AF_UNIX, type, 0), nonblocking);
#endif
}

int accept_nonblocking(int listener) {
#ifdef ZREPD_LINUX
    return ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
#else
    return marked(::accept(listener, nullptr, nullptr), /*nonblocking=*/true);
#endif
}

std::optional<Owner> owner_of(int socket) {
#if defined(ZREPD_LINUX)
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return std::nullopt;
    return Owner{.uid = peer.uid, .pid = peer.pid};
#elif defined(ZREPD_ILLUMOS)
    ucred_t* peer = nullptr;
    if (::getpeerucred(socket, &peer) != 0) return std::nullopt;
    const Owner out{.uid = ::ucred_geteuid(peer), .pid = ::ucred_getpid(peer)};
    ::ucred_free(peer);
    return out;
#elif defined(ZREPD_BSD)
    uid_t uid = 0;
    gid_t gid = 0;
    if (::getpeereid(socket, &uid, &gid) != 0) return std::nullopt;
    return Owner{.uid = uid, .pid = 0};
#else
    (void)socket;
    return std::nullopt;
#endif
}

bool can_splice() {
#ifdef ZREPD_LINUX
    return true;
#else
    return false;
#endif
}

ssize_t splice_some(int in, int out, std::size_t limit) {
#ifdef ZREPD_LINUX
    return ::splice(in, nullptr, out, nullptr, limit, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
#else
    (void)in, (void)out, (void)limit;
    errno = EINVAL;
    return -1;
#endif
}

Peek peek(int fd, char* into, std::size_t limit) {
#ifdef ZREPD_LINUX
    // Asked before the look: what was written before the end is all there then.
    pollfd look{.fd = fd, .events = POLLRDHUP, .revents = 0};
    const bool hung_up = ::poll(&look, 1, 0) > 0 && (look.revents & (POLLHUP | POLLRDHUP)) != 0;
    ssize_t bytes = ::recv(fd, into, limit, MSG_PEEK | MSG_DONTWAIT);
    if (bytes < 0 && errno == ENOTSOCK) bytes = peek_pipe(fd, into, limit);
    const bool nothing = bytes < 0 && (errno == EAGAIN || errno == EINTR);
    return {.bytes = bytes, .ended = bytes == 0 || (hung_up && (bytes >= 0 || nothing))};
#else
    const ssize_t bytes = ::read(fd, into, limit);
    return {.bytes = bytes, .ended = bytes == 0, .taken = bytes > 0};
#endif
}

int make_timer() {
#ifdef ZREPD_LINUX
    return ::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
#else
    return -1;
#endif
}

bool set_timer(int timer, std::chrono::nanoseconds after) {
#ifdef ZREPD_LINUX
    // All zero would switch it off.
    const auto all = std::max(after, std::chrono::nanoseconds(1));
    const auto whole = std::chrono::duration_cast<std::chrono::seconds>(all);
    itimerspec spec{};
    spec.it_value.tv_sec = whole.count();
    spec.it_value.tv_nsec = (all - whole).count();
    return ::timerfd_settime(timer, 0, &spec, nullptr) == 0;
#else
    (void)timer, (void)after;
    return false;
#endif
}

std::chrono::nanoseconds since_boot() {
#ifdef ZREPD_LINUX
    return read_clock(CLOCK_BOOTTIME);
#else
    return read_clock(CLOCK_MONOTONIC);
#endif
}

std::string boot_id() {
    return first_line_of("/proc/sys/kernel/random/boot_id");
}

#ifdef ZREPD_LINUX
int start_process(const ProcessSpec& spec, Process& started) {
    Child child{.spec = spec, .parent = ::getpid()};
    std::vector<char> stack(kChildStackBytes);
    // Stacks grow down on every architecture we build for; 16 is the strictest alignment.
    const auto end =
        reinterpret_cast<std::uintptr_t>(stack.data() + stack.size()) & ~std::uintptr_t{15};
    // No handler of ours may run in the child, where it would see our memory.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    // NOLINTNEXTLINE(performance-no-int-to-ptr): it was aligned as a number
    auto* stack_end = reinterpret_cast<void*>(end);
    const int pid = ::clone(child_main, stack_end, CLONE_VM | CLONE_VFORK | SIGCHLD, &child);
    const int clone_error = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (pid < 0) return clone_error;
    if (child.error != 0) {
        ::waitpid(pid, nullptr, 0);  // it has exited already
        return child.error;
    }
    const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    if (pidfd < 0) {
        const int number = errno;
        ::kill(-pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);  // nothing it could be stuck in yet
        return number;
    }
    started = {.pid = pid, .pidfd = pidfd};
    return 0;
}
#else
int start_process(const ProcessSpec& spec, Process& started) {
    if (spec.mounts >= 0) return ENOSYS;
    close_all_on_exec();
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t all;
    sigset_t none;
    sigfillset(&all);
    sigemptyset(&none);
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawnattr_init(&attributes);
    for (int target = 0; target < 3; ++target) {
        ::posix_spawn_file_actions_adddup2(
            &files, spec.fds[static_cast<std::size_t>(target)], target);
    }
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setpgroup(&attributes, 0);
    ::posix_spawnattr_setflags(
        &attributes,
        static_cast<short>(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK));
    pid_t pid = -1;
    const int number = ::posix_spawn(&pid, spec.program, &files, &attributes, spec.argv, spec.envp);
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&files);
    if (number == 0) started = {.pid = pid};
    return number;
}
#endif

std::string program_of(pid_t pid) {
    return first_line_of("/proc/" + std::to_string(pid) + "/comm");
}

std::string mount_table() {
    if (passed_mount_table >= 0) return content_of(passed_mount_table);
    return content_of("/proc/self/mountinfo");
}

int open_mount_namespace() {
    return open_linux_file("/proc/1/ns/mnt");
}

int open_mount_table() {
    return open_linux_file("/proc/1/mountinfo");
}

void read_mount_table_from(int table) {
    passed_mount_table = table;
}

bool mounts_zfs_anywhere() {
#ifdef ZREPD_LINUX
    return true;
#else
    return false;
#endif
}

}  // namespace zrepd::platform
