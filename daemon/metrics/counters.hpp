// SPDX-License-Identifier: BSD-2-Clause
// What is counted since the daemon's start: how runs ended, how long they took, what they moved.
// Pure. Limits: kMostPairs filesystems; what is no pair any more is dropped by keep_only().
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>

namespace zrepd::metrics {

/// How one filesystem's part of a run ended.
struct Ended {
    std::string_view dataset;
    std::string_view operation;  ///< of a closed list: "sync", "receive", ...
    std::string_view outcome;    ///< "done", "unchanged" or "failed"
    std::uint64_t bytes = 0;
    double seconds = 0;
};

/// Upper limits of the buckets; the last one, of everything, is +Inf. From a sync that found
/// nothing to a first copy of some terabytes.
inline constexpr std::array<double, 11> kBuckets{
    0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 43200};

class Counters {
  public:
    struct Histogram {
        std::array<std::uint64_t, kBuckets.size()> up_to{};  ///< cumulated
        std::uint64_t count = 0;
        double sum = 0;
    };
    struct Runs {
        std::uint64_t done = 0;
        std::uint64_t unchanged = 0;
        std::uint64_t failed = 0;
        double seconds = 0;
        std::uint64_t count() const { return done + unchanged + failed; }
    };
    struct Pair {
        std::map<std::string, Runs, std::less<>> operations;
        std::uint64_t sent_bytes = 0;
        std::uint64_t received_bytes = 0;
    };

    void note(const Ended& ended);
    /// Forgets every other filesystem. What all have together stays.
    void keep_only(const std::set<std::string, std::less<>>& datasets);

    const std::map<std::string, Pair, std::less<>>& pairs() const { return pairs_; }
    /// By operation, of all filesystems together.
    const std::map<std::string, Histogram, std::less<>>& operations() const { return operations_; }

    /// Far more than a host has; somebody who inits and clears without end costs no more memory.
    static constexpr std::size_t kMostPairs = 20'000;

  private:
    std::map<std::string, Pair, std::less<>> pairs_;
    std::map<std::string, Histogram, std::less<>> operations_;
};

/// What a run of this operation moves is received, else sent.
bool receives(std::string_view operation);

}  // namespace zrepd::metrics
