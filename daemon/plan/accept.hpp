// SPDX-License-Identifier: BSD-2-Clause
// zrep:accept: which hosts may create datasets below one, and one host more or less on that list.
// Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "daemon/zfs/model.hpp"

namespace zrepd::plan {

/// Host names separated by commas or white space; "none" is nobody, where another list would be
/// inherited.
std::vector<std::string> host_list(std::string_view value);

/// "+alpha" or "-alpha,gamma" instead of a list: no host's name begins so.
bool is_accept_change(std::string_view value);
/// invalid_params when it names no host, or something that is none.
Result<void> check_accept_change(std::string_view change);

struct AcceptEdit {
    bool changes = false;
    std::string value;               ///< the list from now on; empty: the property goes, and what
                                     ///< is inherited then lists nobody either
    std::vector<std::string> notes;  ///< what the administrator should know
};
/// What a change makes of the list in force on `dataset`. Hosts that it inherits are kept: one more
/// must not shut out the others. A list that becomes empty does not give way to the one above.
/// `parent`: the dataset's; nullptr for a pool. conflict when a host is to go that is only
/// inherited.
Result<AcceptEdit> edit_accept(const Dataset& dataset,
                               const Dataset* parent,
                               std::string_view change);

}  // namespace zrepd::plan
