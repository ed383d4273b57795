// SPDX-License-Identifier: BSD-2-Clause
#include <cstdio>

#include "ctl/command.hpp"
#include "ctl/render/json.hpp"
#include "ctl/render/table.hpp"

namespace zrepd::ctl {
namespace {

void list_options(boost::program_options::options_description& options) {
    // clang-format off
    options.add_options()
        ("verbose,v", "with all zrep: properties")
        ("incoming,L", "only filesystems received from other hosts");
    // clang-format on
}

int run_list(const Invocation& invocation) {
    const auto chosen = select(invocation.words, /*all_allowed=*/false);
    if (!chosen) return usage_error(invocation, chosen.error());
    auto client = Client::connect(invocation.socket, /*read_only=*/true);
    if (!client) return complain(invocation, client.error());
    auto list = client->call_as<rpc::ListOut>("pair.list", rpc::DatasetsIn{chosen->datasets});
    if (!list) return complain(invocation, list.error());
    const ListWish wish{.host = client->hello().host,
                        .verbose = invocation.has("verbose"),
                        .incoming = invocation.has("incoming")};
    if (invocation.json)
        print_json(rpc::encode(wish.incoming ? incoming_of(*list) : *list));
    else
        std::fputs(list_answer(*list, wish).c_str(), stdout);
    return tell_problem(invocation, list->problem);
}

}  // namespace

const Command kList{
    "list",
    "-l",
    "[-v] [-L] [FILESYSTEM...]",
    "Show the pairs of this host",
    "One line each: the dataset here, the one there, and the role of this side. Looks at ZFS anew;\n"
    "zrepctl status answers from memory. Without names the exit status is 1, and what it is follows,\n"
    "when there may be pairs that are not shown: zrepd cannot know all of them, or some have a\n"
    "former name of this host or of their filesystem; with names, when the pool of one cannot be looked\n"
    "at. What is known is listed all the same.\n\n"
    "Example:\n  zrepctl list -v tank/fs\n",
    0,
    10000,
    list_options,
    run_list};

}  // namespace zrepd::ctl
