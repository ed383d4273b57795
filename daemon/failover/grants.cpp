// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/failover/grants.hpp"

#include "common/props.hpp"
#include "daemon/clock.hpp"
#include "daemon/failover/journal.hpp"
#include "daemon/failover/parts.hpp"
#include "daemon/log.hpp"

namespace zrepd::failover {
namespace {

// Each waits for a transaction group; a pool takes many of them in one.
constexpr std::size_t kParallelNotes = 16;

}  // namespace

Grants::Grants(sync::Parts& parts)
    : parts_(parts), started_(boot_now()), places_(parts.executor, kParallelNotes) {}

Grants::Decision::Decision(Grants* owner, DatasetName dataset)
    : owner_(owner), dataset_(std::move(dataset)) {
    owner_->decided_.insert(*dataset_);
}

Grants::Decision::Decision(Decision&& other) noexcept
    : owner_(std::exchange(other.owner_, nullptr)), dataset_(std::move(other.dataset_)) {}

Grants::Decision& Grants::Decision::operator=(Decision&& other) noexcept {
    std::swap(owner_, other.owner_);
    std::swap(dataset_, other.dataset_);
    return *this;
}

Grants::Decision::~Decision() {
    if (owner_ == nullptr) return;
    const auto found = owner_->decided_.find(*dataset_);
    if (found != owner_->decided_.end()) owner_->decided_.erase(found);
}

void Grants::doubt(const DatasetName& dataset, bool doubtful) {
    if (doubtful)
        doubtful_.insert(dataset);
    else
        doubtful_.erase(dataset);
}

bool Grants::is_becoming_master(const DatasetName& dataset) const {
    const bool decided = decided_.contains(dataset) || doubtful_.contains(dataset);
    return decided || parts_.runs.active(dataset, kPromote, "") != nullptr;
}

bool Grants::confirm(const plan::Pair& pair, const Question& question, TaskGroup& tasks) {
    const Dataset* dataset = parts_.inventory.find(pair.dataset);
    if (dataset == nullptr) return false;
    const TargetState here{.target = pair.role == plan::Role::target,
                           .epoch = pair.epoch,
                           .journal = entry_of(*dataset).journal,
                           .becoming_master = is_becoming_master(pair.dataset)};
    if (!may_confirm(here, question.epoch)) return false;
    // What is on disk is about to go.
    const auto storing = storing_.find(pair.dataset);
    if (storing != storing_.end() && storing->second.empty()) return false;
    const auto stored = note_of(*dataset);
    if (stored != question.note) {
        store(pair.dataset, to_text(question.note), tasks);
        // One that says that the master is not bound yet promises nobody anything.
        LeaseNote open = question.note;
        open.open = true;
        if (stored != open) return false;
    }
    Given& given = given_[pair.dataset];
    given.at = boot_now();
    given.wait = question.note.wait;
    given.sent_ms = std::max(given.sent_ms, question.sent_ms);
    return true;
}

/// One that was sent before the last confirmation came late, and says nothing.
bool Grants::release(const plan::Pair& pair, std::uint64_t sent_ms, TaskGroup& tasks) {
    const Dataset* dataset = parts_.inventory.find(pair.dataset);
    const auto given = given_.find(pair.dataset);
    if (dataset == nullptr || (given != given_.end() && given->second.sent_ms > sent_ms)) {
        return false;
    }
    if (!note_of(*dataset)) return true;
    store(pair.dataset, "", tasks);
    return false;
}

std::optional<LeaseNote> Grants::note(const DatasetName& name) const {
    const Dataset* dataset = parts_.inventory.find(name);
    return dataset == nullptr ? std::nullopt : note_of(*dataset);
}

std::optional<BootTime> Grants::wait_left(const DatasetName& name) const {
    const auto stored = note(name);
    const auto given = given_.find(name);
    const BootTime now = boot_now();
    BootTime free = now;
    if (given != given_.end()) free = given->second.at + given->second.wait;
    // After a start the memory is empty, and the disk says that there was something in it.
    if (stored) free = std::max(free, free_at(started_, std::nullopt, stored->wait));
    if (!stored && free <= now) return std::nullopt;
    return std::max(BootTime(0), free - now);
}

void Grants::store(const DatasetName& dataset, std::string note, TaskGroup& tasks) {
    if (!storing_.emplace(dataset, note).second) return;
    tasks.spawn("lease of " + dataset.str(), store_note(dataset, std::move(note)));
}

Task<> Grants::store_note(DatasetName dataset, std::string note) {
    const std::string key(prop::kLease);
    {
        auto place = co_await places_.acquire();
        Result<void> stored = ok();
        if (place && note.empty()) {
            std::vector<std::string> one{key};
            stored = co_await parts_.zfs.inherit(dataset, std::move(one));
        } else if (place) {
            PropertyList one{{key, note}};
            stored = co_await parts_.zfs.set(dataset, std::move(one));
        }
        if (place && stored) parts_.inventory.note_set(dataset, {{key, note}});
        if (!stored) {
            log::event(log::Level::warn,
                       "lease_not_stored",
                       {{"dataset", dataset.str()},
                        {"error", stored.error().text()},
                        {"next", stored.error().remedy}});
        }
    }
    storing_.erase(dataset);
}

}  // namespace zrepd::failover
