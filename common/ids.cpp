// SPDX-License-Identifier: BSD-2-Clause
#include "common/ids.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdio>

#include "common/text.hpp"

namespace zrepd {
namespace {

bool is_alnum(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}
bool is_alpha(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
// zfs source, module/zcommon/zfs_namecheck.c: valid_char().
bool is_zfs_char(char c) {
    return is_alnum(c) || c == '-' || c == '_' || c == '.' || c == ':' || c == ' ';
}

Error bad_name(std::string_view what, std::string_view text, std::string_view why) {
    return Error{
        .code = Code::invalid_params,
        .message = std::string(what) + " " + quote(text) + " is not valid: " + std::string(why)};
}

std::optional<std::string> component_problem(std::string_view part) {
    if (part.empty()) return "it has an empty part";
    if (part == "." || part == "..") return "'.' and '..' are not allowed";
    const auto bad = std::find_if_not(part.begin(), part.end(), is_zfs_char);
    if (bad != part.end())
        return "character " + quote(std::string_view(&*bad, 1)) + " is not allowed";
    return std::nullopt;
}

}  // namespace

Result<DatasetName> DatasetName::parse(std::string_view text) {
    const auto bad = [&](std::string_view why) { return bad_name("dataset name", text, why); };
    if (text.empty()) return bad("it is empty");
    if (text.size() > kMaxDatasetName) return bad("longer than 255 bytes");
    if (text.find('@') != text.npos)
        return bad("it names a snapshot; give the filesystem or volume");
    if (text.find('#') != text.npos)
        return bad("it names a bookmark; give the filesystem or volume");
    if (!is_alpha(text.front())) return bad("a pool's name starts with a letter");
    std::size_t begin = 0;
    while (true) {
        const std::size_t slash = text.find('/', begin);
        if (auto why = component_problem(text.substr(begin, slash - begin))) return bad(*why);
        if (slash == text.npos) break;
        begin = slash + 1;
    }
    return DatasetName(std::string(text));
}

std::string_view DatasetName::pool() const {
    return std::string_view(name_).substr(0, name_.find('/'));
}

std::optional<DatasetName> DatasetName::parent() const {
    const std::size_t slash = name_.rfind('/');
    if (slash == name_.npos) return std::nullopt;
    return DatasetName(name_.substr(0, slash));
}

bool DatasetName::is_below(const DatasetName& above) const {
    return name_.size() > above.name_.size() && name_.starts_with(above.name_) &&
           name_[above.name_.size()] == '/';
}

Result<SnapshotName> SnapshotName::parse(std::string_view text) {
    const std::size_t at = text.find('@');
    if (at == text.npos) return bad_name("snapshot name", text, "it has no '@'");
    auto dataset = DatasetName::parse(text.substr(0, at));
    if (!dataset) return dataset.error();
    return make(*dataset, text.substr(at + 1));
}

Result<SnapshotName> SnapshotName::make(const DatasetName& dataset, std::string_view snapshot) {
    const std::string whole = dataset.str() + "@" + std::string(snapshot);
    if (whole.size() > kMaxDatasetName) {
        return bad_name("snapshot name", whole, "longer than 255 bytes");
    }
    if (auto why = component_problem(snapshot)) return bad_name("snapshot name", whole, *why);
    return SnapshotName(dataset, std::string(snapshot));
}

Result<HostName> HostName::parse(std::string_view text) {
    const auto bad = [&](std::string_view why) { return bad_name("host name", text, why); };
    if (text.empty()) return bad("it is empty");
    if (text.size() > 253) return bad("longer than 253 bytes");
    std::size_t begin = 0;
    while (true) {
        const std::size_t dot = text.find('.', begin);
        const std::string_view label = text.substr(begin, dot - begin);
        if (label.empty() || label.size() > 63) return bad("each part has 1 to 63 characters");
        if (label.front() == '-' || label.back() == '-')
            return bad("no part starts or ends with '-'");
        if (!std::all_of(
                label.begin(), label.end(), [](char c) { return is_alnum(c) || c == '-'; })) {
            return bad("only letters, digits, '-' and '.' are allowed");
        }
        if (dot == text.npos) break;
        begin = dot + 1;
    }
    // BETA and beta are one host, and have to be one name in every comparison and property.
    std::string name(text);
    for (char& c : name) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return HostName(std::move(name));
}

std::string HostName::short_name() const {
    const bool address = std::all_of(
        name_.begin(), name_.end(), [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
    return address ? name_ : name_.substr(0, name_.find('.'));
}

std::optional<Guid> Guid::parse(std::string_view text) {
    const auto value = parse_u64(text);
    if (!value) return std::nullopt;
    return Guid{*value};
}

std::string zrep_snapshot_name(std::uint64_t sequence) {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "zrep_%06llx", static_cast<unsigned long long>(sequence));
    return buffer;
}

std::optional<std::uint64_t> zrep_sequence(std::string_view snapshot) {
    if (!snapshot.starts_with("zrep_")) return std::nullopt;
    snapshot.remove_prefix(5);
    if (snapshot.ends_with("_unsent")) snapshot.remove_suffix(7);
    if (snapshot.size() < 6 || snapshot.size() > 15) return std::nullopt;
    // %06x pads to six digits, never beyond: "zrep_0000001" is somebody else's.
    if (snapshot.size() > 6 && snapshot.front() == '0') return std::nullopt;
    std::uint64_t value = 0;
    for (const char c : snapshot) {
        const bool digit = c >= '0' && c <= '9';
        if (!digit && (c < 'a' || c > 'f')) return std::nullopt;
        value = value * 16 + static_cast<std::uint64_t>(digit ? c - '0' : c - 'a' + 10);
    }
    return value;
}

std::string zrep_bookmark_name(Guid guid) {
    return "zrep_" + guid.str();
}

}  // namespace zrepd
