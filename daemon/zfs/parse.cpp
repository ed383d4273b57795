// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/zfs/parse.hpp"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "common/props.hpp"
#include "common/text.hpp"

namespace zrepd::parse {
namespace {

Error not_understood(std::string_view what) {
    return Error{.code = Code::zfs_failed,
                 .message = "zfs printed something that is not understood: " + quote(what),
                 .remedy = "run the same command by hand; report it with the version of OpenZFS"};
}

/// Lines without their line break; the last one may lack it.
std::vector<std::string_view> lines(std::string_view text) {
    std::vector<std::string_view> result = split(text, '\n');
    if (!result.empty() && result.back().empty()) result.pop_back();
    return result;
}

Source source_of(std::string_view text) {
    if (text == "local") return Source::local;
    if (text == "received") return Source::received;
    if (text == "default") return Source::fallback;
    if (text.starts_with("inherited")) return Source::inherited;
    return Source::none;
}

/// "-" is how zfs writes "does not apply".
bool read_number(std::string_view text, std::uint64_t& into) {
    const auto value = parse_u64(text);
    if (!value && text != "-") return false;
    into = value.value_or(0);
    return true;
}

/// False when the value of a native property is nonsense.
bool apply_native(Dataset& dataset, std::string_view property, std::string_view value) {
    if (property == "type") {
        dataset.kind = value == "volume" ? Kind::volume : Kind::filesystem;
        return value == "volume" || value == "filesystem";
    }
    if (property == "guid") return read_number(value, dataset.guid.value);
    if (property == "written") return read_number(value, dataset.written_bytes);
    if (property == "referenced") return read_number(value, dataset.referenced_bytes);
    if (property == "available") return read_number(value, dataset.available_bytes);
    if (property == "volsize") return read_number(value, dataset.volsize_bytes);
    if (property == "readonly") dataset.readonly = value == "on";
    if (property == "mounted") dataset.mounted = value == "yes";
    if (property == "encryption") dataset.encrypted = value != "off" && value != "-";
    if (property == "keystatus") dataset.key_loaded = value != "unavailable";
    const std::string text(value == "-" ? "" : value);
    if (property == "receive_resume_token") dataset.resume_token = text;
    if (property == "keylocation") dataset.keylocation = value == "none" ? "" : text;
    if (property == "canmount") dataset.canmount = text;
    if (property == "mountpoint") dataset.mountpoint = text;
    if (property == "volmode") dataset.volmode = text;
    if (property == "origin") dataset.origin = text;
    return true;
}

/// Whether the value of a native property that inherits is this dataset's own.
void note_source(Dataset& dataset, std::string_view property, Source source) {
    const bool here = source == Source::local || source == Source::received;
    if (property == "readonly") dataset.readonly_here = here;
    if (property == "mountpoint") dataset.mountpoint_here = here;
}

bool is_ours(std::string_view property) {
    return std::find(prop::kOnDataset.begin(), prop::kOnDataset.end(), property) !=
           prop::kOnDataset.end();
}

bool is_native(std::string_view property) {
    constexpr std::string_view names[] = {"type",
                                          "guid",
                                          "written",
                                          "referenced",
                                          "available",
                                          "volsize",
                                          "readonly",
                                          "mounted",
                                          "encryption",
                                          "receive_resume_token",
                                          "keystatus",
                                          "keylocation",
                                          "canmount",
                                          "mountpoint",
                                          "volmode",
                                          "origin"};
    return std::find(std::begin(names), std::end(names), property) != std::end(names);
}

/// Reads the records of one listing. A dataset's records stand together and begin with "type"; any
/// other line is the rest of a value with a line break in it.
class DatasetReader {
  public:
    Result<void> line(std::string_view text) {
        const std::vector<std::string_view> fields = split(text, '\t');
        const bool record = fields.size() == 4 && (is_native(fields[1]) || is_ours(fields[1]));
        if (record && fields[1] == "type") return begin(fields[0], text, fields[2]);
        if (!record || fields[0] != name_) return broken_value();
        return property(fields[1], fields[2], fields[3], text);
    }

    Result<std::vector<Dataset>> take() {
        for (const Dataset& dataset : found_) {
            if (!dataset.guid.known())
                return not_understood(dataset.name.str() + " without a guid");
        }
        return std::move(found_);
    }

  private:
    Result<void> begin(std::string_view name, std::string_view text, std::string_view type) {
        name_ = name;
        property_.clear();
        // Names that are not valid are of no use to us, and of no harm.
        const Result<DatasetName> parsed = DatasetName::parse(name);
        skip_ = !parsed.has_value();
        if (skip_) return ok();
        if (!seen_.insert(*parsed).second) return not_understood(text);
        found_.emplace_back(*parsed);
        if (!apply_native(found_.back(), "type", type)) return not_understood(text);
        return ok();
    }

    Result<void> broken_value() {
        if (!skip_ && !found_.empty() && !property_.empty()) found_.back().props.erase(property_);
        return ok();
    }

    Result<void> property(std::string_view name,
                          std::string_view value,
                          std::string_view source,
                          std::string_view text) {
        if (skip_) return ok();
        property_.clear();
        if (is_native(name)) {
            if (!apply_native(found_.back(), name, value)) return not_understood(text);
            note_source(found_.back(), name, source_of(source));
            return ok();
        }
        property_ = name;
        const Source from = source_of(source);
        if (from == Source::none) return ok();
        found_.back().props[property_] = Property{.value = std::string(value), .source = from};
        return ok();
    }

    std::vector<Dataset> found_;
    std::set<DatasetName> seen_;
    std::string name_;
    std::string property_;  ///< the zrep: property read last
    bool skip_ = true;      ///< until a valid name begins
};

/// One snapshot or bookmark while its records are read.
struct Version {
    std::string full_name;
    Snapshot snapshot;
    bool valid = true;
};

bool apply(Version& version, std::string_view property, std::string_view value) {
    Snapshot& snapshot = version.snapshot;
    std::uint64_t number = 0;
    if (property == prop::kSent) {
        // Anything but a number is as good as unset: a foreign value must not stop the listing.
        snapshot.sent = parse_i64(value);
        return true;
    }
    if (!read_number(value, number)) return false;
    if (property == "guid") snapshot.guid.value = number;
    if (property == "createtxg") snapshot.createtxg = number;
    // It comes with a stream, so a peer may have made it up; one that is no time is not known,
    // which keeps the snapshot and does not stop the listing of all others.
    if (property == "creation" && std::in_range<UnixSeconds>(number))
        snapshot.created = static_cast<UnixSeconds>(number);
    if (property == "written") snapshot.written_bytes = number;
    if (property == "userrefs") snapshot.held = number > 0;
    if (property == "numclones") snapshot.cloned = number > 0;
    return true;
}

void file(std::map<DatasetName, Versions>& all, Version version) {
    const std::size_t mark = version.full_name.find_first_of("@#");
    if (mark == std::string::npos) return;
    const Result<DatasetName> dataset = DatasetName::parse(version.full_name.substr(0, mark));
    if (!dataset.has_value()) return;
    Snapshot& snapshot = version.snapshot;
    snapshot.name = version.full_name.substr(mark + 1);
    if (version.full_name[mark] == '@') {
        all[*dataset].snapshots.push_back(std::move(snapshot));
    } else {
        all[*dataset].bookmarks.push_back(
            {.name = snapshot.name, .guid = snapshot.guid, .createtxg = snapshot.createtxg});
    }
}

bool is_version_property(std::string_view name) {
    constexpr std::string_view names[] = {
        "guid", "createtxg", "creation", "written", "userrefs", "numclones"};
    return name == prop::kSent ||
           std::find(std::begin(names), std::end(names), name) != std::end(names);
}

std::optional<std::uint64_t> parse_hex(std::string_view text) {
    if (!text.starts_with("0x")) return std::nullopt;
    std::uint64_t value = 0;
    const auto [end, ec] = std::from_chars(text.data() + 2, text.data() + text.size(), value, 16);
    if (ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

}  // namespace

Result<std::vector<Dataset>> datasets(std::string_view out) {
    DatasetReader reader;
    for (const std::string_view text : lines(out)) {
        Result<void> read = reader.line(text);
        if (!read.has_value()) return read.error();
    }
    return reader.take();
}

Result<std::map<DatasetName, Versions>> versions(std::string_view out) {
    std::vector<Version> found;
    for (const std::string_view text : lines(out)) {
        const std::vector<std::string_view> fields = split(text, '\t');
        if (fields.size() != 3 || !is_version_property(fields[1])) continue;  // rest of a value
        if (fields[1] == "guid")
            found.push_back({.full_name = std::string(fields[0]), .snapshot = {}});
        if (found.empty() || found.back().full_name != fields[0]) return not_understood(text);
        if (!apply(found.back(), fields[1], fields[2])) return not_understood(text);
    }
    std::map<DatasetName, Versions> result;
    for (Version& version : found) {
        if (!version.snapshot.guid.known()) return not_understood(version.full_name);
        file(result, std::move(version));
    }
    const auto older = [](const auto& a, const auto& b) { return a.createtxg < b.createtxg; };
    for (auto& [dataset, all] : result) {
        std::stable_sort(all.snapshots.begin(), all.snapshots.end(), older);
        std::stable_sort(all.bookmarks.begin(), all.bookmarks.end(), older);
    }
    return result;
}

std::set<SnapshotName> foreign_holds(std::string_view out) {
    std::set<SnapshotName> found;
    for (const std::string_view text : lines(out)) {
        const std::vector<std::string_view> fields = split(text, '\t');
        if (fields.size() < 2 || fields[1] == prop::kBaseHold) continue;
        auto name = SnapshotName::parse(fields[0]);
        if (name) found.insert(std::move(*name));
    }
    return found;
}

Result<std::map<std::string, Guid>> guids(std::string_view out) {
    std::map<std::string, Guid> result;
    for (const std::string_view text : lines(out)) {
        const std::vector<std::string_view> fields = split(text, '\t');
        const auto guid = fields.size() == 2 ? Guid::parse(fields[1]) : std::nullopt;
        if (!guid) return not_understood(text);
        result[std::string(fields[0])] = *guid;
    }
    return result;
}

Result<TokenInfo> token(std::string_view out) {
    TokenInfo result;
    std::set<std::string_view> seen;
    for (const std::string_view text : lines(out)) {
        const std::size_t equals = text.find(" = ");
        if (equals == text.npos) continue;
        const std::string_view key = trim(text.substr(0, equals));
        const std::string_view value = text.substr(equals + 3);
        // A name with a line break, which its maker may put into a token, looks like one more key;
        // and zfs sends what the guid says, wherever in the pool that is.
        if (!seen.insert(key).second) return not_understood(text);
        if (key == "toname") {
            const Result<SnapshotName> name = SnapshotName::parse(value);
            if (!name.has_value()) return name.error();
            result.snapshot = *name;
        }
        const bool number =
            key == "toguid" || key == "fromguid" || key == "bytes" || key == "rawok";
        if (!number) continue;
        const auto parsed = key == "rawok" ? parse_u64(value) : parse_hex(value);
        if (!parsed) return not_understood(text);
        if (key == "toguid") result.guid.value = *parsed;
        if (key == "fromguid") result.base.value = *parsed;
        if (key == "bytes") result.bytes_done = *parsed;
        if (key == "rawok") result.raw = *parsed != 0;
    }
    if (!result.snapshot || !result.guid.known()) return not_understood(out.substr(0, 200));
    return result;
}

std::string version(std::string_view out) {
    std::string_view text = trim(out.substr(0, out.find('\n')));
    if (text.starts_with("zfs-")) text.remove_prefix(4);
    const std::size_t end = text.find_first_not_of("0123456789.");
    return std::string(text.substr(0, end));
}

std::optional<std::string> pool_trouble(std::string_view state) {
    const std::string_view word = trim(state);
    // spa_state_to_name() in module/zfs/spa_misc.c; anything newer than these is not our business.
    for (const std::string_view bad :
         {"SUSPENDED", "FAULTED", "UNAVAIL", "REMOVED", "OFFLINE", "CANT_OPEN"}) {
        if (word == bad) return std::string(bad);
    }
    return std::nullopt;
}

}  // namespace zrepd::parse
