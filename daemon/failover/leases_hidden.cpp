// SPDX-License-Identifier: BSD-2-Clause
// A master whose lease nobody can confirm because its pair is none of this host's any more: the
// host or the dataset was renamed, its pool came from another host, or a property of it was
// spoiled. The target still counts on the lease, so it runs out here.
#include "common/props.hpp"
#include "common/text.hpp"
#include "common/units.hpp"
#include "daemon/clock.hpp"
#include "daemon/failover/leases.hpp"
#include "daemon/log.hpp"

namespace zrepd::failover {
namespace {

// As of a lease that was lost otherwise: every second is one in which somebody may write.
constexpr BootTime kCloseAgain{1'000};
// A pool that was imported readonly refuses for as long as it is.
constexpr BootTime kCloseAgainAtLast{60'000};
constexpr BootTime kNothingHidden{30'000};

void tell_closed(sync::Parts& parts, const Dataset& dataset) {
    const std::string name = dataset.name.str();
    log::event(log::Level::warn,
               "lease_lost",
               {{"dataset", name},
                {"peer", dataset.local(prop::kDestHost).value_or("")},
                {"next", "zrepctl status names the commands that make it a pair again"}});
    parts.events.publish("lease_lost",
                         name,
                         name +
                             " is readonly: its pair is none of this host's by its names, so "
                             "nobody confirms its lease");
}

}  // namespace

/// As it was counted under its own name, or under the one that the pair has for it.
const Lease* Leases::counted_lease(const Dataset& dataset) const {
    const std::uint64_t epoch = parse_u64(dataset.local(prop::kEpoch).value_or("0")).value_or(0);
    const auto before = DatasetName::parse(dataset.local(prop::kSrcFs).value_or(""));
    for (const DatasetName& name : {dataset.name, before ? *before : dataset.name}) {
        for (const LeaseList* list : {&leases_, &kept_}) {
            const auto found = list->find(name);
            if (found != list->end() && found->second.epoch == epoch) return &found->second;
        }
    }
    return nullptr;
}

/// Also one that has left the place from which it inherited the fence: the target still counts on
/// what it confirmed. A tree has no lease.
bool Leases::is_hidden_master(const Dataset& dataset) const {
    if (dataset.kind != Kind::filesystem || dataset.local(prop::kMaster) != "yes") return false;
    if (dataset.own(prop::kTree) == "on") return false;
    const bool fenced = plan::settings_of(dataset).fence == plan::Fence::lease &&
                        dataset.local(prop::kDestHost).has_value();
    const Lease* counted = counted_lease(dataset);
    const bool counts = counted != nullptr && counted->until;
    return (fenced || counts) && !plan::pair_of(dataset, parts_.self);
}

/// What was confirmed; of one that nothing is known of, as of one that was found at the start.
const Lease& Leases::hidden_lease(const Dataset& dataset, BootTime now) {
    if (hidden_.contains(dataset.name)) return leases_[dataset.name];
    const std::uint64_t epoch = parse_u64(dataset.local(prop::kEpoch).value_or("0")).value_or(0);
    const Lease* counted = counted_lease(dataset);
    const std::optional<Lease> left = counted == nullptr ? std::nullopt : std::optional(*counted);
    const Lease lease = after_start(left, epoch, now, parts_.config.lease_time);
    return leases_[dataset.name] = lease;
}

BootTime Leases::watch_hidden(BootTime now) {
    BootTime wake = now + kNothingHidden;
    std::set<DatasetName> seen;
    for (const auto& [name, dataset] : parts_.inventory.all()) {
        if (!is_hidden_master(dataset)) continue;
        const Lease lease = hidden_lease(dataset, now);
        seen.insert(name);
        write_back_in_time(dataset, lease, now);
        for (const BootTime before : {parts_.config.lease_time / 4, BootTime(0)}) {
            const bool later = lease.until && *lease.until - before > now;
            if (later) wake = std::min(wake, *lease.until - before + BootTime(1));
        }
        if (!has_run_out(lease, now)) continue;
        wake = std::min(wake, now + kCloseAgain);
        const auto retry = retry_.find(name);
        if (retry != retry_.end() && retry->second > now) continue;
        if (!dataset.readonly && storing_.insert(name).second)
            tasks_.spawn("lease of hidden " + name.str(), close_hidden(name));
    }
    for (const auto& name : hidden_) {
        if (seen.contains(name)) continue;
        close_failures_.erase(name);
        if (!parts_.inventory.pair(name)) lost_.erase(name);
    }
    const bool changed = seen != hidden_;
    hidden_ = std::move(seen);
    if (changed) save();
    return wake;
}

/// With the note of a lease that ran out, and no journal: that follows when it is a pair again, and
/// with it the way back.
Task<> Leases::close_hidden(DatasetName name) {
    auto place = co_await places_.acquire();
    const Dataset* dataset = parts_.inventory.find(name);
    const bool still = place && dataset != nullptr && is_hidden_master(*dataset);
    if (still && !dataset->readonly) {
        const ClosedNote note = closed_note_of(*dataset).value_or(
            ClosedNote{.readonly_was_here = dataset->readonly_here});
        const PropertyList work{{"readonly", "on"}, {std::string(prop::kLease), to_text(note)}};
        if (lost_.insert(name).second) tell_closed(parts_, *dataset);
        auto set = co_await parts_.zfs.set(name, work);
        if (set) {
            retry_.erase(name);
            close_failures_.erase(name);
            parts_.inventory.note_set(name, work);
        } else {
            const unsigned failures = std::min(close_failures_[name]++, 6U);
            retry_[name] = boot_now() + std::min(kCloseAgain * (1 << failures), kCloseAgainAtLast);
            log::event(log::Level::error,
                       "lease_set_failed",
                       {{"dataset", name.str()},
                        {"error", set.error().text()},
                        {"next", set.error().remedy}});
        }
    }
    storing_.erase(name);
    stored_.notify();
    wake_.notify();
}

}  // namespace zrepd::failover
