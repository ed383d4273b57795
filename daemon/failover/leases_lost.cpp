// SPDX-License-Identifier: BSD-2-Clause
// What becomes of a lease that nobody confirmed in time, and what a restart of zrepd keeps.
#include <fstream>
#include <iterator>
#include <utility>

#include "common/platform.hpp"
#include "common/props.hpp"
#include "common/text.hpp"
#include "daemon/clock.hpp"
#include "daemon/failover/changes.hpp"
#include "daemon/failover/check.hpp"
#include "daemon/failover/journal.hpp"
#include "daemon/failover/leases.hpp"
#include "daemon/failover/parts.hpp"
#include "daemon/log.hpp"
#include "daemon/sync/target.hpp"

namespace zrepd::failover {
namespace {

// A set that failed is tried again at once: every second of it is one in which somebody may write.
constexpr BootTime kSetAgain{1'000};
// Longer than any lease has left that is at risk.
constexpr std::chrono::seconds kWriteBackLimit{120};

std::filesystem::path file_of(const config::Config& config) {
    return config.runtime_dir / "leases";
}

void tell_lost(sync::Parts& parts, const plan::Pair& pair) {
    const std::string text =
        pair.dataset.str() + " is readonly: its lease was not confirmed in time";
    log::event(log::Level::warn,
               "lease_lost",
               {{"dataset", pair.dataset.str()},
                {"peer", pair.peer.str()},
                {"next", "zrepctl status " + quote(pair.dataset.str())}});
    parts.events.publish("lease_lost", pair.dataset.str(), text);
}

void tell_back(sync::Parts& parts, const DatasetName& dataset) {
    log::event(log::Level::info, "lease_back", {{"dataset", dataset.str()}});
    parts.events.publish("lease_back", dataset.str(), "it is writable again");
}

}  // namespace

/// A role change that holds the lock stores a journal of its own.
bool Leases::is_changing(const DatasetName& dataset) const {
    const auto holder = parts_.locks.conflicting(dataset, lock::Scope::node);
    return holder && is_role_change(holder->reason);
}

bool Leases::must_close(const Dataset& dataset, const plan::Pair& pair, BootTime now) const {
    // Whoever made it readonly, or has not mounted it, keeps users out already.
    const Journal journal = entry_of(dataset).journal;
    if (journal == Journal::freezing || fences_.must_hear(dataset, pair)) return false;
    const bool spoiled = spoiled_epoch(dataset, pair, parts_.self).has_value();
    if (closed_note_of(dataset) && journal == Journal::none && !is_changing(pair.dataset) &&
        !(spoiled && dataset.readonly))
        return true;
    const auto found = leases_.find(pair.dataset);
    if (!is_leased(dataset, pair) || found == leases_.end()) return false;
    return !dataset.readonly && has_run_out(found->second, now);
}

void Leases::watch(const Dataset& dataset,
                   const plan::Pair& pair,
                   const Lease& lease,
                   BootTime now) {
    const bool at_rest = entry_of(dataset).journal == Journal::none;
    if (at_rest && !dataset.readonly && !has_run_out(lease, now) && lost_.erase(pair.dataset) != 0)
        tell_back(parts_, pair.dataset);
    write_back_in_time(dataset, lease, now);
    close(dataset, pair, now);
}

/// Of a readonly filesystem Linux writes nothing back that it is asked to, and the set that makes
/// it so has no time to wait for a disk.
void Leases::write_back_in_time(const Dataset& dataset, const Lease& lease, BootTime now) {
    const bool writable = dataset.mounted && !dataset.readonly;
    if (!writable || !is_at_risk(lease, now, parts_.config.lease_time)) return;
    if (std::exchange(written_back_[dataset.name], *lease.until) == *lease.until) return;
    const std::string place = files_of(dataset, platform::mount_table());
    if (!place.empty()) tasks_.spawn("write back " + dataset.name.str(), write_back(place));
}

Task<> Leases::write_back(std::string mountpoint) {
    auto written = co_await parts_.zfs.sync_files(mountpoint, kWriteBackLimit);
    if (!written)
        log::event(log::Level::warn,
                   "not_written_back",
                   {{"mountpoint", mountpoint}, {"error", written.error().text()}});
}

void Leases::close(const Dataset& dataset, const plan::Pair& pair, BootTime now) {
    const auto retry = retry_.find(pair.dataset);
    if (retry != retry_.end() && retry->second > now) return;
    if (!must_close(dataset, pair, now) || !storing_.insert(pair.dataset).second) return;
    tasks_.spawn("lease lost " + pair.dataset.str(), lapse(pair.dataset));
}

Task<> Leases::lapse(DatasetName dataset) {
    {
        auto place = co_await places_.acquire();
        if (place) co_await make_readonly(dataset);
    }
    storing_.erase(dataset);
    stored_.notify();
    wake_.notify();
    hooks_.lost();
}

Task<> Leases::make_readonly(DatasetName name) {
    const Dataset* dataset = parts_.inventory.find(name);
    const auto pair = parts_.inventory.pair(name);
    if (dataset == nullptr || !pair || !must_close(*dataset, *pair, boot_now())) co_return;
    const auto closed = closed_note_of(*dataset);
    const ClosedNote note =
        closed.value_or(ClosedNote{.readonly_was_here = dataset->readonly_here});
    // One that was promoted and is not settled yet keeps its journal, too, and an epoch that is no
    // number stays to be seen.
    const bool changing = is_changing(name) || entry_of(*dataset).journal != Journal::none ||
                          spoiled_epoch(*dataset, *pair, parts_.self);
    PropertyList work{{"readonly", "on"}, {std::string(prop::kLease), to_text(note)}};
    if (!changing) {
        const Transition next = step({.stored = stored_of(*dataset, *pair)}, Lapsed{});
        if (next.action.kind != ActionKind::store) co_return;
        const Entry entry{.journal = next.action.store.journal,
                          .readonly_was_here = note.readonly_was_here,
                          .lease = true};
        work = properties_for(*dataset, *pair, next.action.store, entry);
    }
    if (lost_.insert(name).second && !closed) tell_lost(parts_, *pair);
    auto set = co_await parts_.zfs.set(name, work);
    if (!set) {
        retry_[name] = boot_now() + kSetAgain;
        log::event(
            log::Level::error,
            "lease_set_failed",
            {{"dataset", name.str()}, {"error", set.error().text()}, {"next", set.error().remedy}});
        co_return;
    }
    retry_.erase(name);
    parts_.inventory.note_set(name, work);
}

Task<> Leases::settled(DatasetName dataset) {
    while (storing_.contains(dataset)) {
        const bool stop = co_await cancelled();
        if (stop) co_return;
        co_await stored_.wait();
    }
}

/// A few lines on a memory file system: what a restart of zrepd must not forget. Never waits for a
/// disk. Lost, the next zrepd counts from its own start.
void Leases::load() {
    std::ifstream file(file_of(parts_.config));
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    kept_ = read_leases(text, sync::boot_id());
}

void Leases::save() {
    const std::string text = to_text(leases_, sync::boot_id());
    if (text == saved_ || (leases_.empty() && saved_.empty())) return;
    const auto path = file_of(parts_.config);
    const auto fresh = std::filesystem::path(path.string() + ".new");
    std::ofstream file(fresh, std::ios::trunc);
    file << text;
    file.close();
    std::error_code ec;
    if (file.good()) std::filesystem::rename(fresh, path, ec);
    if (file.good() && !ec) {
        saved_ = text;
        return;
    }
    // An old one would say less than is so; without any the next zrepd counts from its own start.
    std::filesystem::remove(path, ec);
    if (std::exchange(saved_, "?") == "?") return;
    log::event(log::Level::warn, "leases_not_kept", {{"file", path.string()}});
}

}  // namespace zrepd::failover
