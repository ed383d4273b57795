// SPDX-License-Identifier: BSD-2-Clause
#include <boost/program_options/value_semantic.hpp>
#include <ctime>

#include "common/text.hpp"
#include "common/time.hpp"
#include "common/units.hpp"
#include "ctl/command.hpp"

namespace zrepd::ctl {
namespace {

namespace po = boost::program_options;

void add_pause_options(po::options_description& options) {
    // clang-format off
    options.add_options()
        ("until", po::value<std::string>()->value_name("TIME"),
         "a time like 2026-03-01T12:00:00Z, or from now: 30m, 2h, 1d")
        ("dry-run", "say what would be done, do nothing");
    // clang-format on
}

void add_unpause_options(po::options_description& options) {
    options.add_options()("dry-run", "say what would be done, do nothing");
}

Result<std::string> until_from(const std::string& text) {
    const std::int64_t now = std::time(nullptr);
    const auto duration = parse_duration(text);
    const auto time = duration ? now + duration->count() : from_rfc3339(text);
    if (!time) {
        return Error{.code = Code::invalid_params,
                     .message = "--until " + quote(text) + " is neither a time nor a duration",
                     .remedy = "write 2026-03-01T12:00:00Z, or 2h for two hours from now"};
    }
    if (*time > now) return to_rfc3339(*time);
    return Error{.code = Code::invalid_params,
                 .message = "--until " + quote(text) + " is in the past"};
}

int run_pause(const Invocation& invocation) {
    rpc::PauseIn in;
    const auto chosen = select(invocation.words, /*all_allowed=*/false);
    if (!chosen) return usage_error(invocation, chosen.error());
    in.datasets = chosen->datasets;
    in.dry_run = invocation.has("dry-run");
    if (invocation.has("until")) {
        auto until = until_from(invocation.options["until"].as<std::string>());
        if (!until) return usage_error(invocation, until.error());
        in.until = *until;
    }
    return call_and_report(invocation, "pair.pause", rpc::encode(in));
}

int run_unpause(const Invocation& invocation) {
    rpc::UnpauseIn in;
    const auto chosen = select(invocation.words, /*all_allowed=*/false);
    if (!chosen) return usage_error(invocation, chosen.error());
    in.datasets = chosen->datasets;
    in.dry_run = invocation.has("dry-run");
    return call_and_report(invocation, "pair.unpause", rpc::encode(in));
}

}  // namespace

const Command kPause{
    "pause",
    "-p",
    "[--until TIME] [--dry-run] FILESYSTEM...",
    "Leave pairs out of scheduled syncs and of `sync all`",
    "A dataset above pairs pauses all of them. A run under way is not stopped. A target\n"
    "is paused where its master is.\n\n"
    "Example:\n  zrepctl pause --until 2h tank\n",
    1,
    10000,
    add_pause_options,
    run_pause};

const Command kUnpause{"unpause",
                       "-u",
                       "[--dry-run] FILESYSTEM...",
                       "Undo pause",
                       "Where a dataset above stays paused, this one gets a value of its own.\n\n"
                       "Example:\n  zrepctl unpause tank/fs\n",
                       1,
                       10000,
                       add_unpause_options,
                       run_unpause};

}  // namespace zrepd::ctl
