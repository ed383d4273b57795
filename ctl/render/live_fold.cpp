// SPDX-License-Identifier: BSD-2-Clause
// What answers and events make of what is known.
#include <algorithm>

#include "ctl/render/events.hpp"
#include "ctl/render/live.hpp"

namespace zrepd::ctl {
namespace {

rpc::PairStatus* find_pair(Live& live, const std::string& dataset) {
    auto& pairs = live.status.pairs;
    const auto found = std::find_if(
        pairs.begin(), pairs.end(), [&](const auto& pair) { return pair.dataset == dataset; });
    return found == pairs.end() ? nullptr : &*found;
}

void keep(Live& live, rpc::EventOut event) {
    live.events.push_back(std::move(event));
    while (live.events.size() > kLiveEvents) live.events.pop_front();
}

/// What a finished run leaves does not run any more.
void end_run(Live& live, const rpc::RunOut& run) {
    for (auto& pair : live.status.pairs) {
        if (pair.running && pair.running->run_id == run.run_id) pair.running.reset();
    }
}

}  // namespace

bool fold(Live& live, const rpc::EventOut& event, const std::vector<std::string>& names) {
    if (event.seq.value <= live.seq) return false;
    live.seq = event.seq.value;
    if (event.progress) {
        rpc::PairStatus* pair = find_pair(live, event.dataset);
        if (pair != nullptr) pair->running = event.progress;
        // A pair that is being made is in no answer of before.
        return pair == nullptr && concerns(event, names);
    }
    if (event.run && event.run->finished) end_run(live, *event.run);
    if (concerns(event, names)) keep(live, event);
    return true;
}

void take(Live& live, rpc::StatusOut status) {
    live.status = std::move(status);
    live.lost.clear();
    live.lost_since = 0;
    live.complaint.clear();
}

void complain(Live& live, const Error& error) {
    live.lost.clear();
    live.lost_since = 0;
    live.complaint = error.text() + (error.remedy.empty() ? "" : "; next: " + error.remedy);
}

void take(Live& live, std::vector<rpc::EventOut> recent, const std::vector<std::string>& names) {
    live.events.clear();
    for (auto& event : recent) {
        live.seq = std::max(live.seq, event.seq.value);
        if (concerns(event, names)) keep(live, std::move(event));
    }
}

void lose(Live& live, std::string why, UnixSeconds now) {
    if (live.lost.empty()) live.lost_since = now;
    live.lost = std::move(why);
    // A zrepd that was started anew counts its events from one.
    live.seq = 0;
    for (auto& pair : live.status.pairs) {
        if (pair.running) pair.running->rate_bytes_per_second = 0;
    }
}

}  // namespace zrepd::ctl
