// SPDX-License-Identifier: BSD-2-Clause
// What the role changes work with; owned and ordered by app.cpp.
#pragma once

#include "daemon/sync/engine.hpp"
#include "daemon/zfs/subprocess.hpp"

namespace zrepd::failover {

/// What holds a dataset for longer is told to the caller instead of waited for.
inline constexpr std::chrono::seconds kLockWait{60};
/// How long a peer may take to answer a question.
inline constexpr std::chrono::seconds kAskLimit{60};
/// Between two looks at something that ends by itself.
inline constexpr std::chrono::seconds kLookAgain{1};

class Fences;
class Leases;

struct RoleParts {
    sync::Parts& parts;
    sync::Engine& engine;
    peer::Peers& peers;
    Processes& processes;      ///< for hooks
    Fences* fences = nullptr;  ///< of Roles, which sets it
    Leases* leases = nullptr;  ///< the same
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
/// No role change: a target asks its master for a sync.
inline constexpr std::string_view kRefresh = "refresh";

/// Whether a run or lock of this operation may change who is master, or how it is served.
inline bool is_role_change(std::string_view operation) {
    return operation == kFailover || operation == kTakeover || operation == kResolve ||
           operation == kPromote || operation == kRejoin || operation == kRecovery ||
           operation == kUnfence;
}

}  // namespace zrepd::failover
