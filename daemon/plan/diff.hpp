// SPDX-License-Identifier: BSD-2-Clause
// Where two histories meet. Pure. Identity is the guid, order is the source's createtxg.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/zfs/model.hpp"

namespace zrepd::plan {

/// The newest snapshot both sides have.
struct Base {
    std::string name;  ///< on the source: "@name", or "#name" when only its bookmark is left
    Guid guid;
    std::uint64_t createtxg = 0;   ///< on the source
    std::size_t target_index = 0;  ///< in the target's list
};

/// Any snapshot serves, foreign ones too; a bookmark where the snapshot is gone on the source.
/// nullopt when the sides have nothing in common.
std::optional<Base> newest_common(const Versions& source, const std::vector<Snapshot>& target);

}  // namespace zrepd::plan
