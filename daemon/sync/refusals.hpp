// SPDX-License-Identifier: BSD-2-Clause
// Why a dataset is not synced, expired or initialized, and what to do instead: in one place, so
// that a call, a run and a dry run say the same. Only looks at what the inventory knows.
#pragma once

#include "daemon/sync/parts.hpp"

namespace zrepd::sync {

/// wrong_role: a target, or a pair that is not complete.
Error not_a_master(const plan::Pair& pair);
/// wrong_role: an init that did not end, and how it goes on. Nobody remembers why after a restart.
Error unfinished_init(const plan::Pair& pair);
/// A recursive pair is not fenced (ADR 0015).
Error no_fence_of_a_tree(const plan::Pair& pair);
/// not_configured; says when it belongs to a pair of a former host name, and names the pairs below.
Error not_configured(const Parts& parts, const DatasetName& dataset);
/// not_found or not_configured.
Error no_pair(const Parts& parts, const DatasetName& dataset);
/// already_running: this run does what was asked for.
Error same_work(const Run& run, const DatasetName& dataset);
/// busy: this run does something else to the dataset.
Error other_work(const Run& run, const DatasetName& dataset);
/// Why the look at this dataset failed, if it did.
std::optional<Error> why_unseen(const Result<LeftOut>& seen, const DatasetName& dataset);
/// Why this dataset cannot be synced from here, as it was just `seen`.
std::optional<Error> why_not_synced(const Parts& parts,
                                    const Result<LeftOut>& seen,
                                    const DatasetName& dataset);

/// not_found: neither a filesystem nor a volume of this host.
Error no_dataset(const DatasetName& name);
/// What `all` would have worked on, and cannot: an init that did not end, a side whose stored names
/// or whose host's name are not what they were. `role`: the one that is worked on.
std::vector<DatasetName> not_reached_by_all(const Parts& parts, plan::Role role);
/// A remedy as it was written on `host`, for somebody on another one.
std::string remedy_from(const HostName& host, std::string remedy);
/// What the peer's zrepd, or a run of its, said to a user of its own, for one of ours. What is
/// wrong between the hosts is not the peer's word.
Error said_there(const HostName& peer, Error error);
/// Of what the peer answered to us: its own zfs and what it waits for are to be mended there.
Error failed_there(const HostName& peer, Error error);
/// not_accepted, or that both sides are the master: then the other one is asked.
Task<Error> why_not_accepted(Parts& parts, peer::Peers& peers, plan::Pair pair, Error error);
/// split_brain, or that it was overtaken, for the peer that takes `pair`, which is a master here,
/// for its target.
Error master_here_too(const Parts& parts, const plan::Pair& pair, std::uint64_t epoch_there);
/// A command as it is run on the pair's other side.
std::string run_on_other_side(const plan::Pair& pair, const std::string& command);

}  // namespace zrepd::sync
