// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sync/put_back.hpp"

#include <algorithm>
#include <iterator>

#include "common/props.hpp"
#include "common/text.hpp"
#include "common/units.hpp"
#include "daemon/failover/fence.hpp"
#include "daemon/failover/journal.hpp"
#include "daemon/log.hpp"
#include "daemon/plan/displaced.hpp"
#include "daemon/plan/members.hpp"
#include "daemon/sync/refusals.hpp"
#include "daemon/sync/tree_sync.hpp"

namespace zrepd::sync {
namespace {

// More names say no more.
constexpr std::size_t kPausedShown = 5;
// The peer waits for its lock, then destroys, which may take zfs its time.
constexpr std::chrono::seconds kRollBackLimit{300};
constexpr std::chrono::seconds kWillingLimit{60};

struct Part {
    DatasetName dataset;
    plan::PutBack what;
};

struct Found {
    plan::Pair pair;
    std::vector<Part> parts;  ///< the pair's own dataset first, then the members of a tree
    std::vector<DatasetName> paused_along = {};  ///< pairs below that pause with it
    const plan::PutBack& root() const { return parts.front().what; }
};

std::optional<Error> not_now(const plan::Pair& pair, const Dataset& dataset) {
    const failover::Entry entry = failover::entry_of(dataset);
    const auto journal = entry.journal;
    if (journal == failover::Journal::none) return std::nullopt;
    // No role change was begun.
    if (entry.lease) return failover::waits_for_peer(dataset, pair);
    return Error{.code = Code::busy,
                 .message = "a role change of " + pair.dataset.str() + " is not finished (" +
                            std::string(failover::name(journal)) + "); zrepd goes on with it",
                 .remedy = "zrepctl status " + quote(pair.dataset.str())};
}

Result<void> add_members(const Parts& parts, Found* found) {
    const DatasetName& root = found->pair.dataset;
    for (const DatasetName& name : parts.inventory.with_members({root})) {
        const Dataset* member = parts.inventory.find(name);
        const Versions* versions = parts.inventory.versions(name);
        if (name == root || member == nullptr || versions == nullptr) continue;
        auto what = plan::put_back_member(*member, *versions, found->root().base);
        if (!what) return what.error();
        if (*what) found->parts.push_back({name, std::move(**what)});
    }
    return ok();
}

/// With a fresh list of this side.
Task<Result<Found>> look(Parts& parts, PutBackRequest request) {
    auto available = parts.zfs.check_pool(request.dataset.pool());
    if (!available) co_return available.error();
    std::vector<DatasetName> one{request.dataset};
    auto left_out = co_await look_here(parts, std::move(one), Freshness::listed);
    if (!left_out) co_return left_out.error();
    if (!left_out->empty()) co_return left_out->begin()->second;
    const auto pair = parts.inventory.pair(request.dataset);
    const Dataset* dataset = parts.inventory.find(request.dataset);
    const Versions* versions = parts.inventory.versions(request.dataset);
    if (!pair || dataset == nullptr || versions == nullptr)
        co_return no_pair(parts, request.dataset);
    if (pair->role != plan::Role::master) co_return put_back_elsewhere(*pair, request.snapshot);
    const auto spoiled = plan::unreadable_epoch(*dataset, parts.self);
    if (spoiled) co_return *spoiled;
    auto unfinished = not_now(*pair, *dataset);
    if (unfinished) co_return *unfinished;
    auto what = plan::put_back(*dataset, *versions, request.snapshot);
    if (!what) co_return what.error();
    Found out{.pair = *pair, .parts = {{request.dataset, std::move(*what)}}};
    auto added = add_members(parts, &out);
    if (!added) co_return added.error();
    out.paused_along = plan::paused_along(parts.inventory.all(), request.dataset, parts.self);
    co_return out;
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
    in.base = found.root().base.guid;
    in.newer = found.root().newer;
    if (found.pair.tree) in.members.emplace();
    for (const Part& part : found.parts) {
        if (part.dataset == found.pair.dataset) continue;
        in.members->push_back({plan::relative_name(found.pair.dataset, part.dataset),
                               part.what.base.guid,
                               part.what.newer});
    }
    in.dry_run = mode == Mode::look;
    auto out = co_await source.peers.call_as<rpc::RollBackOut>(peer, "peer.roll_back", in, limit);
    if (out) co_return out;
    if (out.error().code == Code::method_not_found) {
        co_return Error{.code = Code::unsupported,
                        .message = "the zrepd on " + peer.str() +
                                   " is older than this command; nothing was changed",
                        .remedy = "install this version there: zrepctl version on both hosts"};
    }
    Error error = failed_there(peer, out.error()).in(peer.str());
    if (error.code != Code::not_accepted) co_return error;
    co_return co_await why_not_accepted(source.parts, source.peers, found.pair, std::move(error));
}

Task<Result<void>> store_pause(Parts& parts, DatasetName dataset, Guid base) {
    PropertyList work{{std::string(prop::kPaused), "yes"}, {std::string(prop::kBack), base.str()}};
    auto set = co_await parts.zfs.set(dataset, work);
    if (set) parts.inventory.note_set(dataset, work);
    co_return set;
}

/// From now on neither expiry nor an administrator takes away where the next stream begins.
Task<Result<void>> protect(Parts& parts, const Found* found) {
    std::vector<SnapshotName> names;
    AckBatch batch;
    for (const Part& part : found->parts) {
        auto name = SnapshotName::make(part.dataset, part.what.base.name);
        if (!name) co_return name.error();
        names.push_back(*name);
        batch.items.push_back(
            {.snapshot = *name, .guid = part.what.base.guid, .set_sent = false, .bookmark = true});
    }
    auto held = co_await parts.zfs.hold(std::move(names));
    if (!held) co_return held;
    const auto outcomes = co_await parts.zfs.acknowledge(std::move(batch));
    for (const auto& outcome : outcomes) {
        if (!outcome.acknowledged) co_return outcome.acknowledged;
    }
    co_return ok();
}

/// What the target no longer has: where the next stream begins, what may expire, and what a
/// failover without the other side goes back to, are all found by the newest zrep:sent.
Task<Result<void>> forget_sent(Parts& parts, const Found* found) {
    std::vector<SnapshotName> names;
    for (const Part& part : found->parts) {
        for (const std::string& snapshot : part.what.forgotten) {
            auto name = SnapshotName::make(part.dataset, snapshot);
            if (!name) co_return name.error();
            names.push_back(std::move(*name));
        }
    }
    if (names.empty()) co_return ok();
    co_return co_await parts.zfs.forget_sent(std::move(names));
}

std::string go_on(const plan::Pair& pair) {
    const std::string name = quote(pair.dataset.str());
    return "zrepctl unpause " + name + ", then zrepctl sync " + name;
}

/// ": 'tank/fs/own'; to let them go on: zrepctl unpause 'tank/fs/own'"
std::string named_to_go_on(const std::vector<DatasetName>& names) {
    std::vector<std::string> shown;
    for (std::size_t i = 0; i < std::min(names.size(), kPausedShown); ++i)
        shown.push_back(quote(names[i].str()));
    const std::string more = names.size() > kPausedShown
                                 ? " and " + std::to_string(names.size() - kPausedShown) + " more"
                                 : "";
    return ": " + join(shown, ", ") + more + "; to let them go on: zrepctl unpause " +
           join(shown, " ");
}

Error half_done(Error error, const Found& found) {
    const plan::Pair& pair = found.pair;
    const std::string along = found.paused_along.empty() ? "" : ", and pairs below it with it";
    const std::string next = pair.dataset.str() + " is paused" + along +
                             ": run this again, or, to leave it: " + go_on(pair);
    error.remedy += (error.remedy.empty() ? "" : "; ") + next;
    return error;
}

rpc::RunResult outcome_of(const Found& found, const rpc::RollBackOut& done) {
    const plan::Pair& pair = found.pair;
    const std::size_t count = done.destroyed.size();
    rpc::RunResult out;
    out.outcome = "done";
    const std::size_t below = found.parts.size() - 1;
    const std::string all =
        below == 0 ? " is" : ", with the " + std::to_string(below) + " below it, is";
    out.text = pair.peer_dataset.str() + " on " + pair.peer.str() + all + " at @" +
               found.root().base.name + ": " + std::to_string(count) +
               (count == 1 ? " newer snapshot" : " newer snapshots") + " destroyed there";
    if (done.lost_bytes != 0)
        out.text += ", " + human_bytes(done.lost_bytes) + " written there lost";
    out.text += "; it stays there, paused, until " + go_on(pair);
    if (!found.paused_along.empty())
        out.text += "; paused with it are the pairs below it" + named_to_go_on(found.paused_along);
    return out;
}

Task<Result<rpc::RollBackOut>> change(SourceParts source, RunPtr run, Found found) {
    Parts& parts = source.parts;
    const DatasetName& dataset = found.pair.dataset;
    auto safe = co_await protect(parts, &found);
    if (!safe) co_return safe.error();
    parts.runs.phase(*run, dataset, "rolling back");
    auto done = co_await ask(source, found, Mode::change, kRollBackLimit);
    if (!done) co_return done;
    auto forgotten = co_await forget_sent(parts, &found);
    if (!forgotten) co_return forgotten.error();
    std::vector<DatasetName> one{dataset};
    auto seen = co_await look_here(parts, std::move(one), Freshness::listed);
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
    std::vector<std::string> out{"pause " + found->pair.dataset.str()};
    if (!found->paused_along.empty())
        out.push_back("pause with it the pairs below it" + named_to_go_on(found->paused_along));
    std::vector<std::string> after;
    for (const Part& part : found->parts) {
        plan::AroundSteps around = plan::describe(part.what, part.dataset);
        std::move(around.before.begin(), around.before.end(), std::back_inserter(out));
        std::move(around.after.begin(), around.after.end(), std::back_inserter(after));
    }
    std::move(there->steps.begin(), there->steps.end(), std::back_inserter(out));
    std::move(after.begin(), after.end(), std::back_inserter(out));
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
    auto paused = co_await store_pause(parts, dataset, found->root().base.guid);
    if (!paused) co_return paused.error();
    // As fresh as that snapshot from here on, whatever a sync had found since.
    parts.runs.forget_fresh(dataset);
    auto done = co_await change(source, run, *found);
    if (!done) co_return half_done(done.error(), *found);
    rpc::RunResult out = outcome_of(*found, *done);
    log::event(log::Level::warn,
               "put_back",
               {{"dataset", dataset.str()},
                {"to", found->root().base.name},
                {"peer", found->pair.peer.str()},
                {"destroyed", std::to_string(done->destroyed.size())}});
    parts.events.publish("put_back", dataset.str(), out.text);
    co_return out;
}

}  // namespace zrepd::sync
