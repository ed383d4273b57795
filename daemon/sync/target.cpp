// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sync/target.hpp"

#include <fstream>
#include <set>

#include "common/props.hpp"
#include "common/rpc/message.hpp"
#include "common/text.hpp"
#include "common/units.hpp"
#include "daemon/clock.hpp"
#include "daemon/failover/journal.hpp"
#include "daemon/log.hpp"

namespace zrepd::sync {
namespace {

// Enough to find the common one on any sane history, little enough for one line of JSON.
constexpr std::size_t kMaxSnapshotsTold = 1000;
// What holds a target for longer is told to its master instead of waited for.
constexpr std::chrono::seconds kLockWait{60};

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
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (i >= skip || all[i].sent || all[i].held) out.push_back(to_wire(all[i]));
    }
    return out;
}

const std::string& boot_id() {
    static const std::string id = [] {
        std::string text;
        std::ifstream("/proc/sys/kernel/random/boot_id") >> text;
        return text.empty() ? std::to_string(unix_now()) : text;
    }();
    return id;
}

rpc::Hello Target::hello() {
    return {
        std::string(rpc::kProtocol), ZREPD_VERSION, parts_.self.host.str(), boot_id(), {}, "peer"};
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
    out.master = dataset->local(prop::kMaster) == "yes";
    out.epoch = parse_u64(dataset->own(prop::kEpoch).value_or("0")).value_or(0);
    out.is_pair = side_with(peer, target, source).has_value();
    // What is not this peer's is none of its business beyond that it exists.
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

Task<Result<rpc::LookOut>> Target::look(std::string peer, rpc::LookIn in) {
    if (in.sends) co_await end_streams(peer, in.pairs);
    std::vector<DatasetName> names;
    for (const auto& pair : in.pairs) {
        auto name = usable_name(pair.target);
        if (name) names.push_back(*name);
    }
    auto seen = co_await parts_.inventory.refresh(std::move(names), Freshness::listed);
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
    co_return out;
}

Result<void> Target::may_create(const std::string& peer, const DatasetName& target) const {
    const auto parent = target.parent();
    if (!parent) {
        return Error{.code = Code::invalid_params,
                     .message = quote(target.str()) + " is a pool; a filesystem in it is needed",
                     .remedy = "use " + target.str() + "/NAME"};
    }
    const Dataset* above = parts_.inventory.find(*parent);
    const auto pool = DatasetName::parse(target.pool());
    if (above == nullptr && pool && parts_.inventory.find(*pool) == nullptr) {
        return Error{.code = Code::not_found,
                     .message = parts_.self.host.str() + " has no pool " + quote(pool->str()),
                     .remedy = "on " + parts_.self.host.str() +
                               " run: zpool list, and zpool import if it is not imported"};
    }
    if (above == nullptr) {
        return Error{
            .code = Code::not_found,
            .message = "the destination's parent " + parent->str() + " does not exist",
            .remedy = "on " + parts_.self.host.str() + " run: zfs create -p " + parent->str()};
    }
    // A pair between two pools of one host was asked for by this host's own administrator.
    if (parts_.self.is(peer) || plan::accepts(*above, peer)) return ok();
    return Error{.code = Code::not_accepted,
                 .message = parts_.self.host.str() + " does not accept filesystems from " + peer +
                            " below " + parent->str(),
                 .remedy = "on " + parts_.self.host.str() + " run: zrepctl set " +
                           quote(parent->str()) + " zrep:accept=" + peer};
}

/// No pair above or below, nor one that is just being made.
Result<void> Target::stands_alone(const DatasetName& target) const {
    std::optional<DatasetName> other = parts_.runs.nested_newcomer(target);
    for (const auto& pair : parts_.inventory.pairs()) {
        // A pair below a tree's root keeps its own chain.
        if (target.is_below(pair.dataset) && !pair.tree) other = pair.dataset;
        if (pair.dataset.is_below(target)) other = pair.dataset;
    }
    if (!other) return ok();
    return Error{
        .code = Code::nested_pair,
        .message = target.str() + " and the pair " + other->str() + " lie inside each other",
        .remedy = "choose a destination outside " + other->str()};
}

Result<void> Target::room_for(const rpc::PrepareIn& in, const DatasetName& target) const {
    const auto parent = target.parent();
    const Dataset* above = parent ? parts_.inventory.find(*parent) : nullptr;
    if (above != nullptr && above->available_bytes < in.referenced_bytes) {
        return Error{.code = Code::no_space,
                     .message = "the first stream is about " + human_bytes(in.referenced_bytes) +
                                ", and " + parent->str() + " has " +
                                human_bytes(above->available_bytes) + " free",
                     .remedy = "on " + parts_.self.host.str() + " free space in " +
                               quote(target.pool()) + ", or raise the quota of " + parent->str()};
    }
    return ok();
}

/// Both sides store each other's name and know each other by it: one that reached us by an alias or
/// an address would find no pair of its own here afterwards.
Result<void> Target::check_own_name(const std::string& host,
                                    const std::string& source,
                                    const std::string& target) const {
    if (parts_.self.is(host)) return ok();
    const std::string& own = parts_.self.host.str();
    return Error{.code = Code::invalid_params,
                 .message = "this host calls itself " + own + ", not " + quote(host),
                 .remedy = "run zrepctl init " + quote(source) + " " + own + " " + quote(target) +
                           "; where ssh does not know " + own +
                           ", give it that name in /etc/hosts or ssh's configuration"};
}

Task<Result<rpc::PrepareOut>> Target::prepare(std::string peer, rpc::PrepareIn in) {
    auto target = DatasetName::parse(in.target);
    if (!target) co_return target.error();
    auto named = check_own_name(in.host, in.source, in.target);
    if (!named) co_return named.error();
    auto available = parts_.zfs.check_pool(target->pool());
    if (!available) co_return available.error();
    auto seen = co_await parts_.inventory.discover();
    if (!seen) co_return seen.error();
    auto allowed = may_create(peer, *target);
    if (!allowed) co_return allowed.error();
    rpc::PrepareOut out;
    out.state = "new";
    const Dataset* dataset = parts_.inventory.find(*target);
    if (dataset == nullptr) {
        auto alone = stands_alone(*target);
        if (!alone) co_return alone.error();
        auto room = room_for(in, *target);
        if (!room) co_return room.error();
        const auto parent = target->parent();
        const Dataset* above = parent ? parts_.inventory.find(*parent) : nullptr;
        out.encrypts = above != nullptr && above->encrypted;
        co_return out;
    }
    if (!pair_with(peer, *target, in.source)) {
        co_return Error{.code = Code::already_exists,
                        .message = target->str() + " exists already on " + parts_.self.host.str(),
                        .remedy =
                            "choose another name; zrepd never overwrites a filesystem. If it "
                            "is a copy of this one: zrepctl init --adopt"};
    }
    if (in.sends) {
        std::vector<rpc::LookIn::Pair> one{{in.source, in.target}};
        co_await end_streams(std::move(peer), std::move(one));
    }
    if (parts_.locks.conflicting(*target, lock::Scope::node)) {
        co_return Error{.code = Code::busy,
                        .message = target->str() + " is still receiving",
                        .remedy =
                            "wait; a zfs receive that hangs is ended after six times "
                            "stall-timeout"};
    }
    // The list may be from the middle of its first stream.
    auto fresh = co_await parts_.inventory.refresh_one(*target, Freshness::listed);
    if (!fresh) co_return fresh.error();
    dataset = parts_.inventory.find(*target);
    if (dataset == nullptr) co_return out;
    out.resume_token = dataset->resume_token;
    out.snapshots = newest_snapshots(parts_.inventory.versions(*target));
    out.state = out.resume_token.empty() ? "received" : "resume";
    co_return out;
}

/// A first stream makes a dataset that our cache has not seen yet.
Task<Result<void>> Target::look_for_new_pairs(std::string peer, rpc::CommitIn in) {
    std::vector<DatasetName> unknown;
    for (const auto& item : in.items) {
        auto target = usable_name(item.target);
        if (target && !side_with(peer, *target, item.source)) unknown.push_back(*target);
    }
    auto seen = co_await parts_.inventory.refresh(std::move(unknown), Freshness::listed);
    if (!seen) co_return seen.error();
    co_return ok();
}

/// The targets' locks, in order, each with its error where it could not be had: nothing else works
/// on them while we record and expire. What is not this peer's is not locked.
Task<std::vector<Result<lock::LockTable::Guard>>> Target::lock_targets(
    std::string peer, std::vector<rpc::LookIn::Pair> pairs) {
    const auto deadline = SteadyClock::now() + kLockWait;
    std::vector<Result<lock::LockTable::Guard>> out;
    std::set<DatasetName> named;
    for (const auto& pair : pairs) {
        auto name = usable_name(pair.target);
        if (!name) {
            out.emplace_back(name.error());
        } else if (!side_with(peer, *name, pair.source)) {
            out.emplace_back(not_yours(peer, *name));
        } else if (!named.insert(*name).second) {
            out.emplace_back(
                Error{.code = Code::invalid_params, .message = name->str() + " is named twice"});
        } else {
            const auto left =
                std::max(deadline - SteadyClock::now(), SteadyClock::duration::zero());
            auto guard = co_await parts_.locks.lock(
                *name, lock::Scope::node, "bookkeeping for " + peer, left);
            out.push_back(std::move(guard));
        }
    }
    co_return out;
}

/// What the master says of itself, where it is news: a process each, which only a change costs.
Task<> Target::note_master(rpc::CommitIn in) {
    for (const auto& item : in.items) {
        auto name = usable_name(item.target);
        const Dataset* dataset = name ? parts_.inventory.find(*name) : nullptr;
        if (dataset == nullptr || dataset->local(prop::kMaster) == "yes") continue;
        // Of a tree all of that is the root's.
        if (!parts_.inventory.pair(*name)) continue;
        const auto epoch = parse_u64(dataset->own(prop::kEpoch).value_or("0")).value_or(0);
        PropertyList news;
        // A target that missed a role change follows its master, never the other way round.
        if (item.epoch > epoch) news.emplace_back(prop::kEpoch, std::to_string(item.epoch));
        const bool served = !item.serve.empty() && failover::parse_serve(item.serve);
        if (served && dataset->own(prop::kServe) != item.serve) {
            news.emplace_back(prop::kServe, item.serve);
        }
        if (news.empty()) continue;
        auto set = co_await parts_.zfs.set(*name, news);
        if (set) parts_.inventory.note_set(*name, news);
        if (!set) {
            log::event(log::Level::warn,
                       "bookkeeping",
                       {{"dataset", name->str()}, {"warning", set.error().text()}});
        }
    }
}

Task<Result<rpc::CommitOut>> Target::commit(std::string peer, rpc::CommitIn in) {
    auto seen = co_await look_for_new_pairs(peer, in);
    if (!seen) co_return seen.error();
    std::vector<rpc::LookIn::Pair> named;
    for (const auto& item : in.items) named.push_back({item.source, item.target});
    const auto locked = co_await lock_targets(peer, std::move(named));
    rpc::CommitOut out;
    std::vector<Acked> acked;
    std::vector<std::size_t> places;
    rpc::CommitIn ours;
    for (const auto& item : in.items) {
        rpc::CommitOut::Item answer;
        answer.target = item.target;
        const auto& lock = locked[out.items.size()];
        auto target = usable_name(item.target);
        auto name = target ? SnapshotName::make(*target, item.snapshot)
                           : Result<SnapshotName>(target.error());
        const auto pair = name ? side_with(peer, *target, item.source) : std::nullopt;
        if (!name || !lock) {
            answer.error = rpc::to_item_error(name ? lock.error() : name.error());
        } else if (!pair) {
            answer.error = rpc::to_item_error(not_yours(peer, *target));
        } else if (auto rescued = check_rescued(*target); !rescued) {
            // It goes back behind that.
            answer.error = rpc::to_item_error(rescued.error());
        } else {
            ours.items.push_back(item);
            places.push_back(out.items.size());
            acked.push_back({*name, item.guid, pair->settings.retention});
        }
        out.items.push_back(std::move(answer));
    }
    if (acked.empty()) co_return out;
    co_await note_master(std::move(ours));
    auto outcomes = co_await acknowledge(parts_, Side::target, in.sent, std::move(acked));
    for (std::size_t i = 0; i < places.size() && i < outcomes.size(); ++i) {
        auto& answer = out.items[places[i]];
        if (!outcomes[i].acknowledged) {
            answer.error = rpc::to_item_error(outcomes[i].acknowledged.error());
        }
        answer.warnings = std::move(outcomes[i].failed);
    }
    co_return out;
}

Task<Result<rpc::PeerExpireOut>> Target::expire(std::string peer, rpc::LookIn in) {
    const auto locked = co_await lock_targets(peer, in.pairs);
    std::vector<DatasetName> names;
    for (const auto& pair : in.pairs) {
        auto name = usable_name(pair.target);
        if (name) names.push_back(*name);
    }
    auto seen = co_await parts_.inventory.refresh(std::move(names), Freshness::listed);
    if (!seen) co_return seen.error();
    rpc::PeerExpireOut out;
    for (const auto& asked : in.pairs) {
        rpc::PeerExpireOut::Item answer;
        answer.target = asked.target;
        const auto& lock = locked[out.items.size()];
        auto name = usable_name(asked.target);
        const auto pair = name ? side_with(peer, *name, asked.source) : std::nullopt;
        if (!name || !lock) {
            answer.error = rpc::to_item_error(name ? lock.error() : name.error());
        } else if (!pair) {
            answer.error = rpc::to_item_error(not_yours(peer, *name));
        } else {
            auto destroyed = co_await sync::expire(parts_, *name, pair->settings.retention);
            if (destroyed)
                answer.destroyed = std::move(*destroyed);
            else
                answer.error = rpc::to_item_error(destroyed.error());
        }
        out.items.push_back(std::move(answer));
    }
    co_return out;
}

}  // namespace zrepd::sync
