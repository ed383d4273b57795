// SPDX-License-Identifier: BSD-2-Clause
// ZfsCli: which files differ. zfs is ended as soon as enough of them are known.
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "daemon/async/signal.hpp"
#include "daemon/zfs/command.hpp"
#include "daemon/zfs/zfs_cli.hpp"

namespace zrepd {
namespace {

/// Two paths of 4 KiB, each byte escaped; zfs prints no longer lines.
constexpr std::size_t kMaxLine = std::size_t{64} * 1024;
/// All paths together: what becomes of them is one line of an answer.
constexpr std::size_t kMaxPaths = std::size_t{1} << 20;

/// Takes bytes until the limit of the spec. Lines that are not understood are left out.
class Changes {
  public:
    explicit Changes(const DiffSpec& spec) : spec_(spec) {}
    void feed(std::string_view bytes) {
        pending_ += bytes;
        std::size_t begin = 0;
        for (auto end = pending_.find('\n'); end != pending_.npos && !found.more;
             end = pending_.find('\n', begin)) {
            take(std::string_view(pending_).substr(begin, end - begin));
            begin = end + 1;
        }
        pending_.erase(0, begin);
        if (pending_.size() > kMaxLine) pending_.clear();
    }
    FileChanges found;

  private:
    void take(std::string_view line) {
        auto change = parse::file_change(line, spec_.root);
        if (!change) return;
        paths_ += change->path.size() + change->new_path.size();
        if (found.changes.size() >= spec_.limit || paths_ > kMaxPaths)
            found.more = true;
        else
            found.changes.push_back(std::move(*change));
    }

    const DiffSpec& spec_;
    std::string pending_;
    std::size_t paths_ = 0;
};

}  // namespace

Task<Result<FileChanges>> ZfsCli::diff(DiffSpec spec) {
    Result<void> checked = check_pool(spec.from.dataset().pool());
    if (!checked.has_value()) co_return checked.error();
    Result<Pipe> pipe = make_pipe();
    if (!pipe.has_value()) co_return pipe.error();
    SpawnSpec spawn{.argv = command::diff(spec), .out = std::move(pipe->write)};
    Result<Child> started = processes_.start(std::move(spawn));
    if (!started.has_value()) co_return started.error();
    Child& child = *started;
    const auto executor = co_await asio::this_coro::executor;
    asio::posix::stream_descriptor out(executor, pipe->read.release());
    const Deadline deadline(executor, spec.time, [&out] { out.cancel(); });
    Changes changes(spec);
    std::array<char, std::size_t{16} * 1024> buffer;
    bool stop = false;
    bool ended = false;
    while (!stop && !ended && !deadline.expired() && !changes.found.more) {
        const auto [ec, size] = co_await out.async_read_some(asio::buffer(buffer), nothrow);
        changes.feed(std::string_view(buffer.data(), size));
        stop = co_await cancelled();
        ended = ec && !deadline.expired();
    }
    changes.found.timed_out = !ended && deadline.expired();
    // Its temporary state goes with it, also when it is ended.
    if (!ended) child.terminate();
    const ExitStatus status = co_await child.wait();
    if (stop) co_return Error{.code = Code::cancelled, .message = "zrepd is stopping"};
    if (!ended || status.ok()) co_return std::move(changes.found);
    co_return parse::failure(child.stderr_tail(), status.text(), spec.from.dataset().str())
        .in("zfs diff");
}

}  // namespace zrepd
