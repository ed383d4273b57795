// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/plan/adopt.hpp"

#include <algorithm>

#include "common/props.hpp"
#include "common/text.hpp"
#include "common/units.hpp"
#include "daemon/plan/conflicts.hpp"

namespace zrepd::plan {
namespace {

Error in_the_way(std::string message, std::string remedy) {
    return Error{
        .code = Code::conflict, .message = std::move(message), .remedy = std::move(remedy)};
}

/// The last `newer` snapshots, and what none of them has.
std::string newer_text(const Dataset& dataset, const Versions& versions, std::size_t newer) {
    std::vector<std::string> parts;
    const auto& all = versions.snapshots;
    for (std::size_t i = all.size() - newer; i < all.size() && parts.size() < kNamesShown; ++i)
        parts.push_back("@" + all[i].name);
    if (newer > kNamesShown) parts.push_back(std::to_string(newer - kNamesShown) + " more");
    if (dataset.written_bytes > 0)
        parts.push_back(human_bytes(dataset.written_bytes) + " that are in no snapshot");
    return join(parts, ", ");
}

}  // namespace

Result<void> is_free(const Dataset& dataset) {
    constexpr std::array kOurs{prop::kSrcHost, prop::kDestHost, prop::kRescue, prop::kDrill};
    for (const auto key : kOurs) {
        const auto value = dataset.own(key);
        if (!value || value->empty()) continue;
        return Error{.code = Code::already_configured,
                     .message = dataset.name.str() + " belongs to something already (" +
                                std::string(key) + " is " + quote(*value) + ")",
                     .remedy = "zrepctl list and zrepctl rescue list there; zrepctl clear " +
                               quote(dataset.name.str()) + " forgets a pair"};
    }
    return ok();
}

Result<Snapshot> adoptable_base(const Dataset& dataset,
                                const Versions& versions,
                                const std::vector<Guid>& source,
                                const std::string& host) {
    const std::string name = dataset.name.str();
    const std::string where = name + " on " + host;
    if (!dataset.resume_token.empty()) {
        return in_the_way(where + " has a half received stream of something else",
                          "on " + host + ": let that end, or zfs receive -A " + quote(name));
    }
    const auto& all = versions.snapshots;
    const auto found = std::find_if(all.rbegin(), all.rend(), [&](const Snapshot& s) {
        return std::find(source.begin(), source.end(), s.guid) != source.end();
    });
    if (found == all.rend()) {
        return in_the_way(
            where + " has no snapshot in common with its source",
            "name its copy (zfs list -o name,guid -t snapshot on both hosts), or init "
            "another target");
    }
    const auto newer = static_cast<std::size_t>(found - all.rbegin());
    if (newer == 0 && dataset.written_bytes == 0) return *found;
    const std::string base = quote(name + "@" + found->name);
    return in_the_way(where + " has more than its source since @" + found->name + ": " +
                          newer_text(dataset, versions, newer),
                      "on " + host + ", if nobody needs that: zfs rollback " +
                          (newer == 0 ? "" : "-r ") + base + "; else keep it first: zfs send");
}

PropertyList adopted_properties(const Adopted& what) {
    const auto own = [](std::string_view key, std::string value) {
        return std::pair(std::string(key), std::move(value));
    };
    PropertyList out{own("readonly", "on"),
                     own(prop::kSrcHost, what.source_host),
                     own(prop::kSrcFs, what.source),
                     own(prop::kDestHost, what.target_host),
                     own(prop::kDestFs, what.target),
                     own(prop::kSavecount, std::to_string(what.savecount)),
                     own(prop::kEpoch, "1"),
                     own(prop::kMaster, "no")};
    if (what.tree) out.push_back(own(prop::kTree, "on"));
    out.push_back(what.volume ? own("volmode", "none") : own("canmount", "noauto"));
    return out;
}

PropertyList adopted_member_properties(const Dataset& member) {
    const std::string_view key = member.kind == Kind::volume ? "volmode" : "canmount";
    const std::string_view wanted = member.kind == Kind::volume ? "none" : "noauto";
    const std::string& now = member.kind == Kind::volume ? member.volmode : member.canmount;
    if (now == wanted) return {};
    return {{std::string(key), std::string(wanted)}};
}

}  // namespace zrepd::plan
