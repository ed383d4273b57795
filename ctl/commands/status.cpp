// SPDX-License-Identifier: BSD-2-Clause
#include <cstdio>

#include "ctl/command.hpp"
#include "ctl/render/json.hpp"
#include "ctl/render/table.hpp"

namespace zrepd::ctl {
namespace {

void add_options(boost::program_options::options_description&) {}

int run(const Invocation& invocation) {
    const auto chosen = select(invocation.words, /*all_allowed=*/false);
    if (!chosen) return usage_error(invocation, chosen.error());
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
        std::fputs(status_text(*status).c_str(), stdout);
    return tell_problem(invocation, status->problem);
}

}  // namespace

const Command kStatus{
    "status",
    "",
    "[FILESYSTEM...]",
    "Show how fresh the copies are, what runs, and what is wrong",
    "LAG is how long ago source and copy were last known to hold the same data: it grows until the\n"
    "next sync, whether anything is written or not. BACKLOG is what was written since, as last seen.\n"
    "Troubles follow the table, each with what to do next. The exit status is 0 whatever they are,\n"
    "and 1 when zrepd cannot know all of its pairs, or when some belong to a former host name. --json is a contract: docs/status.schema.json.\n\n"
    "Example:\n  zrepctl status\n  zrepctl status --json tank/fs\n",
    0,
    10000,
    add_options,
    run};

}  // namespace zrepd::ctl
