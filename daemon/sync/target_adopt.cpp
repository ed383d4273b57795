// SPDX-License-Identifier: BSD-2-Clause
// A copy that something else made becomes the target of a pair, as it is: what it has in common
// with its source is where the next stream begins.
#include "common/props.hpp"
#include "common/text.hpp"
#include "common/units.hpp"
#include "daemon/log.hpp"
#include "daemon/plan/adopt.hpp"
#include "daemon/sync/target.hpp"

namespace zrepd::sync {

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
    auto alone = stands_alone(target);
    // An adoption that was cut off is gone on with.
    if (!alone && !pair_with(peer, target, in.source)) return alone;
    if ((dataset->kind == Kind::volume ? "volume" : "filesystem") != in.kind) {
        return Error{.code = Code::conflict,
                     .message = target.str() + " is no " + in.kind + ", as " + in.source + " is"};
    }
    if (pair_with(peer, target, in.source)) return ok();
    return plan::is_free(*dataset);
}

/// readonly first, in the set that makes it a target: what is written after that cannot be lost.
Task<Result<void>> Target::make_target(const rpc::AdoptIn& in,
                                       DatasetName target,
                                       std::string peer,
                                       std::vector<std::string>* notes) {
    const bool local = parts_.self.is(peer);
    PropertyList work = plan::adopted_properties({.source = in.source,
                                                  .source_host = local ? "localhost" : peer,
                                                  .target = target.str(),
                                                  .target_host = local ? "localhost" : in.host,
                                                  .savecount = in.savecount,
                                                  .volume = in.kind == "volume"});
    auto set = co_await parts_.zfs.set(target, work);
    if (!set) co_return set;
    parts_.inventory.note_set(target, work);
    log::event(log::Level::info,
               "target_adopted",
               {{"dataset", target.str()}, {"peer", peer}, {"source", in.source}});
    parts_.events.publish("target_adopted", target.str(), "of " + peer + ":" + in.source);
    if (in.kind == "volume") co_return ok();
    auto unmounted = co_await parts_.zfs.unmount(target);
    if (!unmounted) {
        notes->push_back(target.str() + " on " + parts_.self.host.str() +
                         " stays mounted, readonly: " + unmounted.error().text());
    }
    co_return ok();
}

Task<Result<rpc::AdoptOut>> Target::adopt(std::string peer, rpc::AdoptIn in) {
    auto target = usable_name(in.target);
    if (!target) co_return target.error();
    // Who may not must not keep its owner from the lock, not even while we look.
    auto allowed = may_adopt(peer, *target, in);
    if (!allowed) {
        auto seen = co_await parts_.inventory.discover();
        if (!seen) co_return seen.error();
        allowed = may_adopt(peer, *target, in);
    }
    if (!allowed) co_return allowed.error();
    auto guard = parts_.locks.try_lock(*target, lock::Scope::node, "adopt for " + peer);
    if (!guard) co_return guard.error();
    auto seen = co_await parts_.inventory.discover();
    if (!seen) co_return seen.error();
    allowed = may_adopt(peer, *target, in);
    if (!allowed) co_return allowed.error();
    // Without the flush, what was written in the last seconds would count as nothing.
    std::vector<std::string> pools{std::string(target->pool())};
    auto flushed = co_await parts_.zfs.flush(std::move(pools));
    if (!flushed) co_return flushed.error();
    auto fresh = co_await parts_.inventory.refresh_one(*target, Freshness::listed);
    if (!fresh) co_return fresh.error();
    const Dataset* dataset = parts_.inventory.find(*target);
    const Versions* versions = parts_.inventory.versions(*target);
    if (dataset == nullptr || versions == nullptr)
        co_return Error{.code = Code::not_found, .message = target->str() + " is gone"};
    std::vector<Guid> theirs;
    for (const auto& snapshot : in.snapshots) theirs.push_back(snapshot.guid);
    auto base = plan::adoptable_base(*dataset, *versions, theirs, parts_.self.host.str());
    if (!base) co_return base.error();
    rpc::AdoptOut out;
    out.base.name = base->name;
    out.base.guid = base->guid;
    out.steps.push_back("make " + target->str() + " on " + parts_.self.host.str() +
                        " readonly and the target of " + peer + ":" + in.source +
                        ", unmounted, from @" + base->name + " on");
    if (in.dry_run) co_return out;
    auto made = co_await make_target(in, *target, peer, &out.notes);
    if (!made) co_return made.error();
    co_return out;
}

}  // namespace zrepd::sync
