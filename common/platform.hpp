// SPDX-License-Identifier: BSD-2-Clause
// What differs between the systems that zrepd runs on: all of it, in this one layer. Each function
// has a way that needs POSIX alone, which -DZREPD_PORTABLE chooses on every system, so that it is
// tried where the tests run. What these return is the same everywhere; this header does not change
// with the system but for the macro and the constant below. Threads: any. Errors: as of the system
// calls, with errno. No state but which table of mounts is read.
#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace zrepd::platform {

#ifdef __sun
inline constexpr bool kHasSmf = true;  ///< services are SMF's, not systemd's
#else
inline constexpr bool kHasSmf = false;
#endif

/// "linux", "illumos" or "portable": which way these functions were built.
std::string_view kind();

/// Close-on-exec, blocking. False, with errno, when there are none.
bool make_pipe(std::array<int, 2>& ends);
/// Makes room for `bytes` in a pipe, or for `otherwise` where that is refused; nothing where the
/// system does not let us choose. F_SETPIPE_SZ.
void enlarge_pipe(int fd, int bytes, int otherwise);
/// What a pipe holds; 0 where that cannot be asked, and of anything else.
std::size_t pipe_room(int fd);

/// A Unix socket of this type, close-on-exec; -1 with errno.
int unix_socket(int type, bool nonblocking);
/// accept(2), close-on-exec and non-blocking; -1 with errno.
int accept_nonblocking(int listener);

/// Who is at the other end of a Unix socket, as of its connect(2).
struct Owner {
    unsigned uid = 0;
    pid_t pid = 0;  ///< 0 where the system does not tell
};
/// Nothing where the system does not tell: POSIX has no call for it.
std::optional<Owner> owner_of(int socket);

/// Whether splice_some() can do anything.
bool can_splice();
/// splice(2) without blocking; -1 with EINVAL where there is none.
ssize_t splice_some(int in, int out, std::size_t limit);

/// The next bytes of a pipe or of a stream socket, which is non-blocking.
struct Peek {
    ssize_t bytes = 0;   ///< -1 with errno: none now, or an error
    bool ended = false;  ///< nothing will come after these
    bool taken = false;  ///< they are no longer there: the system cannot look without taking
};
/// At most `limit` of them, without waiting. tee(2) and MSG_PEEK.
Peek peek(int fd, char* into, std::size_t limit);

/// A timer as a descriptor that becomes readable, non-blocking and close-on-exec (timerfd); -1
/// where there is none.
int make_timer();
/// Once, from now on; at least a nanosecond. False where that cannot be.
bool set_timer(int timer, std::chrono::nanoseconds after);

/// Since the host's boot, suspended time included where the system counts that. Differences count.
std::chrono::nanoseconds since_boot();
/// Another one after each boot; empty where there is none.
std::string boot_id();

/// A process to be, all of it ready: on Linux the child runs in our memory and may not allocate.
struct ProcessSpec {
    const char* program = nullptr;  ///< absolute path
    char* const* argv = nullptr;
    char* const* envp = nullptr;
    /// Its standard descriptors; all above 2, so that no dup2 overwrites the next one's source.
    std::array<int, 3> fds{-1, -1, -1};
    int mounts = -1;  ///< a mount namespace for it (setns(2), Linux); -1: ours
};
struct Process {
    pid_t pid = -1;
    int pidfd = -1;  ///< Linux; the caller closes it
};
/// Starts it in a process group of its own, all signals at their defaults, with its three
/// descriptors and no others, and (Linux) SIGKILL when the calling thread ends. 0, or the error's
/// number: an exec that fails is one too, and leaves no process. clone(2), prctl(2),
/// close_range(2); posix_spawn(3) elsewhere.
int start_process(const ProcessSpec& spec, Process& started);

/// The name of a process's program, cut to 15 bytes; empty where that cannot be seen.
std::string program_of(pid_t pid);
/// As /proc/self/mountinfo has it; empty where there is none.
std::string mount_table();
/// The mount namespace of process 1, and its table, open; -1 with errno where there is none. The
/// first takes CAP_SYS_PTRACE (ptrace(2)).
int open_mount_namespace();
int open_mount_table();
/// From here on mount_table() is what this open table says, perhaps of another namespace than ours.
/// Once, at the start; it stays open.
void read_mount_table_from(int table);
/// Whether `mount -t zfs` mounts a filesystem at any place, whatever its mountpoint says.
bool mounts_zfs_anywhere();

}  // namespace zrepd::platform
