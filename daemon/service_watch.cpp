// SPDX-License-Identifier: BSD-2-Clause
// Status, asked by ourselves: what is wrong has its beginning from then on, and late copies their
// event.
#include <set>

#include "daemon/async/signal.hpp"
#include "daemon/log.hpp"
#include "daemon/service.hpp"

namespace zrepd {

Task<> DaemonService::watch(std::chrono::milliseconds every) {
    while (true) {
        // What a start finds late is synced first.
        co_await sleep_for(every);
        const bool stop = co_await cancelled();
        if (stop) co_return;
        note_what_is_wrong();
    }
}

void DaemonService::note_what_is_wrong() {
    const Moment now;
    note_pool_troubles(now.wall);
    hidden_pairs(now.wall);
    std::set<std::string> late;
    for (const auto& pair : parts_.inventory.pairs()) {
        const rpc::PairStatus status = status_of(pair, now);
        const bool known = late_.contains(status.dataset);
        if (is_late(status, pair)) {
            // What failed was told as that. It does not make a copy younger.
            const bool told = status.health == "late" && status.warning && had_a_turn(pair, now);
            if (!known && told) tell_late(status.dataset, *status.warning);
            if (known || told) late.insert(status.dataset);
        } else if (known && pair.role == plan::Role::master && !status.paused) {
            log::event(log::Level::info, "late_over", {{"dataset", status.dataset}});
            parts_.events.publish("late_over", status.dataset, "the copy is not late any more");
        }
    }
    late_ = std::move(late);
}

/// After a start the first syncs of all pairs may be yet to come.
bool DaemonService::had_a_turn(const plan::Pair& pair, const Moment& now) const {
    const auto* memory = parts_.runs.remembered(pair.dataset);
    if (memory != nullptr && memory->last_start && !parts_.runs.active(pair.dataset)) return true;
    return now.wall > started_ + late_after(*pair.settings.interval).count();
}

void DaemonService::tell_late(const std::string& dataset, const rpc::Trouble& why) {
    log::event(log::Level::warn,
               "late",
               {{"dataset", dataset}, {"error", why.message}, {"next", why.remedy}});
    parts_.events.publish("late", dataset, why.message + "; next: " + why.remedy);
}

}  // namespace zrepd
