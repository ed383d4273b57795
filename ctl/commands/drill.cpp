// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/command.hpp"

namespace zrepd::ctl {
namespace {

namespace po = boost::program_options;

void drill_options(po::options_description& options) {
    // clang-format off
    options.add_options()
        ("run", po::value<std::string>()->value_name("PROGRAM"),
         "run it with the path of the mounted clone as its argument; status 0 means content")
        ("dry-run", "say what would be done, do nothing");
    // clang-format on
}

int run_drill(const Invocation& invocation) {
    auto chosen = select(invocation.words, /*all_allowed=*/false);
    if (!chosen) return usage_error(invocation, chosen.error());
    rpc::DrillIn in;
    in.dataset = chosen->datasets.front();
    if (invocation.has("run")) in.program = invocation.options["run"].as<std::string>();
    in.dry_run = invocation.has("dry-run");
    return start_and_follow(invocation, "pair.drill", rpc::encode(in), chosen->datasets);
}

}  // namespace

const Command kDrill{
    "drill",
    "",
    "[--run PROGRAM] [--dry-run] FILESYSTEM",
    "Prove that a copy can be used, without touching it",
    "Clones the newest acknowledged snapshot, mounts the clone readonly below zrepd's runtime\n"
    "directory, runs PROGRAM on it, unmounts it and destroys the clone. Replication goes on meanwhile.\n"
    "Of a volume PROGRAM gets the device; of a recursive pair a path for each dataset, the root's first.\n\n"
    "Example:\n  zrepctl drill backup/fs --run /usr/local/sbin/check-database\n",
    1,
    1,
    drill_options,
    run_drill,
    /*starts_run=*/true};

}  // namespace zrepd::ctl
