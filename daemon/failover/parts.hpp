// SPDX-License-Identifier: BSD-2-Clause
// What the role changes work with; owned and ordered by app.cpp.
#pragma once

#include "daemon/sync/engine.hpp"
#include "daemon/zfs/subprocess.hpp"

namespace zrepd::failover {

class Fences;

struct RoleParts {
    sync::Parts& parts;
    sync::Engine& engine;
    peer::Peers& peers;
    Processes& processes;      ///< for hooks
    Fences* fences = nullptr;  ///< of Roles, which sets it
};

/// How the run of one dataset's role change looks to others.
inline constexpr std::string_view kFailover = "failover";
inline constexpr std::string_view kTakeover = "takeover";
inline constexpr std::string_view kResolve = "resolve";
inline constexpr std::string_view kPromote = "promote";
inline constexpr std::string_view kRejoin = "rejoin";
/// Only for hooks: what a cut left is set right.
inline constexpr std::string_view kRecovery = "recovery";
inline constexpr std::string_view kUnfence = "unfence";

}  // namespace zrepd::failover
