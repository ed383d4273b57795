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
        if (status.health != "late" || !status.warning) continue;
        late.insert(status.dataset);
        if (!late_.contains(status.dataset)) tell_late(status.dataset, *status.warning);
    }
    for (const std::string& dataset : late_) {
        if (late.contains(dataset)) continue;
        log::event(log::Level::info, "late_over", {{"dataset", dataset}});
        parts_.events.publish("late_over", dataset, "the copy is not late any more");
    }
    late_ = std::move(late);
}

void DaemonService::tell_late(const std::string& dataset, const rpc::Trouble& why) {
    log::event(log::Level::warn,
               "late",
               {{"dataset", dataset}, {"error", why.message}, {"next", why.remedy}});
    parts_.events.publish("late", dataset, why.message + "; next: " + why.remedy);
}

}  // namespace zrepd
