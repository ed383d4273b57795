// SPDX-License-Identifier: BSD-2-Clause
// What monitoring that follows the Nagios plugin guidelines is told of all pairs. Pure: values in,
// values out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/rpc/control_types.hpp"

namespace zrepd::ctl {

/// The exit statuses of a plugin.
enum class Verdict { ok = 0, warning = 1, critical = 2, unknown = 3 };

/// "OK", "WARNING", "CRITICAL", "UNKNOWN".
const char* name(Verdict verdict);

/// How old a copy may be, in seconds; absent: only zrep:interval says what is late.
struct CheckLimits {
    std::optional<std::int64_t> warning;
    std::optional<std::int64_t> critical;
};

struct CheckResult {
    Verdict verdict = Verdict::ok;
    /// "ZREPD OK - 3 pairs, oldest copy 34 s (tank/fs) | pairs=3 ..."; one line, whatever is wrong.
    std::string line;
    struct Finding {
        std::string dataset;
        Verdict verdict = Verdict::ok;
        std::string text;
    };
    std::vector<Finding> findings;  ///< the worst first
};

/// Judges what status.get said. A pair that fails, conflicts or is split is critical; one that is
/// late, paused, or has a rescue beside it is a warning; that there may be pairs that zrepd cannot
/// name, or none at all, is unknown, unless something is critical.
CheckResult check(const rpc::StatusOut& status, const CheckLimits& limits);
/// The same line when there is no status to judge.
std::string unknown_line(const std::string& why);

}  // namespace zrepd::ctl
