// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sync/transfer.hpp"

#include <algorithm>
#include <memory>

#include "daemon/log.hpp"
#include "daemon/peer/absence.hpp"
#include "daemon/plan/plan.hpp"
#include "daemon/stream/pump.hpp"
#include "daemon/sync/refusals.hpp"

namespace zrepd::sync {
namespace {

// Covers a rollback and an abort of a partial receive on the other side.
constexpr std::chrono::seconds kOpenLimit{180};
// After the last byte the target may still wait for its pool; much longer than that is a hang.
constexpr std::chrono::seconds kFinishLimit{600};
// zfs send has written its last byte.
constexpr std::chrono::seconds kSendEnds{60};
// After a failure the peer's reason is on its way already, or never comes.
constexpr std::chrono::seconds kReasonLimit{10};

/// Which of several errors tells the cause: a broken pipe is only ever a consequence.
Error cause(const Result<std::uint64_t>& moved,
            const Result<void>& sent,
            const Result<std::uint64_t>& seen) {
    const bool ended_here =
        !moved && (moved.error().code == Code::cancelled || moved.error().code == Code::stalled);
    if (ended_here) return moved.error();
    if (moved && !sent) return sent.error().in("zfs send");
    if (!seen && seen.error().code != Code::timed_out) return seen.error();
    if (!moved) return moved.error();
    return seen ? Error{.code = Code::internal, .message = "no cause"} : seen.error();
}

/// A stall is where nobody says why: name the host and where to look.
Error with_next_step(Error error, const HostName& peer) {
    if (error.code != Code::stalled) return error;
    error.context.push_back("stream to " + peer.str());
    error.remedy =
        "check that " + peer.str() + " is up and reachable (ssh " + peer.str() +
        " true </dev/null), and zpool status on both hosts; the stream is continued, not begun anew";
    return error;
}

/// Whether the error is about the token: what it names is gone, or it is none. Any other says
/// something about this moment, and a partial stream may be the work of days.
bool is_dead(const Error& error) {
    return error.code == Code::not_found || error.code == Code::invalid_params;
}

}  // namespace

Task<Result<PeerToken>> judge_token(Parts& parts, DatasetName dataset, std::string token) {
    auto decoded = co_await parts.zfs.token_info(std::move(token));
    if (!decoded && !is_dead(decoded.error())) {
        Error error = decoded.error().in("decode the resume token");
        if (error.remedy.empty() || error.code == Code::zfs_failed) {
            error.remedy =
                "if it stays so: on the target's host run zfs receive -A on the target; its partly "
                "received stream is then begun anew";
        }
        co_return error;
    }
    PeerToken out;
    const Dataset* source = parts.inventory.find(dataset);
    out.ours = decoded && plan::is_ours(*decoded, dataset);
    if (decoded && source != nullptr && plan::may_resume(*decoded, *source)) {
        out.usable = *decoded;
        co_return out;
    }
    std::string why = "it is for another snapshot, or not raw";
    if (!decoded)
        why = decoded.error().text();
    else if (decoded->gone)
        why = decoded->snapshot->str() + " is gone";
    log::event(log::Level::warn, "dead_resume_token", {{"dataset", dataset.str()}, {"error", why}});
    co_return out;
}

Task<Result<std::optional<TokenInfo>>> usable_token(Parts& parts,
                                                    DatasetName dataset,
                                                    std::string token) {
    auto judged = co_await judge_token(parts, std::move(dataset), std::move(token));
    if (!judged) co_return judged.error();
    co_return std::move(judged->usable);
}

Runs::Told told_of(const SourceParts& source, const HostName& peer, const Error& error) {
    const bool told = peer::is_absence(error.code) && source.peers.away(peer);
    return told ? Runs::Told::yes : Runs::Told::no;
}

Task<Result<void>> end_within(StreamProcess& process, std::chrono::seconds limit) {
    const auto executor = co_await asio::this_coro::executor;
    Deadline deadline(executor, limit, [&process] { process.kill(); });
    auto ended = co_await process.wait();
    // One that not even the kill ended says so itself.
    const bool abandoned = !ended && ended.error().code == Code::timed_out;
    if (ended || abandoned || !deadline.expired()) co_return ended;
    co_return Error{.code = Code::timed_out,
                    .message = "zfs did not end within " + std::to_string(limit.count()) +
                               " s of its stream's end and was killed",
                    .remedy = "look at zpool status, and at dmesg for a disk that hangs"};
}

namespace {

/// While it lives the stream can be ended by others; what arrived of it counts.
class Listed {
  public:
    Listed(Streams& streams, const DatasetName& dataset, StreamProcess& process)
        : streams_(streams), dataset_(dataset) {
        streams_.add(dataset_, [&process] { process.kill(); });
    }
    ~Listed() { streams_.remove(dataset_); }
    Listed(const Listed&) = delete;
    Listed& operator=(const Listed&) = delete;

  private:
    Streams& streams_;
    DatasetName dataset_;
};

}  // namespace

Task<Result<std::uint64_t>> transfer(SourceParts source, RunPtr run, Transfer what) {
    Parts& parts = source.parts;
    parts.runs.phase(*run, what.dataset, "sending");
    auto opened = co_await source.peers.open_stream(what.peer, what.request, kOpenLimit);
    if (!opened) co_return failed_there(what.peer, opened.error());
    auto pipe = make_pipe(kStreamPipeBytes);
    if (!pipe) co_return pipe.error();
    auto process = parts.zfs.send(what.send, std::move(pipe->write));
    if (!process) co_return process.error().in("zfs send");

    const auto counted = std::make_shared<std::uint64_t>(0);
    stream::PumpOptions options{
        .limit_bytes_per_second = what.limit_bytes_per_second,
        .stall_timeout = parts.config.stall_timeout,
        .on_progress =
            [&parts, &peers = source.peers, run, counted, peer = what.peer, dataset = what.dataset](
                std::uint64_t bytes) {
                if (bytes != *counted) peers.note_moving(peer);
                *counted = bytes;
                parts.runs.progress(*run, dataset, bytes);
            }};
    const Listed listed(parts.sends, what.dataset, **process);
    Fd out = (*opened)->take_out();
    auto moved = co_await stream::pump(std::move(pipe->read), std::move(out), std::move(options));
    if (!moved) (*process)->kill();
    auto sent = co_await end_within(**process, kSendEnds);
    const bool good = moved && sent;
    auto seen = co_await (*opened)->finish(good ? kFinishLimit : kReasonLimit);
    if (!seen) seen = failed_there(what.peer, seen.error());
    if (good && seen) co_return *moved;
    // zfs receive reads up to the stream's end record and may be gone before the last byte of the
    // pipe is; it is content only with a whole stream, so its word counts more than a broken pipe.
    const bool cut_after_end = !moved && moved.error().code == Code::io_error;
    if (cut_after_end && seen) co_return std::max(*seen, *counted);
    co_return with_next_step(cause(moved, sent, seen), what.peer);
}

}  // namespace zrepd::sync
