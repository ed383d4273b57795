// SPDX-License-Identifier: BSD-2-Clause
// Small text helpers. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace zrepd {

/// Enough of a foreign text in a message; more makes a line that nobody reads.
inline constexpr std::size_t kQuoteLimit = 300;

/// 'text' in single quotes; control characters, quotes and bytes that are not UTF-8 as \xNN, and
/// at most `limit` bytes of it: fit for a log line or a message whatever it came from.
std::string quote(std::string_view text, std::size_t limit = kQuoteLimit);
/// At most so many bytes of it, and "…" where there is more: ends between characters of UTF-8.
std::string cut(std::string_view text, std::size_t limit);
/// True when it is well-formed UTF-8 (RFC 3629).
bool is_utf8(std::string_view text);
/// Bytes of the UTF-8 sequence at the start of a text that is not empty; 0 when there is none.
std::size_t utf8_length(std::string_view text);
/// True for one UTF-8 sequence that steers a terminal (C0, DEL, C1) or reorders what stands beside
/// it on the line (Unicode's bidirectional controls, UAX #9).
bool is_control(std::string_view sequence);
/// All of `text` as a decimal number; nullopt on anything else or overflow.
std::optional<std::uint64_t> parse_u64(std::string_view text);
std::optional<std::int64_t> parse_i64(std::string_view text);
/// Pieces between `separator`; an empty text gives one empty piece.
std::vector<std::string_view> split(std::string_view text, char separator);
/// Without white space at both ends.
std::string_view trim(std::string_view text);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
/// `text` with every `what`, which is not empty, replaced.
std::string replaced(std::string text, std::string_view what, std::string_view with);

}  // namespace zrepd
