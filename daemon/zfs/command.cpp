// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/zfs/command.hpp"

#include <algorithm>

#include "common/props.hpp"
#include "common/text.hpp"

namespace zrepd::command {
namespace {

template <class Names>
Argv with_names(Argv argv, const Names& names) {
    for (const auto& name : names) argv.push_back(name.str());
    return argv;
}

}  // namespace

Argv get_datasets(const std::vector<DatasetName>& which) {
    std::string columns =
        "type,guid,written,referenced,available,volsize,readonly,mounted,encryption,"
        "receive_resume_token";
    for (const auto name : prop::kOnDataset) columns += "," + std::string(name);
    return with_names({"zfs", "get", "-Hp", "-t", "filesystem,volume", "-o",
                       "name,property,value,source", columns},
                      which);
}

Argv list_versions(const std::vector<DatasetName>& which) {
    // -d 1: snapshots of these datasets, none of their children's.
    return with_names({"zfs", "list", "-Hp", "-d", "1", "-t", "snapshot,bookmark", "-o",
                       "name,guid,createtxg,written,userrefs,clones,zrep:sent"},
                      which);
}

Argv snapshot(const std::vector<SnapshotName>& names) {
    return with_names({"zfs", "snapshot"}, names);
}

Argv set(const DatasetName& dataset, const PropertyList& properties) {
    Argv argv{"zfs", "set"};
    for (const auto& [key, value] : properties) argv.push_back(key + "=" + value);
    argv.push_back(dataset.str());
    return argv;
}

Argv inherit(const DatasetName& dataset, const std::string& property) {
    return {"zfs", "inherit", property, dataset.str()};
}

Argv hold(const std::vector<SnapshotName>& names) {
    return with_names({"zfs", "hold", std::string(prop::kBaseHold)}, names);
}

Argv release(const std::vector<SnapshotName>& names) {
    return with_names({"zfs", "release", std::string(prop::kBaseHold)}, names);
}

Argv destroy_snapshots(const DatasetName& dataset, const std::vector<std::string>& names) {
    return {"zfs", "destroy", dataset.str() + "@" + join(names, ",")};
}

Argv destroy_bookmark(const DatasetName& dataset, const std::string& name) {
    return {"zfs", "destroy", dataset.str() + "#" + name};
}

Argv bookmark(const SnapshotName& snapshot, const std::string& name) {
    return {"zfs", "bookmark", snapshot.str(), snapshot.dataset().str() + "#" + name};
}

Argv set_sent(const std::vector<SnapshotName>& names, UnixSeconds sent) {
    return with_names({"zfs", "set", std::string(prop::kSent) + "=" + std::to_string(sent)}, names);
}

Argv rollback(const SnapshotName& snapshot) { return {"zfs", "rollback", snapshot.str()}; }

Argv abort_receive(const DatasetName& dataset) { return {"zfs", "receive", "-A", dataset.str()}; }

Argv token_info(const std::string& token) { return {"zfs", "send", "-nvP", "-t", token}; }

Argv send(const SendSpec& spec) {
    if (!spec.token.empty()) return {"zfs", "send", "-t", spec.token};
    // Blocks travel as they lie on disk. Raw streams bring no embedded blocks: they and encryption
    // do not go together when resumed (openzfs 8886, 12480).
    Argv argv{"zfs", "send", "-L", "-c"};
    argv.emplace_back(spec.raw ? "-w" : "-e");
    if (!spec.base.empty()) {
        argv.emplace_back("-i");
        argv.push_back(spec.base.front() == '#' ? spec.snapshot->dataset().str() + spec.base
                                                : spec.base);
    }
    argv.push_back(spec.snapshot->str());
    return argv;
}

Argv receive(const ReceiveSpec& spec) {
    Argv argv{"zfs", "receive", "-u", "-s"};
    for (const auto& [key, value] : spec.properties) {
        argv.emplace_back("-o");
        argv.push_back(key + "=" + value);
    }
    // With its snapshot: a stream of another one is refused instead of appearing under its own name.
    argv.push_back(spec.snapshot.str());
    return argv;
}

Argv program(const std::string& pool, const std::vector<std::string>& arguments) {
    Argv argv{"zfs", "program", "-j", pool, "-"};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    return argv;
}

Argv events() { return {"zpool", "events", "-f", "-v"}; }

bool is_token(std::string_view text) {
    return !text.empty() && text.size() <= 8192 && text.front() != '-' &&
           std::all_of(text.begin(), text.end(), [](char c) {
               return c == '-' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

}  // namespace zrepd::command
