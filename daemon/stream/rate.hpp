// SPDX-License-Identifier: BSD-2-Clause
// A token bucket: how many bytes may be sent now, and how long to wait for the next ones. Pure.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace zrepd::stream {

class RateLimit {
  public:
    using Clock = std::chrono::steady_clock;

    /// `bytes_per_second` 0: no limit. The bucket starts empty, so that many short streams do not
    /// add up to more than the limit.
    RateLimit(std::uint64_t bytes_per_second, Clock::time_point now)
        : rate_(static_cast<double>(bytes_per_second)), at_(now) {}

    /// What may be moved at `now`; 0 until a step's worth (1/20 s) has gathered.
    std::size_t allowed(Clock::time_point now, std::size_t most) {
        if (rate_ <= 0) return most;
        const double seconds = std::chrono::duration<double>(now - at_).count();
        at_ = now;
        tokens_ = std::min(tokens_ + seconds * rate_, std::max(1.0, rate_ * kBurstSeconds));
        if (tokens_ < step()) return 0;
        return std::min(most, static_cast<std::size_t>(tokens_));
    }
    void spent(std::size_t bytes) {
        if (rate_ > 0) tokens_ -= static_cast<double>(bytes);
    }
    /// How long until allowed() gives something.
    Clock::duration wait() const {
        const double missing = std::max(0.0, step() - tokens_) / rate_;
        return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(missing)) +
               std::chrono::microseconds(100);
    }

  private:
    // 20 steps a second look smooth to everything downstream; a pause longer than the burst is
    // lost and not caught up, so that a stalled link never gets the whole backlog at once.
    static constexpr double kStepSeconds = 0.05;
    static constexpr double kBurstSeconds = 0.1;
    double step() const { return std::max(1.0, rate_ * kStepSeconds); }

    double rate_;
    double tokens_ = 0;
    Clock::time_point at_;
};

}  // namespace zrepd::stream
