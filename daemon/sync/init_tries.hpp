// SPDX-License-Identifier: BSD-2-Clause
// What earlier tries of an init left on the master: each may have taken a snapshot, of other data
// than the one before, and holds it.
#pragma once

#include <string>
#include <vector>

#include "daemon/sync/parts.hpp"

namespace zrepd::sync {

/// Whether there was an earlier try: the pair is stored, and not complete.
bool was_begun(const Inventory& inventory, const DatasetName& dataset);
/// The snapshots of earlier tries of a filesystem's unfinished init, without the one that is sent
/// now, as last listed: zrep snapshots that zrepd alone holds, that were never acknowledged, and
/// that no clone needs. Names after the '@'. One process where there may be any; its error.
Task<Result<std::vector<std::string>>> earlier_tries(Parts& parts,
                                                     DatasetName dataset,
                                                     std::string sent_now);
/// Lets go of them: an init that fails for days leaves no more than one. What keeps one of them is
/// logged, and no reason for the init to fail.
Task<> drop_earlier_tries(Parts& parts, DatasetName dataset, std::string sent_now);

}  // namespace zrepd::sync
