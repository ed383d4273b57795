// SPDX-License-Identifier: BSD-2-Clause
#include "common/text.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace zrepd {
namespace {

void append_hex(std::string& out, char c) {
    char hex[8];
    std::snprintf(hex, sizeof hex, "\\x%02x", static_cast<unsigned char>(c));
    out += hex;
}

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
    Number value = 0;
    const char* end = text.data() + text.size();
    const auto [stopped, ec] = std::from_chars(text.data(), end, value);
    if (ec != std::errc{} || stopped != end) return std::nullopt;
    return value;
}

}  // namespace

std::string quote(std::string_view text, std::size_t limit) {
    std::string out = "'";
    for (std::string_view rest = text.substr(0, limit); !rest.empty();) {
        const std::size_t length = utf8_length(rest);
        const std::string_view next = rest.substr(0, std::max<std::size_t>(length, 1));
        if (length == 0 || is_control(next) || next == "'" || next == "\\") {
            for (const char c : next) append_hex(out, c);
        } else {
            out += next;
        }
        rest.remove_prefix(next.size());
    }
    if (text.size() > limit) out += "…";
    return out + "'";
}

std::string cut(std::string_view text, std::size_t limit) {
    if (text.size() <= limit) return std::string(text);
    while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0) == 0x80) --limit;
    return std::string(text.substr(0, limit)) + "…";
}

std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const auto tail = [&](std::size_t i) { return i < text.size() && (byte(i) & 0xC0) == 0x80; };
    const unsigned char b = byte(0);
    if (b < 0x80) return 1;
    if (b >= 0xC2 && b <= 0xDF) return tail(1) ? 2 : 0;
    if ((b & 0xF0) == 0xE0) {
        if (!tail(1) || !tail(2)) return 0;
        const bool overlong = b == 0xE0 && byte(1) < 0xA0;
        const bool surrogate = b == 0xED && byte(1) >= 0xA0;
        return overlong || surrogate ? 0 : 3;
    }
    if (b >= 0xF0 && b <= 0xF4) {
        if (!tail(1) || !tail(2) || !tail(3)) return 0;
        const bool overlong = b == 0xF0 && byte(1) < 0x90;
        const bool beyond = b == 0xF4 && byte(1) >= 0x90;
        return overlong || beyond ? 0 : 4;
    }
    return 0;
}

bool is_control(std::string_view sequence) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(sequence[i]); };
    if (sequence.size() == 1) return byte(0) < 0x20 || byte(0) == 0x7f;
    if (sequence.size() == 2) {
        const bool c1 = byte(0) == 0xC2 && byte(1) < 0xA0;
        return c1 || sequence == "\xD8\x9C";  // U+061C
    }
    // U+200E, U+200F, U+202A to U+202E; U+2066 to U+2069.
    if (sequence.starts_with("\xE2\x80")) {
        return byte(2) == 0x8E || byte(2) == 0x8F || (byte(2) >= 0xAA && byte(2) <= 0xAE);
    }
    return sequence.starts_with("\xE2\x81") && byte(2) >= 0xA6 && byte(2) <= 0xA9;
}

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        if (length == 0) return false;
        text.remove_prefix(length);
    }
    return true;
}

std::optional<std::uint64_t> parse_u64(std::string_view text) {
    return parse_number<std::uint64_t>(text);
}

std::optional<std::int64_t> parse_i64(std::string_view text) {
    return parse_number<std::int64_t>(text);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> out;
    std::size_t begin = 0;
    while (true) {
        const std::size_t end = text.find(separator, begin);
        out.push_back(text.substr(begin, end - begin));
        if (end == text.npos) return out;
        begin = end + 1;
    }
}

std::string_view trim(std::string_view text) {
    constexpr std::string_view kSpace = " \t\r\n";
    const std::size_t first = text.find_first_not_of(kSpace);
    if (first == text.npos) return {};
    return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
    std::string out;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (i > 0) out += separator;
        out += parts[i];
    }
    return out;
}

std::string replaced(std::string text, std::string_view what, std::string_view with) {
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
        text.replace(at, what.size(), with);
    return text;
}

}  // namespace zrepd
