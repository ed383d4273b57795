// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/zfs/command.hpp"

#include <algorithm>
#include <array>

#include "common/props.hpp"
#include "common/text.hpp"

namespace zrepd::command {
namespace {

/// ZAP_MAXNAMELEN and ZAP_MAXVALUELEN without their NUL (zfs source, include/sys/zap.h).
constexpr std::size_t kMaxPropertyName = 255;
constexpr std::size_t kMaxPropertyValue = 8191;

Error invalid(std::string message) {
    return Error{.code = Code::invalid_params, .message = std::move(message)};
}

Argv with(Argv head, const Argv& tail) {
    head.insert(head.end(), tail.begin(), tail.end());
    return head;
}

std::vector<Argv> commands(const Argv& head, const Argv& items) {
    std::vector<Argv> result;
    for (const Argv& group : chunks(items)) result.push_back(with(head, group));
    return result;
}

Argv texts(const std::vector<DatasetName>& names) {
    Argv result;
    for (const DatasetName& name : names) result.push_back(name.str());
    return result;
}

Argv texts(const std::vector<SnapshotName>& names) {
    Argv result;
    for (const SnapshotName& name : names) result.push_back(name.str());
    return result;
}

/// The pool of a dataset, snapshot or bookmark; of one word that may be a pool or anything else,
/// that.
std::string_view first_component(std::string_view word) {
    return word.substr(0, word.find_first_of("/@#"));
}

std::string all_dataset_properties() {
    std::string result(kDatasetProperties);
    for (const std::string_view property : prop::kOnDataset) result.append(",").append(property);
    return result;
}

Argv get_datasets_head() {
    return {"zfs",
            "get",
            "-Hp",
            "-t",
            "filesystem,volume",
            "-o",
            "name,property,value,source",
            all_dataset_properties()};
}

/// A letter first, so that it is never an option.
Result<void> check_property_name(std::string_view name) {
    const bool letters = !name.empty() && name.size() <= kMaxPropertyName && name[0] >= 'a' &&
                         name[0] <= 'z' && std::all_of(name.begin(), name.end(), [](char c) {
                             return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == ':' ||
                                    c == '-' || c == '_' || c == '.' || c == '+';
                         });
    if (!letters) return invalid("not a property name: " + quote(name));
    return ok();
}

Result<std::string> assignment(const std::string& name, const std::string& value) {
    const Result<void> named = check_property_name(name);
    if (!named.has_value()) return named.error();
    const bool printable = std::none_of(value.begin(), value.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    });
    if (!printable || value.size() > kMaxPropertyValue) {
        return invalid("not a value for " + name + ": " + quote(value));
    }
    return name + "=" + value;
}

/// -o name=value of each.
Result<void> add_options(Argv& argv, const PropertyList& properties) {
    for (const auto& [name, value] : properties) {
        Result<std::string> text = assignment(name, value);
        if (!text.has_value()) return text.error();
        argv.emplace_back("-o");
        argv.push_back(std::move(*text));
    }
    return ok();
}

/// What `zfs destroy` reads as one snapshot: no list, no range.
Result<std::string> one_snapshot(const DatasetName& dataset, const std::string& name) {
    // make() refuses ',' and '%', as zfs itself does in names.
    Result<SnapshotName> full = SnapshotName::make(dataset, name);
    if (!full.has_value()) return full.error();
    return name;
}

Result<void> check_token(std::string_view token) {
    const bool good = !token.empty() && token.size() <= kMaxTokenBytes && token[0] != '-' &&
                      std::all_of(token.begin(), token.end(), [](char c) {
                          return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == '-';
                      });
    if (!good) return invalid("not a resume token: " + quote(token));
    return ok();
}

}  // namespace

std::vector<Argv> chunks(const Argv& items, std::size_t limit) {
    std::vector<Argv> result;
    std::size_t bytes = limit;
    for (const std::string& item : items) {
        const std::size_t cost = item.size() + 1 + sizeof(char*);
        if (result.empty() || bytes + cost > limit) {
            result.emplace_back();
            bytes = 0;
        }
        bytes += cost;
        result.back().push_back(item);
    }
    return result;
}

bool is_about_only(const Argv& argv, std::string_view pool, const std::vector<std::string>& pools) {
    const bool ours = !argv.empty() && (argv[0] == "zfs" || argv[0] == "zpool");
    bool named = false;
    // Behind the program and its verb.
    for (std::size_t i = 2; ours && i < argv.size(); ++i) {
        const std::string_view first = first_component(argv[i]);
        const bool known = std::find(pools.begin(), pools.end(), first) != pools.end();
        if (first == pool)
            named = true;
        else if (known)
            return false;
    }
    return named;
}

std::string subject(const Argv& argv) {
    constexpr std::array<std::string_view, 4> kWithValue{"-o", "-t", "-s", "-d"};
    for (std::size_t i = argv.size(); i > 2; --i) {
        const std::string_view word = argv[i - 1];
        const std::string_view before = argv[i - 2];
        if (std::find(kWithValue.begin(), kWithValue.end(), before) != kWithValue.end()) continue;
        const auto name = DatasetName::parse(word.substr(0, word.find_first_of("@#")));
        if (name) return name->str();
    }
    return {};
}

std::vector<Argv> get_datasets(const std::vector<DatasetName>& which) {
    if (which.empty()) return {get_datasets_head()};
    return commands(get_datasets_head(), texts(which));
}

Argv get_datasets_of_pools(const std::vector<std::string>& pools) {
    Argv head = get_datasets_head();
    head.insert(head.begin() + 2, "-r");
    return with(std::move(head), pools);
}

Argv list_names(const std::string& pool) {
    Argv out{"zfs", "list", "-H", "-o", "name", "-t", "filesystem,volume"};
    if (!pool.empty()) out.insert(out.end(), {"-r", pool});
    return out;
}

std::vector<Argv> get_versions(const std::vector<DatasetName>& which) {
    const Argv head{"zfs",
                    "get",
                    "-Hp",
                    "-d",
                    "1",
                    "-t",
                    "snapshot,bookmark",
                    "-s",
                    "local,none",
                    "-o",
                    "name,property,value",
                    std::string(kVersionProperties)};
    return commands(head, texts(which));
}

std::vector<Argv> get_snapshots(const std::vector<SnapshotName>& which) {
    return commands({"zfs",
                     "get",
                     "-Hp",
                     "-s",
                     "local,none",
                     "-o",
                     "name,property,value",
                     std::string(kVersionProperties)},
                    texts(which));
}

std::vector<Argv> get_guids(const std::vector<SnapshotName>& which) {
    return commands({"zfs", "get", "-Hp", "-o", "name,value", "guid"}, texts(which));
}

std::vector<Argv> snapshot(const std::vector<SnapshotName>& names) {
    return commands({"zfs", "snapshot"}, texts(names));
}

Result<Argv> set(const DatasetName& dataset, const PropertyList& properties) {
    if (properties.empty()) return invalid("no property to set on " + dataset.str());
    Argv result{"zfs", "set"};
    for (const auto& [name, value] : properties) {
        Result<std::string> text = assignment(name, value);
        if (!text.has_value()) return text.error();
        result.push_back(std::move(*text));
    }
    result.push_back(dataset.str());
    return result;
}

std::vector<Argv> set_sent(const std::vector<SnapshotName>& names, UnixSeconds sent) {
    const std::string text = std::string(prop::kSent) + "=" + std::to_string(sent);
    return commands({"zfs", "set", text}, texts(names));
}

std::vector<Argv> inherit_sent(const std::vector<SnapshotName>& names) {
    return commands({"zfs", "inherit", std::string(prop::kSent)}, texts(names));
}

Result<Argv> inherit(const DatasetName& dataset, const std::string& property) {
    const Result<void> named = check_property_name(property);
    if (!named.has_value()) return named.error();
    return Argv{"zfs", "inherit", property, dataset.str()};
}

std::vector<Argv> hold(const std::vector<SnapshotName>& names) {
    return commands({"zfs", "hold", std::string(prop::kBaseHold)}, texts(names));
}

std::vector<Argv> release(const std::vector<SnapshotName>& names) {
    return commands({"zfs", "release", std::string(prop::kBaseHold)}, texts(names));
}

std::vector<Argv> holds(const std::vector<SnapshotName>& names) {
    return commands({"zfs", "holds", "-H"}, texts(names));
}

Result<std::vector<Argv>> destroy_snapshots(const DatasetName& dataset,
                                            const std::vector<std::string>& names) {
    Argv checked;
    for (const std::string& name : names) {
        Result<std::string> one = one_snapshot(dataset, name);
        if (!one.has_value()) return one.error();
        checked.push_back(std::move(*one));
    }
    // One argument: Linux limits a single one to 128 KiB.
    constexpr std::size_t kMaxOneArgument = std::size_t{96} * 1024;
    std::vector<Argv> result;
    for (const Argv& group : chunks(checked, kMaxOneArgument)) {
        result.push_back({"zfs", "destroy", dataset.str() + "@" + join(group, ",")});
    }
    return result;
}

Result<Argv> destroy_bookmark(const DatasetName& dataset, const std::string& name) {
    // A bookmark's name has a snapshot's characters.
    Result<std::string> one = one_snapshot(dataset, name);
    if (!one.has_value()) return one.error();
    return Argv{"zfs", "destroy", dataset.str() + "#" + *one};
}

Argv bookmark(const SnapshotName& snapshot, const std::string& name) {
    return {"zfs", "bookmark", snapshot.str(), snapshot.dataset().str() + "#" + name};
}

Argv rollback(const SnapshotName& snapshot) {
    return {"zfs", "rollback", snapshot.str()};
}

Argv mount(const DatasetName& dataset) {
    return {"zfs", "mount", dataset.str()};
}

Argv remount(const DatasetName& dataset) {
    return {"zfs", "mount", "-o", "remount", dataset.str()};
}

Argv unmount(const DatasetName& dataset) {
    return {"zfs", "unmount", dataset.str()};
}

Argv mount_at(const DatasetName& dataset, const std::string& place) {
    return {"mount", "-t", "zfs", "-o", "zfsutil,ro,nosuid,nodev,noexec", dataset.str(), place};
}

Argv unmount_at(const std::string& place) {
    return {"umount", "--", place};
}

Argv diff(const DiffSpec& spec) {
    return {"zfs", "diff", "-F", "-H", spec.from.str(), spec.to.str()};
}

Argv sync_files(const std::string& mountpoint) {
    return {"sync", "-f", "--", mountpoint};
}

Argv load_key(const DatasetName& dataset, bool only_try) {
    Argv result{"zfs", "load-key"};
    if (only_try) result.emplace_back("-n");
    return with(std::move(result), {dataset.str()});
}

Argv unload_key(const DatasetName& dataset) {
    return with({"zfs", "unload-key"}, {dataset.str()});
}

Result<Argv> clone(const SnapshotName& origin,
                   const DatasetName& dataset,
                   const PropertyList& properties) {
    Argv result{"zfs", "clone"};
    auto added = add_options(result, properties);
    if (!added.has_value()) return added.error();
    return with(std::move(result), {origin.str(), dataset.str()});
}

Argv destroy_dataset(const DatasetName& dataset) {
    return {"zfs", "destroy", dataset.str()};
}

Argv abort_receive(const DatasetName& dataset) {
    return {"zfs", "receive", "-A", dataset.str()};
}

Result<Argv> token_info(const std::string& token) {
    const Result<void> checked = check_token(token);
    if (!checked.has_value()) return checked.error();
    return Argv{"zfs", "send", "-nvP", "-t", token};
}

Result<Argv> send(const SendSpec& spec) {
    Argv result{"zfs", "send", "-L", "-c", spec.raw ? "-w" : "-e"};
    if (!spec.token.empty()) {
        const Result<void> checked = check_token(spec.token);
        if (!checked.has_value()) return checked.error();
        return with(std::move(result), {"-t", spec.token});
    }
    if (!spec.snapshot) return invalid("nothing to send: neither a snapshot nor a resume token");
    if (!spec.base.empty()) {
        const std::string name = spec.base.substr(1);
        const bool marked = spec.base[0] == '@' || spec.base[0] == '#';
        if (!marked) return invalid("not a base of an increment: " + quote(spec.base));
        Result<std::string> one = one_snapshot(spec.snapshot->dataset(), name);
        if (!one.has_value()) return one.error();
        result = with(std::move(result), {"-i", spec.base});
    }
    return with(std::move(result), {spec.snapshot->str()});
}

Result<Argv> receive(const ReceiveSpec& spec) {
    Argv result{"zfs", "receive", "-u"};
    if (spec.resumable) result.emplace_back("-s");
    if (spec.origin) result = with(std::move(result), {"-o", "origin=" + spec.origin->str()});
    auto added = add_options(result, spec.properties);
    if (!added.has_value()) return added.error();
    return with(std::move(result), {spec.snapshot.str()});
}

Argv program(std::string_view pool, const std::vector<std::string>& arguments) {
    return with({"zfs", "program", "-j", "--", std::string(pool), "-"}, arguments);
}

Argv pool_readonly(std::string_view pool) {
    return {"zpool", "get", "-H", "-o", "value", "readonly", std::string(pool)};
}

Argv flush(const std::vector<std::string>& pools) {
    return with({"zpool", "sync"}, pools);
}

Argv events() {
    return {"zpool", "events", "-f", "-v", "-H"};
}

}  // namespace zrepd::command
