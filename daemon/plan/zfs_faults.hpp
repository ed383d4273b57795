// SPDX-License-Identifier: BSD-2-Clause
// Versions of OpenZFS with faults that replication meets (docs/hazards.md). Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/plan/pair.hpp"

namespace zrepd::plan {

/// What has to be replicated here for a fault to matter.
enum class Touches { encrypted, inherited_key, volume };

struct ZfsFault {
    std::string_view before = {};  ///< the first version without it; empty: none is known
    Touches touches = Touches::encrypted;
    bool grave = false;           ///< a role change may end without the data: more than a note
    std::string_view issue = {};  ///< of OpenZFS
    std::string_view what = {};
    std::string_view next = {};
};

/// Oldest end first. `version`: as "2.1.11"; there are none of one that cannot be read.
std::vector<ZfsFault> faults_of(std::string_view version);

/// Whether zrepd does not know that version's commands; false for one that cannot be read.
bool is_too_old(std::string_view version);

/// One line of a version's faults, of whatever they are: "volumes (openzfs#5826), …"; empty: none.
std::string summary_of(const std::vector<ZfsFault>& faults);

/// The first side of a pair here that it matters to; nullptr: none.
const Dataset* first_touched(const ZfsFault& fault,
                             const std::map<DatasetName, Dataset>& all,
                             const std::vector<DatasetName>& sides);

}  // namespace zrepd::plan
