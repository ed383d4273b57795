// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/command.hpp"

namespace zrepd::ctl {
namespace {

void takeover_options(boost::program_options::options_description& options) {
    // clang-format off
    options.add_options()
        ("local,L", "the master is dead: take over without asking it")
        ("master-is-off", "with -L: you are sure that the old master takes no writes; do not wait for its lease")
        ("dry-run", "say how old the data is and what would be done, do nothing");
    // clang-format on
}

int run_takeover(const Invocation& invocation) {
    return start_role_change(invocation, "pair.takeover");
}

}  // namespace

const Command kTakeover{
    "takeover",
    "",
    "[-L [--master-is-off]] [--dry-run] FILESYSTEM...|FILESYSTEM@SNAPSHOT|all",
    "Take the role of master to this side",
    "Runs on the target's side, and asks the master for what zrepctl failover does there.\n\n"
    "With -L, for when the master is dead: this side becomes the master with the data it has. Look\n"
    "first with --dry-run how old that is. The old master is not contacted and may still be written to\n"
    "where it cannot hear of this; when it does, it becomes the target by itself, and what it had and\n"
    "never sent is kept beside it there (zrepctl rescue list).\n\n"
    "Under zrep:fence=lease the old master turns readonly by itself when nobody confirms it; -L waits\n"
    "until that is so, and says how long. --master-is-off takes your word instead, that it is off.\n\n"
    "With @SNAPSHOT this side begins at it, as zrepctl failover has it: what is newer is kept beside\n"
    "either filesystem. A takeover -L that is cut off before this side is the master leaves a target that\n"
    "went back; run it again.\n\n"
    "Example:\n  zrepctl takeover -L --dry-run backup/fs\n  zrepctl takeover -L backup/fs\n"
    "  zrepctl takeover -L backup/fs@zrep_000041\n",
    1,
    10000,
    takeover_options,
    run_takeover,
    /*starts_run=*/true};

}  // namespace zrepd::ctl
