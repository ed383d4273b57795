// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/async/task_group.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <cstdlib>
#include <exception>

namespace zrepd {
namespace {

std::function<void(std::string_view, std::string_view)>& bug_handler() {
    static std::function<void(std::string_view, std::string_view)> handler =
        [](std::string_view, std::string_view) { std::abort(); };
    return handler;
}

Task<> run_task(Task<> task) {
    // Without this every co_await after a cancel throws, whatever its completion token says.
    co_await asio::this_coro::throw_if_cancelled(false);
    co_await std::move(task);
}

}  // namespace

TaskGroup::TaskGroup(asio::any_io_executor executor)
    : executor_(std::move(executor)), idle_(executor_, asio::steady_timer::time_point::max()) {}

TaskGroup::~TaskGroup() {
    // A task that outlives its group would use freed memory: better to stop here, visibly.
    if (!entries_.empty()) std::abort();
}

void TaskGroup::on_bug(std::function<void(std::string_view, std::string_view)> handler) {
    bug_handler() = std::move(handler);
}

void TaskGroup::spawn(std::string name, Task<> task) {
    entries_.emplace_back();
    const auto entry = std::prev(entries_.end());
    entry->name = std::move(name);
    asio::co_spawn(executor_,
                   run_task(std::move(task)),
                   asio::bind_cancellation_slot(entry->signal.slot(),
                                                [this, entry](std::exception_ptr exception) {
                                                    finished(entry, exception);
                                                }));
    // A task that is about to end may still start others: they are to stop as well.
    if (cancelled_) cancel(*entry);
}

void TaskGroup::finished(std::list<Entry>::iterator entry, std::exception_ptr exception) {
    const std::string name = std::move(entry->name);
    entries_.erase(entry);
    if (entries_.empty()) idle_.cancel();
    if (!exception) return;
    try {
        std::rethrow_exception(exception);
    } catch (const std::exception& e) {
        bug_handler()(name, e.what());
    }
}

void TaskGroup::cancel() {
    cancelled_ = true;
    for (auto& entry : entries_) cancel(entry);
}

void TaskGroup::cancel(Entry& entry) {
    // From a fresh turn of the loop: emitting from inside one of the tasks would resume it in
    // itself.
    asio::post(executor_, [this, wanted = &entry] {
        for (auto& present : entries_) {
            if (&present == wanted) {
                present.signal.emit(asio::cancellation_type::terminal);
                return;
            }
        }
    });
}

Task<> TaskGroup::join() {
    // A cancel ends one wait. Ignoring it (reset_cancellation_state) would hide it from the caller.
    while (!entries_.empty()) {
        co_await idle_.async_wait(nothrow);
    }
}

}  // namespace zrepd
