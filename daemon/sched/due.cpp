// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sched/due.hpp"

#include <algorithm>

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
    if (!timing.last_start) return now;
    Clock::duration wait = *timing.interval;
    if (timing.failures > 0) {
        wait = std::max<Clock::duration>(wait, backoff(timing.failures, timing.jitter));
    }
    return *timing.last_start + wait;
}

bool is_paused(std::string_view value, UnixSeconds now) {
    value = trim(value);
    if (value.empty() || value == "no" || value == "off" || value == "0" || value == "-") {
        return false;
    }
    if (const auto until = from_rfc3339(value)) return now < *until;
    if (const auto until = parse_i64(value); until && *until >= kFirstPlausibleTime) {
        return now < *until;
    }
    return true;
}

}  // namespace zrepd::sched
