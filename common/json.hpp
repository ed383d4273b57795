// SPDX-License-Identifier: BSD-2-Clause
// The only door to nlohmann::json: parsing without exceptions, limited in depth and width; dumping
// that cannot throw. Pure; thread-safe.
#pragma once

#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "common/result.hpp"

namespace zrepd {

/// Keys keep the order in which they were written, so that output reads as designed.
using Json = nlohmann::ordered_json;

/// Deeper nesting than this is refused (docs/control-api.md).
inline constexpr std::size_t kMaxJsonDepth = 32;

/// How much one text may hold. Each key is compared with those before it in its object, and each
/// value takes memory of its own: so a text costs by what is in it, not by its length alone.
struct JsonLimits {
    static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
    std::size_t object_keys = 256;  ///< of one object; none of ours has half as many
    std::size_t keys = kNone;       ///< of all objects together
    std::size_t values = kNone;     ///< commas and opening brackets, of which each value has one
};

/// parse_error when it is not JSON, not UTF-8, nested too deeply, or beyond the limits.
Result<Json> parse_json(std::string_view text, const JsonLimits& limits = {});
/// One line; bytes that are not UTF-8 become U+FFFD.
std::string dump_json(const Json& value);
/// Indented by two, for people and files.
std::string pretty_json(const Json& value);

}  // namespace zrepd
