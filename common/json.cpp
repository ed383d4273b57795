// SPDX-License-Identifier: BSD-2-Clause
#include "common/json.hpp"

#include <algorithm>
#include <array>

#include "common/json_wide.hpp"

namespace zrepd {
namespace {

/// How deep and how wide a text is. A pass over it, before anything is allocated for it: a line of
/// 1 MiB that is nothing but keys of one object would hold the event loop up for half a minute, of
/// many objects for a tenth of a second.
struct Shape {
    std::size_t depth = 0;        ///< nesting of brackets outside strings; counted up to the limit
    std::size_t object_keys = 0;  ///< colons outside strings, of the object that has most
    std::size_t keys = 0;         ///< of all
    std::size_t values = 0;       ///< commas and opening brackets outside strings
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
            ++out.keys;
            out.object_keys = std::max(out.object_keys, ++keys[depth]);
        } else if (c == ',') {
            ++out.values;
        } else if (c == '[' || c == '{') {
            ++out.values;
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

Error too_many(const char* what, std::size_t limit, const char* of_what) {
    return refused(std::string(what) + " with more than " + std::to_string(limit) + of_what);
}

Result<Json> parse_shallow(std::string_view text, const Shape& shape) {
    if (shape.depth > kMaxJsonDepth) return refused("JSON nested deeper than 32 levels");
    Json value = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (value.is_discarded()) return refused("not valid JSON in UTF-8");
    return value;
}

}  // namespace

Result<Json> parse_json(std::string_view text, const JsonLimits& limits) {
    const Shape shape = shape_of(text);
    if (shape.object_keys > limits.object_keys) {
        return too_many("a JSON object", limits.object_keys, " keys");
    }
    if (shape.keys > limits.keys) return too_many("JSON", limits.keys, " keys");
    if (shape.values > limits.values) return too_many("JSON", limits.values, " values");
    return parse_shallow(text, shape);
}

Result<Json> parse_wide_json(std::string_view text) {
    return parse_shallow(text, shape_of(text));
}

std::string dump_json(const Json& value) {
    return value.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

std::string pretty_json(const Json& value) {
    return value.dump(2, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

}  // namespace zrepd
