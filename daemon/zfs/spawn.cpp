// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/zfs/spawn.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "common/platform.hpp"

#ifdef ZREPD_LINUX
#include <linux/close_range.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#else
#include <spawn.h>
#endif

namespace zrepd {
namespace {

Error start_error(const std::string& program, int number) {
    return Error{
        .code = Code::io_error,
        .message = "cannot start " + program + ": " + std::generic_category().message(number),
        .remedy = "check that the program is installed and may be executed",
        .sys_errno = number};
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
    std::vector<char*> result;
    result.reserve(texts.size() + 1);
    for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
    result.push_back(nullptr);
    return result;
}

/// What the child needs, ready before it exists: it may not allocate.
struct Prepared {
    const char* program;
    char* const* argv;
    char* const* envp;
    std::array<int, 3> fds;  ///< all above 2, so that no dup2 overwrites the next one's source
    int mounts;
    pid_t parent;
    volatile int error = 0;
};

#ifdef ZREPD_LINUX

// A few system calls deep; the page or two below are for their frames.
constexpr std::size_t kChildStackBytes = std::size_t{64} * 1024;
constexpr int kLastSignal = 64;

// The kernel's structure, larger than on any architecture; all zero is SIG_DFL, no flags.
struct KernelSigaction {
    std::array<unsigned long, 8> words{};
};

/// Runs in the child, in our memory, while we are suspended: nothing but system calls. They are
/// made directly because a sanitizer's wrappers would change our own process's state.
__attribute__((no_sanitize("address", "thread", "undefined"))) int child_main(void* argument) {
    auto* job = static_cast<Prepared*>(argument);
    const KernelSigaction by_default;
    const unsigned long no_signals = 0;
    for (int number = 1; number <= kLastSignal; ++number) {
        ::syscall(SYS_rt_sigaction, number, &by_default, nullptr, sizeof no_signals);
    }
    ::syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    // We may have died before that call: then nobody would ever kill this process.
    if (::syscall(SYS_getppid) != job->parent) ::syscall(SYS_exit_group, 127);
    ::syscall(SYS_setpgid, 0, 0);
    if (job->mounts >= 0 && ::syscall(SYS_setns, job->mounts, CLONE_NEWNS) != 0) {
        job->error = errno;
        ::syscall(SYS_exit_group, 127);
    }
    for (int target = 0; target < 3; ++target) {
        if (::syscall(SYS_dup3, job->fds[static_cast<std::size_t>(target)], target, 0) < 0) {
            job->error = errno;
            ::syscall(SYS_exit_group, 127);
        }
    }
    // Older kernels lack it; then close-on-exec, set on everything of ours, does the work.
    ::syscall(SYS_close_range, 3U, ~0U, 0U);
    ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &no_signals, nullptr, sizeof no_signals);
    ::syscall(SYS_execve, job->program, job->argv, job->envp);
    job->error = errno;
    ::syscall(SYS_exit_group, 127);
    return 127;
}

Result<Launched> start(Prepared& job) {
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
    const int pid = ::clone(child_main, stack_end, CLONE_VM | CLONE_VFORK | SIGCHLD, &job);
    const int clone_error = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (pid < 0) return start_error(job.program, clone_error);
    if (job.error != 0) {
        ::waitpid(pid, nullptr, 0);  // it has exited already
        return start_error(job.program, job.error);
    }
    Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!pidfd) {
        const int number = errno;
        ::kill(-pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);  // nothing it could be stuck in yet
        return start_error(job.program, number);
    }
    return Launched{.pid = pid, .pidfd = std::move(pidfd)};
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

Result<Launched> start(Prepared& job) {
    if (job.mounts >= 0) return start_error(job.program, ENOSYS);
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
            &files, job.fds[static_cast<std::size_t>(target)], target);
    }
    ::posix_spawnattr_setsigdefault(&attributes, &all);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setpgroup(&attributes, 0);
    ::posix_spawnattr_setflags(
        &attributes,
        static_cast<short>(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK));
    pid_t pid = -1;
    const int number = ::posix_spawn(&pid, job.program, &files, &attributes, job.argv, job.envp);
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&files);
    if (number != 0) return start_error(job.program, number);
    return Launched{.pid = pid, .pidfd = Fd()};
}

#endif

/// A duplicate above 2, close-on-exec; /dev/null for -1.
Result<Fd> usable(int fd) {
    Fd source;
    if (fd < 0) {
        source.reset(::open("/dev/null", O_RDWR | O_CLOEXEC));
        if (!source) return start_error("/dev/null", errno);
        fd = source.get();
    }
    Fd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
    if (!copy) return start_error("a process (no file descriptor left)", errno);
    return copy;
}

}  // namespace

Result<Launched> launch(const LaunchSpec& spec) {
    std::array<Fd, 3> kept;
    const std::array<int, 3> wanted{spec.in, spec.out, spec.err};
    for (std::size_t i = 0; i < kept.size(); ++i) {
        Result<Fd> fd = usable(wanted[i]);
        if (!fd.has_value()) return fd.error();
        kept[i] = std::move(*fd);
    }
    const std::vector<char*> argv = pointers(spec.argv);
    const std::vector<char*> environment = pointers(spec.environment);
    Prepared job{.program = spec.program.c_str(),
                 .argv = argv.data(),
                 .envp = environment.data(),
                 .fds = {kept[0].get(), kept[1].get(), kept[2].get()},
                 .mounts = spec.mounts,
                 .parent = ::getpid()};
    return start(job);
}

}  // namespace zrepd
