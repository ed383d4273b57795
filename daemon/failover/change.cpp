// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/failover/change.hpp"

#include <algorithm>

#include "common/props.hpp"
#include "common/text.hpp"
#include "common/units.hpp"
#include "daemon/failover/check.hpp"
#include "daemon/failover/fence.hpp"
#include "daemon/failover/fences.hpp"
#include "daemon/failover/lease.hpp"
#include "daemon/failover/leases.hpp"
#include "daemon/failover/outcome.hpp"
#include "daemon/failover/rescue.hpp"
#include "daemon/failover/roles.hpp"
#include "daemon/failover/tree_ways.hpp"
#include "daemon/log.hpp"
#include "daemon/sync/bookkeeping.hpp"
#include "daemon/sync/refusals.hpp"

namespace zrepd::failover {
namespace {

using sync::Freshness;

constexpr std::chrono::seconds kReadyLimit{30};
// A promotion waits for a transaction group and a mount; the hooks over there come on top.
constexpr std::chrono::seconds kPromoteLimit{300};
// Of what another host says of its promotion; an honest one has a few lines.
constexpr std::size_t kPeerNotes = 8;
constexpr std::size_t kPeerNoteBytes = 1'000;

}  // namespace

Change::Change(RoleParts parts, sync::RunPtr run, DatasetName dataset, std::string operation)
    : role_(parts),
      parts_(parts.parts),
      run_(std::move(run)),
      name_(std::move(dataset)),
      operation_(std::move(operation)) {}

Task<Result<State>> Change::look() {
    if (role_.leases != nullptr) co_await role_.leases->settled(name_);
    pair_ = parts_.inventory.pair(name_);
    auto seen = co_await look_at_all(Freshness::cached);
    if (!seen) co_return seen.error();
    pair_ = parts_.inventory.pair(name_);
    if (!pair_) co_return gone();
    entry_ = entry_of(*dataset());
    base_ = back_to_.known() ? back_to_ : agreed_.known() ? agreed_ : entry_.base;
    State state;
    state.stored = stored_of(*dataset(), *pair_);
    // It would make a master that took over the target of the one before it, and let one that
    // handed over believe that this was answered.
    if (auto spoiled = spoiled_epoch(*dataset(), *pair_, parts_.self)) co_return *spoiled;
    // A target that goes back served nobody: there is nothing for the hooks to end.
    if (back_to_.known() && !state.stored.master) left_ = true;
    state.must_hear_peer = role_.fences != nullptr && role_.fences->must_hear(*dataset(), *pair_);
    co_return state;
}

Task<Result<Stored>> Change::go(Event event) {
    auto looked = co_await look();
    if (!looked) co_return looked.error();
    const Stored before = looked->stored;
    Transition next = step(*looked, event);
    auto willing = co_await may_leave(event, next.action.kind);
    if (!willing) co_return willing.error();
    // Before it is writable: a lease that ran out would close it again in that moment.
    const bool vouched = operation_ == kUnfence && next.action.kind != ActionKind::refuse;
    if (vouched && role_.leases != nullptr) role_.leases->vouch(name_);
    while (next.action.kind != ActionKind::none) {
        if (next.action.kind == ActionKind::refuse) co_return refusal(next.action.why);
        if (next.action.kind == ActionKind::ask_to_promote && !offers_) break;
        const bool stop = co_await cancelled();
        if (stop) {
            co_return Error{.code = Code::cancelled,
                            .message = "zrepd is stopping in the middle of it",
                            .remedy = "nothing to do: it goes on when zrepd is back"};
        }
        const Action action = next.action;
        State state = next.state;
        Event outcome = co_await perform(action, state);
        if (lost_) co_return *trouble_;
        // It ran out meanwhile: then nothing makes it writable but the peer's word.
        const bool out = role_.leases != nullptr && role_.leases->is_out(name_);
        if (out && state.stored.master) state.must_hear_peer = true;
        next = step(state, outcome);
    }
    const Stored after = next.state.stored;
    const bool stayed = after.master && after.journal == Journal::none && before.master;
    if (stayed && !served_ && (stopped_service_ || before.journal == Journal::freezing)) {
        co_await hook_after(Hook::post_promote, std::string(kRecovery));
    }
    if (after.master != before.master || after.epoch != before.epoch) {
        log::event(log::Level::info,
                   "role_changed",
                   {{"dataset", name_.str()},
                    {"role", after.master ? "master" : "target"},
                    {"epoch", std::to_string(after.epoch)},
                    {"op", operation_}});
        parts_.events.publish("role_changed",
                              name_.str(),
                              std::string(after.master ? "master" : "target") + " of epoch " +
                                  std::to_string(after.epoch));
    }
    co_return after;
}

Task<Event> Change::perform(Action action, State state) {
    bool good = true;
    switch (action.kind) {
        case ActionKind::check:
            good = co_await check();
            break;
        case ActionKind::store:
            good = co_await store(action.store);
            break;
        case ActionKind::drain:
            good = co_await drain();
            break;
        case ActionKind::ask_peer:
            co_return co_await ask_peer();
        case ActionKind::ask_to_promote:
            co_return co_await ask_to_promote(state.stored);
        case ActionKind::mount:
            co_await serve_it();
            break;
        case ActionKind::rescue:
            good = co_await rescue(state.stored);
            break;
        case ActionKind::none:
        case ActionKind::refuse:
            break;
    }
    if (good) co_return Event(Done{});
    co_return Event(Failed{});
}

bool Change::fail(Error error) {
    trouble_ = std::move(error);
    return false;
}

void Change::warn(std::string what, const Error& error) {
    log::event(log::Level::warn,
               "role_warning",
               {{"dataset", name_.str()},
                {"what", std::move(what)},
                {"error", error.text()},
                {"next", error.remedy}});
    parts_.events.publish("warning", name_.str(), error.text());
    note(error.text() + (error.remedy.empty() ? "" : "; next: " + error.remedy));
}

Guid Change::last_acked() const {
    const Versions* versions = parts_.inventory.versions(name_);
    const Snapshot* acked = versions == nullptr ? nullptr : sync::last_acked(*versions);
    return acked == nullptr ? Guid{} : acked->guid;
}

namespace {

/// There are snapshots newer than the common one, and all of them are zrepd's. Other people's are
/// left to people; without a common one there is nothing to go back to.
bool is_ahead(const Versions* versions, Guid common) {
    const Snapshot* base = versions == nullptr ? nullptr : find_snapshot(*versions, common);
    if (base == nullptr) return false;
    unsigned newer = 0;
    for (const Snapshot& s : versions->snapshots) {
        if (s.createtxg <= base->createtxg) continue;
        if (!zrep_sequence(s.name)) return false;
        ++newer;
    }
    return newer > 0;
}

}  // namespace

/// Of a tree: any part of it.
bool Change::is_ahead_of(Guid common) const {
    const Versions* root = parts_.inventory.versions(name_);
    if (is_ahead(root, common)) return true;
    const Snapshot* base = root == nullptr ? nullptr : find_snapshot(*root, common);
    const auto all = datasets();
    return base != nullptr && std::any_of(all.begin(), all.end(), [&](const DatasetName& name) {
               const Versions* versions = parts_.inventory.versions(name);
               const Snapshot* part =
                   versions == nullptr ? nullptr : plan::part_of(*versions, *base);
               return part != nullptr && is_ahead(versions, part->guid);
           });
}

Task<Event> Change::ask_peer() {
    parts_.runs.phase(*run_, name_, "asking");
    rpc::RolesIn in;
    in.sides.push_back(asking_side(*pair_));
    auto answer =
        co_await role_.peers.call_as<rpc::RolesOut>(pair_->peer, "peer.roles", in, kReadyLimit);
    const bool answered = answer && answer->sides.size() == 1;
    if (!answered || !answer->sides[0].known) {
        const bool ours = co_await is_held_at_witness();
        if (ours) co_return Event(PeerIs{.master = false, .epoch = pair_->epoch});
        unheard_ = true;
        if (!answer) fail(answer.error());
        co_return Event(Failed{});
    }
    const auto& side = answer->sides[0];
    if (auto wrong = epoch_problem(*pair_, side.epoch)) {
        fail(std::move(*wrong));
        co_return Event(Failed{});
    }
    const bool confirmed = co_await is_lease_confirmed(side);
    if (!confirmed) co_return Event(Failed{});
    const Versions* versions = parts_.inventory.versions(name_);
    const Guid common = newest_common(versions, side.snapshots);
    if (common.known()) base_ = common;
    co_return Event(
        PeerIs{.master = side.master, .epoch = side.epoch, .has_ours = !is_ahead_of(base_)});
}

/// Before a closed master is served again whoever could take over has to wait for it. True where
/// it is not going to be served.
Task<bool> Change::is_lease_confirmed(const rpc::RolesOut::Side& side) {
    const Dataset* now = dataset();
    if (role_.leases == nullptr || now == nullptr || !is_leased(*now, *pair_)) co_return true;
    const bool in_the_way = side.master && side.epoch >= pair_->epoch;
    if (in_the_way || !role_.fences->must_hear(*now, *pair_)) co_return true;
    auto confirmed = co_await role_.leases->confirm(*pair_);
    if (confirmed) co_return true;
    unheard_ = true;
    co_return fail(confirmed.error());
}

/// The peer is silent, and could not take over without the witness, where this side holds the pair.
Task<bool> Change::is_held_at_witness() {
    const Dataset* now = dataset();
    if (role_.leases == nullptr || now == nullptr || !is_leased(*now, *pair_)) co_return false;
    const bool closed = role_.fences->must_hear(*now, *pair_);
    if (!closed) co_return false;
    auto confirmed = co_await role_.leases->confirm_at_witness(*pair_);
    co_return confirmed.has_value();
}

Task<Event> Change::ask_to_promote(Stored stored) {
    co_await leave();
    parts_.runs.phase(*run_, name_, "promoting " + pair_->peer.str());
    if (dataset() == nullptr) {
        fail(gone());
        co_return Event(Failed{});
    }
    rpc::PromoteIn in;
    in.source = name_.str();
    in.target = pair_->peer_dataset.str();
    in.epoch = stored.epoch;
    in.base = entry_.base;
    in.serve = dataset()->own(prop::kServe).value_or("");
    if (entry_.back) in.back = true;
    if (pair_->tree) in.members = parts_of_tree(parts_.inventory, *pair_, entry_.base);
    const auto limit = kPromoteLimit + parts_.config.hook_timeout * kMaxHookPrograms;
    auto answer =
        co_await role_.peers.call_as<rpc::PromoteOut>(pair_->peer, "peer.promote", in, limit);
    if (!answer) {
        const bool no_base = answer.error().code == Code::no_base;
        fail(std::move(Error(answer.error())).in(pair_->peer.str()));
        co_return no_base ? Event(NoBase{}) : Event(Failed{});
    }
    trouble_.reset();
    // Who asked for the failover sits here.
    const std::size_t told = std::min(answer->notes.size(), kPeerNotes);
    for (std::size_t i = 0; i < told; ++i)
        note(pair_->peer.str() + ": " + cut(answer->notes[i], kPeerNoteBytes));
    if (told < answer->notes.size())
        note(pair_->peer.str() + ": and " + std::to_string(answer->notes.size() - told) +
             " more, in its log and events");
    // Nobody waits for that: it is readonly already.
    co_await hide_members();
    co_return Event(PeerIs{.master = answer->master, .epoch = answer->epoch});
}

Task<bool> Change::rescue(Stored stored) {
    co_await close_members();
    co_await leave();
    co_await hide_members();
    auto saved = co_await failover::rescue(parts_, run_, name_, stored.epoch, entry_);
    if (!saved) co_return fail(saved.error());
    note_kept(*saved);
    if (!pair_->tree) co_return true;
    co_return co_await rescue_members(stored.epoch);
}

void Change::note_kept(const Rescued& kept) {
    if (!kept.copy) return;
    const std::string which =
        entry_.back ? " after the snapshot" : " that " + pair_->peer.str() + " never got";
    notes_.push_back({.text = human_bytes(kept.bytes) + which + " are kept in " + kept.copy->str() +
                              " (zrepctl rescue list)",
                      .is_copy = true});
}

std::vector<std::string> Change::words() const {
    std::vector<std::string> out;
    for (const auto& note : notes_) out.push_back(note.text);
    return out;
}

Error Change::gone() const {
    return Error{.code = Code::not_found,
                 .message = name_.str() + " is no longer there, or no longer part of a pair",
                 .remedy = "zfs list " + quote(name_.str()) + "; zrepctl list shows the pairs"};
}

Error Change::refusal(std::string_view why) const {
    if (trouble_) return *trouble_;
    const std::string name = name_.str();
    const bool role = why == "not_master" || why == "is_master";
    const bool open = entry_.journal != Journal::none;
    // Half way to the other role it is neither.
    if (pair_ && open && (why == "unfinished" || why == "not_master")) {
        return operation_ == kResolve ? unfinished_resolve(*pair_, entry_.journal)
                                      : unfinished(*pair_, entry_);
    }
    if (role && pair_)
        return wrong_side(operation_ == kUnfence ? Ask::unfence : Ask::failover, *pair_);
    if (why == "not_fenced") return not_fenced(name_);
    if (why == "no_base") {
        return Error{.code = Code::no_base,
                     .message = name + (pair_ && pair_->tree ? ", or something below it," : "") +
                                " lacks the snapshot that the other side handed over with",
                     .remedy = "that side takes the role back by itself; to make " + name +
                               " the master all the same: zrepctl takeover -L " + quote(name)};
    }
    return Error{.code = Code::busy,
                 .message = "a role change of " + name + " is under way (" + std::string(why) + ")",
                 .remedy = "zrepctl status " + quote(name) + " shows it"};
}

}  // namespace zrepd::failover
