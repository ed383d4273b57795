// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/zfs/parse.hpp"

#include <algorithm>
#include <charconv>

#include "common/props.hpp"
#include "common/text.hpp"

namespace zrepd::parse {
namespace {

Error malformed(std::string_view what, std::string_view line) {
    return Error{.code = Code::zfs_failed,
                 .message = "cannot read what zfs printed as " + std::string(what) + ": " + quote(line)};
}

std::vector<std::string_view> lines(std::string_view text) {
    std::vector<std::string_view> out;
    for (const auto line : split(text, '\n')) {
        if (!line.empty()) out.push_back(line);
    }
    return out;
}

Source source_of(std::string_view text) {
    if (text == "local") return Source::local;
    if (text == "received") return Source::received;
    if (text == "default") return Source::fallback;
    if (text.starts_with("inherited")) return Source::inherited;
    return Source::none;
}

/// "-" is zfs's way to say: not for this kind of dataset.
std::uint64_t number_or_zero(std::string_view text) { return parse_u64(text).value_or(0); }

void take_property(Dataset& into, std::string_view key, std::string_view value, Source source) {
    if (key.starts_with("zrep:")) {
        if (source != Source::none) into.props[std::string(key)] = {std::string(value), source};
    } else if (key == "type") {
        into.kind = value == "volume" ? Kind::volume : Kind::filesystem;
    } else if (key == "guid") {
        into.guid = Guid::parse(value).value_or(Guid{});
    } else if (key == "written") {
        into.written_bytes = number_or_zero(value);
    } else if (key == "referenced") {
        into.referenced_bytes = number_or_zero(value);
    } else if (key == "available") {
        into.available_bytes = number_or_zero(value);
    } else if (key == "volsize") {
        into.volsize_bytes = number_or_zero(value);
    } else if (key == "readonly") {
        into.readonly = value == "on";
    } else if (key == "mounted") {
        into.mounted = value == "yes";
    } else if (key == "encryption") {
        into.encrypted = value != "off" && value != "-";
    } else if (key == "receive_resume_token") {
        into.resume_token = value == "-" ? "" : std::string(value);
    }
}

Snapshot snapshot_from(const std::vector<std::string_view>& f, std::string_view name) {
    Snapshot out;
    out.name = name;
    out.guid = Guid::parse(f[1]).value_or(Guid{});
    out.createtxg = number_or_zero(f[2]);
    out.written_bytes = number_or_zero(f[3]);
    out.held = number_or_zero(f[4]) > 0;
    out.cloned = f[5] != "-" && !f[5].empty();
    if (const auto sent = parse_i64(f[6])) out.sent = *sent;
    return out;
}

void sort_by_txg(Versions& versions) {
    const auto older = [](const auto& a, const auto& b) { return a.createtxg < b.createtxg; };
    std::stable_sort(versions.snapshots.begin(), versions.snapshots.end(), older);
    std::stable_sort(versions.bookmarks.begin(), versions.bookmarks.end(), older);
}

/// "0xb10b" or "12".
std::uint64_t any_number(std::string_view text) {
    const bool hex = text.starts_with("0x");
    if (hex) text.remove_prefix(2);
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value, hex ? 16 : 10);
    return value;
}

}  // namespace

Result<std::vector<Dataset>> datasets(std::string_view out) {
    std::vector<Dataset> all;
    for (const auto line : lines(out)) {
        const auto fields = split(line, '\t');
        if (fields.size() != 4) return malformed("a property", line);
        if (all.empty() || all.back().name.str() != fields[0]) {
            // Snapshots never come; "%recv" and the like are zfs's own and not ours to look at.
            auto name = DatasetName::parse(fields[0]);
            if (!name) continue;
            all.emplace_back(std::move(*name));
        }
        take_property(all.back(), fields[1], fields[2], source_of(fields[3]));
    }
    return all;
}

Result<std::map<DatasetName, Versions>> versions(std::string_view out) {
    std::map<DatasetName, Versions> all;
    for (const auto line : lines(out)) {
        const auto fields = split(line, '\t');
        const std::size_t mark = line.find_first_of("@#");
        if (fields.size() != 7 || mark == line.npos || mark >= fields[0].size()) {
            return malformed("a snapshot", line);
        }
        auto dataset = DatasetName::parse(fields[0].substr(0, mark));
        if (!dataset) continue;
        Versions& into = all[*dataset];
        const std::string_view name = fields[0].substr(mark + 1);
        if (line[mark] == '@') {
            into.snapshots.push_back(snapshot_from(fields, name));
        } else {
            into.bookmarks.push_back({std::string(name), Guid::parse(fields[1]).value_or(Guid{}),
                                      number_or_zero(fields[2])});
        }
    }
    for (auto& [name, one] : all) sort_by_txg(one);
    return all;
}

Result<TokenInfo> token(std::string_view out) {
    TokenInfo info;
    bool has_guid = false;
    for (const auto line : lines(out)) {
        const std::size_t equals = line.find(" = ");
        if (equals == line.npos) continue;
        const auto key = trim(line.substr(0, equals));
        const auto value = trim(line.substr(equals + 3));
        if (key == "toguid") {
            info.guid = Guid{any_number(value)};
            has_guid = true;
        } else if (key == "fromguid") {
            info.base = Guid{any_number(value)};
        } else if (key == "bytes") {
            info.bytes_done = any_number(value);
        } else if (key == "rawok") {
            info.raw = any_number(value) != 0;
        } else if (key == "toname") {
            auto name = SnapshotName::parse(value);
            if (name) info.snapshot = std::move(*name);
        }
    }
    if (!has_guid) return malformed("a resume token", out.substr(0, 200));
    return info;
}

Result<std::vector<AckOutcome>> program(std::string_view out, std::size_t items) {
    auto json = parse_json(trim(out));
    if (!json) return malformed("a channel program's result", out.substr(0, 200));
    const auto result = json->find("return");
    if (result == json->end() || !result->is_object()) {
        return malformed("a channel program's result", out.substr(0, 200));
    }
    std::vector<AckOutcome> outcomes(items);
    for (std::size_t i = 0; i < items; ++i) {
        const std::string prefix = std::to_string(i + 1) + ":";
        bool seen = false;
        // Keys are "1:ok", "1:error", "1:failed:<what>", "1:destroyed:<name>": flat, because a table
        // in a table costs the program's memory limit dearly.
        for (const auto& [key, value] : result->items()) {
            if (!key.starts_with(prefix)) continue;
            const std::string rest = key.substr(prefix.size());
            if (rest == "ok") seen = true;
            else if (rest.starts_with("destroyed:")) outcomes[i].destroyed.push_back(rest.substr(10));
            else if (rest.starts_with("failed:")) {
                outcomes[i].failed.push_back(rest.substr(7) + " (error " + value.dump() + ")");
            } else if (rest == "error") {
                seen = true;
                const auto* text = value.get_ptr<const std::string*>();
                outcomes[i].acknowledged = Error{
                    .code = Code::conflict,
                    .message = text == nullptr ? "not recorded" : *text,
                    .remedy = "run zrepctl sync again; it looks at both sides anew"};
            }
        }
        if (!seen) {
            outcomes[i].acknowledged =
                Error{.code = Code::zfs_failed, .message = "the channel program did not get to it"};
        }
    }
    return outcomes;
}

std::optional<Change> EventReader::line(std::string_view text) {
    const bool detail = text.starts_with(' ') || text.starts_with('\t');
    text = trim(text);
    if (text.empty()) return finish();
    if (!detail) {
        auto change = finish();
        const auto words = split(text, ' ');
        class_ = words.back();
        return change;
    }
    const std::size_t equals = text.find(" = ");
    if (equals == text.npos) return std::nullopt;
    const auto key = text.substr(0, equals);
    auto value = text.substr(equals + 3);
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
        value = value.substr(1, value.size() - 2);
    }
    if (key == "history_dsname") dataset_ = value;
    else if (key == "history_internal_name") name_ = value;
    else if (key == "history_internal_str") detail_ = value;
    return std::nullopt;
}

/// What the event that just ended means for what we remember.
std::optional<Change> EventReader::finish() {
    const std::string event = std::exchange(class_, {});
    const std::string dataset = std::exchange(dataset_, {});
    const std::string name = std::exchange(name_, {});
    const std::string detail = std::exchange(detail_, {});
    if (event.empty()) return std::nullopt;
    if (event != "sysevent.fs.zfs.history_event") {
        // Pools that come and go change everything; I/O statistics and scrubs change nothing.
        const bool pool = event.find("pool_import") != event.npos ||
                          event.find("pool_export") != event.npos ||
                          event.find("pool_destroy") != event.npos;
        return pool ? std::optional(Change{}) : std::nullopt;
    }
    const auto parsed = DatasetName::parse(dataset.substr(0, dataset.find_first_of("@#%")));
    if (!parsed) {
        // "tank/fs/%recv": the hidden clone of a receive, which tells nothing new about tank/fs.
        const auto above = dataset.find("/%");
        const auto owner = DatasetName::parse(dataset.substr(0, above));
        if (above == dataset.npos || !owner) return std::nullopt;
        return Change{*owner, /*versions_only=*/true};
    }
    const bool version = dataset.find_first_of("@#") != dataset.npos;
    if (version) return Change{*parsed, /*versions_only=*/true};
    if (name == "create" || name == "destroy" || name == "rename" || name == "clone" ||
        name == "promote" || name == "inherit" || name == "receive") {
        return Change{*parsed, /*versions_only=*/false};
    }
    const bool ours = detail.find("zrep:") != detail.npos;
    return Change{*parsed, /*versions_only=*/!ours};
}

}  // namespace zrepd::parse
