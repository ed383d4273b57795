// SPDX-License-Identifier: BSD-2-Clause
#include "common/text.hpp"
#include "daemon/zfs/parse.hpp"

namespace zrepd::parse {
namespace {

/// `        name = "value"` → value; nullopt when the line is another field.
std::optional<std::string> field(std::string_view line, std::string_view name) {
    line = trim(line);
    if (!line.starts_with(name)) return std::nullopt;
    line.remove_prefix(name.size());
    if (!line.starts_with(" = \"") || line.size() < 5 || line.back() != '"') return std::nullopt;
    return std::string(line.substr(4, line.size() - 5));
}

/// Disks and scrubs come and go without a dataset changing. zpool clear brings a pool back.
bool is_irrelevant(std::string_view event_class) {
    if (event_class == "sysevent.fs.zfs.vdev_clear") return false;
    for (const std::string_view start : {"ereport.",
                                         "resource.",
                                         "sysevent.fs.zfs.config_",
                                         "sysevent.fs.zfs.scrub_",
                                         "sysevent.fs.zfs.resilver_",
                                         "sysevent.fs.zfs.vdev_",
                                         "sysevent.fs.zfs.trim_",
                                         "sysevent.fs.zfs.errorscrub_",
                                         "sysevent.fs.zfs.bootfs_"}) {
        if (event_class.starts_with(start)) return true;
    }
    return event_class.empty();
}

/// `dropped 12 events`, at the margin in front of the next one: the kernel keeps so many
/// (zfs_zevent_len_max). Those that it never made, of a disk that fails all the time, count as
/// well.
bool tells_of_lost(std::string_view line) {
    return line.starts_with("dropped ") && trim(line).ends_with(" events");
}

/// The dataset and all below it move or swap: names known before are worth nothing.
bool changes_names(std::string_view operation, bool of_version) {
    return !of_version && (operation.starts_with("rename") || operation == "promote");
}

Change history_change(std::string_view dataset, std::string_view operation) {
    // "fs/%recv" and "fs/%rollback" are zfs's own temporary children of fs. They end up as its
    // contents; what else such an operation changes is told by events of fs itself.
    const bool temporary = dataset.find("/%") != dataset.npos;
    dataset = dataset.substr(0, dataset.find("/%"));
    const std::size_t mark = dataset.find_first_of("@#");
    const bool of_version = mark != dataset.npos;
    if (changes_names(operation, of_version) && !temporary) return Change{};
    const Result<DatasetName> name = DatasetName::parse(dataset.substr(0, mark));
    if (!name.has_value()) return Change{};
    const bool bookmark = operation == "bookmark" || operation == "remove bookmark";
    return Change{.dataset = *name, .versions_only = of_version || bookmark || temporary};
}

}  // namespace

std::vector<Change> EventReader::feed(std::string_view bytes) {
    std::vector<Change> changes;
    while (!bytes.empty()) {
        const std::size_t end = bytes.find('\n');
        const std::string_view part = bytes.substr(0, end);
        if (!skipping_) pending_.append(part);
        if (pending_.size() > kMaxEventLine) {
            pending_.clear();
            skipping_ = true;
        }
        if (end == bytes.npos) break;
        if (!skipping_) line(pending_, changes);
        pending_.clear();
        skipping_ = false;
        bytes.remove_prefix(end + 1);
    }
    return changes;
}

void EventReader::line(std::string_view text, std::vector<Change>& changes) {
    // An event is a line at the margin, its fields indented, and an empty line.
    if (trim(text).empty() || (text[0] != ' ' && text[0] != '\t')) {
        finish(changes);
        if (tells_of_lost(text)) changes.push_back(Change{});
        return;
    }
    if (auto value = field(text, "class")) class_ = *value;
    if (auto value = field(text, "history_dsname")) dataset_ = *value;
    if (auto value = field(text, "history_internal_name")) operation_ = *value;
}

void EventReader::finish(std::vector<Change>& changes) {
    const std::string event_class = std::exchange(class_, "");
    const std::string dataset = std::exchange(dataset_, "");
    const std::string operation = std::exchange(operation_, "");
    if (is_irrelevant(event_class)) return;
    if (event_class == "sysevent.fs.zfs.history_event") {
        // Without a dataset it is the pool's: features, version, its own properties.
        if (!dataset.empty()) changes.push_back(history_change(dataset, operation));
        return;
    }
    changes.push_back(Change{});
}

}  // namespace zrepd::parse
