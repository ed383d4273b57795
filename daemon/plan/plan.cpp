// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/plan/plan.hpp"

#include <algorithm>

#include "common/props.hpp"
#include "common/text.hpp"
#include "common/units.hpp"
#include "daemon/plan/conflicts.hpp"
#include "daemon/plan/diff.hpp"
#include "daemon/plan/pair.hpp"

namespace zrepd::plan {
namespace {

/// The acknowledgement tells it the epoch, with no stream.
bool behind_in_epoch(const Dataset& source, const TargetView& target) {
    const std::uint64_t epoch = parse_u64(source.own(prop::kEpoch).value_or("0")).value_or(0);
    return target.epoch < epoch;
}

std::uint64_t next_sequence(const SourceView& source, const TargetView& target) {
    std::uint64_t next = 0;
    const auto look = [&](const std::vector<Snapshot>& all) {
        for (const Snapshot& s : all) {
            const auto number = zrep_sequence(s.name);
            if (number && *number < kMaxSequence) next = std::max(next, *number + 1);
        }
    };
    look(source.versions->snapshots);
    look(target.snapshots);
    return next;
}

/// Snapshots of the source newer than the base, oldest first.
std::vector<const Snapshot*> newer_here(const SourceView& source, const Base& base) {
    std::vector<const Snapshot*> out;
    for (const Snapshot& s : source.versions->snapshots) {
        if (s.createtxg > base.createtxg) out.push_back(&s);
    }
    return out;
}

std::uint64_t unsent_bytes(const SourceView& source, const std::vector<const Snapshot*>& newer) {
    std::uint64_t bytes = source.dataset->written_bytes;
    for (const Snapshot* s : newer) bytes += s->written_bytes;
    return bytes;
}

/// The interrupted stream's snapshot, when it can still be sent. No base: a first full stream.
const Snapshot* resumable(const SourceView& source, const TargetView& target, const Base* base) {
    if (target.resume_token.empty() || !target.token_guid) return nullptr;
    const Snapshot* found = find_snapshot(*source.versions, *target.token_guid);
    // What somebody else began to send: the target takes no stream of that from us.
    if (found == nullptr || !zrep_sequence(found->name)) return nullptr;
    if (base == nullptr) return target.snapshots.empty() ? found : nullptr;
    // A target that was written to since has to be rolled back, and zfs would refuse the rest of
    // the stream at its very end: that transfer is better begun anew.
    if (target.written_bytes > 0) return nullptr;
    return found->createtxg > base->createtxg ? found : nullptr;
}

/// The target has it, and this side never heard of it: the answer was lost on the way.
bool is_unrecorded(const Snapshot* base_here) {
    return base_here != nullptr && !base_here->sent && zrep_sequence(base_here->name);
}

/// The snapshot to send instead of taking one: the newest of ours when the cap on unacknowledged
/// ones is reached, or when nothing was written after it.
const Snapshot* reusable(const SourceView& source,
                         const std::vector<const Snapshot*>& newer,
                         unsigned maxsnaps) {
    const Snapshot* newest = nullptr;
    std::uint64_t written_after = 0;
    unsigned unacknowledged = 0;
    for (const Snapshot* s : newer) {
        written_after += s->written_bytes;
        if (!sendable(*s)) continue;
        newest = s;
        written_after = 0;
        if (!s->sent) ++unacknowledged;
    }
    if (newest == nullptr) return nullptr;
    const bool complete = written_after + source.dataset->written_bytes == 0;
    return complete || unacknowledged >= maxsnaps ? newest : nullptr;
}

}  // namespace

bool is_frozen(const Dataset& dataset) {
    return dataset.readonly &&
           dataset.effective(prop::kInprogress).value_or("").starts_with("freezing");
}

bool sendable(const Snapshot& snapshot) {
    return zrep_sequence(snapshot.name) && !snapshot.name.ends_with("_unsent");
}

std::optional<Conflict> check_roles(const Dataset& source, const TargetView& target) {
    const std::uint64_t epoch = parse_u64(source.own(prop::kEpoch).value_or("0")).value_or(0);
    if (!target.exists) return target_missing(source);
    // Before is_pair: a side that took over has the pair's direction swapped.
    if (target.master) return both_masters(source, target, epoch);
    if (!target.is_pair) return not_our_pair(source);
    if (target.epoch > epoch) return taken_over(source, target, epoch);
    if (target.receiving) return target_busy(source);
    return std::nullopt;
}

std::optional<Conflict> check_room(const SourceView& source, std::uint64_t minfree_bytes) {
    if (source.pool_free_bytes >= minfree_bytes) return std::nullopt;
    const DatasetName& name = source.dataset->name;
    const std::string pool(name.pool());
    return no_space(
        "pool " + pool + " has " + human_bytes(source.pool_free_bytes) +
            " free, below zrep:minfree of " + human_bytes(minfree_bytes) +
            "; no snapshot was taken",
        "free space in " + pool + ", or zrepctl set " + quote(name.str()) + " minfree=SIZE");
}

bool may_resume(const TokenInfo& token, const Dataset& source) {
    const bool own = token.snapshot && token.snapshot->dataset() == source.name;
    return own && !token.gone && (token.raw || !source.encrypted);
}

bool is_ours(const TokenInfo& token, const DatasetName& source) {
    return token.snapshot && token.snapshot->dataset() == source &&
           zrep_sequence(token.snapshot->snapshot());
}

Step plan_sync(const SourceView& source, const TargetView& target) {
    const Dataset& dataset = *source.dataset;
    if (auto wrong = check_roles(dataset, target)) return *wrong;
    const auto base = newest_common(*source.versions, target.snapshots);
    if (base && base->target_index + 1 != target.snapshots.size()) {
        return newer_on_target(source, target, *base);
    }
    const Snapshot* base_here = base ? find_snapshot(*source.versions, base->guid) : nullptr;
    const auto newer = base ? newer_here(source, *base) : std::vector<const Snapshot*>{};
    const bool pending = std::any_of(
        newer.begin(), newer.end(), [](const Snapshot* s) { return sendable(*s) && !s->sent; });
    // A target that was touched goes back with the next stream, however little that carries: until
    // then it could not become the master.
    // Frozen for a role change: what is newer than the base here would keep this side from being a
    // target, so the newest one has to be ours. And where somebody destroyed the base, and only its
    // bookmark is left, nothing else would ever give both sides a snapshot to change roles at.
    const bool overtaken = is_frozen(dataset) && !newer.empty();
    const bool nothing_written = base_here != nullptr && !pending && !overtaken &&
                                 unsent_bytes(source, newer) == 0 && target.written_bytes == 0;
    if (is_unrecorded(base_here)) {
        // Before anything is sent from it: an unrecorded base is held and marked on neither side.
        return Skip{*base_here, "received, but not yet recorded here", !nothing_written};
    }
    if (const Snapshot* half_sent = resumable(source, target, base ? &*base : nullptr)) {
        return Resume{*half_sent, target.resume_token, target.token_base, target.token_done_bytes};
    }
    if (!base) return no_common(source, target);
    if (nothing_written && behind_in_epoch(dataset, target)) {
        return Skip{*base_here, "the target missed a role change", false};
    }
    if (nothing_written) return Skip{.acknowledge = {}, .reason = "unchanged since the last sync"};
    if (target.available_bytes == 0) {
        return target_full(dataset);
    }
    Incremental step{.base = base->name, .base_guid = base->guid, .take = {}, .existing = {}};
    step.rollback_target = target.written_bytes > 0;
    step.abort_partial = !target.resume_token.empty();
    const Settings settings = settings_of(dataset);
    if (const Snapshot* existing = reusable(source, newer, settings.maxsnaps)) {
        step.existing = *existing;
        return step;
    }
    if (auto full = check_room(source, settings.minfree_bytes)) return *full;
    step.take = zrep_snapshot_name(next_sequence(source, target));
    return step;
}

std::vector<std::string> describe(const Step& step, const DatasetName& source) {
    const std::string& name = source.str();
    if (const auto* skip = std::get_if<Skip>(&step)) {
        if (!skip->acknowledge) return {name + ": " + skip->reason};
        return {"record " + name + "@" + skip->acknowledge->name + " as acknowledged"};
    }
    if (const auto* resume = std::get_if<Resume>(&step)) {
        const std::string what = name + "@" + resume->snapshot.name;
        return {"resume the interrupted stream of " + what,
                "acknowledge " + what + " on both sides"};
    }
    if (const auto* wrong = std::get_if<Conflict>(&step)) {
        return {name + ": " + wrong->error.text() + "; next: " + wrong->error.remedy};
    }
    const auto& todo = std::get<Incremental>(step);
    const std::string what = name + "@" + (todo.existing ? todo.existing->name : todo.take);
    std::vector<std::string> out;
    if (!todo.take.empty()) out.push_back("take snapshot " + what);
    if (todo.abort_partial) out.emplace_back("discard the partly received stream on the target");
    if (todo.rollback_target) out.emplace_back("roll the target back to its newest snapshot");
    out.push_back("send " + what + " from " + todo.base);
    out.push_back("acknowledge " + what + " on both sides");
    return out;
}

std::string look_again(const DatasetName& source) {
    return "look at " + source.str() +
           " again, send what was written since, and destroy what expires with that";
}

}  // namespace zrepd::plan
