// SPDX-License-Identifier: BSD-2-Clause
// The only door to nlohmann::json: parsing without exceptions, depth-limited; dumping that cannot
// throw. Pure; thread-safe.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "common/result.hpp"

namespace zrepd {

/// Keys keep the order in which they were written, so that output reads as designed.
using Json = nlohmann::ordered_json;

/// Deeper nesting than this is refused (docs/control-api.md).
inline constexpr std::size_t kMaxJsonDepth = 32;

/// parse_error when it is not JSON, not UTF-8, nested too deeply, or an object has over 256 keys.
Result<Json> parse_json(std::string_view text);
/// One line; bytes that are not UTF-8 become U+FFFD.
std::string dump_json(const Json& value);
/// Indented by two, for people and files.
std::string pretty_json(const Json& value);

}  // namespace zrepd
