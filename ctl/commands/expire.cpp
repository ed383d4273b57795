// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/command.hpp"

namespace zrepd::ctl {
namespace {

void expire_options(boost::program_options::options_description& options) {
    // clang-format off
    options.add_options()
        ("local,L", "only on this side")
        ("dry-run", "say what would be destroyed on both sides, destroy nothing");
    // clang-format on
}

int run_expire(const Invocation& invocation) {
    return start_on_selection<rpc::ExpireIn>(invocation, "pair.expire");
}

}  // namespace

const Command kExpire{
    "expire",
    "-e",
    "[-L] [--dry-run] FILESYSTEM...|all",
    "Destroy zrep snapshots beyond savecount",
    "Every sync does this by itself. Each side keeps its own zrep:savecount newest, and older\n"
    "ones by its zrep:keep. Never destroyed: the last common snapshot and anything newer, anything held or cloned, anything zrepd did not\n"
    "take.\n\nExample:\n  zrepctl set tank/fs zrep:savecount=10\n  zrepctl expire --dry-run tank/fs\n",
    1,
    10000,
    expire_options,
    run_expire,
    /*starts_run=*/true};

}  // namespace zrepd::ctl
