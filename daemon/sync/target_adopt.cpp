// SPDX-License-Identifier: BSD-2-Clause
// A copy that something else made becomes the target of a pair, as it is: what it has in common
// with its source is where the next stream begins.
#include <algorithm>
#include <set>

#include "common/props.hpp"
#include "common/text.hpp"
#include "common/units.hpp"
#include "daemon/log.hpp"
#include "daemon/plan/adopt.hpp"
#include "daemon/sync/target.hpp"

namespace zrepd::sync {
namespace {

std::string kind_of(const Dataset& dataset) {
    return dataset.kind == Kind::volume ? "volume" : "filesystem";
}

std::vector<Guid> guids_of(const std::vector<rpc::PeerSnapshot>& snapshots) {
    std::vector<Guid> out;
    for (const auto& snapshot : snapshots) out.push_back(snapshot.guid);
    return out;
}

Error other_kind(const DatasetName& target, const std::string& kind, const std::string& source) {
    return Error{.code = Code::conflict,
                 .message = target.str() + " is no " + kind + ", as " + source + " is",
                 .remedy =
                     "it is no copy of that: choose another destination, or have it out of the "
                     "way: zfs rename " +
                     quote(target.str())};
}

/// readonly of its own would keep it from following its root.
std::string member_step(const DatasetName& member, const std::string& base, bool own_readonly) {
    return "make " + member.str() + " part of it, unmounted, from @" + base + " on" +
           (own_readonly ? ", and have it inherit readonly" : "");
}

}  // namespace

Result<void> Target::may_adopt(const std::string& peer,
                               const DatasetName& target,
                               const rpc::AdoptIn& in) const {
    auto named = check_own_name(in.host, in.source, in.target);
    if (!named) return named;
    const Dataset* dataset = parts_.inventory.find(target);
    if (dataset == nullptr) {
        return Error{.code = Code::not_found,
                     .message = "there is no " + target.str() + " on " + parts_.self.host.str(),
                     .remedy = "without --adopt, init makes it"};
    }
    auto allowed = may_create(peer, target);
    if (!allowed) return allowed;
    auto alone = stands_alone(peer, target);
    // An adoption that was cut off is gone on with.
    if (!alone && !pair_with(peer, target, in.source)) return alone;
    if (kind_of(*dataset) != in.kind) return other_kind(target, in.kind, in.source);
    const auto pair = pair_with(peer, target, in.source);
    if (!pair) return plan::is_free(*dataset);
    if (pair->tree == in.members.has_value()) return ok();
    return Error{.code = Code::already_configured,
                 .message = target.str() + " is the target of " + peer + ":" + in.source +
                            " already, " + (pair->tree ? "with" : "without") +
                            " everything below it",
                 .remedy = "zrepctl clear " + quote(target.str()) + " there forgets that pair"};
}

/// What was received for this pair before a cut is no stream of something else.
Result<Snapshot> Target::base_of(const std::string& peer,
                                 const DatasetName& target,
                                 const std::string& source,
                                 const std::vector<rpc::PeerSnapshot>& snapshots) const {
    const Dataset* dataset = parts_.inventory.find(target);
    const Versions* versions = parts_.inventory.versions(target);
    if (dataset == nullptr || versions == nullptr)
        return Error{.code = Code::not_found, .message = target.str() + " is gone"};
    Dataset seen = *dataset;
    if (side_with(peer, target, source)) seen.resume_token.clear();
    return plan::adoptable_base(seen, *versions, guids_of(snapshots), parts_.self.host.str());
}

/// The first stream of a member, of an adoption that was cut off.
bool Target::is_begun(const std::string& peer,
                      const DatasetName& target,
                      const std::string& source) const {
    const Dataset* dataset = parts_.inventory.find(target);
    const Versions* versions = parts_.inventory.versions(target);
    return side_with(peer, target, source) && dataset != nullptr && versions != nullptr &&
           versions->snapshots.empty() && !dataset->resume_token.empty();
}

/// Those that are here. What is not is sent whole by the first sync, which goes on with a stream
/// that was cut off.
Result<std::vector<DatasetName>> Target::plan_members(const std::string& peer,
                                                      const DatasetName& target,
                                                      const rpc::AdoptIn& in,
                                                      rpc::AdoptOut* out) const {
    std::vector<DatasetName> found;
    const std::vector<DatasetName> here = parts_.inventory.members(target);
    const std::string host = parts_.self.host.str();
    if (in.members->size() > plan::kMaxMembers)
        return Error{.code = Code::invalid_params,
                     .message = "a recursive pair has at most " +
                                std::to_string(plan::kMaxMembers) + " members",
                     .remedy = "make pairs of some of the datasets below it"};
    std::set<std::string_view> named;
    for (const rpc::AdoptMember& member : *in.members) {
        if (!named.insert(member.name).second)
            return Error{.code = Code::invalid_params,
                         .message = quote(member.name) + " is named twice in one request",
                         .remedy = "compare `zrepctl version` on both hosts"};
        auto name = plan::member_name(target, member.name);
        if (!name) return name.error();
        const Dataset* dataset = parts_.inventory.find(*name);
        if (dataset == nullptr) continue;
        const std::string source = in.source + "/" + member.name;
        const auto free = plan::is_free(*dataset);
        const bool part = std::find(here.begin(), here.end(), *name) != here.end();
        if (!free) return free.error();
        if (!part || *name == target)
            return Error{.code = Code::conflict,
                         .message = name->str() + " on " + host + " is part of another pair",
                         .remedy = "zrepctl list there"};
        if (kind_of(*dataset) != member.kind) return other_kind(*name, member.kind, source);
        if (is_begun(peer, *name, source)) continue;
        auto base = base_of(peer, *name, source, member.snapshots);
        if (!base) return base.error();
        out->steps.push_back(member_step(*name, base->name, dataset->readonly_here));
        found.push_back(std::move(*name));
    }
    return found;
}

/// readonly first, in the set that makes it a target: what is written after that cannot be lost.
Task<Result<void>> Target::make_target(const rpc::AdoptIn& in,
                                       DatasetName target,
                                       std::string peer) {
    const bool local = parts_.self.is(peer);
    PropertyList work = plan::adopted_properties({.source = in.source,
                                                  .source_host = local ? "localhost" : peer,
                                                  .target = target.str(),
                                                  .target_host = local ? "localhost" : in.host,
                                                  .savecount = in.savecount,
                                                  .volume = in.kind == "volume",
                                                  .tree = in.members.has_value()});
    auto set = co_await parts_.zfs.set(target, work);
    if (!set) co_return set;
    parts_.inventory.note_set(target, work);
    log::event(log::Level::info,
               "target_adopted",
               {{"dataset", target.str()}, {"peer", peer}, {"source", in.source}});
    parts_.events.publish("target_adopted", target.str(), "of " + peer + ":" + in.source);
    co_return ok();
}

/// They follow the root, which is readonly now.
Task<Result<void>> Target::close_members(std::vector<DatasetName> members) {
    for (const DatasetName& name : members) {
        const Dataset* member = parts_.inventory.find(name);
        if (member == nullptr || !member->readonly_here) continue;
        std::vector<std::string> one{"readonly"};
        auto inherited = co_await parts_.zfs.inherit(name, std::move(one));
        if (!inherited) co_return inherited;
    }
    co_return ok();
}

/// What was written between the look and the set would be rolled back by the first sync.
Task<Result<void>> Target::check_again(std::string peer, rpc::AdoptIn in, DatasetName target) {
    auto seen = co_await look_at_adopted(target, in.members.has_value());
    if (!seen) co_return seen;
    const auto base = base_of(peer, target, in.source, in.snapshots);
    if (!base) co_return base.error();
    rpc::AdoptOut ignored;
    if (!in.members) co_return ok();
    const auto members = plan_members(peer, target, in, &ignored);
    if (!members) co_return members.error();
    co_return ok();
}

Task<Result<void>> Target::hide_members(std::vector<DatasetName> members) {
    for (const DatasetName& name : members) {
        const Dataset* member = parts_.inventory.find(name);
        if (member == nullptr) continue;
        PropertyList work = plan::adopted_member_properties(*member);
        if (work.empty()) continue;
        auto set = co_await parts_.zfs.set(name, work);
        if (!set) co_return set;
        parts_.inventory.note_set(name, work);
    }
    co_return ok();
}

/// Children first.
Task<> Target::unmount_adopted(std::vector<DatasetName> all, std::vector<std::string>* notes) {
    for (auto it = all.rbegin(); it != all.rend(); ++it) {
        const Dataset* dataset = parts_.inventory.find(*it);
        if (dataset == nullptr || dataset->kind == Kind::volume || !dataset->mounted) continue;
        auto unmounted = co_await parts_.zfs.unmount(*it);
        if (unmounted) continue;
        notes->push_back(it->str() + " on " + parts_.self.host.str() +
                         " stays mounted, readonly: " + unmounted.error().text());
    }
}

/// With fresh lists. Without the flush, what was written in the last seconds would count as
/// nothing.
Task<Result<void>> Target::look_at_adopted(DatasetName target, bool tree) {
    std::vector<std::string> pools{std::string(target.pool())};
    auto flushed = co_await parts_.zfs.flush(std::move(pools));
    if (!flushed) co_return flushed.error();
    std::vector<DatasetName> which{target};
    if (tree) which = parts_.inventory.members(target);
    auto left_out = co_await parts_.inventory.refresh(std::move(which), Freshness::listed);
    if (!left_out) co_return left_out.error();
    if (!left_out->empty()) co_return left_out->begin()->second;
    co_return ok();
}

Task<Result<void>> Target::carry_out_adoption(std::string peer,
                                              rpc::AdoptIn in,
                                              DatasetName target,
                                              const std::vector<DatasetName>* members) {
    if (in.members) {
        // A takeover begins at the root's newest zrep:sent, where all of it has to have been whole.
        auto forgotten = co_await forget_acknowledged(parts_, target);
        if (!forgotten) co_return forgotten;
    }
    auto made = co_await make_target(in, target, peer);
    if (!made) co_return made;
    auto closed = co_await close_members(*members);
    if (!closed) co_return closed;
    auto untouched = co_await check_again(std::move(peer), std::move(in), target);
    if (!untouched) co_return untouched;
    co_return co_await hide_members(*members);
}

Task<Result<rpc::AdoptOut>> Target::adopt(std::string peer, rpc::AdoptIn in) {
    auto target = usable_name(in.target);
    if (!target) co_return target.error();
    // Who may not must not keep its owner from the lock, not even while we look.
    auto allowed = may_adopt(peer, *target, in);
    if (!allowed) {
        auto seen = co_await look_around(peer);
        if (!seen) co_return seen.error();
        allowed = may_adopt(peer, *target, in);
    }
    if (!allowed) co_return allowed.error();
    auto guard = parts_.locks.try_lock(*target, lock::Scope::node, "adopt for " + peer);
    if (!guard) co_return guard.error();
    // The second question of one dry run, moments after the first: all was looked at for that.
    if (!in.dry_run || !in.after) {
        auto seen = co_await parts_.inventory.discover();
        if (!seen) co_return seen.error();
        allowed = may_adopt(peer, *target, in);
        if (!allowed) co_return allowed.error();
        auto fresh = co_await look_at_adopted(*target, in.members.has_value());
        if (!fresh) co_return fresh.error();
    }
    auto base = base_of(peer, *target, in.source, in.snapshots);
    if (!base) co_return base.error();
    rpc::AdoptOut out;
    out.base.name = base->name;
    out.base.guid = base->guid;
    out.steps.push_back("make " + target->str() + " on " + parts_.self.host.str() +
                        " readonly and the target of " + peer + ":" + in.source +
                        ", unmounted, from @" + base->name + " on");
    Result<std::vector<DatasetName>> members = std::vector<DatasetName>{};
    if (in.members) members = plan_members(peer, *target, in, &out);
    if (!members) co_return members.error();
    if (in.members) tell_of_others(*target, in, &out);
    if (in.dry_run) {
        describe_adopted(peer, *target, in, &out);
        co_return out;
    }
    auto made = co_await carry_out_adoption(std::move(peer), std::move(in), *target, &*members);
    if (!made) co_return made.error();
    members->insert(members->begin(), *target);
    co_await unmount_adopted(std::move(*members), &out.notes);
    co_return out;
}

}  // namespace zrepd::sync
