// SPDX-License-Identifier: BSD-2-Clause
#include "common/json.hpp"

namespace zrepd {
namespace {

/// Nesting of brackets outside strings. A pass over the text, before anything is allocated for it.
std::size_t max_depth(std::string_view text) {
    std::size_t depth = 0;
    std::size_t deepest = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (in_string) {
            if (c == '\\')
                ++i;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            deepest = std::max(deepest, ++depth);
        } else if ((c == ']' || c == '}') && depth > 0) {
            --depth;
        }
    }
    return deepest;
}

}  // namespace

Result<Json> parse_json(std::string_view text) {
    if (max_depth(text) > kMaxJsonDepth) {
        return Error{.code = Code::parse_error, .message = "JSON nested deeper than 32 levels"};
    }
    Json value = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (value.is_discarded()) {
        return Error{.code = Code::parse_error, .message = "not valid JSON in UTF-8"};
    }
    return value;
}

std::string dump_json(const Json& value) {
    return value.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

std::string pretty_json(const Json& value) {
    return value.dump(2, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

}  // namespace zrepd
