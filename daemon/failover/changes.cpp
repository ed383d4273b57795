// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/failover/changes.hpp"

#include "common/props.hpp"
#include "common/text.hpp"
#include "daemon/failover/fence.hpp"
#include "daemon/failover/lease.hpp"

namespace zrepd::failover {
namespace {

bool is_master(const Dataset& dataset) {
    return dataset.local(prop::kMaster) == "yes";
}

/// Source and destination, the other way round when this side's part in them changes.
void add_direction(PropertyList& out, const Dataset& dataset, bool swap) {
    const auto stored = [&](std::string_view key) { return dataset.own(key).value_or(""); };
    add(out, prop::kSrcHost, stored(swap ? prop::kDestHost : prop::kSrcHost));
    add(out, prop::kSrcFs, stored(swap ? prop::kDestFs : prop::kSrcFs));
    add(out, prop::kDestHost, stored(swap ? prop::kSrcHost : prop::kDestHost));
    add(out, prop::kDestFs, stored(swap ? prop::kSrcFs : prop::kDestFs));
}

void add_target_ways(PropertyList& out, const Dataset& dataset) {
    if (is_master(dataset)) add(out, prop::kServe, to_text(serve_of(dataset)));
    // Neither takes anything away from who uses it now; the next boot shows a target to nobody.
    if (dataset.kind == Kind::volume)
        add(out, "volmode", "none");
    else
        add(out, "canmount", "noauto");
    add_no_fence(out, dataset);
}

void add_master_ways(PropertyList& out, const Dataset& dataset) {
    const auto serve =
        parse_serve(dataset.own(prop::kServe).value_or("")).value_or(Serve{.canmount = "on"});
    if (dataset.local(prop::kLease)) add(out, prop::kLease, "");
    if (!serve.interval.empty() && !dataset.effective(prop::kInterval)) {
        add(out, prop::kInterval, serve.interval);
    }
    if (dataset.kind == Kind::volume) {
        add(out, "volmode", serve.volmode.empty() ? "default" : serve.volmode);
        return;
    }
    add_canmount(out, dataset, serve.canmount.empty() ? "on" : serve.canmount);
    const bool elsewhere = !serve.mountpoint.empty() && serve.mountpoint != dataset.mountpoint;
    if (elsewhere && !dataset.mountpoint_here) add(out, "mountpoint", serve.mountpoint);
}

}  // namespace

Stored stored_of(const Dataset& dataset, const plan::Pair& pair) {
    return {.master = is_master(dataset),
            .writable = !dataset.readonly,
            .epoch = pair.epoch,
            .journal = entry_of(dataset).journal};
}

PropertyList properties_for(const Dataset& dataset,
                            const plan::Pair& pair,
                            const Stored& wanted,
                            const Entry& journal) {
    PropertyList out;
    add(out, "readonly", wanted.writable ? "off" : "on");
    add(out, prop::kInprogress, to_text(journal));
    add(out, prop::kEpoch, std::to_string(wanted.epoch));
    add(out, prop::kMaster, wanted.master ? "yes" : "no");
    // A readonly master at rest keeps it: nothing else would say why it is readonly.
    const bool at_rest = wanted.master && !wanted.writable && journal.journal == Journal::none;
    if (closed_note_of(dataset) && !at_rest) add(out, prop::kLease, "");
    const bool is_source = pair.role != plan::Role::target;
    add_direction(out, dataset, is_source != wanted.master);
    if (wanted.master == is_master(dataset)) return out;
    if (wanted.master)
        add_master_ways(out, dataset);
    else
        add_target_ways(out, dataset);
    return out;
}

bool has_landed(const Dataset& dataset, const Stored& wanted) {
    const auto epoch = parse_u64(dataset.own(prop::kEpoch).value_or("0")).value_or(0);
    return is_master(dataset) == wanted.master && dataset.readonly == !wanted.writable &&
           epoch == wanted.epoch && entry_of(dataset).journal == wanted.journal;
}

}  // namespace zrepd::failover
