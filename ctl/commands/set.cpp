// SPDX-License-Identifier: BSD-2-Clause
#include "common/text.hpp"
#include "ctl/command.hpp"

namespace zrepd::ctl {
namespace {

void set_options(boost::program_options::options_description& options) {
    options.add_options()("dry-run", "say what would be done, do nothing");
}

int run_set(const Invocation& invocation) {
    rpc::SetIn in;
    const auto dataset = DatasetName::parse(invocation.words[0]);
    if (!dataset) return usage_error(invocation, dataset.error());
    in.dataset = dataset->str();
    in.dry_run = invocation.has("dry-run");
    for (std::size_t i = 1; i < invocation.words.size(); ++i) {
        const std::string& word = invocation.words[i];
        const std::size_t equals = word.find('=');
        if (equals == word.npos || equals == 0) {
            return usage_error(invocation, quote(word) + " is not KEY=VALUE");
        }
        const bool first =
            in.settings.emplace(word.substr(0, equals), word.substr(equals + 1)).second;
        if (!first) return usage_error(invocation, quote(word) + ": this setting is given twice");
    }
    return call_and_report(invocation, "pair.set", rpc::encode(in));
}

}  // namespace

const Command kSet{
    "set",
    "",
    "[--dry-run] DATASET KEY=VALUE...",
    "Change settings of a pair, or of every pair below a dataset",
    "Settings are ZFS user properties and inherit. KEY may lack its zrep: in front; KEY= removes one.\n"
    "  savecount  zrep snapshots to keep on this side, 2 to 1000000\n"
    "  interval   how often to sync, like 10s, 1m, 1h; none: only on request, also where\n"
    "             it would inherit one\n"
    "  paused     yes, no, or a time until which scheduled syncs skip it\n"
    "  accept     hosts that may create and receive filesystems below this dataset\n"
    "  limit      bytes per second, like 10M; 0: none; from the next stream on\n"
    "  minfree    free space below which no snapshot is taken, like 5G\n"
    "  maxsnaps   zrep snapshots that may wait unacknowledged\n"
    "  fence      boot: after a reboot the master is not mounted until the other side says\n"
    "             that it did not take over; lease: besides that, it is readonly when the\n"
    "             other side has not confirmed it for a while; off (default)\n"
    "On a target, all but savecount and accept wait for the day on which it is the master.\n\n"
    "Example:\n  zrepctl set tank zrep:interval=1m\n",
    2,
    100,
    set_options,
    run_set};

}  // namespace zrepd::ctl
