// SPDX-License-Identifier: BSD-2-Clause
// Durations and sizes as people write them. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/result.hpp"

namespace zrepd {

/// "10s" "1m" "2h" "1d" "1w", one number and one unit; a bare number is seconds. invalid_params
/// else.
Result<std::chrono::seconds> parse_duration(std::string_view text);
/// The shortest form parse_duration() reads back: 90 → "90s", 3600 → "1h".
std::string format_duration(std::chrono::seconds value);
/// For people: "45 s", "12 min", "3 h 20 min", "5 d 2 h".
std::string human_duration(std::chrono::seconds value);

/// "500", "64K", "10M", "1.5G", "2T" (powers of 1024, an optional "B" or "iB" behind).
/// invalid_params else.
Result<std::uint64_t> parse_bytes(std::string_view text);
/// For people: "1.5 GiB".
std::string human_bytes(std::uint64_t bytes);

}  // namespace zrepd
