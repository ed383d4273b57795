// SPDX-License-Identifier: BSD-2-Clause
// All families stand in one table, in the order in which they are written; each with the function
// that writes its samples, so that none is documented and not written, or the other way round.
#include "daemon/metrics/families.hpp"

#include <vector>

#include "daemon/metrics/samples.hpp"

namespace zrepd::metrics {
namespace {

struct Row {
    Family family;
    void (*write)(TextWriter&, const Figures&);
};

// clang-format off
constexpr Row kRows[] = {
    {{"zrepd_build", Kind::info, "", "version, protocol, zfs, host",
      "What runs here; zfs is empty where there is none"}, write_build},
    {{"zrepd_start_time_seconds", Kind::gauge, "seconds", "",
      "When zrepd was started, as Unix time; the counters begin there"}, write_started},
    {{"zrepd_pairs", Kind::gauge, "", "",
      "Pairs known on this host"}, write_pairs},
    {{"zrepd_pairs_unknown", Kind::gauge, "", "",
      "1 while there may be pairs that zrepd cannot name: just started, ZFS does not answer, a pool is suspended, "
      "or this host was renamed"}, write_unknown},
    {{"zrepd_peer_state", Kind::gauge, "", "peer, state",
      "1 for the state in which the other host is: connected, unreachable, or unknown, which is not asked since the "
      "start"}, write_peers},
    {{"zrepd_active_runs", Kind::gauge, "", "",
      "Runs under way"}, write_active},
    {{"zrepd_processes", Kind::gauge, "", "program",
      "Processes of zrepd at this moment: zfs, zpool, ssh, or other"}, write_processes},
    {{"zrepd_processes_started", Kind::counter, "", "",
      "Processes started"}, write_processes_started},
    {{"zrepd_processes_stuck", Kind::gauge, "", "",
      "Processes that wait in the kernel and did not end even when killed, at most 100"}, write_abandoned},
    {{"zrepd_pair", Kind::info, "", "dataset, role, peer, peer_dataset, fence",
      "A pair: role is master, target or initializing, fence is off, boot or lease"}, write_info},
    {{"zrepd_pair_health", Kind::gauge, "", "dataset, health",
      "1 for the health that zrepctl status shows: ok, late, failing, conflict or split_brain"}, write_health},
    {{"zrepd_pair_error_timestamp_seconds", Kind::gauge, "seconds", "dataset, kind",
      "Since when something is wrong with a pair, as Unix time, and of which kind; absent: nothing is"}, write_error},
    {{"zrepd_pair_warning_timestamp_seconds", Kind::gauge, "seconds", "dataset, kind",
      "Since when something is wrong that stops no sync, as Unix time; kind writable: a target that is mounted so; late: a copy that is"},
      write_warning},
    {{"zrepd_pair_epoch", Kind::gauge, "", "dataset",
      "Grows by one at every change of roles"}, write_epoch},
    {{"zrepd_pair_lag_seconds", Kind::gauge, "seconds", "dataset",
      "For how long the source may have had more than the copy: since the copied snapshot was taken, or a later sync found no more"},
      write_lag},
    {{"zrepd_pair_last_sync_timestamp_seconds", Kind::gauge, "seconds", "dataset",
      "When that was, as Unix time: the last success"}, write_last_sync},
    {{"zrepd_pair_interval_seconds", Kind::gauge, "seconds", "dataset",
      "How often it is synced (zrep:interval); absent: only on request"}, write_interval},
    {{"zrepd_pair_backlog_bytes", Kind::gauge, "bytes", "dataset",
      "Written on a master since the last acknowledged snapshot, as last seen"}, write_backlog},
    {{"zrepd_pair_pending_snapshots", Kind::gauge, "", "dataset",
      "zrep snapshots that are not acknowledged yet"}, write_pending},
    {{"zrepd_pair_paused", Kind::gauge, "", "dataset",
      "1 while scheduled syncs skip it"}, write_paused},
    {{"zrepd_pair_running", Kind::gauge, "", "dataset",
      "1 while a run works on it"}, write_running},
    {{"zrepd_pair_fenced", Kind::gauge, "", "dataset",
      "1 while a master is not served, or readonly, until its peer is heard"}, write_fenced},
    {{"zrepd_pair_rescues", Kind::gauge, "", "dataset",
      "Copies beside it of what the other side never got"}, write_rescues},
    {{"zrepd_pair_left_behind", Kind::gauge, "", "dataset",
      "Of a tree: copies on the target of what is no member any more"}, write_left_behind},
    {{"zrepd_pair_members", Kind::gauge, "", "dataset",
      "Of a tree: its datasets, the root included"}, write_members},
    {{"zrepd_pair_runs", Kind::counter, "", "dataset, operation, outcome",
      "Runs that ended: done, unchanged or failed"}, write_runs},
    {{"zrepd_pair_run_seconds", Kind::summary, "seconds", "dataset, operation",
      "How long these runs took, their waiting included"}, write_run_times},
    {{"zrepd_pair_stream_bytes", Kind::counter, "bytes", "dataset, direction",
      "Moved by streams, those that were cut off or are under way included; sent or received"}, write_bytes},
    {{"zrepd_run_seconds", Kind::histogram, "seconds", "operation",
      "How long runs took, of all filesystems together"}, write_durations},
};
// clang-format on

}  // namespace

std::span<const Family> families() {
    static const std::vector<Family> all = [] {
        std::vector<Family> out;
        for (const Row& row : kRows) out.push_back(row.family);
        return out;
    }();
    return all;
}

std::string render(const Figures& figures, Format format) {
    TextWriter out(format);
    for (const Row& row : kRows) {
        out.begin(row.family);
        row.write(out, figures);
    }
    return std::move(out).finish();
}

std::string metrics_markdown() {
    std::string out =
        "# Metrics\n\n"
        "Generated from the code. [README.md](README.md) says where they come from and what to do "
        "with them.\n\n"
        "| metric | type | labels | |\n|---|---|---|---|\n";
    for (const Family& family : families()) {
        out += "| `" + sample_name(family) + "` | " + std::string(name(family.kind)) + " | " +
               std::string(family.labels) + " | " + std::string(family.help) + " |\n";
    }
    return out;
}

}  // namespace zrepd::metrics
