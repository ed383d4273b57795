// SPDX-License-Identifier: BSD-2-Clause
// Whether a peer may create a target here.
#include "common/text.hpp"
#include "common/units.hpp"
#include "daemon/sync/target.hpp"

namespace zrepd::sync {
namespace {

// Filesystems and volumes of one host's pairs and trees, copies of what vanished there included.
// Far more than one host has, and few enough for zfs to list in a minute, whatever their names are.
constexpr std::size_t kMaxOfOnePeer = 20'000;
// A tree has at most kMaxMembers; as many copies again of what vanished may have been left.
constexpr std::size_t kMaxOfOneTree = 2 * plan::kMaxMembers;

Error exists_already(const DatasetName& target, const HostName& host) {
    return Error{.code = Code::already_exists,
                 .message = target.str() + " exists already on " + host.str(),
                 .remedy =
                     "choose another name; zrepd never overwrites a filesystem. If it "
                     "is a copy of this one: zrepctl init --adopt"};
}

Error not_accepted(const HostName& here, const std::string& peer, const DatasetName& parent) {
    return Error{.code = Code::not_accepted,
                 .message = here.str() + " does not accept filesystems from " + peer + " below " +
                            parent.str(),
                 .remedy = "on " + here.str() + " run: zrepctl set " + quote(parent.str()) +
                           " zrep:accept=+" + peer};
}

Error no_pool(const HostName& here, const std::string& pool) {
    return Error{
        .code = Code::not_found,
        .message = here.str() + " has no pool " + quote(pool),
        .remedy = "on " + here.str() + " run: zpool list, and zpool import if it is not imported"};
}

Error still_receiving(const DatasetName& target) {
    return Error{.code = Code::busy,
                 .message = target.str() + " is still receiving",
                 .remedy = "wait; a zfs receive that hangs is ended after six times stall-timeout"};
}

}  // namespace

/// What changes here is told by events: whoever is accepted nowhere costs no listing.
Task<Result<void>> Target::look_around(std::string peer) {
    const bool known = parts_.self.is(peer) || !accepting(peer).empty();
    if (known) co_return co_await parts_.inventory.discover();
    co_return co_await parts_.inventory.discover_for_peer();
}

Result<void> Target::may_create(const std::string& peer, const DatasetName& target) const {
    const auto parent = target.parent();
    if (!parent) {
        return Error{.code = Code::invalid_params,
                     .message = quote(target.str()) + " is a pool; a filesystem in it is needed",
                     .remedy = "use " + target.str() + "/NAME"};
    }
    const Dataset* nearest = parts_.inventory.nearest(*parent);
    // A pair between two pools of one host was asked for by this host's own administrator. Who may
    // make nothing there is not told what there is; of pools, who may make nothing at all.
    const bool accepted =
        parts_.self.is(peer) ||
        (nearest != nullptr ? plan::accepts(*nearest, peer) : !accepting(peer).empty());
    if (!accepted) return not_accepted(parts_.self.host, peer, *parent);
    if (nearest == nullptr) return no_pool(parts_.self.host, std::string(target.pool()));
    if (nearest->name == *parent) return ok();
    return Error{.code = Code::not_found,
                 .message = "the destination's parent " + parent->str() + " does not exist",
                 .remedy = "on " + parts_.self.host.str() + " run: zfs create -p " + parent->str()};
}

Result<void> Target::may_found_more(const std::string& peer) const {
    if (parts_.self.is(peer) || parts_.inventory.all().size() < kMaxOfOnePeer) return ok();
    std::size_t count = 0;
    for (const auto& pair : parts_.inventory.pairs()) {
        if (pair.role != plan::Role::target || pair.peer.short_name() != peer) continue;
        count += pair.tree ? parts_.inventory.members(pair.dataset).size() : 1;
    }
    if (count < kMaxOfOnePeer) return ok();
    const std::string& host = parts_.self.host.str();
    return Error{.code = Code::refused,
                 .message = host + " has " + std::to_string(count) +
                            " filesystems and volumes of " + peer + "'s, and takes no more than " +
                            std::to_string(kMaxOfOnePeer) + " of one host",
                 .remedy = "on " + host +
                           ": zrepctl list -L shows them; zrepctl clear, then zfs destroy, of "
                           "those that nobody needs"};
}

Result<void> Target::may_grow(const std::string& peer, const DatasetName& root) const {
    const std::size_t count = parts_.inventory.members(root).size();
    if (count < kMaxOfOneTree) return may_found_more(peer);
    const std::string& host = parts_.self.host.str();
    return Error{.code = Code::refused,
                 .message = root.str() + " on " + host + " has " + std::to_string(count) +
                            " members, copies of what is gone included, and takes no more",
                 .remedy = "on " + host +
                           " let go of copies of what is gone, which zrepctl status names on the "
                           "master's side, with the commands"};
}

/// No pair above or below, nor one that is just being made.
Result<void> Target::stands_alone(const std::string& peer, const DatasetName& target) const {
    std::optional<DatasetName> other = parts_.runs.nested_newcomer(target);
    for (const auto& pair : parts_.inventory.pairs()) {
        // A pair below a tree's root keeps its own chain. Somebody else's would lie in the place of
        // a member, and stop the tree.
        const bool own = parts_.self.is(peer) || pair.peer.short_name() == peer;
        if (target.is_below(pair.dataset) && !(pair.tree && own)) other = pair.dataset;
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
    auto seen = co_await look_around(peer);
    if (!seen) co_return seen.error();
    auto allowed = may_create(peer, *target);
    if (!allowed) co_return allowed.error();
    rpc::PrepareOut out;
    out.state = "new";
    const Dataset* dataset = parts_.inventory.find(*target);
    if (dataset == nullptr) {
        auto alone = stands_alone(peer, *target);
        if (!alone) co_return alone.error();
        auto few = may_found_more(peer);
        if (!few) co_return few.error();
        auto room = room_for(in, *target);
        if (!room) co_return room.error();
        const auto parent = target->parent();
        const Dataset* above = parent ? parts_.inventory.find(*parent) : nullptr;
        out.encrypts = above != nullptr && above->encrypted;
        co_return out;
    }
    const auto pair = pair_with(peer, *target, in.source);
    if (!pair) co_return exists_already(*target, parts_.self.host);
    out.tree = pair->tree;
    if (in.sends) {
        std::vector<rpc::LookIn::Pair> one{{in.source, in.target}};
        co_await end_streams(std::move(peer), std::move(one));
    }
    if (parts_.locks.conflicting(*target, lock::Scope::node)) co_return still_receiving(*target);
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

}  // namespace zrepd::sync
