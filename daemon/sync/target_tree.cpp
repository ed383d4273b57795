// SPDX-License-Identifier: BSD-2-Clause
// What a peer may do below the target of a recursive pair of its own (ADR 0015). Which names are
// members is decided here, by what lies here.
#include <algorithm>
#include <set>

#include "common/text.hpp"
#include "daemon/sync/target.hpp"

namespace zrepd::sync {
namespace {

// More is not read; the list begins anew with the next sync.
constexpr std::size_t kLeftTold = rpc::TreeOut::kMostTold;

/// The newest one of ours; nullptr: it is no copy.
const Snapshot* newest_zrep(const Versions* versions) {
    if (versions == nullptr) return nullptr;
    const auto& all = versions->snapshots;
    const auto found = std::find_if(all.rbegin(), all.rend(), [](const Snapshot& s) {
        return zrep_sequence(s.name).has_value();
    });
    return found == all.rend() ? nullptr : &*found;
}

/// As a member's first stream left it that was cut off: with nothing whole, and hidden as only the
/// first streams of peers do it.
bool is_first_part(const Dataset* dataset, const Versions* versions) {
    if (dataset == nullptr || versions == nullptr) return false;
    const bool hidden =
        dataset->kind == Kind::volume ? dataset->volmode == "none" : dataset->canmount == "noauto";
    return versions->snapshots.empty() && !dataset->resume_token.empty() && hidden;
}

}  // namespace

std::optional<plan::Pair> Target::tree_with(const std::string& peer,
                                            const DatasetName& target,
                                            const std::string& source) const {
    const auto root = plan::tree_around(parts_.inventory.all(), target, parts_.self);
    if (!root || root->role != plan::Role::target) return std::nullopt;
    const Dataset place(target);
    const auto member = plan::member_pair(*root, place);
    if (!member || !plan::is_other_side(*member, parts_.self, peer, source)) return std::nullopt;
    return root;
}

Task<Result<rpc::TreeOut>> Target::tree(std::string peer, rpc::TreeIn in) {
    auto target = usable_name(in.target);
    if (!target) co_return target.error();
    std::set<std::string> known;
    for (const auto& name : in.members) {
        auto member = plan::member_name(*target, name);
        if (!member) co_return member.error();
        known.insert(name);
    }
    // What comes and goes is told by events; a sync must not cost a look at everything each time.
    Result<void> seen = parts_.inventory.ready();
    const bool stale = !seen || parts_.inventory.needs_discovery();
    if (!pair_with(peer, *target, in.source))
        seen = co_await parts_.inventory.discover_for_peer();
    else if (stale)
        seen = co_await parts_.inventory.discover();
    if (!seen) co_return seen.error();
    rpc::TreeOut out;
    const auto pair = pair_with(peer, *target, in.source);
    if (!pair || !pair->tree) co_return out;
    out.known = true;
    std::vector<DatasetName> others = parts_.inventory.members(*target);
    std::erase_if(others, [&](const DatasetName& name) {
        return name == *target || known.contains(plan::relative_name(*target, name));
    });
    auto listed = co_await parts_.inventory.list_versions(others);
    if (!listed) co_return listed.error();
    for (const auto& name : others) {
        const Versions* versions = parts_.inventory.versions(name);
        const Snapshot* newest = newest_zrep(versions);
        const bool part = is_first_part(parts_.inventory.find(name), versions);
        if (newest != nullptr && out.left.size() < kLeftTold)
            out.left.push_back({plan::relative_name(*target, name), newest->name});
        else if (part && out.partial.size() < kLeftTold)
            out.partial.push_back(plan::relative_name(*target, name));
    }
    co_return out;
}

/// The first stream of what appeared in a tree.
Task<Result<void>> Target::ready_for_member(std::string peer,
                                            DatasetName target,
                                            rpc::ReceiveIn in) {
    // Its root or parent may have been received a moment ago.
    std::vector<DatasetName> which{target};
    for (auto above = target.parent(); above; above = above->parent()) {
        if (parts_.inventory.find(*above) == nullptr) which.push_back(*above);
    }
    auto seen = co_await parts_.inventory.refresh(std::move(which), Freshness::listed);
    if (!seen) co_return seen.error();
    const auto root = tree_with(peer, target, in.source);
    if (!root) co_return not_yours(peer, target);
    auto rescued = check_rescued(root->dataset);
    if (!rescued) co_return rescued;
    if (parts_.inventory.find(target) == nullptr) co_return may_grow(peer, root->dataset);
    const Versions* versions = parts_.inventory.versions(target);
    const Dataset* there = parts_.inventory.find(target);
    const bool partial = versions != nullptr && versions->snapshots.empty() && there != nullptr &&
                         !there->resume_token.empty();
    if (!in.abort_partial || !partial || !side_with(peer, target, in.source)) {
        co_return Error{.code = Code::already_exists,
                        .message = target.str() + " exists already on " + parts_.self.host.str(),
                        .remedy = "run zrepctl sync again to look anew"};
    }
    // Only a partly received first stream, which its sender has decoded: it is of this very member.
    co_return co_await parts_.zfs.abort_receive(target);
}

}  // namespace zrepd::sync
