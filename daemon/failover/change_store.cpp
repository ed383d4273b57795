// SPDX-License-Identifier: BSD-2-Clause
// What a role change writes down: the properties of a step in one set, and whether it landed.
#include "common/props.hpp"
#include "daemon/failover/change.hpp"
#include "daemon/failover/fence.hpp"
#include "daemon/failover/lease.hpp"
#include "daemon/failover/leases.hpp"
#include "daemon/failover/mount_place.hpp"

namespace zrepd::failover {

using sync::Freshness;

Entry Change::entry_for(const Stored& wanted) const {
    Entry out{.journal = wanted.journal};
    switch (wanted.journal) {
        case Journal::freezing:
            out.readonly_was_here = dataset()->readonly_here;
            if (const auto closed = closed_note_of(*dataset()))
                out.readonly_was_here = closed->readonly_was_here;
            break;
        case Journal::stepping_down:
            out.base = base_.known() ? base_ : last_acked();
            out.back = back_to_.known();
            break;
        case Journal::handed_over:
            out.base = entry_.journal == Journal::stepping_down ? entry_.base : last_acked();
            out.back = entry_.journal == Journal::stepping_down && entry_.back;
            break;
        case Journal::rejoining:
            out.base = base_;
            out.back = back_to_.known();
            break;
        case Journal::none:
        case Journal::promoted:
            break;
    }
    return out;
}

Task<bool> Change::store(Stored wanted) {
    parts_.runs.phase(*run_, name_, "changing");
    if (dataset() == nullptr) co_return fail(gone());
    const bool may = co_await before_readonly(wanted);
    if (!may) co_return false;
    if (dataset() == nullptr) co_return fail(gone());
    const Entry entry = entry_for(wanted);
    auto written = co_await write(wanted, entry);
    if (!written) {
        const bool landed = co_await read_back(wanted, written.error());
        if (!landed) co_return false;
    }
    pair_ = parts_.inventory.pair(name_);
    if (!pair_) co_return fail(gone());
    co_await tidy(wanted);
    entry_ = entry;
    if (entry.base.known()) base_ = entry.base;
    co_return true;
}

/// A failed `zfs set` may have landed all the same: what lies on disk is what counts, and when that
/// cannot be read nothing is done on a guess.
Task<bool> Change::read_back(Stored wanted, Error error) {
    auto seen = co_await parts_.inventory.refresh_one(name_, Freshness::cached);
    const Dataset* now = dataset();
    if (!seen) {
        lost_ = true;
        error.context.push_back("it is not known whether that was stored (" + seen.error().message +
                                "); zrepd looks again");
        co_return fail(std::move(error));
    }
    if (now == nullptr) co_return fail(gone());
    if (has_landed(*now, wanted)) co_return true;
    in_doubt_ = true;
    co_return fail(std::move(error));
}

PropertyList Change::properties(const Dataset& told, Stored wanted, Entry entry) const {
    PropertyList out = properties_for(told, *pair_, wanted, entry);
    if (!wanted.master) return out;
    if (serve_) out.emplace_back(prop::kServe, to_text(*serve_));
    // A demotion that lands late would hide it at the next boot.
    if (in_doubt_ && told.kind == Kind::volume) out.emplace_back("volmode", told.volmode);
    if (in_doubt_ && told.kind == Kind::filesystem) add_canmount(out, told, canmount_of(told));
    const auto serve = parse_serve(told.own(prop::kServe).value_or(""));
    const auto link =
        link_problem(place_of(serve.value_or(Serve{}), told), told, mounted_here(parts_.inventory));
    const bool in_the_way =
        link || (serve && mountpoint_problem(*serve, told, mounted_here(parts_.inventory)));
    // zfs(8) mounts what gets a mountpoint.
    if (in_the_way) std::erase_if(out, [](const auto& p) { return p.first == "mountpoint"; });
    if (link) keep_from_boot(out);
    return out;
}

Task<Result<void>> Change::write(Stored wanted, Entry entry) {
    const bool opens = wanted.master && wanted.writable && role_.leases != nullptr;
    if (opens && role_.leases->is_out(name_, wanted.epoch)) {
        co_return Error{.code = Code::busy,
                        .message = "the lease of " + name_.str() + " has run out",
                        .remedy = "it goes on as soon as " + pair_->peer.str() + " confirms it"};
    }
    Dataset told = *dataset();
    if (serve_) told.props[std::string(prop::kServe)] = {to_text(*serve_), Source::local};
    const bool same_role = told.local(prop::kMaster) == "yes" ? wanted.master : !wanted.master;
    const bool only_journal = same_role && wanted.epoch == pair_->epoch &&
                              wanted.writable == !told.readonly && entry.journal == Journal::none;
    if (only_journal && !in_doubt_) co_return co_await clear_journal();
    const PropertyList all = properties(told, wanted, entry);
    auto set = co_await parts_.zfs.set(name_, all);
    stored_ = stored_ || set;
    if (set) parts_.inventory.note_set(name_, all);
    co_return set;
}

Task<Result<void>> Change::clear_journal() {
    std::vector<std::string> journal{std::string(prop::kInprogress)};
    auto cleared = co_await parts_.zfs.inherit(name_, std::move(journal));
    if (cleared) parts_.inventory.note_set(name_, {{std::string(prop::kInprogress), ""}});
    co_return cleared;
}

/// What a set cannot say: nothing, instead of empty or off. Not needed for anything but order.
Task<> Change::tidy(Stored wanted) {
    const bool thawed = entry_.journal == Journal::freezing && wanted.journal == Journal::none;
    if (!thawed) co_return;
    std::vector<std::string> names{std::string(prop::kInprogress)};
    if (!entry_.readonly_was_here) names.emplace_back("readonly");
    auto done = co_await parts_.zfs.inherit(name_, std::move(names));
    if (!done) warn("bookkeeping", done.error());
}

}  // namespace zrepd::failover
