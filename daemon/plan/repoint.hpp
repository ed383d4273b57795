// SPDX-License-Identifier: BSD-2-Clause
// Where the other side of a pair is from now on: it was renamed, moved, or its host was. Pure.
#pragma once

#include "daemon/plan/pair.hpp"
#include "daemon/zfs/zfs_spec.hpp"

namespace zrepd::plan {

struct OtherSide {
    HostName host;
    DatasetName dataset;
};

/// What is to be set on this side, all of it at once: both ends of the pair, this one by its name
/// of today. not_configured when it is no side of a pair; wrong_role when it is the other side than
/// `as_target` says; busy while a role change or the first copy is unfinished; invalid_params when
/// both ends would be the same.
Result<PropertyList> repoint(const Dataset& dataset,
                             const Self& self,
                             const OtherSide& other,
                             bool as_target);

}  // namespace zrepd::plan
