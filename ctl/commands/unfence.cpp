// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/command.hpp"

namespace zrepd::ctl {
namespace {

void unfence_options(boost::program_options::options_description& options) {
    options.add_options()("dry-run", "say what would be done, do nothing");
}

int run_unfence(const Invocation& invocation) {
    return start_on_selection<rpc::UnfenceIn>(invocation, "pair.unfence");
}

}  // namespace

const Command kUnfence{
    "unfence",
    "",
    "[--dry-run] FILESYSTEM...|all",
    "Serve a master that zrep:fence keeps from it, without the other side's word",
    "With zrep:fence=boot a master is not mounted after a reboot until its peer says that it did not\n"
    "take over meanwhile. When the peer cannot be asked, somebody has to look who is the master there,\n"
    "and say so with this. If the other side is the master after all, what is written here is kept\n"
    "beside the filesystem as soon as it answers (zrepctl rescue list).\n\n"
    "Example:\n  zrepctl unfence --dry-run tank/fs\n  zrepctl unfence tank/fs\n",
    1,
    10000,
    unfence_options,
    run_unfence,
    /*starts_run=*/true};

}  // namespace zrepd::ctl
