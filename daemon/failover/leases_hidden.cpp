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
constexpr BootTime kNothingHidden{30'000};

bool is_power_of_two(unsigned count) {
    return (count & (count - 1)) == 0;
}

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

/// Whatever its name was then. Of several the one that ends first: what nobody counts on is the
/// last.
std::optional<Lease> Leases::counted_lease(const Dataset& dataset) const {
    const std::uint64_t epoch = parse_u64(dataset.local(prop::kEpoch).value_or("0")).value_or(0);
    std::optional<Lease> out;
    for (const LeaseList* list : {&leases_, &kept_}) {
        for (const auto& [name, lease] : *list) {
            if (lease.guid != dataset.guid || lease.epoch != epoch) continue;
            const bool sooner =
                !out || (lease.until && (!out->until || *lease.until < *out->until));
            if (sooner) out = lease;
        }
    }
    return out;
}

/// Also one that has left the place from which it inherited the fence: the target still counts on
/// what it confirmed. A tree has no lease.
bool Leases::is_hidden_master(const Dataset& dataset) const {
    if (dataset.kind != Kind::filesystem || dataset.local(prop::kMaster) != "yes") return false;
    if (dataset.own(prop::kTree) == "on") return false;
    const bool fenced = plan::settings_of(dataset).fence == plan::Fence::lease &&
                        dataset.local(prop::kDestHost).has_value();
    if (plan::pair_of(dataset, parts_.self)) return false;
    if (fenced) return true;
    const auto counted = counted_lease(dataset);
    return counted && counted->until;
}

/// What was confirmed; of one that nothing is known of, as of one that was found at the start.
Lease Leases::hidden_lease(const Dataset& dataset, BootTime now) const {
    const std::uint64_t epoch = parse_u64(dataset.local(prop::kEpoch).value_or("0")).value_or(0);
    Lease out = after_start(counted_lease(dataset), epoch, now, parts_.config.lease_time);
    out.guid = dataset.guid;
    return out;
}

BootTime Leases::watch_hidden(BootTime now) {
    BootTime wake = now + kNothingHidden;
    LeaseList seen;
    for (const auto& [name, dataset] : parts_.inventory.all()) {
        if (!is_hidden_master(dataset)) continue;
        const Lease lease = hidden_lease(dataset, now);
        seen[name] = lease;
        // Not only then: a host that was suspended is looked at as soon as it runs again.
        wake = std::min(wake, now + kCloseAgain);
        write_back_in_time(dataset, lease, now);
        for (const BootTime before : {parts_.config.lease_time / 4, BootTime(0)}) {
            const bool later = lease.until && *lease.until - before > now;
            if (later) wake = std::min(wake, *lease.until - before + BootTime(1));
        }
        if (!has_run_out(lease, now)) continue;
        const auto retry = retry_.find(name);
        if (retry != retry_.end() && retry->second > now) continue;
        if (!dataset.readonly && storing_.insert(name).second)
            tasks_.spawn("lease of hidden " + name.str(), close_hidden(name));
    }
    keep_hidden(std::move(seen));
    return wake;
}

/// Stored once all were looked at: two may have each other's name.
void Leases::keep_hidden(LeaseList seen) {
    for (const auto& name : hidden_) {
        if (seen.contains(name)) continue;
        close_failures_.erase(name);
        retry_.erase(name);
        if (!parts_.inventory.pair(name)) lost_.erase(name);
    }
    hidden_.clear();
    for (auto& [name, lease] : seen) {
        hidden_.insert(name);
        // What was kept under a former name is this.
        std::erase_if(leases_, [&](const auto& other) { return other.second.guid == lease.guid; });
        leases_[name] = std::move(lease);
    }
    if (!seen.empty()) save();
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
            retry_[name] = boot_now() + kCloseAgain;
            // A pool that was imported readonly refuses for as long as it is.
            if (is_power_of_two(++close_failures_[name]))
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
