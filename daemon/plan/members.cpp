// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/plan/members.hpp"

#include <algorithm>
#include <set>

#include "common/props.hpp"

namespace zrepd::plan {

std::string relative_name(const DatasetName& root, const DatasetName& member) {
    if (!member.is_below(root)) return {};
    return member.str().substr(root.str().size() + 1);
}

Result<DatasetName> member_name(const DatasetName& root, std::string_view relative) {
    if (relative.empty()) return root;
    return DatasetName::parse(root.str() + "/" + std::string(relative));
}

bool stands_apart(const Dataset& dataset) {
    const auto own = [&](std::string_view name) { return dataset.own(name).has_value(); };
    return std::any_of(prop::kPair.begin(), prop::kPair.end(), own) || own(prop::kMaster) ||
           own(prop::kRescue) || own(prop::kDrill);
}

std::vector<DatasetName> members_of(const Datasets& all, const DatasetName& root) {
    std::vector<DatasetName> out{root};
    std::set<DatasetName> inside{root};
    // Others may stand between them: "a-b" is sorted before "a/b".
    for (auto it = all.upper_bound(root); it != all.end(); ++it) {
        const auto& [name, dataset] = *it;
        if (!name.str().starts_with(root.str())) break;
        if (!name.is_below(root) || stands_apart(dataset)) continue;
        if (!inside.contains(*name.parent())) continue;
        inside.insert(name);
        out.push_back(name);
    }
    return out;
}

std::optional<Pair> tree_around(const Datasets& all, const DatasetName& name, const Self& self) {
    for (auto above = name.parent(); above; above = above->parent()) {
        const auto found = all.find(*above);
        if (found == all.end()) return std::nullopt;
        if (!stands_apart(found->second)) continue;
        const auto pair = pair_of(found->second, self);
        return pair && pair->tree ? pair : std::nullopt;
    }
    return std::nullopt;
}

const Snapshot* part_of(const Versions& member, const Snapshot& root) {
    const auto& all = member.snapshots;
    const auto found = std::find_if(all.begin(), all.end(), [&](const Snapshot& s) {
        return s.name == root.name && (!s.sent || !root.sent || s.sent == root.sent);
    });
    return found == all.end() ? nullptr : &*found;
}

Result<Pair> member_pair(const Pair& root, const Dataset& member) {
    auto there = member_name(root.peer_dataset, relative_name(root.dataset, member.name));
    if (!there) return there.error();
    Pair out = root;
    out.dataset = member.name;
    out.peer_dataset = std::move(*there);
    out.settings = settings_of(member);
    return out;
}

Dataset with_savecount(const Datasets& all,
                       const DatasetName& root,
                       const Dataset& member,
                       unsigned savecount) {
    Dataset out = member;
    for (auto name = member.name; name != root;) {
        const auto found = all.find(name);
        if (found != all.end() && found->second.own(prop::kSavecount)) return out;
        const auto above = name.parent();
        if (!above) return out;
        name = *above;
    }
    const Source source = member.name == root ? Source::local : Source::inherited;
    out.props[std::string(prop::kSavecount)] = {std::to_string(savecount), source};
    return out;
}

}  // namespace zrepd::plan
