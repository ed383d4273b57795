// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/failover/rescue.hpp"

#include <algorithm>

#include "common/props.hpp"
#include "common/text.hpp"
#include "common/units.hpp"
#include "daemon/clock.hpp"
#include "daemon/log.hpp"
#include "daemon/stream/pump.hpp"
#include "daemon/sync/transfer.hpp"

namespace zrepd::failover {
namespace {

using sync::Freshness;
using sync::Parts;

// Pages of a mapped file may be written back after readonly; so often is copied again.
constexpr unsigned kMaxCopies = 5;
constexpr std::chrono::seconds kEndLimit{600};

Error still_written() {
    return Error{.code = Code::busy,
                 .message = "it is still being written to, although it is readonly",
                 .remedy =
                     "stop the programs that have its files mapped (fuser -vm), or the users "
                     "of the volume; it is tried again"};
}

/// zfs allows that, and the copy can lie no higher than in the pool itself.
Error no_short_name(const DatasetName& dataset, const std::vector<Snapshot>& snapshots) {
    const auto longest = std::max_element(
        snapshots.begin(), snapshots.end(), [](const Snapshot& a, const Snapshot& b) {
            return a.name.size() < b.name.size();
        });
    return Error{.code = Code::conflict,
                 .message = "the name of its snapshot @" + longest->name +
                            " is too long for any copy beside it; nothing was destroyed",
                 .remedy = "give it a shorter one, and it goes on by itself: zfs rename " +
                           quote(dataset.str() + "@" + longest->name) + " @SHORTER"};
}

class Rescue {
  public:
    Rescue(Parts& parts, sync::RunPtr run, DatasetName dataset, std::uint64_t epoch, Entry entry)
        : parts_(parts),
          run_(std::move(run)),
          dataset_(std::move(dataset)),
          epoch_(epoch),
          entry_(entry) {}

    Task<Result<Rescued>> go();

  private:
    Task<Result<Divergence>> look();
    Task<Result<Divergence>> look_twice();
    Task<Result<Divergence>> freeze();
    Task<Result<void>> take(std::string name);
    Task<Result<Divergence>> keep_all();
    Task<Result<Divergence>> find_again();
    enum class Name { chosen, taken, free };
    Task<Result<Name>> try_name(DatasetName name, const Divergence* found);
    /// `found`: what it is to hold; nullptr: it holds what the journal says already, and copy_ is
    /// only a guess when it is gone.
    Task<Result<void>> choose_copy(const Divergence* found);
    bool fits(const DatasetName& copy, const Divergence* found) const;
    Task<Result<void>> copy_all(Divergence found);
    Result<void> room_for(const std::vector<CopyStep>& steps) const;
    Task<Result<void>> copy_one(CopyStep step, bool raw);
    Task<Result<void>> note_copied(Guid newest);
    Task<Result<void>> roll_back(Divergence found);
    Task<Result<void>> clear_the_way(Divergence found);
    const Versions& versions_of(const DatasetName& name) const;
    Error here(Error error) const { return std::move(error).in(dataset_.str()); }

    Parts& parts_;
    sync::RunPtr run_;
    DatasetName dataset_;
    std::uint64_t epoch_;
    Entry entry_;
    std::optional<DatasetName> copy_;
};

const Versions& Rescue::versions_of(const DatasetName& name) const {
    static const Versions kNothing;
    const Versions* known = parts_.inventory.versions(name);
    return known == nullptr ? kNothing : *known;
}

Task<Result<Divergence>> Rescue::look() {
    std::vector<std::string> pools{std::string(dataset_.pool())};
    auto flushed = co_await parts_.zfs.flush(std::move(pools));
    if (!flushed) co_return flushed.error();
    auto seen = co_await parts_.inventory.refresh_one(dataset_, Freshness::listed);
    if (!seen) co_return seen.error();
    const Dataset* dataset = parts_.inventory.find(dataset_);
    if (dataset == nullptr) {
        co_return Error{.code = Code::not_found,
                        .message = "it is no longer there",
                        .remedy = "zfs list " + quote(dataset_.str())};
    }
    co_return divergence(*dataset, versions_of(dataset_), entry_.base);
}

/// Whoever writes on although it is readonly is seen before that costs a snapshot.
Task<Result<Divergence>> Rescue::look_twice() {
    auto first = co_await look();
    if (!first || first->written_bytes == 0) co_return first;
    auto second = co_await look();
    if (!second) co_return second;
    const bool still = second->written_bytes != first->written_bytes ||
                       second->newer.size() != first->newer.size();
    if (still) co_return still_written();
    co_return second;
}

Task<Result<void>> Rescue::take(std::string name) {
    auto snapshot = SnapshotName::make(dataset_, name);
    if (!snapshot) co_return snapshot.error();
    std::vector<SnapshotName> names{*std::move(snapshot)};
    auto taken = co_await parts_.zfs.snapshot(std::move(names));
    if (!taken.front()) co_return taken.front().error();
    co_return ok();
}

/// All of it in snapshots. Every try may come here, for days: what it leaves is bounded.
Task<Result<Divergence>> Rescue::freeze() {
    auto found = co_await look_twice();
    if (!found || found->written_bytes == 0) co_return found;
    auto free = may_take_diverged(dataset_, found->newer, epoch_, unix_now());
    if (!free) co_return free.error();
    std::string name = diverged_snapshot(versions_of(dataset_), epoch_);
    auto done = co_await take(name);
    if (!done) co_return done.error();
    auto again = co_await look();
    if (!again || again->written_bytes == 0) co_return again;
    // Written over in place, which does not show as growth. This one is not the last: the
    // filesystem itself has all that is to be kept.
    std::vector<std::string> vain{std::move(name)};
    auto gone = co_await parts_.zfs.destroy_snapshots(dataset_, std::move(vain));
    if (!gone) co_return gone.error();
    co_return still_written();
}

/// Rescues of one epoch may be more than one: an earlier one that is whole stays as it is.
bool Rescue::fits(const DatasetName& copy, const Divergence* found) const {
    const Versions& there = versions_of(copy);
    if (found == nullptr) return find_snapshot(there, entry_.copied) != nullptr;
    return copy_steps(*found, there).has_value();
}

/// Sets copy_ to this name when it is what is looked for. `found` as in choose_copy().
Task<Result<Rescue::Name>> Rescue::try_name(DatasetName name, const Divergence* found) {
    std::vector<DatasetName> both{name};
    if (const auto above = name.parent()) both.push_back(*above);
    auto seen = co_await parts_.inventory.refresh(std::move(both), Freshness::listed);
    if (!seen) co_return seen.error();
    const Dataset* there = parts_.inventory.find(name);
    const bool ours = there != nullptr && there->local(prop::kRescue) == dataset_.str();
    const bool fit = there == nullptr ? found != nullptr : ours && fits(name, found);
    if (fit || ours || (there == nullptr && !copy_)) copy_ = std::move(name);
    co_return fit ? Name::chosen : there == nullptr ? Name::free : Name::taken;
}

/// The copy that an earlier try began, or a free name.
Task<Result<void>> Rescue::choose_copy(const Divergence* found) {
    bool room = found == nullptr;
    for (const std::string& place : rescue_places(dataset_)) {
        for (unsigned attempt = 1; attempt <= kMaxNames; ++attempt) {
            auto name = rescue_name(place, epoch_, attempt);
            if (!name || (found != nullptr && !has_room(*name, found->newer))) break;
            room = true;
            auto tried = co_await try_name(*std::move(name), found);
            if (!tried) co_return tried.error();
            if (*tried == Name::chosen) co_return ok();
            if (*tried == Name::free) break;
        }
    }
    if (found == nullptr) co_return ok();
    if (!room) co_return no_short_name(dataset_, found->newer);
    co_return Error{.code = Code::already_exists,
                    .message = "no free name for a copy beside it",
                    .remedy = "zrepctl rescue list; drop or rename what is not needed"};
}

Task<Result<void>> Rescue::copy_all(Divergence found) {
    auto chosen = co_await choose_copy(&found);
    if (!chosen) co_return chosen;
    auto steps = copy_steps(found, versions_of(*copy_));
    if (!steps) co_return steps.error().in(copy_->str());
    auto room = room_for(*steps);
    if (!room) co_return room;
    const Dataset* dataset = parts_.inventory.find(dataset_);
    const bool raw = dataset != nullptr && dataset->encrypted;
    for (CopyStep& step : *steps) {
        auto copied = co_await copy_one(std::move(step), raw);
        if (!copied) co_return copied;
    }
    auto seen = co_await parts_.inventory.refresh_one(*copy_, Freshness::listed);
    if (!seen) co_return seen;
    if (is_complete(found, versions_of(*copy_))) co_return ok();
    co_return Error{
        .code = Code::zfs_failed,
        .message = "the copy " + copy_->str() + " is not complete; nothing was destroyed",
        .remedy = "zfs list -t snapshot -o name,guid " + quote(copy_->str())};
}

/// A copy that will not fit is not begun: a full pool is of no use to anybody.
Result<void> Rescue::room_for(const std::vector<CopyStep>& steps) const {
    const auto above = copy_->parent();
    const Dataset* parent = above ? parts_.inventory.find(*above) : nullptr;
    std::uint64_t needed = 0;
    for (const CopyStep& step : steps) needed += step.snapshot.written_bytes;
    if (parent == nullptr || needed <= parent->available_bytes) return ok();
    return Error{.code = Code::no_space,
                 .message = "no room for " + human_bytes(needed) +
                            " that the other side never got: " + parent->name.str() + " has " +
                            human_bytes(parent->available_bytes),
                 .remedy =
                     "make room; it goes on by itself then, and nothing is destroyed before: zfs "
                     "list -o space " +
                     quote(parent->name.str())};
}

Task<Result<void>> Rescue::copy_one(CopyStep step, bool raw) {
    auto from = SnapshotName::make(dataset_, step.snapshot.name);
    auto to = SnapshotName::make(*copy_, step.snapshot.name);
    auto base = SnapshotName::make(dataset_, step.from.name);
    if (!from || !to || !base) co_return (!from ? from : !to ? to : base).error();
    ReceiveSpec receive{.snapshot = *to, .resumable = false};
    if (step.first) {
        receive.origin = *base;
        receive.properties = {{"readonly", "on"}, {std::string(prop::kRescue), dataset_.str()}};
        const Dataset* dataset = parts_.inventory.find(dataset_);
        const bool volume = dataset != nullptr && dataset->kind == Kind::volume;
        if (!volume) receive.properties.emplace_back("canmount", "noauto");
    }
    auto in = make_pipe(kStreamPipeBytes);
    auto out = make_pipe(kStreamPipeBytes);
    if (!in || !out) co_return (!in ? in : out).error();
    auto receiver = parts_.zfs.receive(std::move(receive), std::move(out->read));
    if (!receiver) co_return receiver.error();
    SendSpec send{.snapshot = *from, .base = "@" + step.from.name, .raw = raw};
    auto sender = parts_.zfs.send(std::move(send), std::move(in->write));
    if (!sender) co_return sender.error();
    stream::PumpOptions options{.limit_bytes_per_second = 0,
                                .stall_timeout = parts_.config.stall_timeout,
                                .on_progress = [this](std::uint64_t bytes) {
                                    parts_.runs.progress(*run_, dataset_, bytes);
                                }};
    auto moved =
        co_await stream::pump(std::move(in->read), std::move(out->write), std::move(options));
    if (!moved) (*sender)->kill();
    auto sent = co_await sync::end_within(**sender, kEndLimit);
    auto received = co_await sync::end_within(**receiver, kEndLimit);
    if (!received) co_return received.error().in("copy to " + copy_->str());
    if (!sent) co_return sent.error().in("copy to " + copy_->str());
    co_return ok();
}

/// From here on what is destroyed exists twice, and a power cut must not make it be copied again:
/// half rolled back, it would look like new data.
Task<Result<void>> Rescue::note_copied(Guid newest) {
    entry_.copied = newest;
    PropertyList journal{{std::string(prop::kInprogress), to_text(entry_)}};
    co_return co_await parts_.zfs.set(dataset_, std::move(journal));
}

/// What would make zfs refuse the rollback: our holds and our bookmarks. Not other people's.
Task<Result<void>> Rescue::clear_the_way(Divergence found) {
    const Dataset* dataset = parts_.inventory.find(dataset_);
    const bool partial = dataset != nullptr && !dataset->resume_token.empty();
    // What a broken stream left stands on the newest snapshot; no stream goes on from it any more.
    if (partial) {
        auto aborted = co_await parts_.zfs.abort_receive(dataset_);
        if (!aborted) co_return aborted;
    }
    auto bookmarks = bookmarks_to_drop(dataset_, versions_of(dataset_), found.base);
    if (!bookmarks) co_return bookmarks.error();
    std::vector<SnapshotName> held;
    for (const Snapshot& s : found.newer) {
        auto name = SnapshotName::make(dataset_, s.name);
        if (name && s.held && zrep_sequence(s.name)) held.push_back(*name);
    }
    if (!held.empty()) {
        auto released = co_await parts_.zfs.release(std::move(held));
        if (!released) co_return released;
    }
    for (std::string& name : *bookmarks) {
        auto gone = co_await parts_.zfs.destroy_bookmark(dataset_, std::move(name));
        if (!gone) co_return gone;
    }
    co_return ok();
}

namespace {

/// Oldest first: all but the last, and the last; no empty list.
std::vector<std::vector<std::string>> newest_apart(std::vector<std::string> names) {
    std::vector<std::vector<std::string>> out;
    if (names.empty()) return out;
    std::string newest = std::move(names.back());
    names.pop_back();
    if (!names.empty()) out.push_back(std::move(names));
    out.push_back({std::move(newest)});
    return out;
}

}  // namespace

Task<Result<void>> Rescue::roll_back(Divergence found) {
    auto clear = co_await clear_the_way(found);
    if (!clear) co_return clear;
    // The newest last: while it is here, find_again() sees what is written after it, should another
    // be held for days.
    std::vector<std::string> names;
    for (const Snapshot& s : found.newer) names.push_back(s.name);
    for (auto& some : newest_apart(std::move(names))) {
        auto gone = co_await parts_.zfs.destroy_snapshots(dataset_, std::move(some));
        if (!gone) co_return gone;
    }
    auto base = SnapshotName::make(dataset_, found.base.name);
    if (!base) co_return base.error();
    auto back = co_await parts_.zfs.rollback(*base);
    if (!back) co_return back;
    log::event(log::Level::warn,
               "rolled_back",
               {{"dataset", dataset_.str()},
                {"to", base->str()},
                {"copy", copy_ ? copy_->str() : "none"}});
    co_return co_await parts_.inventory.refresh_one(dataset_, Freshness::listed);
}

/// Everything newer than the base is in the copy, and nothing came after it.
Task<Result<Divergence>> Rescue::keep_all() {
    for (unsigned i = 0; i < kMaxCopies; ++i) {
        auto found = co_await freeze();
        if (!found || found->none()) co_return found;
        auto copied = co_await copy_all(*found);
        if (!copied) co_return copied.error();
        auto again = co_await look();
        if (!again) co_return again;
        if (again->written_bytes != 0 || again->newer.size() != found->newer.size()) continue;
        auto noted = co_await note_copied(found->newer.back().guid);
        if (!noted) co_return noted.error();
        co_return found;
    }
    co_return still_written();
}

/// After a power cut in the middle of the rollback: what is left of the snapshots is in the copy.
/// If somebody destroyed or changed that meanwhile, all that is still here is copied once more.
Task<Result<Divergence>> Rescue::find_again() {
    auto found = co_await look();
    if (!found || found->none()) co_return found;
    // Not rolled back yet, and written to since: that is in no copy.
    const bool newest_here = find_snapshot(versions_of(dataset_), entry_.copied) != nullptr;
    if (newest_here && found->written_bytes != 0) co_return co_await keep_all();
    auto chosen = co_await choose_copy(nullptr);
    if (!chosen) co_return chosen.error();
    const Versions& copy = versions_of(*copy_);
    if (find_snapshot(copy, entry_.copied) != nullptr && is_complete(*found, copy)) co_return found;
    log::event(
        log::Level::warn, "rescue_lost", {{"dataset", dataset_.str()}, {"copy", copy_->str()}});
    co_return co_await keep_all();
}

Task<Result<Rescued>> Rescue::go() {
    parts_.runs.phase(*run_, dataset_, "rescuing");
    Result<Divergence> found = Error{};
    if (entry_.copied.known())
        found = co_await find_again();
    else
        found = co_await keep_all();
    if (!found) co_return here(found.error());
    Rescued out{.copy = {}, .bytes = found->bytes()};
    if (found->none()) co_return out;
    auto back = co_await roll_back(*found);
    if (!back) co_return here(back.error());
    out.copy = copy_;
    log::event(log::Level::warn,
               "rescued",
               {{"dataset", dataset_.str()},
                {"copy", copy_->str()},
                {"bytes", std::to_string(out.bytes)}});
    parts_.events.publish(
        "rescued",
        dataset_.str(),
        human_bytes(out.bytes) +
            (entry_.back ? " after the snapshot" : " that the other side never got") + " are in " +
            copy_->str());
    co_return out;
}

}  // namespace

Task<Result<Rescued>> rescue(
    sync::Parts& parts, sync::RunPtr run, DatasetName dataset, std::uint64_t epoch, Entry entry) {
    Rescue work(parts, std::move(run), std::move(dataset), epoch, entry);
    co_return co_await work.go();
}

}  // namespace zrepd::failover
