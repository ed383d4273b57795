// SPDX-License-Identifier: BSD-2-Clause
// The first half of a tree's sync: what lies here and there, and what is therefore to be done.
#include <algorithm>

#include "common/text.hpp"
#include "daemon/log.hpp"
#include "daemon/sync/bookkeeping.hpp"
#include "daemon/sync/refusals.hpp"
#include "daemon/sync/tree_sync.hpp"

namespace zrepd::sync {
namespace {

constexpr std::chrono::milliseconds kTreeLookLimit{60'000};

std::chrono::milliseconds limit_of(SteadyClock::time_point until) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - SteadyClock::now());
    return std::clamp(left, std::chrono::milliseconds(1), kTreeLookLimit);
}

Error too_old(const HostName& peer) {
    return Error{.code = Code::unsupported,
                 .message = "the zrepd on " + peer.str() +
                            " is older than recursive pairs; nothing was changed",
                 .remedy = "install this version there: zrepctl version on both hosts"};
}

Error came_or_went(const DatasetName& root) {
    return Error{.code = Code::busy,
                 .message = "members of " + root.str() + " came or went just now",
                 .remedy = "zrepctl sync " + quote(root.str()) + " again"};
}

/// How to let go of a copy that nothing is sent to any more. zrepd never does it. Not `destroy -r`,
/// which takes whatever else lies below: zfs refuses this while something does.
std::string letting_go(const HostName& peer, const DatasetName& copy, const std::string& snapshot) {
    const std::string name = quote(copy.str());
    return "on " + peer.str() +
           ", if nobody needs it, the innermost first: zfs release zrep_base " +
           quote(copy.str() + "@" + snapshot) + "; zfs destroy " + quote(copy.str() + "@%") +
           "; zfs destroy " + name;
}

/// The same of half a first stream, which is nothing without its rest.
std::string letting_go_of_part(const HostName& peer, const DatasetName& copy) {
    return "on " + peer.str() + ", if nobody needs that half of a stream: zfs receive -A " +
           quote(copy.str());
}

Error tells_too_much(const HostName& peer) {
    return Error{.code = Code::peer_protocol,
                 .message = peer.str() + " names more than " +
                            std::to_string(rpc::TreeOut::kMostTold) +
                            " copies of what is no part of the tree, which no zrepd does",
                 .remedy = "look at the zrepd of " + peer.str() + ": zrepctl doctor there"};
}

Error named_what_cannot_be(const HostName& peer, const std::string& what) {
    return Error{.code = Code::peer_protocol,
                 .message = peer.str() + " named what cannot be: " + quote(what),
                 .remedy = "compare `zrepctl version` on both hosts"};
}

}  // namespace

Task<Result<LeftOut>> look_here(Parts& parts, std::vector<DatasetName> which, Freshness freshness) {
    const bool trees = std::any_of(which.begin(), which.end(), [&](const DatasetName& name) {
        const auto pair = parts.inventory.pair(name);
        return pair && pair->tree;
    });
    const bool stale = freshness == Freshness::listed || parts.inventory.needs_discovery();
    if (trees && stale) {
        auto seen = co_await parts.inventory.discover();
        // The look below says it of each dataset that it is about.
        if (!seen) log::event(log::Level::debug, "list_failed", {{"error", seen.error().text()}});
    }
    std::vector<DatasetName> all = parts.inventory.with_members(which);
    co_return co_await parts.inventory.refresh(std::move(all), freshness);
}

std::vector<plan::Pair> sides_that_expire(const Inventory& inventory, const plan::Pair& pair) {
    if (!pair.tree) return {pair};
    // What lacks its part of this is no copy of a member any more, or none yet.
    const Versions* root = inventory.versions(pair.dataset);
    const Snapshot* whole = root == nullptr ? nullptr : last_acked(*root);
    std::vector<plan::Pair> out;
    for (const auto& name : inventory.members(pair.dataset)) {
        const Versions* versions = inventory.versions(name);
        const bool part =
            whole != nullptr && versions != nullptr && plan::part_of(*versions, *whole) != nullptr;
        if (pair.role == plan::Role::target && !part) continue;
        if (auto side = inventory.side(name)) out.push_back(std::move(*side));
    }
    return out;
}

Task<Result<void>> TreeSync::ask_peer(SteadyClock::time_point until) {
    rpc::TreeIn in;
    in.source = root_.dataset.str();
    in.target = root_.peer_dataset.str();
    for (const Member& member : members_) {
        auto name = plan::relative_name(root_.dataset, member.pair.dataset);
        if (!name.empty()) in.members.push_back(std::move(name));
    }
    auto out =
        co_await source_.peers.call_as<rpc::TreeOut>(root_.peer, "peer.tree", in, limit_of(until));
    if (!out && out.error().code == Code::method_not_found) co_return too_old(root_.peer);
    if (!out) co_return failed_there(root_.peer, out.error());
    auto left = left_behind(*out, root_);
    if (!left) co_return left.error();
    left_ = std::move(*left);
    co_return ok();
}

Result<std::vector<rpc::LeftBehind>> left_behind(const rpc::TreeOut& told, const plan::Pair& root) {
    constexpr std::size_t kMost = rpc::TreeOut::kMostTold;
    if (told.left.size() > kMost || told.partial.size() > kMost) return tells_too_much(root.peer);
    std::vector<rpc::LeftBehind> out;
    for (const auto& copy : told.left) {
        const auto name = plan::member_name(root.peer_dataset, copy.name);
        const auto snapshot =
            name ? SnapshotName::make(*name, copy.snapshot) : Result<SnapshotName>(name.error());
        if (!snapshot || copy.name.empty())
            return named_what_cannot_be(root.peer, copy.name + "@" + copy.snapshot);
        out.push_back({name->str(), letting_go(root.peer, *name, copy.snapshot)});
    }
    for (const auto& part : told.partial) {
        const auto name = plan::member_name(root.peer_dataset, part);
        if (!name || part.empty()) return named_what_cannot_be(root.peer, part);
        out.push_back({name->str(), letting_go_of_part(root.peer, *name)});
    }
    return out;
}

Result<void> TreeSync::collect() {
    members_.clear();
    for (const auto& name : parts_.inventory.members(root_.dataset)) {
        const Dataset* dataset = parts_.inventory.find(name);
        if (dataset == nullptr || parts_.inventory.versions(name) == nullptr) {
            return Error{.code = Code::not_found,
                         .message = name.str() + " vanished while it was looked at",
                         .remedy = "zrepctl sync " + quote(root_.dataset.str()) + " again"};
        }
        Member member{.pair = root_};
        member.pair.dataset = name;
        if (!run_ && !founding_.empty()) foresee(member);
        auto pair = plan::member_pair(root_, *dataset_of(member));
        if (!pair) {
            Error error = pair.error();
            error.code = Code::conflict;
            error.remedy = "zfs rename " + quote(name.str()) +
                           " SHORTER-NAME; it has to fit on both sides, with its root's";
            return error;
        }
        member.pair = std::move(*pair);
        // Of a pair that is not stored yet nothing is known but what it will inherit.
        if (name == root_.dataset && member.dataset_then) root_.settings = member.pair.settings;
        members_.push_back(std::move(member));
    }
    return ok();
}

std::vector<plan::TreeMember> TreeSync::views() const {
    std::vector<plan::TreeMember> out;
    for (const Member& member : members_) {
        const Dataset* dataset = dataset_of(member);
        const Versions* versions = versions_of(member);
        // What changed while the peer was asked is found by the next sync.
        if (dataset == nullptr || versions == nullptr) return {};
        out.push_back({{dataset, versions, parts_.inventory.pool_free(dataset->name)},
                       member.target,
                       member.pair.peer_dataset});
    }
    return out;
}

Task<Result<std::vector<rpc::TargetState>>> TreeSync::states_there(SteadyClock::time_point until) {
    if (adopted_) co_return adopted_states();
    LookAt what{.peer = root_.peer, .pairs = {}, .sends = run_ != nullptr, .freshness = freshness_};
    for (const Member& member : members_) what.pairs.push_back(member.pair);
    co_return co_await look_at_targets(source_, std::move(what), until);
}

Task<Result<plan::TreeStep>> TreeSync::plan(SteadyClock::time_point until) {
    if (run_) parts_.runs.phase(*run_, root_.dataset, "looking");
    auto collected = collect();
    if (!collected) co_return collected.error();
    auto asked = co_await ask_peer(until);
    if (!asked) co_return asked.error();
    auto states = co_await states_there(until);
    if (!states) co_return states.error();
    for (std::size_t i = 0; i < members_.size(); ++i) {
        auto& state = (*states)[i];
        if (state.error)
            co_return failed_there(root_.peer, rpc::from_item_error(*state.error))
                .in(root_.peer.str());
        auto view =
            co_await target_view(parts_, root_.peer, members_[i].pair.dataset, std::move(state));
        if (!view) co_return view.error();
        members_[i].target = std::move(*view);
    }
    const std::vector<plan::TreeMember> all = views();
    if (all.empty()) co_return came_or_went(root_.dataset);
    co_return plan::plan_tree(root_, all, !founding_.empty());
}

}  // namespace zrepd::sync
