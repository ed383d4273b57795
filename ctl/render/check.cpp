// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/render/check.hpp"

#include <algorithm>

#include "common/text.hpp"
#include "common/units.hpp"
#include "ctl/render/table.hpp"

namespace zrepd::ctl {
namespace {

using Finding = CheckResult::Finding;

// '|' begins the performance data, a line break the details that many programs cut off.
std::string one_line(const std::string& text) {
    std::string out = printable(text);
    std::replace(out.begin(), out.end(), '|', '/');
    std::replace(out.begin(), out.end(), '\n', ' ');
    return out;
}

std::string with_remedy(const std::string& message, const std::string& remedy) {
    return remedy.empty() ? message : message + "; " + remedy;
}

std::string age(std::int64_t seconds) {
    return human_duration(std::chrono::seconds(seconds));
}

Verdict by_age(const rpc::PairStatus& pair, const CheckLimits& limits) {
    if (!pair.lag_seconds) return Verdict::ok;
    const auto reached = [&](const std::optional<std::int64_t>& limit) {
        return limit && *pair.lag_seconds >= *limit;
    };
    if (reached(limits.critical)) return Verdict::critical;
    return reached(limits.warning) ? Verdict::warning : Verdict::ok;
}

/// Where a limit is given, what is not known is not within it.
bool is_age_missing(const rpc::PairStatus& pair, const CheckLimits& limits) {
    const bool limited = limits.warning || limits.critical;
    return limited && !pair.lag_seconds && pair.role != "initializing";
}

Finding judge(const rpc::PairStatus& pair, const CheckLimits& limits) {
    const auto found = [&](Verdict verdict, std::string text) {
        return Finding{pair.dataset, verdict, one_line(text)};
    };
    if (pair.health != "ok" && pair.health != "late") {
        const std::string text =
            pair.last_error ? with_remedy(pair.last_error->message, pair.last_error->remedy)
                            : pair.health;
        return found(Verdict::critical, text);
    }
    const Verdict aged = by_age(pair, limits);
    if (aged != Verdict::ok) return found(aged, "the copy is " + age(*pair.lag_seconds) + " old");
    if (pair.health == "late") {
        const std::string old =
            pair.lag_seconds ? age(*pair.lag_seconds) + " old" : "not there yet";
        return found(Verdict::warning,
                     with_remedy("late: the copy is " + old,
                                 pair.warning ? pair.warning->remedy : std::string()));
    }
    if (pair.warning)
        return found(Verdict::warning, with_remedy(pair.warning->message, pair.warning->remedy));
    if (!pair.left_behind.empty()) {
        return found(Verdict::warning,
                     pair.left_behind.front().dataset + " on " + pair.peer +
                         " is the copy of nothing in the tree any more; " +
                         pair.left_behind.front().remedy);
    }
    if (!pair.rescues.empty()) {
        return found(Verdict::warning,
                     "data that the other side never got is kept in " + pair.rescues.front() +
                         "; look at it, then zrepctl rescue drop " + quote(pair.rescues.front()));
    }
    if (pair.paused)
        return found(Verdict::warning, "paused; zrepctl unpause " + quote(pair.dataset));
    if (is_age_missing(pair, limits)) {
        return found(
            Verdict::unknown,
            "how old the copy is cannot be told yet; zrepctl status " + quote(pair.dataset));
    }
    return found(Verdict::ok, "");
}

std::string summary(const rpc::StatusOut& status) {
    const auto older = [](const rpc::PairStatus& a, const rpc::PairStatus& b) {
        return a.lag_seconds.value_or(-1) < b.lag_seconds.value_or(-1);
    };
    const auto oldest = std::max_element(status.pairs.begin(), status.pairs.end(), older);
    const std::size_t count = status.pairs.size();
    std::string out = std::to_string(count) + (count == 1 ? " pair" : " pairs");
    if (oldest == status.pairs.end() || !oldest->lag_seconds) return out;
    return out + ", oldest copy " + age(*oldest->lag_seconds) + " (" + one_line(oldest->dataset) +
           ")";
}

/// lag, beside the numbers of pairs, is what there is to draw.
std::string performance(const rpc::StatusOut& status,
                        const CheckResult& result,
                        const CheckLimits& limits) {
    std::int64_t lag = 0;
    std::uint64_t backlog = 0;
    for (const auto& pair : status.pairs) {
        lag = std::max(lag, pair.lag_seconds.value_or(0));
        backlog += pair.backlog_bytes;
    }
    const auto counted = [&](Verdict verdict) {
        return std::to_string(std::count_if(
            result.findings.begin(), result.findings.end(), [verdict](const Finding& f) {
                return f.verdict == verdict;
            }));
    };
    const auto limit = [](const std::optional<std::int64_t>& value) {
        return value ? std::to_string(*value) : std::string();
    };
    return " | pairs=" + std::to_string(status.pairs.size()) +
           " warning=" + counted(Verdict::warning) + " critical=" + counted(Verdict::critical) +
           " lag=" + std::to_string(lag) + "s;" + limit(limits.warning) + ";" +
           limit(limits.critical) + ";0 backlog=" + std::to_string(backlog) + "B";
}

/// Beside the worst one, which is told whole.
std::string others(std::size_t count) {
    return count == 0 ? "" : "; and " + std::to_string(count) + " more: zrepctl status";
}

}  // namespace

const char* name(Verdict verdict) {
    switch (verdict) {
        case Verdict::ok:
            return "OK";
        case Verdict::warning:
            return "WARNING";
        case Verdict::critical:
            return "CRITICAL";
        case Verdict::unknown:
            return "UNKNOWN";
    }
    return "UNKNOWN";
}

CheckResult check(const rpc::StatusOut& status, const CheckLimits& limits) {
    CheckResult out;
    for (const auto& pair : status.pairs) {
        Finding finding = judge(pair, limits);
        if (finding.verdict != Verdict::ok) out.findings.push_back(std::move(finding));
    }
    std::stable_sort(out.findings.begin(), out.findings.end(), [](const auto& a, const auto& b) {
        return a.verdict > b.verdict;
    });
    if (!out.findings.empty()) out.verdict = out.findings.front().verdict;
    std::string text = summary(status);
    if (!out.findings.empty()) {
        text = one_line(out.findings.front().dataset) + ": " + out.findings.front().text +
               others(out.findings.size() - 1);
    }
    const bool blind = status.problem || status.pairs.empty();
    if (blind && out.verdict != Verdict::critical) {
        out.verdict = Verdict::unknown;
        text = status.problem
                   ? one_line(with_remedy(status.problem->message, status.problem->remedy))
                   : "there are no pairs on " + one_line(status.host) + "; zrepctl init makes one";
    }
    out.line =
        std::string("ZREPD ") + name(out.verdict) + " - " + text + performance(status, out, limits);
    return out;
}

std::string unknown_line(const std::string& why) {
    return "ZREPD UNKNOWN - " + one_line(why);
}

}  // namespace zrepd::ctl
