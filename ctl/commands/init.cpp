// SPDX-License-Identifier: BSD-2-Clause
#include <boost/program_options/value_semantic.hpp>

#include "common/props.hpp"
#include "common/text.hpp"
#include "ctl/command.hpp"

namespace zrepd::ctl {
namespace {

namespace po = boost::program_options;

// The daemon's own limit.
constexpr std::uint64_t kMaxSavecount = 1'000'000;

void init_options(po::options_description& options) {
    // clang-format off
    options.add_options()
        ("savecount", po::value<std::string>()->value_name("N"),
         "zrep snapshots to keep on each side, at least 2 [5]")
        ("adopt", "DESTINATION is a copy that is there already: send nothing")
        ("recursive,r", "with everything below FILESYSTEM, as one pair")
        ("dry-run", "check everything on both sides, change nothing");
    // clang-format on
}

int run_init(const Invocation& invocation) {
    rpc::InitIn in;
    const auto dataset = DatasetName::parse(invocation.words[0]);
    if (!dataset) return usage_error(invocation, dataset.error());
    const auto host = HostName::parse(invocation.words[1]);
    if (!host) return usage_error(invocation, host.error());
    const auto target = DatasetName::parse(invocation.words[2]);
    if (!target) return usage_error(invocation, target.error());
    in.dataset = dataset->str();
    in.host = host->str();
    in.target = target->str();
    if (invocation.has("savecount")) {
        // Not parsed by Boost: it reads -1 as 4294967295.
        const std::string& text = invocation.options["savecount"].as<std::string>();
        const auto count = parse_u64(text);
        if (!count || *count < prop::kMinSavecount || *count > kMaxSavecount) {
            return usage_error(invocation,
                               "--savecount " + quote(text) + ": it must be a number of at least " +
                                   std::to_string(prop::kMinSavecount) + " and at most " +
                                   std::to_string(kMaxSavecount));
        }
        in.savecount = static_cast<unsigned>(*count);
    }
    in.adopt = invocation.has("adopt");
    in.recursive = invocation.has("recursive");
    in.dry_run = invocation.has("dry-run");
    return start_and_follow(invocation, "pair.init", rpc::encode(in), {in.dataset});
}

}  // namespace

const Command kInit{
    "init",
    "-i",
    "[-r] [--adopt] [--savecount N] [--dry-run] FILESYSTEM HOST DESTINATION",
    "Make a pair and send everything for the first time",
    "FILESYSTEM is a filesystem or volume of this host, DESTINATION the name it gets on HOST, where\n"
    "its parent must exist and zrep:accept must list this host. HOST is the other host's own short\n"
    "name, which ssh has to know, or localhost for a second pool. The destination is readonly and\n"
    "not mounted. Interrupted: run it again, it continues where it was.\n\n"
    "With --adopt DESTINATION is a copy that zfs send, syncoid, zrepl or the like made. It becomes the\n"
    "target as it is; the next sync begins at the newest snapshot that both have. What it has beyond\n"
    "that is not touched: init refuses, and says what to do.\n\n"
    "With -r everything below FILESYSTEM belongs to the pair: one snapshot of all at one moment, and what\n"
    "appears below it later is sent too. What is part of another pair is left out and keeps its own.\n"
    "The copy of what vanishes stays; zrepctl status names it. With --adopt what is at DESTINATION already is\n"
    "taken as it is, all of it or none, and the rest is sent whole.\n\n"
    "Example:\n  on beta:  zrepctl set backup zrep:accept=alpha\n"
    "  on alpha: zrepctl init tank/fs beta backup/fs\n",
    3,
    3,
    init_options,
    run_init,
    /*starts_run=*/true};

}  // namespace zrepd::ctl
