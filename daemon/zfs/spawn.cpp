// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/zfs/spawn.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "common/platform.hpp"

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
    const platform::ProcessSpec job{.program = spec.program.c_str(),
                                    .argv = argv.data(),
                                    .envp = environment.data(),
                                    .fds = {kept[0].get(), kept[1].get(), kept[2].get()},
                                    .mounts = spec.mounts};
    platform::Process started;
    const int number = platform::start_process(job, started);
    if (number != 0) return start_error(spec.program, number);
    return Launched{.pid = started.pid, .pidfd = Fd(started.pidfd)};
}

}  // namespace zrepd
