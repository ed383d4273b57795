// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/metrics/samples.hpp"

#include <array>

#include "common/units.hpp"

namespace zrepd::metrics {
namespace {

using Pair = rpc::PairStatus;

constexpr std::array<std::string_view, 5> kHealth{
    "ok", "late", "failing", "conflict", "split_brain"};
constexpr std::array<std::string_view, 3> kPeerStates{"connected", "unreachable", "unknown"};

std::uint64_t flag(bool value) {
    return value ? 1 : 0;
}

template <class Write>
void each_pair(const Figures& figures, Write write) {
    for (const Pair& pair : figures.status.pairs) write(pair);
}

/// What was counted of a pair, and what it always does, from the start on: a counter that begins
/// with its first failure has no increase by it.
Counters::Pair counted(const Figures& figures, const Pair& pair) {
    const auto found = figures.counters.pairs().find(pair.dataset);
    Counters::Pair out = found == figures.counters.pairs().end() ? Counters::Pair{} : found->second;
    if (pair.role == "master") out.operations["sync"];
    if (pair.role == "target") out.operations["receive"];
    const auto moving = figures.moving.find(pair.dataset);
    if (moving != figures.moving.end()) {
        const bool in = receives(moving->second.operation);
        (in ? out.received_bytes : out.sent_bytes) += moving->second.bytes;
    }
    return out;
}

void write_since(TextWriter& out,
                 const Figures& figures,
                 const std::string& dataset,
                 const rpc::Trouble& trouble) {
    out.sample({{"dataset", dataset}, {"kind", trouble.kind}},
               from_rfc3339(trouble.since).value_or(figures.now));
}

}  // namespace

void write_build(TextWriter& out, const Figures& figures) {
    const rpc::VersionOut& is = figures.version;
    out.sample(
        {{"version", is.version}, {"protocol", is.protocol}, {"zfs", is.zfs}, {"host", is.host}},
        std::uint64_t{1});
}

void write_started(TextWriter& out, const Figures& figures) {
    out.sample({}, figures.started);
}

void write_pairs(TextWriter& out, const Figures& figures) {
    out.sample({}, std::uint64_t{figures.status.pairs.size()});
}

void write_unknown(TextWriter& out, const Figures& figures) {
    out.sample({}, flag(figures.status.problem.has_value()));
}

void write_active(TextWriter& out, const Figures& figures) {
    out.sample({}, figures.active_runs);
}

void write_processes(TextWriter& out, const Figures& figures) {
    for (const auto& [program, count] : figures.processes) {
        out.sample({{"program", program}}, count);
    }
}

void write_processes_started(TextWriter& out, const Figures& figures) {
    out.sample({}, figures.processes_started);
}

void write_abandoned(TextWriter& out, const Figures& figures) {
    out.sample({}, std::uint64_t{figures.status.abandoned.size()});
}

void write_peers(TextWriter& out, const Figures& figures) {
    std::map<std::string, std::string> peers;
    each_pair(figures, [&](const Pair& pair) { peers.emplace(pair.peer, pair.peer_state); });
    for (const auto& [peer, state] : peers) {
        for (const std::string_view one : kPeerStates) {
            out.sample({{"peer", peer}, {"state", one}}, flag(state == one));
        }
    }
}

void write_info(TextWriter& out, const Figures& figures) {
    each_pair(figures, [&](const Pair& pair) {
        out.sample({{"dataset", pair.dataset},
                    {"role", pair.role},
                    {"peer", pair.peer},
                    {"peer_dataset", pair.peer_dataset},
                    {"fence", pair.fence}},
                   std::uint64_t{1});
    });
}

void write_health(TextWriter& out, const Figures& figures) {
    each_pair(figures, [&](const Pair& pair) {
        for (const std::string_view one : kHealth) {
            out.sample({{"dataset", pair.dataset}, {"health", one}}, flag(pair.health == one));
        }
    });
}

void write_error(TextWriter& out, const Figures& figures) {
    each_pair(figures, [&](const Pair& pair) {
        if (pair.last_error) write_since(out, figures, pair.dataset, *pair.last_error);
    });
}

void write_warning(TextWriter& out, const Figures& figures) {
    each_pair(figures, [&](const Pair& pair) {
        if (pair.warning) write_since(out, figures, pair.dataset, *pair.warning);
    });
}

void write_epoch(TextWriter& out, const Figures& figures) {
    each_pair(figures, [&](const Pair& pair) {
        out.sample({{"dataset", pair.dataset}}, pair.epoch);
    });
}

void write_lag(TextWriter& out, const Figures& figures) {
    each_pair(figures, [&](const Pair& pair) {
        if (pair.lag_seconds) out.sample({{"dataset", pair.dataset}}, *pair.lag_seconds);
    });
}

void write_last_sync(TextWriter& out, const Figures& figures) {
    each_pair(figures, [&](const Pair& pair) {
        if (!pair.lag_seconds) return;
        out.sample({{"dataset", pair.dataset}}, figures.now - *pair.lag_seconds);
    });
}

void write_interval(TextWriter& out, const Figures& figures) {
    each_pair(figures, [&](const Pair& pair) {
        if (!pair.interval) return;
        const auto every = parse_duration(*pair.interval);
        if (every) out.sample({{"dataset", pair.dataset}}, std::int64_t{every->count()});
    });
}

void write_backlog(TextWriter& out, const Figures& figures) {
    each_pair(figures, [&](const Pair& pair) {
        if (pair.role == "master") out.sample({{"dataset", pair.dataset}}, pair.backlog_bytes);
    });
}

void write_pending(TextWriter& out, const Figures& figures) {
    each_pair(figures, [&](const Pair& pair) {
        out.sample({{"dataset", pair.dataset}}, std::uint64_t{pair.pending_snapshots});
    });
}

void write_paused(TextWriter& out, const Figures& figures) {
    each_pair(figures, [&](const Pair& pair) {
        out.sample({{"dataset", pair.dataset}}, flag(pair.paused));
    });
}

void write_running(TextWriter& out, const Figures& figures) {
    each_pair(figures, [&](const Pair& pair) {
        out.sample({{"dataset", pair.dataset}}, flag(pair.running.has_value()));
    });
}

void write_fenced(TextWriter& out, const Figures& figures) {
    each_pair(figures, [&](const Pair& pair) {
        out.sample({{"dataset", pair.dataset}}, flag(pair.fenced));
    });
}

void write_rescues(TextWriter& out, const Figures& figures) {
    each_pair(figures, [&](const Pair& pair) {
        out.sample({{"dataset", pair.dataset}}, std::uint64_t{pair.rescues.size()});
    });
}

void write_left_behind(TextWriter& out, const Figures& figures) {
    each_pair(figures, [&](const Pair& pair) {
        if (!pair.members) return;
        out.sample({{"dataset", pair.dataset}}, std::uint64_t{pair.left_behind.size()});
    });
}

void write_members(TextWriter& out, const Figures& figures) {
    each_pair(figures, [&](const Pair& pair) {
        if (pair.members) out.sample({{"dataset", pair.dataset}}, std::uint64_t{*pair.members});
    });
}

void write_runs(TextWriter& out, const Figures& figures) {
    each_pair(figures, [&](const Pair& pair) {
        for (const auto& one : counted(figures, pair).operations) {
            // Not a structured binding: clang 14 lets no lambda have one.
            const auto& operation = one.first;
            const auto& runs = one.second;
            const auto write = [&](std::string_view outcome, std::uint64_t count) {
                out.sample(
                    {{"dataset", pair.dataset}, {"operation", operation}, {"outcome", outcome}},
                    count);
            };
            write("done", runs.done);
            write("unchanged", runs.unchanged);
            write("failed", runs.failed);
        }
    });
}

void write_run_times(TextWriter& out, const Figures& figures) {
    each_pair(figures, [&](const Pair& pair) {
        for (const auto& [operation, runs] : counted(figures, pair).operations) {
            const Labels labels{{"dataset", pair.dataset}, {"operation", operation}};
            out.sample("_count", labels, runs.count());
            out.sample("_sum", labels, runs.seconds);
        }
    });
}

void write_bytes(TextWriter& out, const Figures& figures) {
    each_pair(figures, [&](const Pair& pair) {
        const Counters::Pair moved = counted(figures, pair);
        out.sample({{"dataset", pair.dataset}, {"direction", "sent"}}, moved.sent_bytes);
        out.sample({{"dataset", pair.dataset}, {"direction", "received"}}, moved.received_bytes);
    });
}

void write_durations(TextWriter& out, const Figures& figures) {
    for (const auto& [operation, histogram] : figures.counters.operations()) {
        for (std::size_t i = 0; i < kBuckets.size(); ++i) {
            const std::string limit = limit_text(kBuckets[i]);
            out.sample("_bucket", {{"operation", operation}, {"le", limit}}, histogram.up_to[i]);
        }
        out.sample("_bucket", {{"operation", operation}, {"le", "+Inf"}}, histogram.count);
        out.sample("_count", {{"operation", operation}}, histogram.count);
        out.sample("_sum", {{"operation", operation}}, histogram.sum);
    }
}

}  // namespace zrepd::metrics
