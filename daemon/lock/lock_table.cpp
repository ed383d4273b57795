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
                            holder.dataset.str() + " since " + human_duration(age),
                 .remedy = "wait for it; zrepctl status shows what runs",
                 .run_id = holder.run_id};
}

}  // namespace

LockTable::LockTable(asio::any_io_executor executor) : changed_(std::move(executor)) {}

LockTable::Guard::Guard(Guard&& other) noexcept
    : table_(std::exchange(other.table_, nullptr)), id_(other.id_) {}

LockTable::Guard& LockTable::Guard::operator=(Guard&& other) noexcept {
    std::swap(table_, other.table_);
    std::swap(id_, other.id_);
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

Result<LockTable::Guard> LockTable::try_lock(DatasetName dataset, Scope scope, std::string reason,
                                             std::string run_id) {
    if (const auto holder = conflicting(dataset, scope)) return busy(*holder, dataset);
    Entry entry{.id = next_id_++,
                .holder = {.dataset = std::move(dataset), .scope = scope, .reason = std::move(reason),
                           .run_id = std::move(run_id), .since = std::chrono::steady_clock::now()}};
    Guard guard;
    guard.table_ = this;
    guard.id_ = entry.id;
    entries_.push_back(std::move(entry));
    return guard;
}

Task<Result<LockTable::Guard>> LockTable::lock(DatasetName dataset, Scope scope, std::string reason,
                                               std::chrono::steady_clock::duration limit,
                                               std::string run_id) {
    const auto until = std::chrono::steady_clock::now() + limit;
    while (true) {
        auto guard = try_lock(dataset, scope, reason, run_id);
        if (guard || std::chrono::steady_clock::now() >= until) co_return guard;
        for (Entry& entry : entries_) {
            if (collide(entry.holder, dataset, scope)) ++entry.holder.waiting;
        }
        Deadline deadline(co_await asio::this_coro::executor,
                          until - std::chrono::steady_clock::now(),
                          [this] { changed_.notify(); });
        co_await changed_.wait();
        for (Entry& entry : entries_) {
            if (entry.holder.waiting > 0 && collide(entry.holder, dataset, scope)) {
                --entry.holder.waiting;
            }
        }
        if (co_await cancelled()) {
            co_return Error{.code = Code::cancelled, .message = "zrepd is stopping"};
        }
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
