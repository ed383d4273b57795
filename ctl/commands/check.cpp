// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/render/check.hpp"

#include <cstdio>

#include "common/text.hpp"
#include "common/units.hpp"
#include "ctl/command.hpp"
#include "ctl/render/json.hpp"

namespace zrepd::ctl {
namespace {

void check_options(boost::program_options::options_description& options) {
    // clang-format off
    options.add_options()
        ("warning,w", boost::program_options::value<std::string>()->value_name("TIME"),
         "a copy that is so old is a warning, whatever its interval")
        ("critical,c", boost::program_options::value<std::string>()->value_name("TIME"),
         "a copy that is so old is critical");
    // clang-format on
}

int end(Verdict verdict) {
    return static_cast<int>(verdict);
}

/// For a plugin every failure of its own is UNKNOWN: 1 and 2 say something of the pairs.
int unknown(const Invocation& invocation, const Error& error) {
    const std::string why = error.text() + (error.remedy.empty() ? "" : "; " + error.remedy);
    if (invocation.json)
        print_json({{"state", "UNKNOWN"}, {"error", error_document(error)}});
    else
        std::puts(unknown_line(why).c_str());
    return end(Verdict::unknown);
}

Result<std::optional<std::int64_t>> limit(const Invocation& invocation, const char* option) {
    if (!invocation.has(option)) return std::optional<std::int64_t>{};
    const auto time = parse_duration(invocation.options[option].as<std::string>());
    if (!time) return std::move(Error(time.error())).in(std::string("--") + option);
    return std::optional<std::int64_t>(time->count());
}

Result<CheckLimits> limits_of(const Invocation& invocation) {
    const auto warning = limit(invocation, "warning");
    if (!warning) return warning.error();
    const auto critical = limit(invocation, "critical");
    if (!critical) return critical.error();
    if (*warning && *critical && **warning > **critical) {
        return Error{.code = Code::invalid_params,
                     .message = "--warning is later than --critical: it would never be seen"};
    }
    return CheckLimits{*warning, *critical};
}

Json document(const CheckResult& result) {
    Json out{{"state", name(result.verdict)}, {"text", result.line}, {"findings", Json::array()}};
    for (const auto& finding : result.findings) {
        out["findings"].push_back({{"dataset", finding.dataset},
                                   {"state", name(finding.verdict)},
                                   {"text", finding.text}});
    }
    return out;
}

int run_check(const Invocation& invocation) {
    const auto chosen = select(invocation.words, /*all_allowed=*/false);
    if (!chosen) return unknown(invocation, chosen.error());
    const auto limits = limits_of(invocation);
    if (!limits) return unknown(invocation, limits.error());
    auto client = Client::connect(invocation.socket, /*read_only=*/true);
    if (!client) return unknown(invocation, client.error());
    auto status = client->call_as<rpc::StatusOut>("status.get", rpc::DatasetsIn{chosen->datasets});
    if (!status) return unknown(invocation, status.error());
    const CheckResult result = check(*status, *limits);
    if (invocation.json)
        print_json(document(result));
    else
        std::puts(result.line.c_str());
    return end(result.verdict);
}

}  // namespace

const Command kCheck{
    "check",
    "",
    "[-w TIME] [-c TIME] [FILESYSTEM...]",
    "Judge the pairs in one line, as a plugin of Nagios, Icinga and the like",
    "Critical: a pair that fails, conflicts, or is split. Warning: one that is late (twice its\n"
    "interval), paused, or has a rescue beside it. Unknown: zrepd does not answer, cannot know all\n"
    "of its pairs, or has none. Behind the '|' stand numbers to draw.\n\n"
    "Its exit status is a plugin's: 0 ok, 1 warning, 2 critical, 3 unknown, a wrong command line\n"
    "included.\n\n"
    "Example:\n  zrepctl check\n  zrepctl check -w 30m -c 4h tank/fs\n",
    0,
    10000,
    check_options,
    run_check,
    /*starts_run=*/false,
    static_cast<int>(Verdict::unknown)};

}  // namespace zrepd::ctl
