// SPDX-License-Identifier: BSD-2-Clause
// zrep:keep, a grid of how many old snapshots stay: "24h:1h,30d:1d" is one per hour of the last 24
// hours and one per day of the last 30 days. Pure.
#pragma once

#include <chrono>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/zfs/model.hpp"

namespace zrepd::plan {

struct KeepRule {
    std::chrono::seconds span{};   ///< how far back it reaches
    std::chrono::seconds every{};  ///< one snapshot per so much time
    bool operator==(const KeepRule&) const = default;
};
/// The spans grow, and so does what lies between two.
using KeepGrid = std::vector<KeepRule>;

/// "none" is an empty grid. invalid_params, with an example, for what is none: at most kMaxRules
/// rules, each reaching further back than the one before and thinning at least as much.
Result<KeepGrid> parse_keep(std::string_view text);
std::string to_text(const KeepGrid& grid);

/// How much of a side's history stays.
struct Retention {
    unsigned savecount = 5;  ///< the newest so many, whatever their age
    KeepGrid keep = {};
    bool everything = false;  ///< zrep:keep cannot be read: nothing is destroyed on a guess
};

/// What the grid keeps of the zrep snapshots. An age is the sum of the times between the later ones
/// (ADR 0021), by when they were taken, which is the same on both sides: a copy that gets nothing
/// loses nothing. A time in which none was taken counts for one coarsest step at most, so a clock
/// that jumps costs no more than that. Of a stretch of time it is the oldest that stays, so that it
/// stays for all of its span; the stretches begin at multiples of `every` since 1970. What has no
/// known time is kept.
std::set<Guid> kept_by_grid(const Versions& versions, const KeepGrid& grid);

}  // namespace zrepd::plan
