// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/metrics/counters.hpp"

namespace zrepd::metrics {
namespace {

void count(Counters::Histogram& histogram, double seconds) {
    for (std::size_t i = 0; i < kBuckets.size(); ++i) {
        if (seconds <= kBuckets[i]) ++histogram.up_to[i];
    }
    ++histogram.count;
    histogram.sum += seconds;
}

void count(Counters::Runs& runs, const Ended& ended) {
    if (ended.outcome == "failed") {
        ++runs.failed;
    } else if (ended.outcome == "unchanged") {
        ++runs.unchanged;
    } else {
        ++runs.done;
    }
    runs.seconds += ended.seconds;
}

}  // namespace

bool receives(std::string_view operation) {
    return operation == "receive";
}

void Counters::note(const Ended& ended) {
    count(operations_[std::string(ended.operation)], ended.seconds);
    auto found = pairs_.find(ended.dataset);
    if (found == pairs_.end()) {
        if (pairs_.size() >= kMostPairs) return;
        found = pairs_.emplace(std::string(ended.dataset), Pair{}).first;
    }
    Pair& pair = found->second;
    count(pair.operations[std::string(ended.operation)], ended);
    (receives(ended.operation) ? pair.received_bytes : pair.sent_bytes) += ended.bytes;
}

void Counters::keep_only(const std::set<std::string, std::less<>>& datasets) {
    std::erase_if(pairs_, [&datasets](const auto& one) { return !datasets.contains(one.first); });
}

}  // namespace zrepd::metrics
