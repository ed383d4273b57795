// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/command.hpp"

namespace zrepd::ctl {
namespace {

void add_options(boost::program_options::options_description& options) {
    options.add_options()("dry-run", "say what would be done, do nothing");
}

int run(const Invocation& invocation) {
    rpc::SyncIn in;
    in.all = invocation.words.size() == 1 && invocation.words[0] == "all";
    in.dry_run = invocation.has("dry-run");
    for (const auto& word : invocation.words) {
        if (in.all) break;
        const auto dataset = DatasetName::parse(word);
        if (!dataset) return complain(invocation, dataset.error());
        in.datasets.push_back(dataset->str());
    }
    return start_and_follow(invocation, "pair.sync", rpc::encode(in));
}

}  // namespace

const Command kSync{
    "sync", "-S", "FILESYSTEM...|all",
    "Send what changed since the last sync",
    "Runs on the master's side. `all` means every filesystem whose master is here and that is not\n"
    "paused; a paused one can be synced by name. A filesystem that is being synced already is not\n"
    "sent twice: zrepctl waits for that run. An interrupted stream is resumed.\n\n"
    "Example:\n  zrepctl sync tank/fs\n  zrepctl sync all\n",
    1, 10000, add_options, run};

}  // namespace zrepd::ctl
