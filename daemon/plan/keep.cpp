// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/plan/keep.hpp"

#include <algorithm>
#include <optional>

#include "common/props.hpp"
#include "common/text.hpp"
#include "common/units.hpp"

namespace zrepd::plan {
namespace {

using std::chrono::seconds;

// Years by the hour, and then some.
constexpr std::size_t kMaxRules = 10;

Error wrong(std::string_view text, std::string why) {
    return Error{.code = Code::invalid_params,
                 .message = std::string(prop::kKeep) + "=" + quote(text) + ": " + std::move(why),
                 .remedy =
                     "write it like 24h:1h,30d:1d, one snapshot per hour of the last day and "
                     "one per day of the last 30; or none"};
}

Result<KeepRule> parse_rule(std::string_view text, std::string_view word) {
    const std::size_t colon = word.find(':');
    if (colon == word.npos) return wrong(text, quote(word) + " is not SPAN:EVERY");
    const auto span = parse_duration(trim(word.substr(0, colon)));
    const auto every = parse_duration(trim(word.substr(colon + 1)));
    if (!span || !every) return wrong(text, quote(word) + " is not two times");
    if (every->count() < 1 || *every > *span)
        return wrong(text, "one per " + format_duration(*every) + " of " + format_duration(*span));
    return KeepRule{*span, *every};
}

/// How much older than the newest each is. One wrong clock must not make a whole history too old at
/// once, so no time between two neighbours counts for more than the coarsest step, or for less than
/// nothing. What is left out on one side makes the others younger there, never older.
std::vector<UnixSeconds> ages_of(const std::vector<const Snapshot*>& ours, const KeepGrid& grid) {
    const UnixSeconds step = grid.back().every.count();
    const UnixSeconds reach = grid.back().span.count();
    std::vector<UnixSeconds> out(ours.size(), 0);
    for (std::size_t i = ours.size(); i-- > 1;) {
        const UnixSeconds between =
            std::clamp<UnixSeconds>(ours[i]->created - ours[i - 1]->created, 0, step);
        out[i - 1] = std::min(out[i] + between, reach);
    }
    return out;
}

}  // namespace

Result<KeepGrid> parse_keep(std::string_view text) {
    KeepGrid out;
    if (trim(text) == "none") return out;
    for (const std::string_view word : split(text, ',')) {
        auto rule = parse_rule(text, trim(word));
        if (!rule) return rule.error();
        const bool grows =
            out.empty() || (rule->span > out.back().span && rule->every >= out.back().every);
        if (!grows)
            return wrong(text,
                         quote(word) + " reaches no further, or keeps more, than the rule before");
        out.push_back(*rule);
        if (out.size() > kMaxRules)
            return wrong(text, "more than " + std::to_string(kMaxRules) + " rules");
    }
    return out;
}

std::string to_text(const KeepGrid& grid) {
    std::vector<std::string> out;
    for (const KeepRule& rule : grid)
        out.push_back(format_duration(rule.span) + ":" + format_duration(rule.every));
    return out.empty() ? "none" : join(out, ",");
}

std::set<Guid> kept_by_grid(const Versions& versions, const KeepGrid& grid) {
    std::set<Guid> out;
    if (grid.empty()) return out;
    std::vector<const Snapshot*> ours;  // oldest first
    for (const Snapshot& s : versions.snapshots) {
        if (!zrep_sequence(s.name)) continue;
        if (s.created == 0)
            out.insert(s.guid);
        else
            ours.push_back(&s);
    }
    const std::vector<UnixSeconds> ages = ages_of(ours, grid);
    for (const KeepRule& rule : grid) {
        // By order, and no stretch twice in a row: what was taken after a clock was put back has a
        // stretch of its own.
        std::optional<UnixSeconds> stretch;
        for (std::size_t i = 0; i < ours.size(); ++i) {
            if (ages[i] >= rule.span.count()) continue;
            const UnixSeconds here = ours[i]->created / rule.every.count();
            if (stretch != here) out.insert(ours[i]->guid);
            stretch = here;
        }
    }
    return out;
}

}  // namespace zrepd::plan
