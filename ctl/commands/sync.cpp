// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/command.hpp"

namespace zrepd::ctl {
namespace {

void add_options(boost::program_options::options_description& options) {
    options.add_options()("dry-run", "say what would be done, do nothing");
}

int run(const Invocation& invocation) {
    return start_on_selection<rpc::SyncIn>(invocation, "pair.sync");
}

}  // namespace

const Command kSync{
    "sync",
    "-S",
    "FILESYSTEM...|all",
    "Send what changed since the last sync",
    "Runs on the master's side. `all` means every filesystem whose master is here and that is not\n"
    "paused; a paused one can be synced by name. A filesystem that is being synced already is not\n"
    "sent twice: zrepctl waits for that run. One that is being expired or initialized is refused when\n"
    "it is the only one named; else it waits its turn. An interrupted stream is resumed.\n\n"
    "Example:\n  zrepctl sync tank/fs\n  zrepctl sync all\n",
    1,
    10000,
    add_options,
    run,
    /*starts_run=*/true};

}  // namespace zrepd::ctl
