// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/failover/check.hpp"

#include "common/props.hpp"
#include "common/text.hpp"
#include "common/units.hpp"
#include "daemon/failover/go_back.hpp"
#include "daemon/failover/lease.hpp"
#include "daemon/plan/conflicts.hpp"
#include "daemon/plan/displaced.hpp"
#include "daemon/sync/bookkeeping.hpp"
#include "daemon/zfs/parse_mounts.hpp"

namespace zrepd::failover {
namespace {

void add_state(std::vector<Error>& out, const TargetFacts& facts, const std::string& host) {
    const std::string name = facts.dataset->name.str();
    const Entry journal = entry_of(*facts.dataset);
    if (journal.journal != Journal::none) {
        out.push_back(
            refused("an earlier role change of " + name + " on " + host + " is not finished (" +
                        std::string(failover::name(journal.journal)) + ")",
                    "zrepd goes on with it; on " + host + ": zrepctl status " + quote(name)));
    }
    const bool settled = facts.after_sync && facts.pair->epoch < facts.master_epoch;
    if (facts.pair->epoch != facts.master_epoch && !settled) {
        out.push_back(refused("the epochs disagree: " + std::to_string(facts.pair->epoch) + " on " +
                                  host + ", " + std::to_string(facts.master_epoch) +
                                  " on the master",
                              plan::sync_by_master(*facts.pair) + " settles that"));
    }
    if (facts.paused) {
        out.push_back(refused(name + " on " + host + " is paused, as for maintenance",
                              "on " + host + ": zrepctl unpause " + quote(name)));
    }
    if (!facts.busy.empty()) {
        out.push_back(refused(name + " on " + host + " is in use: " + facts.busy,
                              "wait for its end: zrepctl status " + quote(name) + " on " + host));
    }
}

void add_data(std::vector<Error>& out, const TargetFacts& facts, const std::string& host) {
    const std::string name = facts.dataset->name.str();
    const auto& all = facts.versions->snapshots;
    const Snapshot* base = find_snapshot(*facts.versions, facts.base);
    if (base == nullptr) {
        out.push_back(refused(name + " on " + host + " lacks the newest acknowledged snapshot",
                              plan::sync_by_master(*facts.pair) + " sends it, or says what to do"));
        return;
    }
    std::uint64_t touched = facts.dataset->written_bytes;
    for (const Snapshot& s : all) {
        if (s.createtxg > base->createtxg) touched += s.written_bytes;
    }
    if (touched == 0 && base == &all.back()) return;
    out.push_back(refused(
        name + " on " + host + " was touched since @" + base->name + ": " + human_bytes(touched) +
            " in " + std::to_string(&all.back() - base) + " newer snapshots and since",
        plan::sync_by_master(*facts.pair) +
            " rolls back what was only touched, and says what to do about snapshots"));
}

Error lease_ran_out(const DatasetName& master, const std::string& host, const std::string& there) {
    return refused(master.str() +
                       " is readonly here because its lease ran out (zrep:fence=lease): " +
                       "nobody confirmed in time that " + host + ":" + there +
                       " did not take over; it was not handed over",
                   "it is writable again by itself as soon as " + host +
                       " answers: run it again then; if that cannot be: on " + host +
                       ": zrepctl takeover -L " + quote(there) + ", or, if you are sure that " +
                       host + " did not take over: zrepctl unfence " + quote(master.str()));
}

}  // namespace

Guid newest_common(const Versions* ours, const std::vector<rpc::PeerSnapshot>& theirs) {
    if (ours == nullptr) return {};
    for (auto it = theirs.rbegin(); it != theirs.rend(); ++it) {
        if (find_snapshot(*ours, it->guid) != nullptr) return it->guid;
    }
    return {};
}

rpc::CheckIn check_of(const plan::Pair& pair,
                      const Dataset& master,
                      const Versions* versions,
                      Guid back) {
    const Snapshot* acked = versions == nullptr ? nullptr : sync::last_acked(*versions);
    rpc::CheckIn out;
    out.source = pair.dataset.str();
    out.target = pair.peer_dataset.str();
    out.epoch = pair.epoch;
    out.base = acked == nullptr ? Guid{} : acked->guid;
    if (back.known()) {
        out.base = back;
        out.back = true;
    }
    out.serve = to_text(serve_of(master));
    return out;
}

std::vector<rpc::TreePart> parts_of_tree(const sync::Inventory& inventory,
                                         const plan::Pair& root,
                                         Guid base) {
    std::vector<rpc::TreePart> out;
    const Versions* all = inventory.versions(root.dataset);
    const Snapshot* point = all == nullptr ? nullptr : find_snapshot(*all, base);
    if (point == nullptr) return out;
    for (const auto& name : inventory.members(root.dataset)) {
        const Dataset* member = inventory.find(name);
        const Versions* versions = inventory.versions(name);
        if (name == root.dataset || member == nullptr || versions == nullptr) continue;
        const Snapshot* part = plan::part_of(*versions, *point);
        if (part == nullptr) continue;
        // Of one that is hidden already, how it was.
        const auto noted = member->own(prop::kServe);
        const std::string serve = noted ? *noted : to_text(serve_of_member(*member));
        out.push_back({plan::relative_name(root.dataset, name), part->guid, serve});
    }
    return out;
}

std::vector<Error> problems_of_target(const TargetFacts& facts, const plan::Self& self) {
    std::vector<Error> out;
    const std::string& host = self.host.str();
    add_state(out, facts, host);
    if (facts.back)
        add_way_back(out, *facts.dataset, *facts.versions, facts.base, self);
    else if (!facts.after_sync)
        add_data(out, facts, host);
    for (const auto* found : {&facts.key, &facts.writing, &facts.way_back, &facts.mountpoint}) {
        if (*found) out.push_back(**found);
    }
    return out;
}

std::optional<Error> made_readonly(const Dataset& master) {
    if (!master.readonly) return std::nullopt;
    if (closed_note_of(master) || entry_of(master).lease) {
        return lease_ran_out(master.name,
                             std::string(master.local(prop::kDestHost).value_or("its peer")),
                             std::string(master.local(prop::kDestFs).value_or("")));
    }
    const std::string name = quote(master.name.str());
    const std::string pool = " (or the whole pool was imported readonly: zpool get readonly " +
                             quote(master.name.pool()) + "), then run it again";
    if (master.readonly_here)
        return refused(master.name.str() + " is readonly here: somebody else made it so",
                       "zfs inherit readonly " + name + ", or zfs set readonly=off " + name + pool);
    return refused(master.name.str() + " is readonly here: it inherits that from above",
                   "zfs set readonly=off " + name + pool);
}

Error both_say_so(const plan::Pair& pair) {
    return Error{.code = Code::split_brain,
                 .message = "split brain: " + pair.dataset.str() +
                            " is the master here already, and so is " + pair.peer_dataset.str() +
                            " on " + pair.peer.str() + " (epoch " + std::to_string(pair.epoch) +
                            " both); nothing was changed",
                 .remedy = plan::keep_one(pair.dataset)};
}

std::string take_back(const plan::Pair& pair) {
    return "; or here: zrepctl takeover -L " + quote(pair.dataset.str()) + " takes the role back";
}

Error unfinished(const plan::Pair& pair, const Entry& entry) {
    const Journal journal = entry.journal;
    // No role change was begun, and none is waited for.
    if (journal == Journal::freezing && entry.lease)
        return lease_ran_out(pair.dataset, pair.peer.str(), pair.peer_dataset.str());
    const std::string status = "zrepctl status " + quote(pair.dataset.str());
    // What was given away is readonly on both sides until one of them takes it.
    const bool gave_away = journal == Journal::handed_over || journal == Journal::stepping_down;
    std::string ways;
    if (journal == Journal::handed_over) {
        ways = "; or, on " + pair.peer.str() + ": zrepctl takeover -L " +
               quote(pair.peer_dataset.str()) + " makes that the master at once";
    }
    if (gave_away) ways += take_back(pair);
    return Error{.code = Code::busy,
                 .message = "an earlier role change of " + pair.dataset.str() +
                            " is not finished (" + std::string(name(journal)) +
                            "); zrepd goes on with it",
                 .remedy = status + " shows what it waits for" + ways};
}

Error unfinished_resolve(const plan::Pair& pair, Journal journal) {
    Error error = unfinished(pair, Entry{.journal = journal});
    if (journal == Journal::freezing || journal == Journal::promoted)
        error.remedy = "zrepctl set " + quote(pair.dataset.str()) +
                       " fence=off lets zrepd go on with it; then run this again";
    return error;
}

Error neither_is_master(const plan::Pair& pair, std::uint64_t epoch_there) {
    const std::string here = quote(pair.dataset.str());
    const std::string there = quote(pair.peer_dataset.str());
    const std::string host = pair.peer.str();
    return Error{.code = Code::conflict,
                 .message = "neither side is the master: " + pair.dataset.str() + " and " +
                            pair.peer_dataset.str() + " on " + host +
                            " are both targets, of epochs " + std::to_string(pair.epoch) + " and " +
                            std::to_string(epoch_there) + "; nothing is served or synced",
                 .remedy = "on the side whose data counts: zrepctl takeover -L " + here +
                           ", or on " + host + " zrepctl takeover -L " + there};
}

std::optional<Error> spoiled_epoch(const Dataset& dataset,
                                   const plan::Pair& pair,
                                   const plan::Self& self) {
    const Journal journal = entry_of(dataset).journal;
    const bool gave_away = journal == Journal::handed_over || journal == Journal::stepping_down;
    if (pair.role != plan::Role::master && !gave_away) return std::nullopt;
    return plan::unreadable_epoch(dataset, self);
}

std::optional<Error> epoch_problem(const plan::Pair& pair, std::uint64_t epoch) {
    if (epoch <= kMaxEpoch || epoch <= pair.epoch || epoch - pair.epoch == 1) return std::nullopt;
    const std::string there = pair.peer.str() + ":" + pair.peer_dataset.str();
    return Error{.code = Code::peer_protocol,
                 .message = there + " names epoch " + std::to_string(epoch) +
                            ", which no role change made; it is not followed",
                 .remedy = "on " + pair.peer.str() + ": zfs set zrep:epoch=" +
                           std::to_string(pair.epoch) + " " + quote(pair.peer_dataset.str()) +
                           "; should both sides be master then, zrepctl resolve here says whose "
                           "data counts"};
}

std::optional<Error> nothing_acknowledged(const plan::Pair& pair, const Versions* versions) {
    if (versions != nullptr && sync::last_acked(*versions) != nullptr) return std::nullopt;
    const std::string there = pair.peer.str() + ":" + pair.peer_dataset.str();
    return refused(
        pair.dataset.str() + " has no snapshot that " + there +
            " is known to have, so that could not become the master; nothing was changed",
        "zrepctl sync " + quote(pair.dataset.str()) +
            " first: where there is none in common, it says how to begin anew");
}

Error sync_refused(Error error) {
    if (error.code == Code::pool_unavailable) error.code = Code::refused;
    error.context.emplace_back("sync before the role change");
    return error;
}

Error refused_by(const HostName& peer, const std::vector<rpc::ItemError>& problems) {
    std::vector<std::string> messages;
    std::vector<std::string> remedies;
    for (const auto& problem : problems) {
        messages.push_back(problem.message);
        if (!problem.remedy.empty()) remedies.push_back(problem.remedy);
    }
    return refused(
        peer.str() + " cannot become the master: " + join(messages, "; ") + "; nothing was changed",
        join(remedies, "; "));
}

std::string files_of(const Dataset& dataset, const std::string& table) {
    if (!dataset.mounted || dataset.mountpoint.starts_with('/'))
        return dataset.mounted ? dataset.mountpoint : "";
    std::string place;
    for (parse::Mount& mount : parse::mounts(table)) {
        if (mount.source == dataset.name.str()) place = std::move(mount.place);
    }
    return place;
}

bool is_mounted_readonly(const std::string& table, const Dataset& dataset) {
    bool readonly = false;
    for (const parse::Mount& mount : parse::mounts(table)) {
        const bool its = mount.source == dataset.name.str() && mount.place == dataset.mountpoint;
        if (its) readonly = mount.readonly;
    }
    return readonly;
}

}  // namespace zrepd::failover
