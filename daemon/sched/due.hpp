// SPDX-License-Identifier: BSD-2-Clause
// When a pair is due. Pure: the time and the random number are arguments.
#pragma once

#include <chrono>
#include <optional>

#include "common/time.hpp"

namespace zrepd::sched {

using Clock = std::chrono::steady_clock;

struct PairTiming {
    std::optional<std::chrono::seconds> interval = {};  ///< absent: only on request
    bool paused = false;
    std::optional<Clock::time_point> last_start = {};  ///< of the last run, successful or not
    unsigned failures = 0;                             ///< in a row
    /// When the last run failed of what may pass by itself; none: it did not, or needs somebody.
    std::optional<Clock::time_point> failed_at = {};
    double jitter = 0;  ///< 0..1, drawn once per failure
    /// The last run failed because its peer is away: when that is looked for next.
    std::optional<Clock::time_point> looked_for = {};
};

/// Longest pause between retries (docs/operations.md).
inline constexpr std::chrono::seconds kMaxBackoff{300};

/// After `failures` failures in a row: 2 s, 4 s, 8 s … at most kMaxBackoff, spread by ±20 % with
/// `jitter`; never shorter than 1 s.
std::chrono::milliseconds backoff(unsigned failures, double jitter);

/// The next start; nullopt when none is planned. After a failure that may pass by itself the
/// back-off counts alone, from that on: a daily pair does not wait a day for a line that was down
/// for a minute. After one that needs somebody it is never tried more often than the interval says.
/// A pair that never ran is due now. One that waits for its peer starts when that has returned, so
/// not before the next look for it.
std::optional<Clock::time_point> next_run(const PairTiming& timing, Clock::time_point now);

/// After a peer's return: how long the pairs that waited for it stay where they are. Not at all;
/// but for one that has come and gone `in_a_row` times since a sync with it was last done, as on a
/// line that lets a greeting through and no stream, as long as the back-off says.
std::chrono::milliseconds wait_after_return(unsigned in_a_row, double jitter);

/// What zrep:paused says.
struct Pause {
    enum class Kind { no, yes, until, unreadable };
    Kind kind = Kind::no;
    UnixSeconds until = 0;  ///< with Kind::until
};
/// "yes", "on", "true" and "1"; nothing, "no", "off", "0" and "-"; an RFC 3339 time or Unix
/// seconds.
Pause read_pause(std::string_view value);

/// Reads zrep:paused: "yes", or an RFC 3339 time or Unix seconds until which it holds. Anything
/// else that is not empty, "no", "off" or "0" counts as paused: to sync against a wish is the worse
/// error.
bool is_paused(std::string_view value, UnixSeconds now);

}  // namespace zrepd::sched
