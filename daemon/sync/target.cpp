// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sync/target.hpp"

#include <algorithm>
#include <iterator>

#include "common/platform.hpp"
#include "common/props.hpp"
#include "common/rpc/message.hpp"
#include "common/text.hpp"
#include "daemon/clock.hpp"
#include "daemon/plan/displaced.hpp"

namespace zrepd::sync {
namespace {

// Enough to find the common one on any sane history, little enough for one line of JSON.
constexpr std::size_t kMaxSnapshotsTold = 1000;
// Of older ones that both sides have; the newest of them is the base.
constexpr std::size_t kMaxOlderTold = 1000;

rpc::PeerSnapshot to_wire(const Snapshot& snapshot) {
    rpc::PeerSnapshot out;
    out.name = snapshot.name;
    out.guid = snapshot.guid;
    out.written_bytes = snapshot.written_bytes;
    out.sent = snapshot.sent;
    return out;
}

}  // namespace

std::vector<rpc::PeerSnapshot> newest_snapshots(const Versions* versions) {
    std::vector<rpc::PeerSnapshot> out;
    if (versions == nullptr) return out;
    const auto& all = versions->snapshots;
    const std::size_t skip = all.size() > kMaxSnapshotsTold ? all.size() - kMaxSnapshotsTold : 0;
    // Of the older ones those that the other side is known to have: weeks of other people's
    // snapshots must not hide the common one.
    for (std::size_t i = all.size(); i-- > 0;) {
        const bool told = i >= skip || all[i].sent || all[i].held;
        if (told) out.push_back(to_wire(all[i]));
        if (out.size() == kMaxSnapshotsTold + kMaxOlderTold) break;
    }
    std::reverse(out.begin(), out.end());
    return out;
}

const std::string& boot_id() {
    static const std::string id = [] {
        std::string text = platform::boot_id();
        return text.empty() ? std::to_string(unix_now()) : text;
    }();
    return id;
}

rpc::Hello Target::hello() {
    return {std::string(rpc::kProtocol),
            std::string(kBuildVersion),
            parts_.self.host.str(),
            boot_id(),
            {std::string(rpc::kOffersAges), std::string(rpc::kOffersCached)},
            "peer"};
}

std::optional<plan::Pair> Target::pair_with(const std::string& peer,
                                            const DatasetName& target,
                                            const std::string& source) const {
    auto pair = parts_.inventory.pair(target);
    if (!pair || pair->role != plan::Role::target) return std::nullopt;
    if (!plan::is_other_side(*pair, parts_.self, peer, source)) return std::nullopt;
    return pair;
}

std::optional<plan::Pair> Target::side_with(const std::string& peer,
                                            const DatasetName& target,
                                            const std::string& source) const {
    auto side = parts_.inventory.side(target);
    if (!side || side->role != plan::Role::target) return std::nullopt;
    if (!plan::is_other_side(*side, parts_.self, peer, source)) return std::nullopt;
    return side;
}

rpc::TargetState Target::state_of(const std::string& peer,
                                  const DatasetName& target,
                                  const std::string& source) const {
    rpc::TargetState out;
    out.target = target.str();
    const Dataset* dataset = parts_.inventory.find(target);
    if (dataset == nullptr) return out;
    out.exists = true;
    // What is of no pair with this peer is none of its business beyond that it exists.
    const auto side = parts_.inventory.side(target);
    if (!side || !plan::is_other_side(*side, parts_.self, peer, source)) return out;
    out.is_pair = side->role == plan::Role::target;
    // A side that took over, or both, is told by these, though it is no target any more.
    out.master = dataset->local(prop::kMaster) == "yes";
    out.epoch = parse_u64(dataset->own(prop::kEpoch).value_or("0")).value_or(0);
    // A master here, too. Epoch 0 would be told as a role change that was missed.
    const auto spoiled =
        out.master ? plan::unreadable_epoch(*dataset, parts_.self) : std::optional<Error>();
    if (spoiled) out.error = rpc::to_item_error(*spoiled);
    if (!out.is_pair) return out;
    out.guid = dataset->guid;
    out.written_bytes = dataset->written_bytes;
    out.available_bytes = dataset->available_bytes;
    out.resume_token = dataset->resume_token;
    // Bookkeeping holds the lock for moments; a stream that comes meanwhile is tried again.
    const auto holder = parts_.locks.conflicting(target, lock::Scope::node);
    out.receiving = holder && holder->reason.starts_with(kReceiveReason);
    out.snapshots = newest_snapshots(parts_.inventory.versions(target));
    return out;
}

Error Target::not_yours(const std::string& peer, const DatasetName& target) {
    return Error{.code = Code::not_accepted,
                 .message = target.str() + " is not the target of a filesystem of " + peer + "'s",
                 .remedy = "zrepctl list on both hosts shows the pairs"};
}

Result<DatasetName> Target::usable_name(const std::string& text) const {
    auto name = DatasetName::parse(text);
    if (!name) return name;
    auto available = parts_.zfs.check_pool(name->pool());
    if (!available) return available.error();
    return name;
}

Task<Result<void>> Target::look_at_founded(std::vector<DatasetName> names) {
    std::erase_if(names, [&](const DatasetName& name) { return !founded_.contains(name); });
    auto seen = co_await parts_.inventory.refresh(std::move(names), Freshness::listed);
    if (!seen) co_return seen.error();
    std::erase_if(founded_,
                  [&](const DatasetName& name) { return parts_.inventory.find(name) != nullptr; });
    co_return ok();
}

Task<Result<std::vector<DatasetName>>> Target::own_targets(std::string peer,
                                                           std::vector<rpc::LookIn::Pair> pairs) {
    std::vector<DatasetName> own;
    std::vector<DatasetName> others;
    const auto tell_apart = [&] {
        own.clear();
        others.clear();
        for (const auto& pair : pairs) {
            auto name = usable_name(pair.target);
            if (!name) continue;
            // What lies in the place of a member is what its sync has to know of.
            const bool its =
                side_with(peer, *name, pair.source) || tree_with(peer, *name, pair.source);
            (its ? own : others).push_back(*name);
        }
    };
    tell_apart();
    std::vector<DatasetName> all = own;
    all.insert(all.end(), others.begin(), others.end());
    auto seen = co_await look_at_founded(std::move(all));
    if (!seen) co_return seen.error();
    tell_apart();
    // What is stale must not make the others wait for a look at the whole host, or fail with it.
    if (others.empty() || !own.empty()) co_return own;
    seen = co_await parts_.inventory.discover_for_peer();
    if (!seen) co_return seen.error();
    tell_apart();
    co_return own;
}

namespace {

/// All that the asking side has is here: nobody wrote to it, and its newest is the asking side's.
bool is_current(const rpc::LookIn::Pair& asked, const rpc::TargetState& state) {
    return asked.current && !state.error && state.is_pair && !state.master &&
           state.written_bytes == 0 && !state.snapshots.empty() &&
           state.snapshots.back().guid == *asked.current;
}

bool is_below(const std::string& name, const std::string& root) {
    return name.size() > root.size() && name.starts_with(root) && name[root.size()] == '/';
}

}  // namespace

/// Status here hears of no sync that sends nothing. A tree is as fresh as all of it.
void Target::note_current(const rpc::LookIn& in, const rpc::LookOut& out) {
    for (std::size_t i = 0; i < in.pairs.size(); ++i) {
        const rpc::LookIn::Pair& asked = in.pairs[i];
        const auto name = usable_name(asked.target);
        const auto pair = name ? parts_.inventory.pair(*name) : std::nullopt;
        if (!pair || !asked.age || !is_current(asked, out.targets[i])) continue;
        bool whole = true;
        for (std::size_t k = 0; pair->tree && k < in.pairs.size(); ++k)
            whole = whole && (!is_below(in.pairs[k].target, asked.target) ||
                              is_current(in.pairs[k], out.targets[k]));
        if (whole) parts_.runs.note_fresh(*name, *asked.current, std::chrono::seconds(*asked.age));
    }
}

/// A stream is planned on what lies here now. Where none will be sent, the asking side having
/// nothing newer, what events said is enough, as it is there: properties, what was written here and
/// a token are read in any case.
void Target::doubt_lists(const std::vector<DatasetName>& own, const rpc::LookIn& in) {
    std::set<std::string> unchanged;
    for (const auto& pair : in.pairs) {
        if (pair.current) unchanged.insert(pair.target);
    }
    for (const DatasetName& name : own) {
        const bool doubtful = !unchanged.contains(name.str()) && parts_.inventory.find(name);
        if (doubtful) parts_.inventory.note({.dataset = name, .versions_only = true});
    }
}

/// Where both have the same newest one, the others are no news. A tree's are asked about by name.
void Target::shorten(const rpc::LookIn& in, rpc::LookOut* out) const {
    for (std::size_t i = 0; i < in.pairs.size(); ++i) {
        rpc::TargetState& state = out->targets[i];
        const auto name = DatasetName::parse(state.target);
        const auto side = name ? parts_.inventory.side(*name) : std::nullopt;
        if (!side || side->tree || !is_current(in.pairs[i], state)) continue;
        state.snapshots.erase(state.snapshots.begin(), std::prev(state.snapshots.end()));
    }
}

Task<Result<rpc::LookOut>> Target::look(std::string peer, rpc::LookIn in) {
    if (in.sends) co_await end_streams(peer, in.pairs);
    auto names = co_await own_targets(peer, in.pairs);
    if (!names) co_return names.error();
    const bool cached = in.cached.value_or(false);
    if (cached) doubt_lists(*names, in);
    auto seen = co_await parts_.inventory.refresh(std::move(*names),
                                                  cached ? Freshness::cached : Freshness::listed);
    if (!seen) co_return seen.error();
    rpc::LookOut out;
    for (const auto& pair : in.pairs) {
        // Again: its pool may have become unusable while we looked.
        auto name = usable_name(pair.target);
        if (name) {
            out.targets.push_back(state_of(peer, *name, pair.source));
            rpc::TargetState& state = out.targets.back();
            // Known before a snapshot is taken that nobody would receive.
            auto rescued = check_rescued(*name);
            if (state.is_pair && !rescued) state.error = rpc::to_item_error(rescued.error());
        } else {
            rpc::TargetState bad;
            bad.target = pair.target;
            bad.error = rpc::to_item_error(name.error());
            out.targets.push_back(std::move(bad));
        }
    }
    note_current(in, out);
    shorten(in, &out);
    co_return out;
}

}  // namespace zrepd::sync
