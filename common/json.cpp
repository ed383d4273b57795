// SPDX-License-Identifier: BSD-2-Clause
#include "common/json.hpp"

#include <algorithm>
#include <array>

#include "common/json_wide.hpp"

namespace zrepd {
namespace {

// None of ours has half as many. A line of 1 MiB that is nothing but keys would hold the event loop
// up for half a minute.
constexpr std::size_t kMaxJsonKeys = 256;

/// How deep and how wide a text is. A pass over it, before anything is allocated for it.
struct Shape {
    std::size_t depth = 0;  ///< nesting of brackets outside strings; counted up to the limit
    std::size_t keys = 0;   ///< colons outside strings, of the object that has most
};

Shape shape_of(std::string_view text) {
    Shape out;
    std::array<std::size_t, kMaxJsonDepth + 1> keys{};  // of the brackets that are open
    std::size_t depth = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < text.size() && out.depth <= kMaxJsonDepth; ++i) {
        const char c = text[i];
        if (in_string) {
            if (c == '\\')
                ++i;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == ':') {
            out.keys = std::max(out.keys, ++keys[depth]);
        } else if (c == '[' || c == '{') {
            out.depth = std::max(out.depth, ++depth);
            if (depth < keys.size()) keys[depth] = 0;
        } else if ((c == ']' || c == '}') && depth > 0) {
            --depth;
        }
    }
    return out;
}

Error refused(std::string why) {
    return Error{.code = Code::parse_error, .message = std::move(why)};
}

}  // namespace

Result<Json> parse_json(std::string_view text) {
    if (shape_of(text).keys > kMaxJsonKeys) {
        return refused("a JSON object with more than " + std::to_string(kMaxJsonKeys) + " keys");
    }
    return parse_wide_json(text);
}

Result<Json> parse_wide_json(std::string_view text) {
    if (shape_of(text).depth > kMaxJsonDepth) return refused("JSON nested deeper than 32 levels");
    Json value = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (value.is_discarded()) return refused("not valid JSON in UTF-8");
    return value;
}

std::string dump_json(const Json& value) {
    return value.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

std::string pretty_json(const Json& value) {
    return value.dump(2, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

}  // namespace zrepd
