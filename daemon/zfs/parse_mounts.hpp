// SPDX-License-Identifier: BSD-2-Clause
// Reads a mount table, as /proc/self/mountinfo has it (proc_pid_mountinfo(5)). Pure. What is not
// understood is left out.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace zrepd::parse {

struct Mount {
    std::string place;
    std::string type;                  ///< "zfs", "nfs4"
    std::string source;                ///< of zfs: the dataset, or the snapshot
    bool readonly = false;             ///< at this place
    bool filesystem_readonly = false;  ///< at any place
};

/// In the table's order: of two at one place the later one is on top.
std::vector<Mount> mounts(const std::string& table);

/// Places where a dataset or snapshot of zfs can be written to, by its name; one for each.
std::map<std::string, std::string, std::less<>> writable_zfs(const std::string& table);

}  // namespace zrepd::parse
