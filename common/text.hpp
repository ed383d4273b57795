// SPDX-License-Identifier: BSD-2-Clause
// Small text helpers. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace zrepd {

/// 'text' in single quotes; control characters, quotes and bytes that are not UTF-8 as \xNN, and
/// at most 300 bytes of it: fit for a log line or a message whatever it came from.
std::string quote(std::string_view text);
/// True when it is well-formed UTF-8 (RFC 3629).
bool is_utf8(std::string_view text);
/// All of `text` as a decimal number; nullopt on anything else or overflow.
std::optional<std::uint64_t> parse_u64(std::string_view text);
std::optional<std::int64_t> parse_i64(std::string_view text);
/// Pieces between `separator`; an empty text gives one empty piece.
std::vector<std::string_view> split(std::string_view text, char separator);
/// Without white space at both ends.
std::string_view trim(std::string_view text);
std::string join(const std::vector<std::string>& parts, std::string_view separator);

}  // namespace zrepd
