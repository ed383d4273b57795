// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/failover/tree_ways.hpp"

#include <set>

#include "common/props.hpp"
#include "common/text.hpp"
#include "daemon/failover/go_back.hpp"

namespace zrepd::failover {
namespace {

bool is_kept_back(const Dataset& member) {
    return member.kind == Kind::volume ? member.volmode == "none" : member.canmount == "noauto";
}

PropertyList kept_back(const Dataset& member) {
    if (member.kind == Kind::volume) return {{"volmode", "none"}};
    return {{"canmount", "noauto"}};
}

}  // namespace

PropertyList hide_member(const Dataset& member) {
    const bool noted = member.own(prop::kServe).has_value();
    // How a copy is kept is not how its master is served.
    if (is_kept_back(member)) return {};
    PropertyList out = kept_back(member);
    if (!noted) add(out, prop::kServe, to_text(serve_of_member(member)));
    return out;
}

MemberWays show_member(const Dataset& member, const std::optional<Serve>& told, bool copy) {
    const auto noted = member.own(prop::kServe);
    MemberWays out;
    if (!told && !noted && !(copy && is_kept_back(member))) return out;
    const Serve untold{.canmount = "on", .mounted = true};
    const Serve serve = told ? *told : noted ? parse_serve(*noted).value_or(untold) : untold;
    if (member.kind == Kind::volume) {
        add(out.after, "volmode", serve.volmode.empty() ? "default" : serve.volmode);
    } else {
        add(out.after, "canmount", serve.canmount.empty() ? "on" : serve.canmount);
        const bool elsewhere = !serve.mountpoint.empty() && serve.mountpoint != member.mountpoint;
        if (elsewhere && !member.mountpoint_here) add(out.before, "mountpoint", serve.mountpoint);
        out.mount = serve.mounted && !member.mounted;
        out.place = {.mounted = true,
                     .mountpoint = elsewhere ? serve.mountpoint : "",
                     .wished = serve.wished};
    }
    if (noted) add(out.after, prop::kServe, "");
    return out;
}

bool is_half_way(const Dataset& member, bool master, bool copy) {
    if (!copy) return false;
    return master ? member.own(prop::kServe).has_value() : !is_kept_back(member);
}

std::optional<Error> escapes_readonly(const Dataset& member, const HostName& host) {
    if (!member.readonly_here || member.readonly) return std::nullopt;
    const std::string name = member.name.str();
    return refused(name + " on " + host.str() +
                       " has readonly=off of its own: it would stay writable on the side that is "
                       "no master",
                   "on " + host.str() + ": zfs inherit readonly " + quote(name));
}

std::vector<DatasetName> writable_by_root(const plan::Datasets& all, const DatasetName& root) {
    const std::vector<DatasetName> members = plan::members_of(all, root);
    const std::set<DatasetName> inside(members.begin(), members.end());
    std::vector<DatasetName> out;
    for (auto it = all.upper_bound(root); it != all.end(); ++it) {
        const auto& [name, dataset] = *it;
        if (!name.str().starts_with(root.str())) break;
        // What lies below one of them inherits from that.
        const bool apart = name.is_below(root) && !inside.contains(name) &&
                           inside.contains(name.parent().value_or(name));
        if (apart && !dataset.readonly && !dataset.readonly_here) out.push_back(name);
    }
    return out;
}

bool is_drained(const Dataset& dataset, const Versions& versions) {
    const auto& all = versions.snapshots;
    return dataset.written_bytes == 0 && !all.empty() && all.back().sent.has_value();
}

std::string with_members(const DatasetName& root, std::size_t members) {
    return members < 2 ? root.str()
                       : root.str() + " and the " + std::to_string(members - 1) + " below it";
}

}  // namespace zrepd::failover
