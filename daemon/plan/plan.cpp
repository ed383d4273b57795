// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/plan/plan.hpp"

#include <algorithm>

#include "common/props.hpp"
#include "common/text.hpp"
#include "common/time.hpp"
#include "common/units.hpp"
#include "daemon/plan/diff.hpp"
#include "daemon/plan/pair.hpp"

namespace zrepd::plan {
namespace {

Conflict conflict(Code code, std::string message, std::string remedy) {
    return Conflict{Error{.code = code, .message = std::move(message), .remedy = std::move(remedy)}};
}

/// What makes any sync of this pair impossible or wrong, whatever the snapshots are.
std::optional<Conflict> check_roles(const Dataset& source, const TargetView& target) {
    const std::string name = quote(source.name.str());
    if (!target.exists) {
        return conflict(Code::conflict,
                        "the target filesystem does not exist any more",
                        "if it was destroyed on purpose: zrepctl clear " + name +
                            ", then zrepctl init again");
    }
    const std::uint64_t epoch = parse_u64(source.own(prop::kEpoch).value_or("0")).value_or(0);
    if (target.master) {
        return conflict(Code::conflict,
                        "split brain: the other side is master too (epoch " +
                            std::to_string(target.epoch) + " there, " + std::to_string(epoch) +
                            " here); nothing was sent",
                        "decide which side's data counts; on the other one run zrepctl clear, keep "
                        "its data under another name (zfs rename), then zrepctl init from the first");
    }
    if (!target.is_pair) {
        return conflict(Code::conflict,
                        "the target filesystem belongs to another pair, or to none",
                        "zrepctl list -v on both hosts shows what each has stored");
    }
    if (target.epoch > epoch) {
        return conflict(Code::conflict,
                        "the other side has gone through a role change that this one missed (epoch " +
                            std::to_string(target.epoch) + " there, " + std::to_string(epoch) + " here)",
                        "do not write here until it is settled which side is master: zrepctl list -v "
                        "on both hosts");
    }
    if (target.receiving) {
        return conflict(Code::busy,
                        "the target is still working on an earlier request",
                        "wait; if its sender died it lets go after the stall timeout");
    }
    return std::nullopt;
}

std::string what_is_newer(const TargetView& target, std::size_t after) {
    std::uint64_t bytes = target.written_bytes;
    for (std::size_t i = after; i < target.snapshots.size(); ++i) {
        bytes += target.snapshots[i].written_bytes;
    }
    const std::size_t count = target.snapshots.size() - after;
    return std::to_string(count) + (count == 1 ? " snapshot (@" : " snapshots (@") +
           target.snapshots[after].name + (count == 1 ? "" : " …") + ", " + human_bytes(bytes) + ")";
}

Conflict newer_on_target(const Dataset& source, const TargetView& target, const Base& base) {
    return conflict(
        Code::conflict,
        "the target has " + what_is_newer(target, base.target_index + 1) +
            " newer than the newest common one, @" + target.snapshots[base.target_index].name,
        "if they are not needed, destroy them on the target (zfs destroy), then zrepctl sync " +
            quote(source.name.str()));
}

Conflict no_common(const SourceView& source, const TargetView& target) {
    const auto newest = [](const std::vector<Snapshot>& all) {
        return all.empty() ? std::string("none") : "@" + all.back().name;
    };
    return conflict(Code::conflict,
                    "the two sides have no snapshot in common (newest here " +
                        newest(source.versions->snapshots) + ", there " + newest(target.snapshots) + ")",
                    "keep the target under another name (zfs rename there), zrepctl clear " +
                        quote(source.dataset->name.str()) + ", then zrepctl init");
}

std::uint64_t next_sequence(const SourceView& source, const TargetView& target) {
    std::uint64_t next = 0;
    const auto look = [&](const std::vector<Snapshot>& all) {
        for (const Snapshot& s : all) {
            if (const auto number = zrep_sequence(s.name)) next = std::max(next, *number + 1);
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

/// The interrupted stream's snapshot, when it can still be sent.
const Snapshot* resumable(const SourceView& source, const TargetView& target, const Base& base) {
    if (target.resume_token.empty() || !target.token_guid) return nullptr;
    const Snapshot* found = find_snapshot(*source.versions, *target.token_guid);
    return found != nullptr && found->createtxg > base.createtxg ? found : nullptr;
}

Step when_nothing_written(const Snapshot* base_here) {
    Skip skip{.acknowledge = {}, .reason = "unchanged since the last sync"};
    // The target has it, and this side never heard of it: the answer was lost on the way.
    if (base_here != nullptr && !base_here->sent && zrep_sequence(base_here->name)) {
        skip.acknowledge = *base_here;
        skip.reason = "received, but not yet recorded here";
    }
    return skip;
}

std::vector<const Snapshot*> pending(const std::vector<const Snapshot*>& newer) {
    std::vector<const Snapshot*> out;
    std::copy_if(newer.begin(), newer.end(), std::back_inserter(out),
                 [](const Snapshot* s) { return zrep_sequence(s->name).has_value(); });
    return out;
}

}  // namespace

Step plan_sync(const SourceView& source, const TargetView& target) {
    const Dataset& dataset = *source.dataset;
    if (auto wrong = check_roles(dataset, target)) return *wrong;
    const auto base = newest_common(*source.versions, target.snapshots);
    if (!base) return no_common(source, target);
    if (base->target_index + 1 != target.snapshots.size()) {
        return newer_on_target(dataset, target, *base);
    }
    if (const Snapshot* half_sent = resumable(source, target, *base)) {
        return Resume{*half_sent, target.resume_token};
    }
    const auto newer = newer_here(source, *base);
    if (unsent_bytes(source, newer) == 0 && pending(newer).empty()) {
        return when_nothing_written(find_snapshot(*source.versions, base->guid));
    }
    Incremental step{.base = base->name, .base_guid = base->guid, .take = {}, .existing = {}};
    step.rollback_target = target.written_bytes > 0;
    step.abort_partial = !target.resume_token.empty();
    const Settings settings = settings_of(dataset);
    const auto waiting = pending(newer);
    if (waiting.size() >= settings.maxsnaps) {
        step.existing = *waiting.back();
        return step;
    }
    if (dataset.available_bytes < settings.minfree_bytes) {
        return conflict(Code::no_space,
                        human_bytes(dataset.available_bytes) + " free, below zrep:minfree of " +
                            human_bytes(settings.minfree_bytes) + "; no snapshot was taken",
                        "free space in the pool, or lower zrep:minfree");
    }
    step.take = zrep_snapshot_name(next_sequence(source, target));
    return step;
}

std::vector<std::string> describe(const Step& step, const DatasetName& source) {
    const std::string name = source.str();
    if (const auto* skip = std::get_if<Skip>(&step)) {
        if (!skip->acknowledge) return {name + ": " + skip->reason};
        return {"record " + name + "@" + skip->acknowledge->name + " as acknowledged"};
    }
    if (const auto* resume = std::get_if<Resume>(&step)) {
        return {"resume the interrupted stream of " + name + "@" + resume->snapshot.name};
    }
    if (const auto* wrong = std::get_if<Conflict>(&step)) {
        return {name + ": " + wrong->error.text() + "; next: " + wrong->error.remedy};
    }
    const auto& step_in = std::get<Incremental>(step);
    std::vector<std::string> out;
    if (step_in.abort_partial) out.push_back("discard the partly received stream on the target");
    if (step_in.rollback_target) out.push_back("roll the target back to its newest snapshot");
    if (!step_in.take.empty()) out.push_back("take snapshot " + name + "@" + step_in.take);
    const std::string what = step_in.existing ? step_in.existing->name : step_in.take;
    out.push_back("send " + name + "@" + what + " from " + step_in.base);
    return out;
}

}  // namespace zrepd::plan
