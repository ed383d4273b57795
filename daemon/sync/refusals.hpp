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
/// A command as it is run where the pair's master is.
std::string where_the_master_is(const plan::Pair& pair, const std::string& command);

}  // namespace zrepd::sync
