// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/command.hpp"

namespace zrepd::ctl {
namespace {

void changeconfig_options(boost::program_options::options_description& options) {
    // clang-format off
    options.add_options()
        ("target,d", "FILESYSTEM is the copy; HOST and OTHER say where its master is")
        ("unchecked", "do not ask HOST whether OTHER is the copy of it")
        ("dry-run", "check everything, change nothing");
    // clang-format on
}

int run_changeconfig(const Invocation& invocation) {
    rpc::ConfigIn in;
    const auto dataset = DatasetName::parse(invocation.words[0]);
    if (!dataset) return usage_error(invocation, dataset.error());
    const auto host = HostName::parse(invocation.words[1]);
    if (!host) return usage_error(invocation, host.error());
    const auto other = DatasetName::parse(invocation.words[2]);
    if (!other) return usage_error(invocation, other.error());
    in.dataset = dataset->str();
    in.host = host->str();
    in.other = other->str();
    in.as_target = invocation.has("target");
    in.unchecked = invocation.has("unchecked");
    in.dry_run = invocation.has("dry-run");
    return call_and_report(invocation, "pair.changeconfig", rpc::encode(in));
}

}  // namespace

const Command kChangeconfig{
    "changeconfig",
    "-C",
    "[-d] [--unchecked] [--dry-run] FILESYSTEM HOST OTHER",
    "Say where the other side of a pair is now",
    "After a host or a filesystem was renamed or moved. It changes what this side knows, and sends,\n"
    "renames and destroys nothing. Run it on the copy's side first, with -d, where HOST and OTHER are the\n"
    "master's; then on the master's, where they are the copy's. There HOST is asked whether OTHER has a\n"
    "snapshot of FILESYSTEM to go on from, unless --unchecked.\n\n"
    "Example, after host beta was renamed to gamma:\n"
    "  on gamma: zrepctl changeconfig -d backup/fs alpha tank/fs\n"
    "  on alpha: zrepctl changeconfig tank/fs gamma backup/fs\n",
    3,
    3,
    changeconfig_options,
    run_changeconfig};

}  // namespace zrepd::ctl
