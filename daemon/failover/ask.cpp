// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/failover/ask.hpp"

#include "daemon/failover/parts.hpp"

namespace zrepd::failover {

std::string_view operation_of(Ask ask) {
    switch (ask) {
        case Ask::failover:
        case Ask::failover_local:
            return kFailover;
        case Ask::takeover:
        case Ask::takeover_local:
            return kTakeover;
        case Ask::keep_here:
        case Ask::keep_peer:
            return kResolve;
        case Ask::unfence:
            return kUnfence;
    }
    return kFailover;
}

std::string goal_of(Ask ask) {
    switch (ask) {
        case Ask::failover:
        case Ask::takeover:
        case Ask::unfence:
            return {};
        case Ask::failover_local:
        case Ask::takeover_local:
            return "-L";
        case Ask::keep_here:
            return "--keep HERE";
        case Ask::keep_peer:
            return "--keep PEER";
    }
    return {};
}

std::string goal_at_snapshot(Ask ask) {
    return goal_of(ask) + "@";
}

bool asks_peer(std::string_view operation, std::string_view goal) {
    return operation == kTakeover &&
           (goal == goal_of(Ask::takeover) || goal == goal_at_snapshot(Ask::takeover));
}

Command command_of(Ask ask, bool back) {
    if (back && ask == Ask::failover) return Command::failover_back;
    if (back && ask == Ask::takeover_local) return Command::takeover_back;
    switch (ask) {
        case Ask::failover:
        case Ask::takeover:
            return Command::failover;
        case Ask::failover_local:
            return Command::failover_local;
        case Ask::takeover_local:
            return Command::takeover_local;
        case Ask::keep_here:
            return Command::keep_here;
        case Ask::keep_peer:
            return Command::keep_peer;
        case Ask::unfence:
            return Command::unfence;
    }
    return Command::failover;
}

bool is_reached(Ask ask, const Stored& stored) {
    if (ask == Ask::unfence) return stored.master && stored.journal == Journal::none;
    const bool here = ask == Ask::takeover_local || ask == Ask::keep_here;
    if (stored.master != here || stored.journal == Journal::stepping_down) return false;
    // Of a failover the other side's answer is part; a local one goes on by itself.
    return ask != Ask::failover || stored.journal == Journal::none;
}

}  // namespace zrepd::failover
