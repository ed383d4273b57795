// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sync/put_back.hpp"

#include "common/props.hpp"
#include "common/text.hpp"
#include "common/units.hpp"
#include "daemon/failover/journal.hpp"
#include "daemon/log.hpp"
#include "daemon/plan/displaced.hpp"
#include "daemon/sync/refusals.hpp"

namespace zrepd::sync {
namespace {

// The peer waits for its lock, then destroys, which may take zfs its time.
constexpr std::chrono::seconds kRollBackLimit{300};
constexpr std::chrono::seconds kWillingLimit{60};

struct Found {
    plan::Pair pair;
    plan::PutBack what;
};

std::optional<Error> not_now(const plan::Pair& pair, const Dataset& dataset) {
    const auto journal = failover::entry_of(dataset).journal;
    if (journal == failover::Journal::none) return std::nullopt;
    return Error{.code = Code::busy,
                 .message = "a role change of " + pair.dataset.str() + " is not finished (" +
                            std::string(failover::name(journal)) + "); zrepd goes on with it",
                 .remedy = "zrepctl status " + quote(pair.dataset.str())};
}

/// With a fresh list of this side.
Task<Result<Found>> look(Parts& parts, PutBackRequest request) {
    auto available = parts.zfs.check_pool(request.dataset.pool());
    if (!available) co_return available.error();
    auto seen = co_await parts.inventory.refresh_one(request.dataset, Freshness::listed);
    if (!seen) co_return seen.error();
    const auto pair = parts.inventory.pair(request.dataset);
    const Dataset* dataset = parts.inventory.find(request.dataset);
    const Versions* versions = parts.inventory.versions(request.dataset);
    if (!pair || dataset == nullptr || versions == nullptr)
        co_return no_pair(parts, request.dataset);
    if (pair->role != plan::Role::master) co_return put_back_elsewhere(*pair, request.snapshot);
    const auto spoiled = plan::unreadable_epoch(*dataset);
    if (spoiled) co_return *spoiled;
    if (pair->tree) co_return not_of_a_tree(*pair, "putting the target back");
    auto unfinished = not_now(*pair, *dataset);
    if (unfinished) co_return *unfinished;
    auto what = plan::put_back(*dataset, *versions, request.snapshot);
    if (!what) co_return what.error();
    co_return Found{*pair, std::move(*what)};
}

enum class Mode { look, change };

Task<Result<rpc::RollBackOut>> ask(SourceParts source,
                                   Found found,
                                   Mode mode,
                                   std::chrono::seconds limit) {
    const HostName& peer = found.pair.peer;
    rpc::RollBackIn in;
    in.source = found.pair.dataset.str();
    in.target = found.pair.peer_dataset.str();
    in.epoch = found.pair.epoch;
    in.base = found.what.base.guid;
    in.newer = found.what.newer;
    in.dry_run = mode == Mode::look;
    auto out = co_await source.peers.call_as<rpc::RollBackOut>(peer, "peer.roll_back", in, limit);
    if (out) co_return out;
    if (out.error().code == Code::method_not_found) {
        co_return Error{.code = Code::unsupported,
                        .message = "the zrepd on " + peer.str() +
                                   " is older than this command; nothing was changed",
                        .remedy = "install this version there: zrepctl version on both hosts"};
    }
    co_return std::move(Error(out.error())).in(peer.str());
}

Task<Result<void>> store_pause(Parts& parts, DatasetName dataset, Guid base) {
    PropertyList work{{std::string(prop::kPaused), "yes"}, {std::string(prop::kBack), base.str()}};
    auto set = co_await parts.zfs.set(dataset, work);
    if (set) parts.inventory.note_set(dataset, work);
    co_return set;
}

/// From now on neither expiry nor an administrator takes away where the next stream begins.
Task<Result<void>> protect(Parts& parts, DatasetName dataset, Snapshot base) {
    auto name = SnapshotName::make(dataset, base.name);
    if (!name) co_return name.error();
    std::vector<SnapshotName> one{*name};
    auto held = co_await parts.zfs.hold(std::move(one));
    if (!held) co_return held;
    AckBatch batch;
    batch.items.push_back({.snapshot = *name, .guid = base.guid, .set_sent = false});
    batch.items.back().bookmark = true;
    auto outcomes = co_await parts.zfs.acknowledge(std::move(batch));
    co_return outcomes.front().acknowledged;
}

/// What the target no longer has: where the next stream begins, what may expire, and what a
/// failover without the other side goes back to, are all found by the newest zrep:sent.
Task<Result<void>> forget_sent(Parts& parts, DatasetName dataset, std::vector<std::string> names) {
    if (names.empty()) co_return ok();
    std::vector<SnapshotName> full;
    for (const std::string& name : names) {
        auto one = SnapshotName::make(dataset, name);
        if (!one) co_return one.error();
        full.push_back(std::move(*one));
    }
    co_return co_await parts.zfs.forget_sent(std::move(full));
}

std::string go_on(const plan::Pair& pair) {
    const std::string name = quote(pair.dataset.str());
    return "zrepctl unpause " + name + ", then zrepctl sync " + name;
}

Error half_done(Error error, const plan::Pair& pair) {
    const std::string next =
        pair.dataset.str() + " is paused: run this again, or, to leave it: " + go_on(pair);
    error.remedy += (error.remedy.empty() ? "" : "; ") + next;
    return error;
}

rpc::RunResult outcome_of(const Found& found, const rpc::RollBackOut& done) {
    const plan::Pair& pair = found.pair;
    const std::size_t count = done.destroyed.size();
    rpc::RunResult out;
    out.outcome = "done";
    out.text = pair.peer_dataset.str() + " on " + pair.peer.str() + " is at @" +
               found.what.base.name + ": " + std::to_string(count) +
               (count == 1 ? " newer snapshot" : " newer snapshots") + " destroyed there";
    if (done.lost_bytes != 0)
        out.text += ", " + human_bytes(done.lost_bytes) + " written there lost";
    out.text += "; it stays there, paused, until " + go_on(pair);
    return out;
}

Task<Result<rpc::RollBackOut>> change(SourceParts source, RunPtr run, Found found) {
    Parts& parts = source.parts;
    const DatasetName& dataset = found.pair.dataset;
    auto safe = co_await protect(parts, dataset, found.what.base);
    if (!safe) co_return safe.error();
    parts.runs.phase(*run, dataset, "rolling back");
    auto done = co_await ask(source, found, Mode::change, kRollBackLimit);
    if (!done) co_return done;
    auto forgotten = co_await forget_sent(parts, dataset, found.what.forgotten);
    if (!forgotten) co_return forgotten.error();
    auto seen = co_await parts.inventory.refresh_one(dataset, Freshness::listed);
    if (!seen) co_return seen.error();
    co_return done;
}

}  // namespace

Error put_back_elsewhere(const plan::Pair& pair, const std::string& snapshot) {
    Error out = not_a_master(pair);
    if (pair.role == plan::Role::target) {
        out.remedy = "run zrepctl sync " + quote(pair.peer_dataset.str() + "@" + snapshot) +
                     " on " + pair.peer.str();
    }
    return out;
}

Task<Result<std::vector<std::string>>> put_back_steps(SourceParts source,
                                                      PutBackRequest request,
                                                      std::chrono::seconds limit) {
    auto found = co_await look(source.parts, std::move(request));
    if (!found) co_return found.error();
    auto there = co_await ask(source, *found, Mode::look, limit);
    if (!there) co_return there.error();
    plan::AroundSteps around = plan::describe(found->what, found->pair);
    std::vector<std::string> out = std::move(around.before);
    for (std::string& step : there->steps) out.push_back(std::move(step));
    for (std::string& step : around.after) out.push_back(std::move(step));
    co_return out;
}

Task<Result<rpc::RunResult>> put_back(SourceParts source, RunPtr run, PutBackRequest request) {
    Parts& parts = source.parts;
    const DatasetName dataset = request.dataset;
    parts.runs.phase(*run, dataset, "looking");
    auto found = co_await look(parts, std::move(request));
    if (!found) co_return found.error();
    auto willing = co_await ask(source, *found, Mode::look, kWillingLimit);
    if (!willing) co_return willing.error();
    auto paused = co_await store_pause(parts, dataset, found->what.base.guid);
    if (!paused) co_return paused.error();
    auto done = co_await change(source, run, *found);
    if (!done) co_return half_done(done.error(), found->pair);
    // As fresh as that snapshot, whatever a sync had found since.
    parts.runs.memory(dataset).fresh_at = 0;
    rpc::RunResult out = outcome_of(*found, *done);
    log::event(log::Level::warn,
               "put_back",
               {{"dataset", dataset.str()},
                {"to", found->what.base.name},
                {"peer", found->pair.peer.str()},
                {"destroyed", std::to_string(done->destroyed.size())}});
    parts.events.publish("put_back", dataset.str(), out.text);
    co_return out;
}

}  // namespace zrepd::sync
