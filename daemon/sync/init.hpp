// SPDX-License-Identifier: BSD-2-Clause
// Making a pair: checks on both sides, the role properties, the first full stream.
// An interrupted init is run again and continues: the source carries the pair without
// zrep:master, the target what it received. Nothing of the target is destroyed that the same init
// did not make. Thread: io thread.
#pragma once

#include "daemon/sync/transfer.hpp"

namespace zrepd::sync {

struct InitRequest;

/// Everything that can be checked on this side, with a fresh look.
Task<Result<void>> check_init_here(Parts& parts, const InitRequest& request);
/// Fresh lists of the dataset and, for a tree, of what lies below it.
Task<Result<void>> look_at_source(Parts& parts, const InitRequest& request);
/// That no pair above or below is being made at this moment. Asked right before the run starts,
/// with nothing waited for in between.
Result<void> check_no_nested_init(const Parts& parts, const InitRequest& request);
/// What init_pair() would do, in words; asks the peer.
Task<Result<std::vector<std::string>>> init_steps(SourceParts source,
                                                  InitRequest request,
                                                  std::chrono::seconds limit);
/// Does it. The dataset is locked by the caller.
Task<Result<rpc::RunResult>> init_pair(SourceParts source, RunPtr run, InitRequest request);

}  // namespace zrepd::sync
