// SPDX-License-Identifier: BSD-2-Clause
#include <algorithm>

#include "ctl/command.hpp"

namespace zrepd::ctl {
namespace {

namespace po = boost::program_options;

void resolve_options(po::options_description& options) {
    // clang-format off
    options.add_options()
        ("keep", po::value<std::string>()->value_name("HERE|PEER"),
         "whose data counts: that of this host, or of the other")
        ("dry-run", "say what would be done, do nothing");
    // clang-format on
}

int run_resolve(const Invocation& invocation) {
    auto chosen = select(invocation.words, /*all_allowed=*/false);
    if (!chosen) return usage_error(invocation, chosen.error());
    if (!invocation.has("keep")) {
        return usage_error(invocation, "say whose data counts: --keep HERE or --keep PEER");
    }
    rpc::ResolveIn in;
    in.dataset = chosen->datasets.front();
    in.keep = invocation.options["keep"].as<std::string>();
    std::transform(in.keep.begin(), in.keep.end(), in.keep.begin(), [](unsigned char c) {
        return static_cast<char>(std::tolower(c));
    });
    if (in.keep != "here" && in.keep != "peer") {
        return usage_error(invocation, "--keep takes HERE or PEER");
    }
    in.dry_run = invocation.has("dry-run");
    return start_and_follow(invocation, "pair.resolve", rpc::encode(in), chosen->datasets);
}

}  // namespace

const Command kResolve{
    "resolve",
    "",
    "[--dry-run] FILESYSTEM --keep HERE|PEER",
    "End a split brain: say whose data counts",
    "For when both sides are master of the same epoch, which zrepctl status shows as split_brain and\n"
    "in which nothing is sent either way. The losing side keeps what only it has in a copy beside the\n"
    "filesystem (zrepctl rescue list), goes back to the last common snapshot and is the target again.\n\n"
    "Example:\n  zrepctl resolve tank/fs --keep HERE\n",
    1,
    1,
    resolve_options,
    run_resolve,
    /*starts_run=*/true};

}  // namespace zrepd::ctl
