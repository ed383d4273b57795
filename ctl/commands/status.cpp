// SPDX-License-Identifier: BSD-2-Clause
#include <cstdio>

#include "ctl/command.hpp"
#include "ctl/render/columns.hpp"
#include "ctl/render/json.hpp"
#include "ctl/render/table.hpp"

namespace zrepd::ctl {
namespace {

void add_options(boost::program_options::options_description& options) {
    // clang-format off
    options.add_options()
        ("output,o", boost::program_options::value<std::string>()->value_name("COLUMN,..."),
         "only these columns, for scripts: separated by tabs, no heading, - for no value");
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

std::string text_of(const rpc::StatusOut& status, const std::vector<std::string>& columns) {
    return columns.empty() ? status_text(status) : status_lines(status, columns);
}

int run(const Invocation& invocation) {
    const auto chosen = select(invocation.words, /*all_allowed=*/false);
    if (!chosen) return usage_error(invocation, chosen.error());
    const auto columns = columns_of(invocation);
    if (!columns) return usage_error(invocation, columns.error());
    auto client = Client::connect(invocation.socket, /*read_only=*/true);
    if (!client) return complain(invocation, client.error());
    auto reply = client->call("status.get", rpc::encode(rpc::DatasetsIn{chosen->datasets}));
    if (!reply) return complain(invocation, reply.error());
    auto status = rpc::decode_as<rpc::StatusOut>(*reply, rpc::Strictness::reply);
    if (!status) return complain(invocation, status.error());
    // The daemon's own document: a newer one may say more than we know.
    if (invocation.json)
        print_json(*reply);
    else
        std::fputs(text_of(*status, *columns).c_str(), stdout);
    return tell_problem(invocation, status->problem);
}

}  // namespace

const Command kStatus{
    "status",
    "",
    "[-o COLUMN,...] [FILESYSTEM...]",
    "Show how fresh the copies are, what runs, and what is wrong",
    "LAG is how long ago source and copy were last known to hold the same data: it grows until the\n"
    "next sync, whether anything is written or not. BACKLOG is what was written since, as last seen.\n"
    "Troubles follow the table, each with what to do next. The exit status is 0 whatever they are,\n"
    "and 1 when zrepd cannot know all of its pairs, or when some belong to a former host name. --json is a contract: docs/status.schema.json.\n\n"
    "Columns for -o: dataset role epoch peer peer_dataset peer_state lag_seconds backlog_bytes paused\n"
    "health, as in --json, and error, the kind of last_error.\n\n"
    "Example:\n  zrepctl status\n  zrepctl status --json tank/fs\n"
    "  zrepctl status -o role,health tank/fs\n",
    0,
    10000,
    add_options,
    run};

}  // namespace zrepd::ctl
