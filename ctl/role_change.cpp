// SPDX-License-Identifier: BSD-2-Clause
// failover and takeover: filesystems, or one snapshot to begin at.
#include <algorithm>

#include "ctl/command.hpp"

namespace zrepd::ctl {

int start_role_change(const Invocation& invocation, const std::string& method) {
    const auto& words = invocation.words;
    const bool back = std::any_of(words.begin(), words.end(), [](const std::string& word) {
        return word.find('@') != word.npos;
    });
    if (!back) return start_on_selection<rpc::RoleIn>(invocation, method);
    if (words.size() > 1) {
        return usage_error(invocation, "one FILESYSTEM@SNAPSHOT at a time, and nothing beside it");
    }
    const auto snapshot = SnapshotName::parse(words.front());
    if (!snapshot) return usage_error(invocation, snapshot.error());
    const std::string dataset = snapshot->dataset().str();
    if (dataset == "all") {
        return usage_error(invocation, "a snapshot is one filesystem's: all@... names none");
    }
    rpc::RoleIn in;
    in.datasets = {dataset};
    in.snapshot = snapshot->snapshot();
    in.local_only = invocation.has("local");
    in.dry_run = invocation.has("dry-run");
    if (invocation.has("master-is-off")) in.master_is_off = true;
    return start_and_follow(invocation, method, rpc::encode(in), {dataset});
}

}  // namespace zrepd::ctl
