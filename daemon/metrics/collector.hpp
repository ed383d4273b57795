// SPDX-License-Identifier: BSD-2-Clause
// Puts together what monitoring is told, from what the daemon knows anyway: no process, no wait.
// Thread: io thread. Limits: the text is made once a second at most, however many ask.
#pragma once

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "daemon/control/service.hpp"
#include "daemon/metrics/families.hpp"
#include "daemon/sync/runs.hpp"
#include "daemon/zfs/subprocess.hpp"

namespace zrepd::metrics {

class Collector {
  public:
    /// Counts from now on, until it is destroyed.
    Collector(control::Service& service,
              sync::Runs& runs,
              const Processes& processes,
              std::chrono::milliseconds fresh = kFresh);
    ~Collector();
    Collector(const Collector&) = delete;
    Collector& operator=(const Collector&) = delete;

    /// The figures of this moment, or of less than `fresh` ago.
    std::shared_ptr<const std::string> text(Format format);

    static constexpr std::chrono::milliseconds kFresh{1'000};

  private:
    struct Made {
        std::chrono::steady_clock::time_point at;
        std::shared_ptr<const std::string> text;
    };
    std::string make(Format format);
    void note(const sync::PartEnd& end);

    control::Service& service_;
    sync::Runs& runs_;
    const Processes& processes_;
    const std::chrono::milliseconds fresh_;
    const UnixSeconds started_;
    Counters counters_;
    std::array<std::optional<Made>, 2> made_;  ///< by format
};

}  // namespace zrepd::metrics
