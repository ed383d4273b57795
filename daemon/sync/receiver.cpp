// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sync/receiver.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include "common/text.hpp"
#include "daemon/stream/pump.hpp"
#include "daemon/sync/transfer.hpp"

namespace zrepd::sync {
namespace {

// After the stream's end zfs receive still waits for its pool, which may be busy freeing; a hang is
// something else.
constexpr int kEndTimes = 5;

/// What was taken from the stream before, into a pipe that is empty and holds more than that.
Result<void> put_in_front(const Fd& pipe, const std::string& begun) {
    if (begun.empty()) return ok();
    const ssize_t put = ::write(pipe.get(), begun.data(), begun.size());
    if (put == static_cast<ssize_t>(begun.size())) return ok();
    return Error{.code = Code::io_error, .message = "cannot pass on the stream's beginning"};
}

class StreamReceiver : public peer::TargetService::Receiver {
  public:
    StreamReceiver(Parts& parts, ReceiveSpec spec, lock::LockTable::Guard guard)
        : parts_(parts), spec_(std::move(spec)), guard_(std::move(guard)) {
        parts_.receives.add(spec_.snapshot.dataset(), [this] { end(); });
    }
    ~StreamReceiver() override { parts_.receives.remove(spec_.snapshot.dataset()); }

    Task<rpc::Received> receive(Fd in, bool direct, std::string begun) override {
        const DatasetName dataset = spec_.snapshot.dataset();
        std::vector<DatasetName> which{dataset};
        run_ = parts_.runs.start("receive", which);
        parts_.runs.phase(*run_, dataset, "receiving");
        Result<std::uint64_t> bytes = std::uint64_t{0};
        if (direct && begun.empty())
            bytes = co_await receive_directly(std::move(in));
        else
            bytes = co_await receive_pumped(std::move(in), std::move(begun));
        parts_.inventory.note({.dataset = dataset, .versions_only = true});
        rpc::Received out;
        if (bytes) {
            out.bytes = *bytes;
            rpc::RunResult result;
            result.outcome = "done";
            result.bytes = *bytes;
            result.text = "received " + spec_.snapshot.str();
            parts_.runs.succeed(*run_, dataset, std::move(result));
        } else {
            const Error error = explain(bytes.error());
            parts_.runs.fail(*run_, dataset, error);
            out.error = rpc::to_item_error(error);
            co_await forget_if_gone(dataset);
        }
        co_return out;
    }

    void sender_gone() override {
        sender_gone_ = true;
        limit_the_end();
    }

  private:
    /// A first stream that fails makes nothing. A peer can think up as many names as it likes.
    Task<> forget_if_gone(DatasetName dataset) {
        if (parts_.inventory.find(dataset) == nullptr) {
            // It may have made what the next stream goes on with. Where that cannot be seen, what
            // is remembered is no loss.
            auto seen = co_await parts_.inventory.refresh_one(dataset, Freshness::listed);
        }
        if (parts_.inventory.find(dataset) == nullptr) parts_.runs.forget(dataset);
    }

    /// By somebody who knows that nobody feeds it any more.
    void end() {
        ended_ = true;
        if (process_ != nullptr) process_->kill();
        // The pump waits for the sender, not for zfs.
        if (source_) ::shutdown(source_.get(), SHUT_RD);
    }

    /// A stream without a sender ends soon, or never.
    void limit_the_end() {
        if (direct_ == nullptr || !sender_gone_) return;
        limit_.emplace(parts_.executor, end_limit(), [process = direct_] { process->kill(); });
    }
    std::chrono::seconds end_limit() const { return kEndTimes * parts_.config.stall_timeout; }

    /// Read on the other host, by somebody who does not know which side a bare zfs message is from.
    Error explain(Error error) const {
        const std::string host = parts_.self.host.str();
        const DatasetName dataset = spec_.snapshot.dataset();
        // One that no kill ends keeps the next from beginning, whoever gave it up.
        if (ended_ && error.code != Code::timed_out) {
            return Error{.code = Code::cancelled,
                         .message = "the stream was given up: its sender is gone, or began anew",
                         .remedy = "nothing to do: the next one goes on where it ended"};
        }
        if (error.code != Code::no_space) return std::move(error).in(host);
        const std::string pool(dataset.pool());
        return Error{.code = Code::no_space,
                     .message = dataset.str() + " on " + host + " ran out of space: pool " + pool +
                                " or a quota there is full",
                     .remedy = "on " + host + " free space in " + quote(pool) +
                               " or raise the quota (zfs get quota,refquota,available " +
                               quote(dataset.str()) + "), then run the same again; it continues"};
    }

    /// zfs reads the pipe itself: nothing to count here, and nothing in between.
    Task<Result<std::uint64_t>> receive_directly(Fd in) {
        auto process = parts_.zfs.receive(spec_, std::move(in));
        if (!process) co_return process.error();
        direct_ = process_ = process->get();
        if (ended_) process_->kill();
        limit_the_end();
        auto ended = co_await direct_->wait();
        direct_ = process_ = nullptr;
        limit_.reset();
        if (!ended) co_return ended.error();
        co_return std::uint64_t{0};
    }

    Task<Result<std::uint64_t>> receive_pumped(Fd in, std::string begun) {
        auto pipe = make_pipe(kStreamPipeBytes);
        if (!pipe) co_return pipe.error();
        auto put = put_in_front(pipe->write, begun);
        if (!put) co_return put.error();
        bytes_ = begun.size();
        auto process = parts_.zfs.receive(spec_, std::move(pipe->read));
        if (!process) co_return process.error();
        process_ = process->get();
        source_ = Fd(::fcntl(in.get(), F_DUPFD_CLOEXEC, 0));
        if (ended_) end();
        stream::PumpOptions options{
            .limit_bytes_per_second = 0,
            .stall_timeout = parts_.config.stall_timeout,
            .on_progress = [this, first = begun.size()](std::uint64_t bytes) {
                bytes_ = first + bytes;
                parts_.runs.progress(*run_, spec_.snapshot.dataset(), bytes_);
            }};
        // When the pump ends, whatever the reason, its pipe end closes: zfs receive sees the end,
        // keeps what it has, and says what it thinks of it.
        auto moved =
            co_await stream::pump(std::move(in), std::move(pipe->write), std::move(options));
        auto ended = co_await end_within(**process, end_limit());
        process_ = nullptr;
        source_.reset();
        // zfs is content only with a whole stream, checksum and end record included; it may then be
        // gone before the sender closes, which the pump takes for a broken pipe.
        if (ended) co_return moved ? begun.size() + *moved : bytes_;
        const bool late = ended.error().code == Code::timed_out;
        if (moved || late || moved.error().code == Code::io_error) co_return ended.error();
        co_return moved.error();
    }

    Parts& parts_;
    ReceiveSpec spec_;
    lock::LockTable::Guard guard_;
    RunPtr run_;
    StreamProcess* process_ = nullptr;  ///< while it runs
    bool ended_ = false;                ///< as of end()
    Fd source_;                         ///< what the pump reads, while it does
    StreamProcess* direct_ = nullptr;   ///< while it reads the pipe itself
    bool sender_gone_ = false;
    std::optional<Deadline> limit_;  ///< for it, once its sender is gone
    std::uint64_t bytes_ = 0;        ///< as last reported by the pump
};

}  // namespace

std::unique_ptr<peer::TargetService::Receiver> make_receiver(Parts& parts,
                                                             ReceiveSpec spec,
                                                             lock::LockTable::Guard guard) {
    return std::make_unique<StreamReceiver>(parts, std::move(spec), std::move(guard));
}

}  // namespace zrepd::sync
