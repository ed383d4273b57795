// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/command.hpp"

namespace zrepd::ctl {
namespace {

void failover_options(boost::program_options::options_description& options) {
    // clang-format off
    options.add_options()
        ("local,L", "only this side: it steps down without the other one")
        ("dry-run", "say what would be done and what stands in the way, do nothing");
    // clang-format on
}

int run_failover(const Invocation& invocation) {
    return start_role_change(invocation, "pair.failover");
}

}  // namespace

const Command kFailover{
    "failover",
    "",
    "[-L] [--dry-run] FILESYSTEM...|FILESYSTEM@SNAPSHOT|all",
    "Give the role of master to the other side",
    "Runs on the master's side. Syncs, checks the other side, makes this side readonly, syncs what\n"
    "came meanwhile, and hands over; nothing is lost. Whatever fails before the hand-over leaves this\n"
    "side the master, writable. Cut off after it, zrepd goes on by itself as soon as both run.\n\n"
    "With -L the other side is not waited for: this side goes back to the last snapshot that was\n"
    "acknowledged and is a target; what came later is kept beside it (zrepctl rescue list). The other\n"
    "side becomes the master when it answers, or by zrepctl takeover -L there.\n\n"
    "With @SNAPSHOT, one that both sides have, the other side begins at it: what is newer is kept beside\n"
    "either filesystem first (zrepctl rescue list), then both are rolled back. --dry-run says how much\n"
    "that is.\n\n"
    "Example:\n  zrepctl failover --dry-run tank/fs\n  zrepctl failover tank/fs\n"
    "  zrepctl failover tank/fs@zrep_000041\n",
    1,
    10000,
    failover_options,
    run_failover,
    /*starts_run=*/true};

}  // namespace zrepd::ctl
