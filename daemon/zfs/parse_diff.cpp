// SPDX-License-Identifier: BSD-2-Clause
// What `zfs diff -F -H` prints.
#include <algorithm>

#include "common/text.hpp"
#include "daemon/zfs/parse.hpp"

namespace zrepd::parse {
namespace {

/// The byte that "\0040" stands for; nullopt when there is no such escape at the start.
std::optional<char> escaped(std::string_view text) {
    if (text.size() < 5 || text[0] != '\\') return std::nullopt;
    unsigned value = 0;
    for (const char digit : text.substr(1, 4)) {
        if (digit < '0' || digit > '7') return std::nullopt;
        value = value * 8 + static_cast<unsigned>(digit - '0');
    }
    if (value > 0xff) return std::nullopt;
    return static_cast<char>(value);
}

/// The bytes of a run of escapes as one reads them, where that is certain and does no harm. The
/// rest stays as zfs wrote it, and so does the backslash itself: the text says exactly which file.
void decode_run(std::string& out, std::string_view bytes, std::string_view text) {
    while (!bytes.empty()) {
        const std::size_t length = utf8_length(bytes);
        const std::string_view next = bytes.substr(0, std::max<std::size_t>(length, 1));
        const bool readable = length > 0 && next != "\\" && !is_control(next);
        out += readable ? next : text.substr(0, next.size() * 5);
        bytes.remove_prefix(next.size());
        text.remove_prefix(next.size() * 5);
    }
}

/// zfs writes nothing but what one sees and no space; whatever else stands there is written as zfs
/// would have.
void append_plain(std::string& out, char c) {
    if (c > ' ' && c < 0x7f) {
        out += c;
        return;
    }
    const unsigned value = static_cast<unsigned char>(c);
    out += "\\0";
    for (const unsigned shift : {6U, 3U, 0U}) out += static_cast<char>('0' + (value >> shift & 7U));
}

std::string decode(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        std::string bytes;
        for (auto byte = escaped(text); byte; byte = escaped(text.substr(bytes.size() * 5))) {
            bytes += *byte;
        }
        decode_run(out, bytes, text);
        text.remove_prefix(bytes.size() * 5);
        if (!bytes.empty() || text.empty()) continue;
        append_plain(out, text.front());
        text.remove_prefix(1);
    }
    return out;
}

std::string below(std::string_view path, std::string_view root) {
    if (path.starts_with(root)) path.remove_prefix(root.size());
    return path.starts_with('/') ? decode(path) : "/" + decode(path);
}

}  // namespace

std::optional<FileChange> file_change(std::string_view line, std::string_view root) {
    const auto parts = split(line, '\t');
    const bool shaped = parts.size() >= 3 && parts[0].size() == 1 && parts[1].size() == 1;
    if (!shaped || std::string_view("+-MR").find(parts[0][0]) == std::string_view::npos) {
        return std::nullopt;
    }
    FileChange out;
    out.kind = parts[0][0];
    out.type = parts[1][0];
    out.path = below(parts[2], root);
    // Of anything but a rename the fourth is how many links came or went.
    if (out.kind == 'R' && parts.size() < 4) return std::nullopt;
    if (out.kind == 'R') out.new_path = below(parts[3], root);
    return out;
}

}  // namespace zrepd::parse
