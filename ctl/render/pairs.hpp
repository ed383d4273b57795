// SPDX-License-Identifier: BSD-2-Clause
// What is said of one pair, in the table of status and on the live screen. Pure.
#pragma once

#include <optional>
#include <string>

#include "common/rpc/control_types.hpp"
#include "common/time.hpp"

namespace zrepd::ctl {

/// "late, peer unreachable, sending 12.0 MiB".
std::string state_of(const rpc::PairStatus& pair);
/// "in 5 min", "now"; both times as RFC 3339.
std::string in_from_now(const std::string& now, const std::string& then);
/// "5 min ago", "now".
std::string ago(const std::string& now, const std::string& then);

/// How far what runs is, in whole percent; nullopt where nobody knows. 99 until it is over, since
/// what is expected is an estimate.
std::optional<unsigned> percent_of(const rpc::Progress& progress);
/// Seconds until it is over at the rate of now; nullopt where that is not known.
std::optional<std::int64_t> seconds_left(const rpc::Progress& progress);
/// "45%, 1.2 GiB of about 2.7 GiB, 54.0 MiB/s, 28 s left": as much of it as is known.
std::string numbers_of(const rpc::Progress& progress);

/// As it would be said `now`: what is a time ago has grown since the daemon said it.
rpc::StatusOut aged(rpc::StatusOut status, UnixSeconds now);

}  // namespace zrepd::ctl
