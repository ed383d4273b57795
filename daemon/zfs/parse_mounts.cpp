// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/zfs/parse_mounts.hpp"

#include <algorithm>
#include <optional>
#include <sstream>
#include <string_view>

#include "common/text.hpp"

namespace zrepd::parse {
namespace {

/// White space and backslashes are written in octal.
std::string without_octal(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool octal = text[i] == '\\' && i + 3 < text.size();
        if (!octal) {
            out += text[i];
            continue;
        }
        out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                 (text[i + 3] - '0'));
        i += 3;
    }
    return out;
}

bool says_readonly(std::string_view options) {
    const auto words = split(options, ',');
    return std::find(words.begin(), words.end(), "ro") != words.end();
}

/// ID PARENT DEVICE ROOT PLACE OPTIONS [TAG…] - TYPE SOURCE OPTIONS
std::optional<Mount> mount_in(std::string_view line) {
    const auto words = split(line, ' ');
    const auto dash = std::find(words.begin(), words.end(), "-");
    if (dash - words.begin() < 6 || words.end() - dash < 3) return std::nullopt;
    Mount out;
    out.place = without_octal(words[4]);
    out.type = *(dash + 1);
    out.source = without_octal(*(dash + 2));
    out.readonly = says_readonly(words[5]);
    out.filesystem_readonly = words.end() - dash > 3 && says_readonly(*(dash + 3));
    return out;
}

}  // namespace

std::vector<Mount> mounts(const std::string& table) {
    std::vector<Mount> out;
    std::istringstream file(table);
    for (std::string line; std::getline(file, line);) {
        if (auto found = mount_in(line)) out.push_back(std::move(*found));
    }
    return out;
}

std::map<std::string, std::string, std::less<>> writable_zfs(const std::string& table) {
    std::map<std::string, std::string, std::less<>> out;
    for (Mount& mount : mounts(table)) {
        const bool writable = !mount.readonly && !mount.filesystem_readonly;
        if (mount.type == "zfs" && writable) out.emplace(mount.source, std::move(mount.place));
    }
    return out;
}

}  // namespace zrepd::parse
