// SPDX-License-Identifier: BSD-2-Clause
#include <cstdio>

#include "ctl/command.hpp"
#include "ctl/render/json.hpp"
#include "ctl/render/table.hpp"

namespace zrepd::ctl {
namespace {

void add_options(boost::program_options::options_description&) {}

int run(const Invocation& invocation) {
    auto client = Client::connect(invocation.socket, /*read_only=*/true);
    if (!client) return complain(invocation, client.error());
    auto status = client->call_as<rpc::StatusOut>("status.get", rpc::DatasetsIn{invocation.words});
    if (!status) return complain(invocation, status.error());
    if (invocation.json) print_json(rpc::encode(*status));
    else std::fputs(status_text(*status).c_str(), stdout);
    return kDone;
}

}  // namespace

const Command kStatus{
    "status", "", "[FILESYSTEM...]",
    "Show how fresh the copies are, what runs, and what is wrong",
    "LAG is the time since both sides were last known to hold the same; BACKLOG what was written\n"
    "since, as last seen. Troubles follow the table, each with what to do next. --json is a contract:\n"
    "docs/status.schema.json.\n",
    0, 10000, add_options, run};

}  // namespace zrepd::ctl
