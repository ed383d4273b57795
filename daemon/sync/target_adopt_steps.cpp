// SPDX-License-Identifier: BSD-2-Clause
// What an adoption would do, for --dry-run: what its first sync finds here, and what expires then.
#include <algorithm>

#include "daemon/plan/members.hpp"
#include "daemon/sync/target.hpp"

namespace zrepd::sync {
namespace {

/// The newest that both have, and the newest of ours among them, older first.
std::vector<Guid> newest_of_both(const Versions* versions,
                                 const std::vector<rpc::PeerSnapshot>& snapshots) {
    std::vector<Guid> out;
    if (versions == nullptr) return out;
    const auto& all = versions->snapshots;
    for (auto it = all.rbegin(); it != all.rend(); ++it) {
        const bool both = std::any_of(
            snapshots.begin(), snapshots.end(), [&](const auto& s) { return s.guid == it->guid; });
        const bool ours = zrep_sequence(it->name).has_value();
        if (both && (out.empty() || ours)) out.insert(out.begin(), it->guid);
        if (both && ours) break;
    }
    return out;
}

/// The snapshot of ours with the highest number, where the other side does not have it.
std::optional<rpc::PeerSnapshot> last_number(const Versions* versions,
                                             const std::vector<rpc::PeerSnapshot>& snapshots) {
    const Snapshot* last = nullptr;
    if (versions == nullptr) return std::nullopt;
    for (const Snapshot& one : versions->snapshots) {
        const auto number = zrep_sequence(one.name);
        if (number && (last == nullptr || *number > *zrep_sequence(last->name))) last = &one;
    }
    const bool both =
        last == nullptr || std::any_of(snapshots.begin(), snapshots.end(), [&](const auto& s) {
            return s.guid == last->guid;
        });
    if (both) return std::nullopt;
    rpc::PeerSnapshot out;
    out.name = last->name;
    out.guid = last->guid;
    return out;
}

}  // namespace

/// What lies below the target and has no original.
void Target::tell_of_others(const DatasetName& target,
                            const rpc::AdoptIn& in,
                            rpc::AdoptOut* out) const {
    for (const DatasetName& name : parts_.inventory.members(target)) {
        const std::string relative = plan::relative_name(target, name);
        const bool known = std::any_of(in.members->begin(), in.members->end(), [&](const auto& m) {
            return m.name == relative;
        });
        if (name == target || known) continue;
        const Dataset* other = parts_.inventory.find(name);
        const bool open = other != nullptr && other->readonly_here && !other->readonly;
        out->steps.push_back("leave " + name.str() + ", which has no original in " + in.source +
                             ", as it is, " +
                             (open ? "writable by a readonly=off of its own, which stands in the "
                                     "way of a takeover"
                                   : "readonly with the rest"));
    }
}

/// By what it keeps as a target; zrep:keep may be inherited.
std::vector<std::string> Target::expiring_when_adopted(const DatasetName& root,
                                                       const DatasetName& name,
                                                       unsigned savecount,
                                                       const std::string& base) const {
    const Dataset* dataset = parts_.inventory.find(name);
    if (dataset == nullptr) return {};
    const Dataset then = plan::with_savecount(parts_.inventory.all(), root, *dataset, savecount);
    return expiring_after(parts_.inventory.versions(name), base, plan::settings_of(then).retention);
}

rpc::AdoptOut::Found Target::found_when_adopted(
    const std::string& peer,
    const DatasetName& name,
    const std::string& source,
    const std::vector<rpc::PeerSnapshot>& snapshots) const {
    rpc::AdoptOut::Found out;
    const Dataset* dataset = parts_.inventory.find(name);
    if (dataset == nullptr) return out;
    out.exists = true;
    out.written_bytes = dataset->written_bytes;
    out.available_bytes = dataset->available_bytes;
    if (side_with(peer, name, source)) out.resume_token = dataset->resume_token;
    out.common = newest_of_both(parts_.inventory.versions(name), snapshots);
    out.last = last_number(parts_.inventory.versions(name), snapshots);
    return out;
}

void Target::describe_adopted_tree(const std::string& peer,
                                   const DatasetName& target,
                                   const rpc::AdoptIn& in,
                                   rpc::AdoptOut* out) const {
    const auto add = [&](const DatasetName& name,
                         const std::string& relative,
                         const std::vector<rpc::PeerSnapshot>& snapshots) {
        const std::string below = relative.empty() ? "" : "/" + relative;
        out->found.push_back(found_when_adopted(peer, name, in.source + below, snapshots));
        out->found.back().name = relative;
        if (!in.after) return;
        for (const auto& gone : expiring_when_adopted(target, name, in.savecount, *in.after))
            out->expires.push_back((relative.empty() ? "" : relative + "@") + gone);
    };
    add(target, "", in.snapshots);
    for (const rpc::AdoptMember& member : *in.members) {
        const auto name = plan::member_name(target, member.name);
        if (name) add(*name, member.name, member.snapshots);
    }
}

void Target::describe_adopted(const std::string& peer,
                              const DatasetName& target,
                              const rpc::AdoptIn& in,
                              rpc::AdoptOut* out) const {
    if (in.members)
        describe_adopted_tree(peer, target, in, out);
    else
        out->expires = expiring_when_adopted(target, target, in.savecount, out->base.name);
}

}  // namespace zrepd::sync
