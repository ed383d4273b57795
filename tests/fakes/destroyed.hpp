// SPDX-License-Identifier: BSD-2-Clause
// Snapshots as the lines of a dry run name them: what it says would go is held against what went.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "tests/fakes/two_hosts.hpp"

namespace zrepd::test {

using Destroyed = std::set<std::string>;

/// `where` as in the lines of a dry run: "" or " on beta".
inline Destroyed snapshots_of(TestHost& host,
                              const std::string& dataset,
                              const std::string& where) {
    Destroyed out;
    if (!host.zfs.exists(dataset)) return out;
    for (const auto& s : host.zfs.at(dataset).snapshots)
        out.insert("destroy " + dataset + "@" + s.name + where);
    return out;
}

inline Destroyed minus(const Destroyed& before, const Destroyed& after) {
    Destroyed out;
    for (const auto& one : before)
        if (!after.contains(one)) out.insert(one);
    return out;
}

inline Destroyed destroy_lines(const std::vector<std::string>& steps) {
    Destroyed out;
    for (const auto& step : steps)
        if (step.starts_with("destroy ")) out.insert(step);
    return out;
}

}  // namespace zrepd::test
