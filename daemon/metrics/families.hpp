// SPDX-License-Identifier: BSD-2-Clause
// Everything that monitoring is told, from values that are known already. Pure.
// docs/monitoring/metrics.md is made from families(); a test compares.
#pragma once

#include <map>
#include <span>
#include <string>

#include "common/rpc/control_types.hpp"
#include "common/time.hpp"
#include "daemon/metrics/counters.hpp"
#include "daemon/metrics/text.hpp"

namespace zrepd::metrics {

/// What a run that is under way moved so far: counted before it ends.
struct Moving {
    std::string operation;
    std::uint64_t bytes = 0;
};

struct Figures {
    const rpc::StatusOut& status;
    const rpc::VersionOut& version;
    const Counters& counters;
    UnixSeconds now = 0;
    UnixSeconds started = 0;
    std::uint64_t active_runs = 0;
    std::map<std::string, Moving, std::less<>> moving = {};  ///< by dataset
    std::map<std::string, std::uint64_t> processes = {};     ///< now, by program
    std::uint64_t processes_started = 0;
};

/// In the order in which they are written.
std::span<const Family> families();

std::string render(const Figures& figures, Format format);

/// docs/monitoring/metrics.md.
std::string metrics_markdown();

}  // namespace zrepd::metrics
