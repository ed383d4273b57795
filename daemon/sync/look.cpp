// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sync/look.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>

#include "daemon/sync/bookkeeping.hpp"

namespace zrepd::sync {
namespace {

// Of one request. A run has no other limit: one of many filesystems may take many requests.
constexpr std::chrono::milliseconds kLookLimit{60'000};

/// A peer's list is shown to people, and its names end in commands that they paste.
Result<void> check_names(const rpc::TargetState& state) {
    const auto target = DatasetName::parse(state.target);
    if (!target) return target.error();
    for (const auto& snapshot : state.snapshots) {
        auto name = SnapshotName::make(*target, snapshot.name);
        if (!name) return name.error();
    }
    return ok();
}

std::chrono::milliseconds limit_of_look(SteadyClock::time_point until) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - SteadyClock::now());
    return std::min(left, kLookLimit);
}

Error answered_in_part(const HostName& peer, std::size_t answered, std::size_t asked) {
    return Error{.code = Code::timed_out,
                 .message = peer.str() + " answered for " + std::to_string(answered) + " of " +
                            std::to_string(asked) + " filesystems in the time there is",
                 .remedy = "name fewer filesystems at once, or look at the load on " + peer.str()};
}

/// Where nothing came after what was acknowledged. Of a tree, whose pairs stand with their root in
/// front, only where it is so in all of it, and all of it is in this request.
void add_current(const Inventory& inventory, const LookAt& what, rpc::LookIn& in) {
    const bool tree = what.pairs.front().tree;
    if (tree && in.pairs.size() != what.pairs.size()) return;
    std::vector<std::optional<Guid>> all;
    for (const auto& pair : in.pairs)
        all.push_back(current_snapshot(inventory, *DatasetName::parse(pair.source)));
    const bool whole = std::all_of(all.begin(), all.end(), [](const auto& one) { return one; });
    if (tree && !whole) return;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (!all[i]) continue;
        in.pairs[i].current = all[i];
        in.pairs[i].age = known_for(inventory, *DatasetName::parse(in.pairs[i].source)).count();
    }
}

Snapshot from_wire(const rpc::PeerSnapshot& wire, std::uint64_t order) {
    Snapshot out;
    out.name = wire.name;
    out.guid = wire.guid;
    out.createtxg = order;
    out.written_bytes = wire.written_bytes;
    out.sent = wire.sent;
    return out;
}

}  // namespace

Task<Result<std::vector<rpc::TargetState>>> look_at_targets(SourceParts source,
                                                            LookAt what,
                                                            SteadyClock::time_point until) {
    std::vector<rpc::TargetState> out;
    const std::size_t count = what.pairs.size();
    while (out.size() < count) {
        const auto limit = limit_of_look(until);
        if (limit.count() <= 0) co_return answered_in_part(what.peer, out.size(), count);
        rpc::LookIn in;
        in.sends = what.sends;
        const std::size_t end = std::min(count, out.size() + kMaxPerRequest);
        for (std::size_t i = out.size(); i < end; ++i) {
            in.pairs.push_back({what.pairs[i].dataset.str(), what.pairs[i].peer_dataset.str()});
        }
        if (source.peers.offers(what.peer, rpc::kOffersAges))
            add_current(source.parts.inventory, what, in);
        const bool cached = what.freshness == Freshness::cached;
        if (cached && source.peers.offers(what.peer, rpc::kOffersCached)) in.cached = true;
        auto some = co_await source.peers.call_as<rpc::LookOut>(what.peer, "peer.look", in, limit);
        if (!some && some.error().code == Code::timed_out && !out.empty())
            co_return answered_in_part(what.peer, out.size(), count);
        if (!some) co_return some.error();
        if (some->targets.size() != in.pairs.size()) {
            co_return Error{.code = Code::peer_protocol,
                            .message = what.peer.str() + " answered for other filesystems",
                            .remedy = "compare `zrepctl version` on both hosts"};
        }
        std::move(some->targets.begin(), some->targets.end(), std::back_inserter(out));
    }
    co_return out;
}

Task<Result<plan::TargetView>> target_view(Parts& parts,
                                           HostName peer,
                                           DatasetName source,
                                           rpc::TargetState state) {
    auto sane = check_names(state);
    if (!sane) {
        co_return Error{.code = Code::peer_protocol,
                        .message = peer.str() + " named what cannot be: " + sane.error().text(),
                        .remedy = "compare `zrepctl version` on both hosts"};
    }
    plan::TargetView out;
    out.exists = state.exists;
    out.guid = state.guid;
    out.is_pair = state.is_pair;
    out.master = state.master;
    out.epoch = state.epoch;
    out.written_bytes = state.written_bytes;
    out.available_bytes = state.available_bytes;
    out.receiving = state.receiving;
    out.resume_token = state.resume_token;
    std::uint64_t order = 0;
    for (const auto& snapshot : state.snapshots)
        out.snapshots.push_back(from_wire(snapshot, ++order));
    if (!out.resume_token.empty()) {
        // The token comes from the peer: zfs here says what it would make us send, before we do.
        auto token = co_await judge_token(parts, std::move(source), out.resume_token);
        if (!token) co_return token.error();
        out.token_ours = token->ours;
        if (token->usable) {
            out.token_guid = token->usable->guid;
            out.token_base = token->usable->base;
            out.token_done_bytes = token->usable->bytes_done;
        }
    }
    co_return out;
}

}  // namespace zrepd::sync
