// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/command.hpp"

namespace zrepd::ctl {
namespace {

void clear_options(boost::program_options::options_description& options) {
    options.add_options()("dry-run", "say what would be done, do nothing");
}

int run_clear(const Invocation& invocation) {
    rpc::ClearIn in;
    const auto dataset = DatasetName::parse(invocation.words[0]);
    if (!dataset) return usage_error(invocation, dataset.error());
    in.dataset = dataset->str();
    in.dry_run = invocation.has("dry-run");
    return call_and_report(invocation, "pair.clear", rpc::encode(in));
}

}  // namespace

const Command kClear{
    "clear",
    "",
    "[--dry-run] FILESYSTEM",
    "Forget a pair on this side; no data is destroyed",
    "Removes the pair's properties, our holds and our bookmarks. Snapshots stay. The other side is\n"
    "not asked; run it there too.\n\nExample:\n  zrepctl clear --dry-run tank/fs\n",
    1,
    1,
    clear_options,
    run_clear};

}  // namespace zrepd::ctl
