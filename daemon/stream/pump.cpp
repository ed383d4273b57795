// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/stream/pump.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstring>
#include <optional>

#include "daemon/async/signal.hpp"
#include "daemon/stream/mover.hpp"
#include "daemon/stream/pacer.hpp"
#include "daemon/stream/rate.hpp"

namespace zrepd::stream {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kProgressEvery = std::chrono::milliseconds(500);

/// How long to let bytes gather between two steps. Woken at every page, the pump would take the
/// processor from the very process that fills the pipe; one step per quarter of a pipe costs next
/// to nothing and never makes the sender wait. Found from the average speed: single steps say
/// little, since whoever fills or empties a pipe does so in bursts, when the scheduler lets it.
class Gather {
  public:
    explicit Gather(std::size_t capacity) : goal_(static_cast<double>(capacity) / 4) {}

    Clock::duration pause() const {
        const auto wanted = std::chrono::duration<double>(goal_ * seconds_ / bytes_);
        return std::clamp(std::chrono::duration_cast<Clock::duration>(wanted), kLeast, kMost);
    }
    /// `bytes` moved, `elapsed` after the step before.
    void moved(std::size_t bytes, Clock::duration elapsed) {
        bytes_ += (static_cast<double>(bytes) - bytes_) * kWeight;
        seconds_ += (std::chrono::duration<double>(elapsed).count() - seconds_) * kWeight;
    }

  private:
    // Shorter than kLeast, the timer costs more than the step. kMost bounds what the end of a
    // stream and a wrong guess can cost: 8 MiB of half-empty pages still carry 400 MB/s.
    static constexpr Clock::duration kLeast = std::chrono::microseconds(50);
    static constexpr Clock::duration kMost = std::chrono::milliseconds(10);
    static constexpr double kWeight = 1.0 / 8;
    double goal_;
    double bytes_ = 400'000;  ///< per step; begins with a pause that is short for any pipe
    double seconds_ = 0.0004;
};

Error failure(const Step& step) {
    const std::string what = std::strerror(step.error);  // NOLINT(concurrency-mt-unsafe)
    return Error{.code = Code::io_error,
                 .message = step.writing ? "the receiving end of the stream is gone: " + what
                                         : "cannot read the stream: " + what,
                 .sys_errno = step.error};
}

class Pump {
  public:
    Pump(asio::any_io_executor executor, Fd in, Fd out, PumpOptions options)
        : options_(std::move(options)),
          in_(std::move(in)),
          out_(std::move(out)),
          mover_(in_.get(), out_.get()),
          gather_(mover_.capacity()),
          ready_(executor),
          pacer_(executor),
          moved_at_(Clock::now()),
          reported_at_(moved_at_),
          rate_(options_.limit_bytes_per_second, moved_at_),
          watchdog_(executor, options_.stall_timeout, [this] { interrupt(); }) {
        set_nonblocking(in_.get());
        set_nonblocking(out_.get());
    }

    Task<Result<std::uint64_t>> run() {
        Result<void> result = co_await loop();
        if (options_.on_progress) options_.on_progress(bytes_);
        if (!result) co_return result.error();
        ::shutdown(out_.get(), SHUT_WR);  // ENOTSOCK for a pipe
        co_return bytes_;
    }

  private:
    Task<Result<void>> loop() {
        while (true) {
            const bool stop = co_await cancelled();
            if (stop) {
                co_return Error{.code = Code::cancelled, .message = "the stream was cancelled"};
            }
            // The only clock of a step: where reading it is a system call, it is half of the cost.
            const Clock::time_point now = Clock::now();
            const std::size_t allowed = rate_.allowed(now, kStepBytes);
            if (allowed == 0) {
                co_await pacer_.sleep(rate_.wait());
                continue;
            }
            const Step step = mover_.step(allowed);
            switch (step.kind) {
                case Step::Kind::end:
                    co_return ok();
                case Step::Kind::failed:
                    co_return failure(step);
                case Step::Kind::moved:
                    count(step.bytes, now);
                    break;
                case Step::Kind::wait_for_in:
                case Step::Kind::wait_for_out:
                    if (now - moved_at_ >= options_.stall_timeout) co_return stall_error(step);
                    co_await ready(step.kind);
            }
            co_await pacer_.sleep(gather_.pause());
        }
    }

    /// Known to the reactor only while we wait: a pipe that is watched by epoll wakes its watcher
    /// at every single write, whether the watcher waits for it or not.
    Task<> ready(Step::Kind kind) {
        const bool reading = kind == Step::Kind::wait_for_in;
        boost::system::error_code error;
        ready_.assign(reading ? in_.get() : out_.get(), error);
        if (error) co_return;
        co_await ready_.async_wait(reading ? ready_.wait_read : ready_.wait_write, nothrow);
        ready_.release();
    }

    void count(std::size_t bytes, Clock::time_point now) {
        bytes_ += bytes;
        rate_.spent(bytes);
        gather_.moved(bytes, now - moved_at_);
        moved_at_ = now;
        watchdog_.restart(now);
        if (options_.on_progress && moved_at_ - reported_at_ >= kProgressEvery) {
            reported_at_ = moved_at_;
            options_.on_progress(bytes_);
        }
    }

    void interrupt() {
        if (ready_.is_open()) ready_.cancel();
    }

    Error stall_error(const Step& step) const {
        const auto seconds = std::to_string(options_.stall_timeout.count());
        return Error{
            .code = Code::stalled,
            .message = "no byte moved for " + seconds + " s: " +
                       (step.kind == Step::Kind::wait_for_in ? "the sending side gives nothing"
                                                             : "the receiving side takes nothing")};
    }

    PumpOptions options_;
    Fd in_;
    Fd out_;
    Mover mover_;
    Gather gather_;
    asio::posix::stream_descriptor ready_;
    Pacer pacer_;
    Clock::time_point moved_at_;
    Clock::time_point reported_at_;
    RateLimit rate_;
    Deadline watchdog_;
    std::uint64_t bytes_ = 0;
};

}  // namespace

Task<Result<std::uint64_t>> pump(Fd in, Fd out, PumpOptions options) {
    const auto executor = co_await asio::this_coro::executor;
    Pump pump(executor, std::move(in), std::move(out), std::move(options));
    co_return co_await pump.run();
}

}  // namespace zrepd::stream
