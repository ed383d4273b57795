// SPDX-License-Identifier: BSD-2-Clause
// Argument vectors of every zfs(8) and zpool(8) call. Pure. Every name in them is a checked type
// that starts with a letter, so none can be taken for an option.
#pragma once

#include <string>
#include <vector>

#include "daemon/zfs/zfs_spec.hpp"

namespace zrepd::command {

using Argv = std::vector<std::string>;

/// Longest argument list we build, in bytes; a fraction of Linux's 2 MiB (execve(2)).
inline constexpr std::size_t kMaxArguments = 256 * 1024;

Argv get_datasets(const std::vector<DatasetName>& which);
Argv list_versions(const std::vector<DatasetName>& which);
Argv snapshot(const std::vector<SnapshotName>& names);
Argv set(const DatasetName& dataset, const PropertyList& properties);
Argv inherit(const DatasetName& dataset, const std::string& property);
Argv hold(const std::vector<SnapshotName>& names);
Argv release(const std::vector<SnapshotName>& names);
Argv destroy_snapshots(const DatasetName& dataset, const std::vector<std::string>& names);
Argv destroy_bookmark(const DatasetName& dataset, const std::string& name);
Argv bookmark(const SnapshotName& snapshot, const std::string& name);
Argv set_sent(const std::vector<SnapshotName>& names, UnixSeconds sent);
Argv rollback(const SnapshotName& snapshot);
Argv abort_receive(const DatasetName& dataset);
Argv token_info(const std::string& token);
Argv send(const SendSpec& spec);
Argv receive(const ReceiveSpec& spec);
Argv program(const std::string& pool, const std::vector<std::string>& arguments);
Argv events();

/// True for what a resume token may consist of; anything else never reaches an argument list.
bool is_token(std::string_view text);

/// Cuts a list so that each part's names stay below kMaxArguments.
template <class Name>
std::vector<std::vector<Name>> chunks(const std::vector<Name>& all) {
    std::vector<std::vector<Name>> out;
    std::size_t bytes = 0;
    for (const Name& name : all) {
        const std::size_t size = name.str().size() + 9;  // its pointer and NUL
        if (out.empty() || bytes + size > kMaxArguments) {
            out.emplace_back();
            bytes = 0;
        }
        bytes += size;
        out.back().push_back(name);
    }
    return out;
}

}  // namespace zrepd::command
