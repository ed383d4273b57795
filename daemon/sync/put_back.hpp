// SPDX-License-Identifier: BSD-2-Clause
// The master's part of putting its target back to an acknowledged snapshot (zrepctl sync FS@SNAP).
// Thread: io thread. Errors: those of plan/put_back.hpp and of Peers; unsupported when the peer is
// too old. Atomicity: cut anywhere it is a pair that a sync brings forward, and the same call again
// finishes it. Paused first, so that nothing does so by itself.
#pragma once

#include "daemon/plan/put_back.hpp"
#include "daemon/sync/transfer.hpp"

namespace zrepd::sync {

struct PutBackRequest {
    DatasetName dataset;
    std::string snapshot;  ///< after the '@'
};

/// Asked on the side that is not the master: where it can be.
Error put_back_elsewhere(const plan::Pair& pair, const std::string& snapshot);
/// What put_back() does, in words, one step each; asks the peer.
Task<Result<std::vector<std::string>>> put_back_steps(SourceParts source,
                                                      PutBackRequest request,
                                                      std::chrono::seconds limit);
/// Does it. The dataset is locked by the caller. Nothing was changed when the peer refuses.
Task<Result<rpc::RunResult>> put_back(SourceParts source, RunPtr run, PutBackRequest request);

}  // namespace zrepd::sync
