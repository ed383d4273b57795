// SPDX-License-Identifier: BSD-2-Clause
// What is recorded and expired here when a peer asks for it.
#include <algorithm>
#include <set>

#include "common/props.hpp"
#include "common/text.hpp"
#include "daemon/failover/journal.hpp"
#include "daemon/log.hpp"
#include "daemon/sync/target.hpp"

namespace zrepd::sync {

Error Target::unknown_side(const std::string& peer, const DatasetName& target) const {
    if (parts_.inventory.find(target) != nullptr) return not_yours(peer, target);
    return Error{.code = Code::not_found,
                 .message = target.str() + " is not there",
                 .remedy = "on " + peer + ": zrepctl sync sends it anew or says what to do"};
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
            out.emplace_back(unknown_side(peer, *name));
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
        // The epoch of a tree is its root's.
        const bool member = !parts_.inventory.pair(*name);
        const auto epoch = parse_u64(dataset->own(prop::kEpoch).value_or("0")).value_or(0);
        PropertyList news;
        // A target that missed a role change follows its master, never the other way round.
        if (!member && item.epoch > epoch && item.epoch <= failover::kMaxEpoch)
            news.emplace_back(prop::kEpoch, std::to_string(item.epoch));
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
    std::vector<rpc::LookIn::Pair> named;
    for (const auto& item : in.items) named.push_back({item.source, item.target});
    // A first stream makes a dataset that our cache has not seen yet.
    auto seen = co_await own_targets(peer, named);
    if (!seen) co_return seen.error();
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
            acked.push_back({*name, item.guid});
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
    note_received(in, out);
    co_return out;
}

/// A tree is as fresh as all of it: not where a member's part failed.
void Target::note_received(const rpc::CommitIn& in, const rpc::CommitOut& out) {
    const bool all = std::none_of(out.items.begin(), out.items.end(), [](const auto& item) {
        return item.error.has_value();
    });
    for (std::size_t i = 0; i < in.items.size(); ++i) {
        const rpc::CommitIn::Item& item = in.items[i];
        const auto name = usable_name(item.target);
        const auto pair = name ? parts_.inventory.pair(*name) : std::nullopt;
        if (!pair || !item.age || out.items[i].error || (pair->tree && !all)) continue;
        parts_.runs.note_fresh(*name, item.guid, std::chrono::seconds(*item.age));
    }
}

Task<Result<rpc::PeerExpireOut>> Target::describe_expire(std::string peer, rpc::LookIn in) {
    auto names = co_await own_targets(peer, in.pairs);
    if (!names) co_return names.error();
    auto seen = co_await parts_.inventory.refresh(std::move(*names), Freshness::listed);
    if (!seen) co_return seen.error();
    rpc::PeerExpireOut out;
    for (const auto& asked : in.pairs) {
        rpc::PeerExpireOut::Item answer;
        answer.target = asked.target;
        auto name = usable_name(asked.target);
        const auto pair = name ? side_with(peer, *name, asked.source) : std::nullopt;
        if (!name)
            answer.error = rpc::to_item_error(name.error());
        else if (!pair)
            answer.error = rpc::to_item_error(unknown_side(peer, *name));
        else if (asked.after)
            answer.destroyed = expiring_after(
                parts_.inventory.versions(*name), *asked.after, pair->settings.retention);
        else
            answer.destroyed = expiring(parts_.inventory, *name, pair->settings.retention);
        out.items.push_back(std::move(answer));
    }
    co_return out;
}

Task<Result<rpc::PeerExpireOut>> Target::expire(std::string peer, rpc::LookIn in) {
    if (in.dry_run.value_or(false)) {
        auto describing = describe_expire(std::move(peer), std::move(in));
        co_return co_await std::move(describing);
    }
    auto names = co_await own_targets(peer, in.pairs);
    if (!names) co_return names.error();
    const auto locked = co_await lock_targets(peer, in.pairs);
    auto seen = co_await parts_.inventory.refresh(std::move(*names), Freshness::listed);
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
            answer.error = rpc::to_item_error(unknown_side(peer, *name));
        } else {
            auto destroyed = co_await sync::expire(parts_, *name);
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
