// SPDX-License-Identifier: BSD-2-Clause
// Pairs that a changed host name hides: what is stored makes a dataset one side of a pair, but of a
// host that is not called as we are. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "daemon/plan/pair.hpp"

namespace zrepd::plan {

/// The host whose side of a pair this dataset is by its own properties, when neither of the pair's
/// hosts is us; nullopt for our pairs and for what is no side of any.
std::optional<std::string> foreign_host(const Dataset& dataset, const Self& self);

/// not_configured with how many there are and whose, and how to get them back; nullopt when there
/// are none. `config_file`: where host-name is set.
std::optional<Error> foreign_pairs(const std::map<DatasetName, Dataset>& all,
                                   const Self& self,
                                   const std::string& config_file);

}  // namespace zrepd::plan
