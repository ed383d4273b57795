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
    "  savecount  zrep snapshots to keep on this side, 2 to 1000000 [5]\n"
    "  keep       older zrep snapshots to keep on this side besides, as SPAN:EVERY,...:\n"
    "             24h:1h,30d:1d is one per hour of the last day and one per day of the last 30,\n"
    "             the oldest of each; none: no others [none]\n"
    "  interval   how often to sync, like 10s, 1m, 1h, at least 1s; none or off: only on\n"
    "             request, also where it would inherit one [none]\n"
    "  paused     whether scheduled syncs skip it: yes, no, or a time until which they do [no]\n"
    "  accept     hosts, separated by commas, that may create and receive filesystems below\n"
    "             this dataset [nobody]\n"
    "  limit      bytes per second of each stream, like 10M; 0: no limit; from the next stream\n"
    "             on [none]\n"
    "  minfree    free space of the pool below which no snapshot is taken, like 5G [none]\n"
    "  maxsnaps   zrep snapshots that may wait unacknowledged besides the base, 1 to 1000000 [1]\n"
    "  fence      what a master does without the other side's word: off, nothing; boot: after a\n"
    "             reboot it is not mounted until the other side says that it did not take over;\n"
    "             lease: besides that, it is readonly when the other side has not confirmed it\n"
    "             for lease-time [off]\n"
    "On a target, all but savecount, keep and accept wait for the day on which it is the master.\n\n"
    "Example:\n  zrepctl set tank zrep:interval=1m\n",
    2,
    100,
    set_options,
    run_set};

}  // namespace zrepd::ctl
