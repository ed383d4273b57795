// SPDX-License-Identifier: BSD-2-Clause
// Processes::run(): a command, its input and all of its output, within a time limit.
#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "common/text.hpp"
#include "daemon/async/signal.hpp"
#include "daemon/zfs/subprocess.hpp"

namespace zrepd {
namespace {

constexpr std::size_t kReadBytes = std::size_t{64} * 1024;

/// The read end of a child's stdout while run() collects it.
struct Collector {
    Collector(const asio::any_io_executor& executor, Fd read_end, std::size_t at_most)
        : fd(executor, read_end.release()), chunk(kReadBytes), most(at_most) {
        fd.non_blocking(true);
    }

    /// What is there now, without waiting. False once there is no more.
    bool take_rest() {
        boost::system::error_code ec;
        const std::size_t size = fd.read_some(asio::buffer(chunk), ec);
        if (ec || size == 0) return false;
        text.append(chunk.data(), size);
        return text.size() <= most;
    }

    asio::posix::stream_descriptor fd;
    std::vector<char> chunk;
    std::size_t most;
    std::string text;
};

/// Reads until end-of-file, the child's end, the size limit or a cancel.
Task<> collect(Collector& out, Child& child) {
    // The exit ends the read too: a grandchild, or a child in uninterruptible sleep, keeps it open.
    child.on_end([&out] { out.fd.cancel(); });
    bool eof = false;
    while (!eof && !child.ended() && out.text.size() <= out.most) {
        const auto [ec, size] = co_await out.fd.async_read_some(asio::buffer(out.chunk), nothrow);
        out.text.append(out.chunk.data(), size);
        const bool stop = co_await cancelled();
        if (stop) break;
        eof = ec && ec != asio::error::operation_aborted;
    }
    child.on_end([] {});
    if (!eof && child.ended()) {
        while (out.take_rest()) {
        }
    }
}

Error not_ended(const std::string& command, pid_t pid) {
    return Error{.code = Code::timed_out,
                 .message = quote(command) + " (process " + std::to_string(pid) +
                            ") did not end even when killed; nobody waits for it any more",
                 .remedy = "it waits for a disk or pool: look at zpool status and dmesg"};
}

Error not_finished(const std::string& command, Code code, std::chrono::seconds limit) {
    if (code == Code::cancelled) {
        return Error{.code = code, .message = quote(command) + " was stopped before its end"};
    }
    return Error{.code = code,
                 .message = quote(command) + " did not end within " +
                            std::to_string(limit.count()) + " s and was killed",
                 .remedy = "look at zpool status, and at dmesg for a disk or path that hangs",
                 .sys_errno = ETIMEDOUT};
}

}  // namespace

Result<Fd> pipe_with(const std::string& input, std::size_t most) {
    if (input.empty()) return Fd();
    if (input.size() > most) {
        return Error{.code = Code::internal, .message = "the input of a command is too long"};
    }
    Result<Pipe> pipe = make_pipe();
    if (!pipe.has_value()) return pipe.error();
    // Only our end: the child has a description of its own. What does not fit must not wait.
    ::fcntl(pipe->write.get(), F_SETFL, O_NONBLOCK);
    const ::ssize_t written = ::write(pipe->write.get(), input.data(), input.size());
    if (written >= 0 && static_cast<std::size_t>(written) < input.size()) {
        return Error{
            .code = Code::io_error,
            .message = "a pipe holds less than " + std::to_string(input.size()) + " bytes"};
    }
    if (written < 0) {
        return Error{.code = Code::io_error,
                     .message = "cannot write to a pipe: " + std::generic_category().message(errno),
                     .sys_errno = errno};
    }
    return std::move(pipe->read);
}

Task<Result<Output>> Processes::run(std::vector<std::string> argv,
                                    std::chrono::milliseconds timeout,
                                    std::string input,
                                    std::size_t most) {
    const std::string command = join(argv, " ");
    const bool too_late = co_await cancelled();
    if (too_late) {
        co_return Error{.code = Code::cancelled, .message = quote(command) + " was not started"};
    }
    Result<Fd> in = pipe_with(input);
    if (!in.has_value()) co_return in.error();
    Result<Pipe> pipe = make_pipe();
    if (!pipe.has_value()) co_return pipe.error();
    SpawnSpec spec{.argv = std::move(argv), .in = std::move(*in), .out = std::move(pipe->write)};
    Result<Child> started = start(std::move(spec));
    if (!started.has_value()) co_return started.error();
    Child& child = *started;

    Collector out(executor_, std::move(pipe->read), most);
    Deadline deadline(executor_, timeout, [&child] { child.terminate(); });
    co_await collect(out, child);
    const bool too_long = out.text.size() > most;
    if (too_long) child.kill();
    const ExitStatus status = co_await child.wait();

    const bool stopped = co_await cancelled();
    if (status.abandoned) co_return not_ended(command, child.pid());
    const auto limit = std::chrono::duration_cast<std::chrono::seconds>(timeout);
    if (stopped) co_return not_finished(command, Code::cancelled, limit);
    if (deadline.expired()) co_return not_finished(command, Code::timed_out, limit);
    if (too_long) {
        co_return Error{.code = Code::io_error,
                        .message = quote(command) + " wrote more than " +
                                   std::to_string(most >> 20U) + " MiB and was killed",
                        .sys_errno = EFBIG};
    }
    co_return Output{.status = status, .out = std::move(out.text), .err = child.stderr_tail()};
}

}  // namespace zrepd
