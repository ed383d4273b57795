// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/lock/lock_table.hpp"

#include <algorithm>

#include "common/text.hpp"
#include "common/units.hpp"

namespace zrepd::lock {
namespace {

bool collide(const Holder& held, const DatasetName& wanted, Scope scope) {
    if (held.dataset == wanted) return true;
    const bool related = held.dataset.is_below(wanted) || wanted.is_below(held.dataset);
    if (!related) return false;
    // A tree lock reaches down, and keeps others from moving what it stands under.
    return held.scope == Scope::tree || scope == Scope::tree;
}

Error busy(const Holder& holder, const DatasetName& wanted) {
    const auto age = std::chrono::duration_cast<std::chrono::seconds>(
        std::chrono::steady_clock::now() - holder.since);
    return Error{.code = Code::busy,
                 .message = wanted.str() + " is in use: " + holder.reason + " of " +
                            holder.dataset.str() + " for " + human_duration(age),
                 .remedy = "wait for it; zrepctl status shows what runs",
                 .run_id = holder.run_id};
}

}  // namespace

LockTable::LockTable(asio::any_io_executor executor) : changed_(std::move(executor)) {}

LockTable::Guard::Guard(Guard&& other) noexcept
    : table_(std::exchange(other.table_, nullptr)), id_(other.id_) {}

LockTable::Guard& LockTable::Guard::operator=(Guard&& other) noexcept {
    // What was held is let go now, not whenever `other` happens to die.
    if (this != &other) {
        LockTable* const old_table = std::exchange(table_, std::exchange(other.table_, nullptr));
        const std::uint64_t old_id = std::exchange(id_, other.id_);
        if (old_table != nullptr) old_table->release(old_id);
    }
    return *this;
}

LockTable::Guard::~Guard() {
    if (table_ != nullptr) table_->release(id_);
}

std::optional<Holder> LockTable::conflicting(const DatasetName& dataset, Scope scope) const {
    for (const Entry& entry : entries_) {
        if (collide(entry.holder, dataset, scope)) return entry.holder;
    }
    return std::nullopt;
}

Result<LockTable::Guard> LockTable::try_lock(DatasetName dataset,
                                             Scope scope,
                                             std::string reason,
                                             std::string run_id) {
    if (const auto holder = conflicting(dataset, scope)) return busy(*holder, dataset);
    Entry entry{.id = next_id_++,
                .holder = {.dataset = std::move(dataset),
                           .scope = scope,
                           .reason = std::move(reason),
                           .run_id = std::move(run_id),
                           .since = std::chrono::steady_clock::now()}};
    Guard guard;
    guard.table_ = this;
    guard.id_ = entry.id;
    entries_.push_back(std::move(entry));
    return guard;
}

void LockTable::count_waiter(const DatasetName& dataset, Scope scope, Waiter& waiter) {
    for (Entry& entry : entries_) {
        if (!collide(entry.holder, dataset, scope)) continue;
        ++entry.holder.waiting;
        waiter.push_back(entry.id);
    }
}

void LockTable::forget_waiter(const Waiter& waiter) {
    for (Entry& entry : entries_) {
        if (std::find(waiter.begin(), waiter.end(), entry.id) != waiter.end()) {
            --entry.holder.waiting;
        }
    }
}

Task<Result<LockTable::Guard>> LockTable::lock(DatasetName dataset,
                                               Scope scope,
                                               std::string reason,
                                               std::chrono::steady_clock::duration limit,
                                               std::string run_id) {
    const auto executor = co_await asio::this_coro::executor;
    const std::function<void()> wake = [this] { changed_.notify(); };
    Deadline deadline(executor, limit, wake);
    while (true) {
        auto guard = try_lock(dataset, scope, reason, run_id);
        if (guard || deadline.expired()) co_return guard;
        // Before each wait: a cancel interrupts only the one that it finds.
        const bool stop = co_await cancelled();
        if (stop) {
            co_return Error{.code = Code::cancelled,
                            .message = "stopped waiting for " + dataset.str(),
                            .remedy = "try again"};
        }
        // By number: while this waits, holders come and go.
        Waiter waiter;
        count_waiter(dataset, scope, waiter);
        co_await changed_.wait();
        forget_waiter(waiter);
    }
}

std::vector<Holder> LockTable::holders() const {
    std::vector<Holder> out;
    for (const Entry& entry : entries_) out.push_back(entry.holder);
    return out;
}

void LockTable::release(std::uint64_t id) {
    std::erase_if(entries_, [id](const Entry& entry) { return entry.id == id; });
    changed_.notify();
}

}  // namespace zrepd::lock
