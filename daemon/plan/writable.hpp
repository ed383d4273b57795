// SPDX-License-Identifier: BSD-2-Clause
// Targets that can be written to, although nobody but zrepd is to change them. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "daemon/zfs/model.hpp"

namespace zrepd::plan {

/// What Trouble::kind says of it.
inline constexpr const char* kWritableTarget = "writable";

/// `mount -o remount,rw`, or a readonly=off by hand: refused, with the command that ends it.
/// `sides`: the target, of a tree all its members; `writable`: where each dataset is mounted
/// read-write.
std::optional<Error> writable_target(
    const std::vector<const Dataset*>& sides,
    const std::map<std::string, std::string, std::less<>>& writable);

}  // namespace zrepd::plan
