// SPDX-License-Identifier: BSD-2-Clause
// Wall-clock times as Unix seconds, and their RFC 3339 form. Pure: the time is an argument.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace zrepd {

/// Seconds since 1970-01-01 UTC. For stamps that people and other hosts read; never for intervals.
using UnixSeconds = std::int64_t;

/// "2026-03-01T12:00:00Z".
std::string to_rfc3339(UnixSeconds time);
/// The inverse, "Z" only; nullopt when malformed or out of range.
std::optional<UnixSeconds> from_rfc3339(std::string_view text);

}  // namespace zrepd
