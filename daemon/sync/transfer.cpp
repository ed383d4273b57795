// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sync/transfer.hpp"

#include "daemon/stream/pump.hpp"

namespace zrepd::sync {
namespace {

// Covers a rollback and an abort of a partial receive on the other side.
constexpr std::chrono::seconds kOpenLimit{180};
// After the last byte the target may still wait for its pool; much longer than that is a hang.
constexpr std::chrono::seconds kFinishLimit{600};
// After a failure the peer's reason is on its way already, or never comes.
constexpr std::chrono::seconds kReasonLimit{10};

/// Which of several errors tells the cause: a broken pipe is only ever a consequence.
Error cause(const Result<std::uint64_t>& moved, const Result<void>& sent,
            const Result<std::uint64_t>& seen) {
    const bool ended_here = !moved && (moved.error().code == Code::cancelled ||
                                       moved.error().code == Code::stalled);
    if (ended_here) return moved.error();
    if (moved && !sent) return sent.error().in("zfs send");
    if (!seen && seen.error().code != Code::timed_out) return seen.error();
    if (!moved) return moved.error();
    return seen ? Error{.code = Code::internal, .message = "no cause"} : seen.error();
}

}  // namespace

Task<Result<std::uint64_t>> transfer(SourceParts source, RunPtr run, Transfer what) {
    Parts& parts = source.parts;
    parts.runs.phase(*run, what.dataset, "sending");
    auto opened = co_await source.peers.open_stream(what.peer, what.request, kOpenLimit);
    if (!opened) co_return opened.error();
    auto pipe = make_pipe();
    if (!pipe) co_return pipe.error();
    auto process = parts.zfs.send(what.send, std::move(pipe->write));
    if (!process) co_return process.error().in("zfs send");

    stream::PumpOptions options{
        .limit_bytes_per_second = what.limit_bytes_per_second,
        .stall_timeout = parts.config.stall_timeout,
        .on_progress = [&parts, run, dataset = what.dataset](std::uint64_t bytes) {
            parts.runs.progress(*run, dataset, bytes);
        }};
    Fd out = (*opened)->take_out();
    auto moved = co_await stream::pump(std::move(pipe->read), std::move(out), std::move(options));
    if (!moved) (*process)->kill();
    auto sent = co_await (*process)->wait();
    const bool good = moved && sent;
    auto seen = co_await (*opened)->finish(good ? kFinishLimit : kReasonLimit);
    if (good && seen) co_return *moved;
    co_return cause(moved, sent, seen);
}

}  // namespace zrepd::sync
