// SPDX-License-Identifier: BSD-2-Clause
// What the other side may ask about roles. It names only its own pairs; what it asks for is decided
// here by what is stored here.
#include "common/props.hpp"
#include "common/text.hpp"
#include "daemon/clock.hpp"
#include "daemon/failover/check.hpp"
#include "daemon/failover/mount_place.hpp"
#include "daemon/failover/roles.hpp"
#include "daemon/log.hpp"
#include "daemon/plan/displaced.hpp"
#include "daemon/plan/foreign.hpp"
#include "daemon/sched/due.hpp"
#include "daemon/sync/bookkeeping.hpp"
#include "daemon/sync/refusals.hpp"
#include "daemon/sync/target.hpp"

namespace zrepd::failover {
namespace {

using sync::Freshness;

// The asking side holds its own lock meanwhile, for which somebody here may wait: short.
constexpr std::chrono::seconds kPeerLockWait{15};
constexpr std::chrono::seconds kWayBackLimit{20};
constexpr std::chrono::seconds kYoungStream{2};

/// What was asked, and what is known here without asking anybody.
void add_state(TargetFacts& facts,
               const sync::Parts& parts,
               const plan::Pair& pair,
               const rpc::CheckIn& in) {
    facts.master_epoch = in.epoch;
    facts.base = in.base;
    facts.back = in.back.value_or(false);
    // Back to a snapshot nothing is synced before.
    facts.after_sync = in.dry_run && !facts.back;
    facts.paused = sched::is_paused(pair.settings.paused, unix_now());
    const auto holder = parts.locks.conflicting(pair.dataset, lock::Scope::node);
    if (holder) facts.busy = holder->reason;
}

/// Why `self` cannot reach the master's host, to which it would replicate.
Task<std::optional<Error>> way_back(peer::Peers& peers, HostName master, std::string self) {
    Json nothing = Json::object();
    auto asking = peers.call(master, "peer.ping", std::move(nothing), kWayBackLimit);
    auto answer = co_await std::move(asking);
    if (answer) co_return std::nullopt;
    co_return Error{.code = Code::refused,
                    .message = self + " cannot reach " + master.str() +
                               ", to which it would replicate: " + answer.error().text(),
                    .remedy = "on " + self + ": " + answer.error().remedy};
}

/// A host that was renamed has none of its pairs. Whose other side is one of them may know.
std::optional<Error> renamed_since(const Dataset& dataset,
                                   const plan::Self& self,
                                   const std::string& peer,
                                   const std::string& source) {
    const auto before = HostName::parse(plan::foreign_host(dataset, self).value_or(""));
    if (!before) return std::nullopt;
    const plan::Self was{*before};
    const auto pair = plan::pair_of(dataset, was);
    if (!pair || !plan::is_other_side(*pair, was, peer, source)) return std::nullopt;
    return Error{.code = Code::not_accepted,
                 .message = dataset.name.str() + " belongs to a pair of host " + before->str() +
                            ", which calls itself " + self.host.str() + " now",
                 .remedy = "on " + self.host.str() + ": zrepctl status says how to go on"};
}

}  // namespace

Error not_served_so(const std::string& serve) {
    return Error{.code = Code::invalid_params,
                 .message = "not how a master is served: " + quote(serve),
                 .remedy =
                     "have the same version of zrepd on both hosts; zfs get "
                     "canmount,mountpoint,volmode,zrep:interval on the master"};
}

Error not_yours(const std::string& peer, const std::string& target) {
    return Error{.code = Code::not_accepted,
                 .message = target + " is not the other side of a filesystem of " + peer + "'s",
                 .remedy = "zrepctl list on both hosts shows the pairs"};
}

std::optional<plan::Pair> Roles::pair_with(const std::string& peer,
                                           const std::string& target,
                                           const std::string& source) const {
    const auto name = DatasetName::parse(target);
    if (!name) return std::nullopt;
    auto pair = parts_.inventory.pair(*name);
    if (!pair || pair->role == plan::Role::initializing) return std::nullopt;
    if (!plan::is_other_side(*pair, parts_.self, peer, source)) return std::nullopt;
    return pair;
}

/// not_accepted unless the pair is this peer's; it may have become that unseen.
Task<Result<void>> Roles::know(std::string peer, std::string target, std::string source) {
    if (pair_with(peer, target, source)) co_return ok();
    auto seen = co_await parts_.inventory.discover_for_peer();
    if (!seen) co_return seen.error();
    if (pair_with(peer, target, source)) co_return ok();
    const auto name = DatasetName::parse(target);
    const Dataset* dataset = name ? parts_.inventory.find(*name) : nullptr;
    const auto renamed =
        dataset == nullptr ? std::nullopt : renamed_since(*dataset, parts_.self, peer, source);
    co_return renamed ? *renamed : not_yours(peer, target);
}

/// It speaks, so it is up again: what waits for it need not wait any longer.
void Roles::peer_is_back(const std::string& peer) {
    for (const auto& pair : parts_.inventory.pairs()) {
        if (pair.peer.short_name() != peer) continue;
        role_.peers.heard_of(pair.peer);
        parts_.runs.memory(pair.dataset).failures = 0;
        const auto pending = pending_.find(pair.dataset);
        if (pending != pending_.end()) pending->second.not_before = {};
        const auto asking = asking_.find(pair.peer);
        if (asking == asking_.end()) continue;
        // What waits after an answer goes on waiting: two that call each other because of it would
        // do so for ever.
        if (asking->second.failures == 0) continue;
        asking->second.not_before = {};
        // The next question may still go into a connection that died with the host's power.
        asking->second.failures = 0;
    }
    parts_.inventory.changed().notify();
    wake_.notify();
}

/// A host that lost its power in the middle of a stream never said that it ended; it has started
/// anew now, and says that it sends nothing.
void Roles::end_dead_stream(const std::string& peer,
                            const plan::Pair& pair,
                            std::chrono::steady_clock::time_point asked) {
    const auto holder = parts_.locks.conflicting(pair.dataset, lock::Scope::node);
    const bool its = holder && holder->reason == std::string(sync::kReceiveReason) + peer;
    // One that was opened since it said so is alive.
    if (!its || asked - holder->since < kYoungStream) return;
    parts_.receives.end(pair.dataset);
}

rpc::RolesOut::Side Roles::side_of(const std::string& peer,
                                   const rpc::RolesIn::Side& asked,
                                   std::chrono::steady_clock::time_point when) {
    rpc::RolesOut::Side out;
    out.target = asked.target;
    const auto pair = pair_with(peer, asked.target, asked.source);
    if (!pair) return out;
    const Dataset& dataset = *parts_.inventory.find(pair->dataset);
    const bool master = pair->role == plan::Role::master;
    // A master that cannot tell whether it is the later one must not look like the earlier.
    if (spoiled_epoch(dataset, *pair, parts_.self)) return out;
    out.known = true;
    out.master = master;
    out.epoch = pair->epoch;
    out.journal = name(entry_of(dataset).journal);
    out.leased = !out.master && grants_.note(pair->dataset).has_value();
    out.snapshots = sync::newest_snapshots(parts_.inventory.versions(pair->dataset));
    if (asked.idle) end_dead_stream(peer, *pair, when);
    take_hint(*pair, asked);
    return out;
}

/// What the other side says of itself may mean that something was missed here: then we find out for
/// ourselves, at once. Once: two sides that disagree must not make each other ask for ever.
void Roles::take_hint(const plan::Pair& pair, const rpc::RolesIn::Side& asked) {
    if (!asked.master) return;
    const auto known = trouble_of(pair.dataset);
    const bool known_split = known && known->code == Code::split_brain;
    const bool split = asked.epoch == pair.epoch && !known_split;
    if (pair.role == plan::Role::master && (asked.epoch > pair.epoch || split)) doubt(pair.dataset);
    if (pair.role != plan::Role::target || asked.epoch < pair.epoch) return;
    // Received and never acknowledged: it may be what the master went back behind. After a sync
    // that ran into it the list is fresh.
    const Versions* versions = parts_.inventory.versions(pair.dataset);
    if (versions == nullptr || versions->snapshots.empty()) return;
    const Snapshot& newest = versions->snapshots.back();
    const bool ahead = !newest.sent || asked.epoch > pair.epoch;
    if (zrep_sequence(newest.name) && ahead) pending_[pair.dataset].not_before = {};
}

Task<Result<rpc::RolesOut>> Roles::roles(std::string peer, rpc::RolesIn in) {
    const auto when = std::chrono::steady_clock::now();
    std::vector<DatasetName> names;
    bool unknown = false;
    bool known = false;
    for (const auto& side : in.sides) {
        auto name = DatasetName::parse(side.target);
        if (!name || !parts_.zfs.check_pool(name->pool())) continue;
        // Two sides that agree need no look: what is in memory is what we stored ourselves.
        const auto pair = pair_with(peer, side.target, side.source);
        (pair ? known : unknown) = true;
        const bool master = pair && pair->role == plan::Role::master;
        const bool agreed = master != side.master && pair && pair->epoch == side.epoch;
        if (pair && !agreed) names.push_back(*name);
    }
    auto seen = co_await parts_.inventory.refresh(std::move(names), Freshness::cached);
    if (!seen) co_return seen.error();
    // What is not this peer's costs no look of its own, and none at all where others wait for it.
    if (unknown && !known) {
        auto looked = co_await parts_.inventory.discover_for_peer();
        if (!looked) co_return looked.error();
    }
    rpc::RolesOut out;
    for (const auto& side : in.sides) out.sides.push_back(side_of(peer, side, when));
    peer_is_back(peer);
    co_return out;
}

namespace {

Error other_key_there(const DatasetName& dataset, const std::string& host, const Error& why) {
    const std::string name = quote(dataset.str());
    return Error{.code = Code::refused,
                 .message = "the key of " + dataset.str() + " on " + host +
                            " that lies at its keylocation is not the one it is encrypted with "
                            "now: " +
                            why.message,
                 .remedy = "on " + host + ": put the right one there (zfs get keylocation " + name +
                           ") and try it: zfs load-key -n " + name};
}

}  // namespace

Task<std::optional<Error>> Roles::key_problem(DatasetName dataset) {
    const Dataset* now = parts_.inventory.find(dataset);
    if (now == nullptr || (now->key_loaded && !now->encrypted)) co_return std::nullopt;
    const bool loaded = now->key_loaded;
    auto tried = co_await parts_.zfs.load_key(dataset, /*only_try=*/true);
    // A loaded one may be that of before a zfs change-key of the master, which came with a stream.
    if (tried || (loaded && tried.error().code != Code::refused)) co_return std::nullopt;
    if (loaded) co_return other_key_there(dataset, parts_.self.host.str(), tried.error());
    // A raw stream makes it `prompt`, wherever the master has it from.
    co_return Error{.code = Code::refused,
                    .message = "the key of " + dataset.str() + " on " + parts_.self.host.str() +
                               " cannot be loaded: " + tried.error().message,
                    .remedy = "on " + parts_.self.host.str() + ": zfs load-key " +
                              quote(dataset.str()) +
                              "; so that zrepd can do it: zfs set keylocation=file:///PATH " +
                              quote(dataset.str())};
}

/// A write that is needed anyway shows whether the pool takes any; a dry run only looks.
Task<std::optional<Error>> Roles::writing_problem(DatasetName dataset,
                                                  std::string serve,
                                                  bool dry_run) {
    PropertyList served{{std::string(prop::kServe), std::move(serve)}};
    Result<void> written = ok();
    std::string pool(dataset.pool());
    if (dry_run)
        written = co_await parts_.zfs.check_writable(std::move(pool));
    else
        written = co_await parts_.zfs.set(dataset, served);
    if (written && !dry_run) parts_.inventory.note_set(dataset, served);
    if (written) co_return std::nullopt;
    Error out = written.error();
    if (!out.remedy.empty()) out.remedy = "on " + parts_.self.host.str() + ": " + out.remedy;
    co_return out;
}

Task<Result<void>> Roles::ask_hooks(plan::Pair pair, std::string mountpoint, bool planned) {
    HookContext context{
        .dataset = pair.dataset, .peer = pair.peer, .peer_dataset = pair.peer_dataset};
    context.epoch = pair.epoch + 1;
    context.operation = planned ? kFailover : kTakeover;
    const Dataset* dataset = parts_.inventory.find(pair.dataset);
    const bool volume = dataset != nullptr && dataset->kind == Kind::volume;
    context.kind = volume ? "volume" : "filesystem";
    context.mountpoint = mountpoint.starts_with('/') ? std::move(mountpoint) : "";
    context.planned = planned;
    co_return co_await run_hooks(
        role_.processes, parts_.config, Hook::pre_promote, std::move(context));
}

Task<Result<rpc::CheckOut>> Roles::check(std::string peer, rpc::CheckIn in) {
    auto name = DatasetName::parse(in.target);
    if (!name) co_return name.error();
    auto available = parts_.zfs.check_pool(name->pool());
    if (!available) co_return available.error();
    // First whose it is: what is not this peer's costs no look of its own.
    auto seen = co_await know(peer, in.target, in.source);
    if (seen) seen = co_await look_at(*name);
    if (!seen) co_return seen.error();
    const auto pair = pair_with(peer, in.target, in.source);
    const bool master = pair && pair->role == plan::Role::master;
    if (master && pair->epoch >= in.epoch) co_return sync::master_here_too(parts_, *pair, in.epoch);
    if (!pair || pair->role != plan::Role::target) co_return not_yours(peer, in.target);
    const auto serve = parse_serve(in.serve);
    if (!serve) co_return not_served_so(in.serve);
    TargetFacts facts;
    facts.writing = co_await writing_problem(*name, to_text(*serve), in.dry_run);
    facts.key = co_await key_problem(*name);
    facts.way_back = co_await way_back(role_.peers, pair->peer, parts_.self.host.str());
    const auto versions = co_await sync::with_foreign_holds(parts_, *name, in.base);
    if (!versions) co_return versions.error();
    facts.dataset = parts_.inventory.find(*name);
    facts.versions = &*versions;
    if (facts.dataset == nullptr) co_return not_yours(peer, in.target);
    facts.pair = &*pair;
    add_state(facts, parts_, *pair, in);
    facts.mountpoint =
        place_problem(*serve, *facts.dataset, parts_.self.host, mounted_here(parts_.inventory));
    std::string place = place_of(*serve, *facts.dataset);
    rpc::CheckOut out;
    for (const Error& problem : problems_of_target(facts, parts_.self))
        out.problems.push_back(rpc::to_item_error(problem));
    if (pair->tree) {
        auto below = co_await problems_of_members(*pair, in);
        if (!below) co_return below.error();
        for (const Error& problem : *below) out.problems.push_back(rpc::to_item_error(problem));
    }
    if (!out.problems.empty() || in.dry_run) co_return out;
    // Last, because it may do something: nothing else stands in the way.
    auto allowed = co_await ask_hooks(*pair, std::move(place), /*planned=*/true);
    if (!allowed) {
        // The same program may lie on both hosts: which one refused decides where it is to be
        // mended.
        Error error = std::move(Error(allowed.error())).in(parts_.self.host.str());
        error.remedy = sync::remedy_from(parts_.self.host, std::move(error.remedy));
        out.problems.push_back(rpc::to_item_error(error));
    }
    co_return out;
}

Task<Result<rpc::PromoteOut>> Roles::promote(std::string peer, rpc::PromoteIn in) {
    auto name = DatasetName::parse(in.target);
    if (!name) co_return name.error();
    auto available = parts_.zfs.check_pool(name->pool());
    if (!available) co_return available.error();
    auto seen = co_await know(peer, in.target, in.source);
    if (!seen) co_return seen.error();
    const auto pair = pair_with(peer, in.target, in.source);
    if (!pair) co_return not_yours(peer, in.target);
    // The next one, however late it is, is a role change like others.
    if (in.epoch > kMaxEpoch && in.epoch != pair->epoch + 1)
        co_return Error{.code = Code::invalid_params, .message = "no epoch is that late"};
    // Stale, or done already. Answered without the lock: our side may hold it while it asks the
    // same of the other, with a later epoch.
    if (pair->epoch >= in.epoch) {
        rpc::PromoteOut out;
        out.master = pair->role == plan::Role::master;
        out.epoch = pair->epoch;
        const auto before = promoted_.find(*name);
        if (before != promoted_.end() && before->second.epoch == in.epoch)
            out.notes = before->second.notes;
        co_return out;
    }
    // Nothing is confirmed from here on to whoever says that it is the master.
    const Grants::Decision decision = grants_.decide(*name);
    auto guard =
        co_await parts_.locks.lock(*name, lock::Scope::node, std::string(kPromote), kPeerLockWait);
    if (!guard) co_return guard.error();
    const auto below = co_await lock_members(*name, std::string(kPromote), kPeerLockWait);
    if (!below) co_return below.error();
    log::event(log::Level::info,
               "promotion_asked",
               {{"dataset", name->str()}, {"peer", peer}, {"epoch", std::to_string(in.epoch)}});
    co_return co_await promote_locked(std::move(in), *name);
}

Task<Result<rpc::PromoteOut>> Roles::promote_locked(rpc::PromoteIn in, DatasetName dataset) {
    bool base_here = has_all(dataset, in);
    if (!base_here) {
        auto seen = co_await look_at(dataset);
        if (!seen) co_return seen.error();
        base_here = has_all(dataset, in);
    }
    std::vector<DatasetName> one{dataset};
    sync::RunPtr run = parts_.runs.start(std::string(kPromote), one);
    Change work(role_, run, dataset, std::string(kFailover));
    // Of a tree some member may have more than the rest: never two moments.
    const auto pair = parts_.inventory.pair(dataset);
    const bool back = base_here && (in.back.value_or(false) || (pair && pair->tree));
    Result<bool> ahead = false;
    if (back) ahead = co_await is_ahead_of(dataset, in.base);
    if (!ahead) {
        parts_.runs.fail(*run, dataset, ahead.error());
        co_return ahead.error();
    }
    if (*ahead) work.go_back(in.base);
    const auto serve = parse_serve(in.serve);
    if (serve && !in.serve.empty()) work.serve_as(*serve);
    work.serve_members_as(served_as(dataset, in));
    auto stored = co_await carry(
        &work, dataset, Promote{.epoch = in.epoch, .base_here = base_here, .ahead = *ahead});
    // A stale request is answered with how things stand: the asking side draws its conclusions.
    const auto now = parts_.inventory.pair(dataset);
    const bool stale = !stored && now && now->epoch >= in.epoch;
    if (!stored && !stale) {
        parts_.runs.fail(*run, dataset, stored.error());
        co_return stored.error();
    }
    rpc::PromoteOut out;
    out.master = now && now->role == plan::Role::master;
    out.epoch = now ? now->epoch : 0;
    out.notes = work.words();
    promoted_[dataset] = {.epoch = out.epoch, .notes = out.notes};
    rpc::RunResult result;
    result.outcome = "done";
    std::vector<std::string> text{dataset.str() +
                                  (out.master ? " is the master now" : " is no master") +
                                  " (epoch " + std::to_string(out.epoch) + ")"};
    text.insert(text.end(), out.notes.begin(), out.notes.end());
    result.text = join(text, "; ");
    parts_.runs.succeed(*run, dataset, std::move(result));
    if (stored && stored->epoch < in.epoch) {
        co_return work.trouble().value_or(Error{
            .code = Code::zfs_failed,
            .message = "the role could not be stored",
            .remedy = "it is tried again; see the log of zrepd on " + parts_.self.host.str()});
    }
    // A promotion that came late may have made a second master: ask.
    heard_.erase(dataset);
    parts_.inventory.changed().notify();
    wake_.notify();
    co_return out;
}

}  // namespace zrepd::failover
