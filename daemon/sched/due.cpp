// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sched/due.hpp"

#include <algorithm>
#include <array>

#include "common/text.hpp"

namespace zrepd::sched {
namespace {

// September 2001. Smaller numbers are no times: whoever sets zrep:paused=1 means yes.
constexpr UnixSeconds kFirstPlausibleTime = 1'000'000'000;

}  // namespace

std::chrono::milliseconds backoff(unsigned failures, double jitter) {
    const unsigned doublings = std::min(failures, 10u);
    const double plain = std::min<double>(static_cast<double>(1u << doublings),
                                          static_cast<double>(kMaxBackoff.count()));
    const double spread = plain * (0.8 + 0.4 * std::clamp(jitter, 0.0, 1.0));
    const double bounded = std::clamp(spread, 1.0, static_cast<double>(kMaxBackoff.count()));
    return std::chrono::milliseconds(static_cast<std::int64_t>(bounded * 1000));
}

std::optional<Clock::time_point> next_run(const PairTiming& timing, Clock::time_point now) {
    if (!timing.interval || timing.paused) return std::nullopt;
    if (timing.looked_for) return std::max(*timing.looked_for, now);
    if (!timing.last_start) return now;
    // Also where they are not counted any more, as once the peer was heard of again.
    if (timing.failed_at)
        return *timing.failed_at + backoff(std::max(timing.failures, 1u), timing.jitter);
    Clock::duration wait = *timing.interval;
    if (timing.failures > 0) {
        wait = std::max<Clock::duration>(wait, backoff(timing.failures, timing.jitter));
    }
    return *timing.last_start + wait;
}

std::chrono::milliseconds wait_after_return(unsigned in_a_row, double jitter) {
    return in_a_row <= 1 ? std::chrono::milliseconds(0) : backoff(in_a_row, jitter);
}

Pause read_pause(std::string_view value) {
    value = trim(value);
    constexpr std::array kNo{"", "no", "off", "0", "-"};
    constexpr std::array kYes{"yes", "on", "true", "1"};
    if (std::find(kNo.begin(), kNo.end(), value) != kNo.end()) return {};
    if (std::find(kYes.begin(), kYes.end(), value) != kYes.end()) return {Pause::Kind::yes};
    if (const auto until = from_rfc3339(value)) return {Pause::Kind::until, *until};
    if (const auto until = parse_i64(value); until && *until >= kFirstPlausibleTime) {
        return {Pause::Kind::until, *until};
    }
    return {Pause::Kind::unreadable};
}

bool is_paused(std::string_view value, UnixSeconds now) {
    const Pause pause = read_pause(value);
    switch (pause.kind) {
        case Pause::Kind::no:
            return false;
        case Pause::Kind::until:
            return now < pause.until;
        case Pause::Kind::yes:
        case Pause::Kind::unreadable:
            return true;
    }
    return true;
}

}  // namespace zrepd::sched
