// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sync/tree_sync.hpp"

#include <algorithm>

#include "common/text.hpp"
#include "common/units.hpp"
#include "daemon/clock.hpp"
#include "daemon/failover/journal.hpp"
#include "daemon/log.hpp"
#include "daemon/plan/estimate.hpp"
#include "daemon/sync/refusals.hpp"

namespace zrepd::sync {
namespace {

using Kind = plan::MemberStep::Kind;

// A snapshot that was not finished, one of what was written since, and one for who came meanwhile.
constexpr unsigned kMaxTreePasses = 3;

bool streams(const plan::MemberStep& step) {
    return step.kind != Kind::apart && step.kind != Kind::have;
}

bool is_first(const plan::MemberStep& step) {
    return step.kind == Kind::full || (step.kind == Kind::resume && !step.base_guid.known());
}

}  // namespace

std::string TreeSync::served_as(const Dataset& dataset) const {
    const bool root = dataset.name == root_.dataset;
    return failover::to_text(root ? failover::serve_of(dataset)
                                  : failover::serve_of_member(dataset));
}

TreeSync::TreeSync(
    SourceParts source, RunPtr run, plan::Pair root, Founding founding, Freshness freshness)
    : source_(source),
      parts_(source.parts),
      run_(std::move(run)),
      root_(std::move(root)),
      founding_(std::move(founding)),
      freshness_(freshness) {}

Task<> TreeSync::go() {
    auto result = co_await sync();
    if (result)
        parts_.runs.succeed(*run_, root_.dataset, std::move(*result));
    else
        parts_.runs.fail(
            *run_, root_.dataset, result.error(), told_of(source_, root_.peer, result.error()));
}

Task<Result<rpc::RunResult>> TreeSync::sync() {
    rpc::RunResult out;
    out.outcome = "unchanged";
    unsigned waits = 0;
    for (unsigned pass = 1; pass <= kMaxTreePasses + waits; ++pass) {
        auto step = co_await plan(SteadyClock::time_point::max());
        if (!step) co_return step.error();
        remember_left();
        if (const auto* wrong = std::get_if<plan::Conflict>(&*step)) co_return wrong->error;
        if (const auto* same = std::get_if<plan::TreeUnchanged>(&*step)) {
            note_unchanged(parts_, root_.dataset);
            if (out.text.empty()) out.text = same->reason;
            break;
        }
        plan::TreeSend& send = std::get<plan::TreeSend>(*step);
        const std::uint64_t before = bytes_;
        auto prepared = co_await prepare(&send);
        if (!prepared) co_return prepared.error();
        auto sent = co_await stream_all(&send);
        const bool busy = !sent && sent.error().code == Code::busy && waits < kBusyTries;
        if (!sent && !busy) co_return sent.error();
        if (busy) {
            ++waits;
            co_await sleep_for(kBusyWait);
        } else {
            auto committed = co_await commit(&send);
            if (!committed) co_return committed.error();
            out.outcome = "done";
            out.text += (out.text.empty() ? "" : "; ") + outcome(send, before);
            tell_who_joined(send);
            founding_.clear();
            if (send.take) break;
        }
        std::vector<DatasetName> one{root_.dataset};
        freshness_ = Freshness::listed;
        auto seen = co_await look_here(parts_, std::move(one), freshness_);
        if (!seen) co_return seen.error();
    }
    out.bytes = bytes_;
    out.resumed = resumed_;
    co_return out;
}

Task<Result<void>> TreeSync::prepare(plan::TreeSend* send) {
    if (send->take) {
        auto taken = co_await take(send);
        if (!taken) co_return taken;
    }
    const bool whole = std::any_of(send->steps.begin(), send->steps.end(), [](const auto& step) {
        return step.kind == Kind::full || step.kind == Kind::resume;
    });
    if (!whole) co_return ok();
    // A first stream may run for days, and no base of its own is held yet.
    std::vector<SnapshotName> names;
    for (std::size_t i = 0; i < members_.size(); ++i) {
        if (send->steps[i].kind == Kind::apart) continue;
        auto name = SnapshotName::make(members_[i].pair.dataset, send->snapshot);
        if (!name) co_return name.error();
        names.push_back(std::move(*name));
    }
    co_return co_await parts_.zfs.hold(std::move(names));
}

Task<Result<void>> TreeSync::take(plan::TreeSend* send) {
    parts_.runs.phase(*run_, root_.dataset, "snapshot");
    std::vector<SnapshotName> names;
    for (const Member& member : members_) {
        auto name = SnapshotName::make(member.pair.dataset, send->snapshot);
        if (!name) co_return name.error();
        names.push_back(std::move(*name));
    }
    auto taken = co_await parts_.zfs.snapshot_together(std::move(names));
    if (!taken) co_return taken.error();
    if (taken->size() != members_.size()) {
        co_return Error{.code = Code::zfs_failed, .message = "zfs took other snapshots"};
    }
    for (std::size_t i = 0; i < members_.size(); ++i) {
        parts_.inventory.add_snapshot(members_[i].pair.dataset, (*taken)[i]);
        send->steps[i].snapshot = std::move((*taken)[i]);
    }
    co_return ok();
}

/// What all its streams will be together, for those who watch.
std::optional<std::uint64_t> TreeSync::expected_of(const plan::TreeSend& send) const {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < members_.size(); ++i) {
        const plan::MemberStep& step = send.steps[i];
        if (!streams(step) || !step.snapshot) continue;
        const DatasetName& name = members_[i].pair.dataset;
        const auto bytes = plan::stream_bytes(parts_.inventory.find(name),
                                              parts_.inventory.versions(name),
                                              step.snapshot->guid,
                                              step.base_guid,
                                              step.done_bytes);
        if (!bytes) return std::nullopt;
        sum += *bytes;
    }
    return sum;
}

/// Parents before their children, which need them; one that fails ends it.
Task<Result<void>> TreeSync::stream_all(const plan::TreeSend* send) {
    parts_.runs.expect(*run_, root_.dataset, expected_of(*send));
    for (std::size_t i = 0; i < members_.size(); ++i) {
        const plan::MemberStep& step = send->steps[i];
        if (!streams(step)) continue;
        auto what = transfer_of(members_[i], step);
        if (!what) co_return what.error();
        parts_.runs.phase(*run_, root_.dataset, "waiting");
        const Dataset* root = parts_.inventory.find(root_.dataset);
        plan::Stream wish{.peer = root_.peer,
                          .first = is_first(step),
                          .urgent = root != nullptr && plan::is_frozen(*root)};
        const auto place = co_await source_.streams.acquire(std::move(wish), root_.dataset);
        if (!place) co_return place.error();
        const bool stop = co_await cancelled();
        if (stop) co_return Error{.code = Code::cancelled, .message = "zrepd is stopping"};
        auto moved = co_await transfer(source_, run_, std::move(*what));
        if (!moved) co_return std::move(Error(moved.error())).in(members_[i].pair.dataset.str());
        bytes_ += *moved;
        resumed_ = resumed_ || step.kind == Kind::resume;
    }
    co_return ok();
}

Result<Transfer> TreeSync::transfer_of(const Member& member, const plan::MemberStep& step) const {
    const Dataset* dataset = parts_.inventory.find(member.pair.dataset);
    if (dataset == nullptr || !step.snapshot) {
        return Error{.code = Code::not_found, .message = member.pair.dataset.str() + " is gone"};
    }
    Transfer out{.dataset = root_.dataset, .peer = root_.peer, .request = {}, .send = {}};
    out.limit_bytes_per_second = member.pair.settings.limit_bytes_per_second;
    out.request.source = member.pair.dataset.str();
    out.request.target = member.pair.peer_dataset.str();
    out.request.snapshot = step.snapshot->name;
    out.request.abort_partial = step.abort_partial;
    out.send.raw = dataset->encrypted;
    if (step.kind == Kind::resume) {
        out.request.mode = "resume";
        out.send.token = step.token;
        return out;
    }
    auto name = SnapshotName::make(member.pair.dataset, step.snapshot->name);
    if (!name) return name.error();
    out.send.snapshot = *name;
    if (step.kind == Kind::full) {
        out.request.mode = "full";
        out.request.kind = dataset->kind == zrepd::Kind::volume ? "volume" : "filesystem";
        if (member.pair.dataset == root_.dataset) out.request.settings = founding_;
        return out;
    }
    out.request.mode = "incremental";
    out.request.base = step.base_guid;
    out.request.rollback = step.rollback_target;
    out.send.base = step.base;
    return out;
}

/// Every part of it, in requests that fit; none is acknowledged here before all are there.
Task<Result<void>> TreeSync::tell_peer(rpc::CommitIn all) {
    for (std::size_t from = 0; from < all.items.size(); from += kMaxPerRequest) {
        rpc::CommitIn in;
        in.sent = all.sent;
        const std::size_t to = std::min(all.items.size(), from + kMaxPerRequest);
        in.items.assign(all.items.begin() + static_cast<std::ptrdiff_t>(from),
                        all.items.begin() + static_cast<std::ptrdiff_t>(to));
        auto answer = co_await source_.peers.call_as<rpc::CommitOut>(
            root_.peer, "peer.commit", in, kCommitLimit);
        if (!answer) co_return std::move(Error(answer.error())).in("acknowledge");
        if (answer->items.size() != in.items.size()) {
            co_return Error{.code = Code::peer_protocol,
                            .message = "the peer acknowledged something else"};
        }
        for (const auto& item : answer->items) {
            if (item.error)
                co_return failed_there(root_.peer, rpc::from_item_error(*item.error))
                    .in(root_.peer.str());
            for (const auto& warning : item.warnings) {
                log::event(
                    log::Level::warn,
                    "target_bookkeeping",
                    {{"dataset", item.target}, {"peer", root_.peer.str()}, {"warning", warning}});
            }
        }
    }
    co_return ok();
}

Task<Result<void>> TreeSync::commit(const plan::TreeSend* send) {
    parts_.runs.phase(*run_, root_.dataset, "acknowledging");
    rpc::CommitIn in;
    in.sent = unix_now();
    const bool ages = source_.peers.offers(root_.peer, rpc::kOffersAges);
    std::vector<Acked> acked;
    // The root last: what is read of its snapshots is then true of all.
    for (std::size_t i = members_.size(); i-- > 0;) {
        if (send->steps[i].kind == Kind::apart) continue;
        const plan::Pair& pair = members_[i].pair;
        const Snapshot& snapshot = *send->steps[i].snapshot;
        const Dataset* dataset = parts_.inventory.find(pair.dataset);
        in.items.push_back({pair.dataset.str(),
                            pair.peer_dataset.str(),
                            snapshot.name,
                            snapshot.guid,
                            pair.epoch,
                            dataset == nullptr ? "" : served_as(*dataset),
                            ages ? age_for_peer(snapshot) : std::nullopt});
        auto name = SnapshotName::make(pair.dataset, snapshot.name);
        if (!name) co_return name.error();
        acked.push_back({*name, snapshot.guid});
    }
    const UnixSeconds sent = in.sent;
    auto told = co_await tell_peer(std::move(in));
    if (!told) co_return told;
    auto outcomes = co_await acknowledge(parts_, Side::master, sent, std::move(acked));
    for (const AckOutcome& outcome : outcomes) {
        if (!outcome.acknowledged) co_return outcome.acknowledged;
        for (const auto& warning : outcome.failed) {
            log::event(log::Level::warn,
                       "bookkeeping",
                       {{"dataset", root_.dataset.str()}, {"warning", warning}});
            parts_.events.publish("warning", root_.dataset.str(), warning);
        }
    }
    const Snapshot& root = *send->steps.front().snapshot;
    if (const auto age = age_of(root)) parts_.runs.note_fresh(root_.dataset, root.guid, *age);
    co_return ok();
}

void TreeSync::tell_who_joined(const plan::TreeSend& send) {
    if (!founding_.empty()) return;
    for (std::size_t i = 0; i < members_.size(); ++i) {
        const bool new_here =
            send.steps[i].kind == Kind::full ||
            (send.steps[i].kind == Kind::resume && members_[i].target.snapshots.empty());
        if (!new_here) continue;
        const std::string text = members_[i].pair.dataset.str() + " is part of it now, as " +
                                 root_.peer.str() + ":" + members_[i].pair.peer_dataset.str();
        log::event(
            log::Level::info, "member_joined", {{"dataset", root_.dataset.str()}, {"what", text}});
        parts_.events.publish("member_joined", root_.dataset.str(), text);
    }
}

/// Once for each copy that was not known to be left.
void TreeSync::remember_left() {
    std::vector<rpc::LeftBehind>& known = parts_.runs.memory(root_.dataset).left_behind;
    for (const auto& copy : left_) {
        if (std::find(known.begin(), known.end(), copy) != known.end()) continue;
        const bool named = std::any_of(known.begin(), known.end(), [&](const auto& other) {
            return other.dataset == copy.dataset;
        });
        if (named) continue;
        log::event(log::Level::warn,
                   "member_left",
                   {{"dataset", root_.dataset.str()},
                    {"copy", root_.peer.str() + ":" + copy.dataset},
                    {"next", copy.remedy}});
        parts_.events.publish("member_left",
                              root_.dataset.str(),
                              root_.peer.str() + ":" + copy.dataset +
                                  " is the copy of nothing in the tree any more; it stays as it "
                                  "is; " +
                                  copy.remedy);
    }
    known = left_;
}

std::string TreeSync::outcome(const plan::TreeSend& send, std::uint64_t before) const {
    std::size_t count = 0;
    for (const auto& step : send.steps) count += step.kind == Kind::apart ? 0U : 1U;
    const bool any = std::any_of(send.steps.begin(), send.steps.end(), streams);
    const std::string what = root_.dataset.str() + "@" + send.snapshot + " and " +
                             std::to_string(count - 1) + " below it";
    if (!any) return "recorded " + what + ", which " + root_.peer.str() + " had already";
    return std::string(resumed_ ? "resumed and sent " : "sent ") + what + ", " +
           human_bytes(bytes_ - before) + " in " + seconds_text(SteadyClock::now() - started_);
}

}  // namespace zrepd::sync
