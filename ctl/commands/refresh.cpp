// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/command.hpp"

namespace zrepd::ctl {
namespace {

void refresh_options(boost::program_options::options_description& options) {
    options.add_options()("dry-run", "say what the master would do, do nothing");
}

int run_refresh(const Invocation& invocation) {
    return start_on_selection<rpc::SyncIn>(invocation, "pair.refresh");
}

}  // namespace

const Command kRefresh{
    "refresh",
    "",
    "[--dry-run] FILESYSTEM...|all",
    "Have the master send what changed to a copy here",
    "Runs on the target's side: zrepctl sync, asked for from there. The master does it, and this waits\n"
    "for its end and says what came of it; a sync that is under way there already is waited for.\n"
    "`all` means every copy here. A paused pair is synced when it is named, and left out of all.\n\n"
    "Example:\n  zrepctl refresh backup/fs\n",
    1,
    10000,
    refresh_options,
    run_refresh,
    /*starts_run=*/true};

}  // namespace zrepd::ctl
