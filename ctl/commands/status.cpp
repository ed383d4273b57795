// SPDX-License-Identifier: BSD-2-Clause
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "ctl/command.hpp"
#include "ctl/render/columns.hpp"
#include "ctl/render/json.hpp"
#include "ctl/render/table.hpp"
#include "ctl/render/tone.hpp"
#include "ctl/watch.hpp"

namespace zrepd::ctl {
namespace {

void status_options(boost::program_options::options_description& options) {
    // clang-format off
    options.add_options()
        ("output,o", boost::program_options::value<std::string>()->value_name("COLUMN,..."),
         "only these columns, for scripts: separated by tabs, no heading, - for no value")
        ("watch,w", "a live screen, until q; on no terminal, again every two seconds");
    // clang-format on
}

/// What -o asks for; none without it.
Result<std::vector<std::string>> columns_of(const Invocation& invocation) {
    if (!invocation.has("output")) return std::vector<std::string>{};
    if (invocation.json) {
        return Error{.code = Code::invalid_params, .message = "give either --output or --json"};
    }
    return status_columns(invocation.options["output"].as<std::string>());
}

/// The text for people is coloured for them alone.
std::string text_of(const rpc::StatusOut& status, const std::vector<std::string>& columns) {
    if (!columns.empty()) return status_lines(status, columns);
    const bool terminal = ::isatty(STDOUT_FILENO) == 1;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
    return status_text(status,
                       wants_colour(terminal, std::getenv("NO_COLOR"), std::getenv("TERM")));
}

/// Asks once and prints.
Result<int> show(const Invocation& invocation,
                 Client& client,
                 const std::vector<std::string>& names,
                 const std::vector<std::string>& columns) {
    auto reply = client.call("status.get", rpc::encode(rpc::DatasetsIn{names}));
    if (!reply) return reply.error();
    auto status = rpc::decode_as<rpc::StatusOut>(*reply, rpc::Strictness::reply);
    if (!status) return status.error();
    // The daemon's own document: a newer one may say more than we know.
    if (invocation.json && invocation.has("watch"))
        std::printf("%s\n", dump_json(*reply).c_str());
    else if (invocation.json)
        print_json(*reply);
    else
        std::fputs(text_of(*status, columns).c_str(), stdout);
    return tell_problem(invocation, status->problem);
}

/// Ctrl-C is how one ends it: not a failure, wherever it comes.
int end_of_watch(const Invocation& invocation, const Error& error) {
    return error.code == Code::cancelled ? kDone : complain(invocation, error);
}

/// Until Ctrl-C, or until there is nothing more to show: one after the other, for pipes, files and
/// terminals on which nothing can be placed.
int watch_plain(const Invocation& invocation,
                const std::vector<std::string>& names,
                const std::vector<std::string>& columns) {
    constexpr std::chrono::seconds kAgain{2};
    catch_interrupt();
    auto client = Client::connect(invocation.socket, /*read_only=*/true);
    if (!client) return end_of_watch(invocation, client.error());
    while (true) {
        const auto shown = show(invocation, *client, names, columns);
        const int status = shown ? *shown : end_of_watch(invocation, shown.error());
        // What failed alone, as a pool that cannot be read, is shown and may come back.
        if (!shown && status != kFailed) return status;
        if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) return tell_unwritten(errno);
        // Nothing was subscribed to: this waits, and hears of Ctrl-C and of a daemon that is gone.
        const auto waited = client->next_event(kAgain);
        if (waited || waited.error().code == Code::timed_out) continue;
        return end_of_watch(invocation, waited.error());
    }
}

/// The live screen where there can be one.
int watch(const Invocation& invocation,
          const std::vector<std::string>& names,
          const std::vector<std::string>& columns) {
    if (invocation.json || !columns.empty() || ::isatty(STDOUT_FILENO) != 1)
        return watch_plain(invocation, names, columns);
    // What is wrong from the start is told before the screen is taken.
    catch_interrupt();
    auto client = Client::connect(invocation.socket, /*read_only=*/true);
    if (!client) return end_of_watch(invocation, client.error());
    auto status = client->call_as<rpc::StatusOut>("status.get", rpc::DatasetsIn{names});
    if (!status) return end_of_watch(invocation, status.error());
    std::string why;
    auto terminal = Terminal::open(&why);
    if (terminal)
        return watch_live(std::move(terminal), std::move(*client), invocation.socket, names);
    std::fprintf(stderr, "zrepctl: no live screen: %s\n", printable(why).c_str());
    return watch_plain(invocation, names, columns);
}

int run_status(const Invocation& invocation) {
    const auto chosen = select(invocation.words, /*all_allowed=*/false);
    if (!chosen) return usage_error(invocation, chosen.error());
    const auto columns = columns_of(invocation);
    if (!columns) return usage_error(invocation, columns.error());
    const auto& names = chosen->datasets;
    if (invocation.has("watch")) return watch(invocation, names, *columns);
    auto client = Client::connect(invocation.socket, /*read_only=*/true);
    if (!client) return complain(invocation, client.error());
    const auto shown = show(invocation, *client, names, *columns);
    return shown ? *shown : complain(invocation, shown.error());
}

}  // namespace

const Command kStatus{
    "status",
    "",
    "[-o COLUMN,...] [--watch] [FILESYSTEM...]",
    "Show how fresh the copies are, what runs, and what is wrong",
    "LAG is how long ago source and copy were last known to hold the same data: it grows until the\n"
    "next sync, whether anything is written or not. BACKLOG is what was written since, as last seen.\n"
    "Troubles follow the table, each with what to do next. The exit status is 0 whatever they are,\n"
    "and 1 when zrepd cannot know all of its pairs, or when some have a former name of\n"
    "this host or of their filesystem. --json is a contract: docs/status.schema.json.\n\n"
    "--watch is a live screen: progress, rate and time left of what runs, what is wrong and what to do\n"
    "about it, the last events; ? shows its keys, q ends it. With --json it is one document a line,\n"
    "with -o or without a terminal the same text again, every two seconds until Ctrl-C.\n\n"
    "Columns for -o: dataset role epoch peer peer_dataset peer_state lag_seconds backlog_bytes paused\n"
    "fenced health, as in --json, and error, the kind of last_error.\n\n"
    "Example:\n  zrepctl status\n  zrepctl status --json tank/fs\n"
    "  zrepctl status -o role,health tank/fs\n",
    0,
    10000,
    status_options,
    run_status};

}  // namespace zrepd::ctl
