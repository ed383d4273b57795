// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/render/tone.hpp"

#include <algorithm>
#include <cstdint>

#include "common/text.hpp"

namespace zrepd::ctl {
namespace {

const char* sequence_of(Tone tone) {
    switch (tone) {
        case Tone::plain:
            return "";
        case Tone::dim:
            return "\x1b[2m";
        case Tone::strong:
            return "\x1b[1m";
        case Tone::good:
            return "\x1b[32m";
        case Tone::warn:
            return "\x1b[33m";
        case Tone::bad:
            return "\x1b[1;31m";
    }
    return "";
}

struct Range {
    char32_t first, last;
};
// Unicode's East Asian Width W and F, in blocks: enough for what is no name of zfs, which is ASCII.
constexpr Range kWide[] = {{0x1100, 0x115F},
                           {0x2E80, 0x303E},
                           {0x3041, 0xA4CF},
                           {0xAC00, 0xD7A3},
                           {0xF900, 0xFAFF},
                           {0xFE30, 0xFE6F},
                           {0xFF00, 0xFF60},
                           {0xFFE0, 0xFFE6},
                           {0x1F300, 0x1F64F},
                           {0x1F680, 0x1F6FF},
                           {0x1F900, 0x1F9FF},
                           {0x20000, 0x3FFFD}};
constexpr Range kNarrowest[] = {{0x0300, 0x036F},
                                {0x0483, 0x0489},
                                {0x0591, 0x05BD},
                                {0x064B, 0x065F},
                                {0x20D0, 0x20FF},
                                {0x200B, 0x200D},
                                {0x2060, 0x2064},
                                {0xFE00, 0xFE0F},
                                {0xFE20, 0xFE2F},
                                {0xFEFF, 0xFEFF},
                                {0xE0100, 0xE01EF}};

template <std::size_t N>
bool is_in(const Range (&ranges)[N], char32_t point) {
    return std::any_of(std::begin(ranges), std::end(ranges), [&](const Range& range) {
        return point >= range.first && point <= range.last;
    });
}

/// Of a well-formed sequence.
char32_t code_point(std::string_view sequence) {
    const auto first = static_cast<unsigned char>(sequence[0]);
    if (sequence.size() == 1) return first;
    char32_t out = first & (0xFFU >> (sequence.size() + 1));
    for (const char c : sequence.substr(1))
        out = (out << 6U) | (static_cast<unsigned char>(c) & 0x3FU);
    return out;
}

/// The first character; the byte alone where it is none.
std::string_view first_of(std::string_view text) {
    return text.substr(0, std::max<std::size_t>(utf8_length(text), 1));
}

std::size_t width_of(std::string_view character) {
    if (character.size() == 1) return 1;
    const char32_t point = code_point(character);
    if (is_in(kNarrowest, point)) return 0;
    return is_in(kWide, point) ? 2 : 1;
}

}  // namespace

std::string painted(const std::string& text, Tone tone, bool colour) {
    if (!colour || tone == Tone::plain || text.empty()) return text;
    return sequence_of(tone) + text + "\x1b[0m";
}

bool wants_colour(bool terminal, const char* no_color, const char* term) {
    const bool refused = no_color != nullptr && *no_color != '\0';
    const std::string_view kind = term == nullptr ? "" : term;
    return terminal && !refused && !kind.empty() && kind != "dumb";
}

Tone tone_of(const rpc::PairStatus& pair) {
    if (pair.health == "failing" || pair.health == "conflict" || pair.health == "split_brain")
        return Tone::bad;
    const bool odd = pair.paused || pair.fenced || pair.warning.has_value();
    if (pair.health != "ok" || odd || pair.peer_state == "unreachable") return Tone::warn;
    return Tone::good;
}

std::size_t width(std::string_view text) {
    std::size_t out = 0;
    while (!text.empty()) {
        const std::string_view next = first_of(text);
        out += width_of(next);
        text.remove_prefix(next.size());
    }
    return out;
}

std::string clipped(std::string_view text, std::size_t columns) {
    std::size_t used = 0;
    std::size_t bytes = 0;
    while (bytes < text.size()) {
        const std::string_view next = first_of(text.substr(bytes));
        used += width_of(next);
        if (used > columns) break;
        bytes += next.size();
    }
    return std::string(text.substr(0, bytes));
}

std::string clipped_front(const std::string& text, std::size_t columns) {
    if (width(text) <= columns) return text;
    if (columns <= 3) return clipped(text, columns);
    std::string_view rest = text;
    while (width(rest) > columns - 3) rest.remove_prefix(first_of(rest).size());
    return "..." + std::string(rest);
}

std::vector<std::string> wrapped(const std::string& text, std::size_t columns, std::size_t indent) {
    if (indent + 1 >= columns) indent = 0;
    std::vector<std::string> out;
    std::string rest = text;
    while (true) {
        const std::size_t room = std::max<std::size_t>(columns, 1);
        std::string line = clipped(rest, room);
        if (line.size() == rest.size()) break;
        // What is wider than the whole terminal is shown all the same.
        if (line.empty()) line = first_of(rest);
        const std::size_t begin = line.find_first_not_of(' ');
        const bool at_end = rest[line.size()] == ' ';
        const std::size_t blank = at_end ? line.size() : line.rfind(' ');
        if (blank != line.npos && begin != line.npos && blank > begin) line.resize(blank);
        rest.erase(0, line.size());
        rest.erase(0, rest.find_first_not_of(' '));
        out.push_back(std::move(line));
        if (rest.empty()) return out;
        rest.insert(0, indent, ' ');
    }
    out.push_back(std::move(rest));
    return out;
}

}  // namespace zrepd::ctl
