// SPDX-License-Identifier: BSD-2-Clause
// What status says, and how check judges it, once a sync was tried in the state, as by its
// schedule.
#include "tests/fakes/verb_table.hpp"

namespace zrepd::test {
namespace {

/// A Nagios status; a part of what is printed, and of the remedy.
Row tried(std::string state, int verdict, std::string said, std::string next = "") {
    return {std::move(state), "status-tried", verdict, std::move(said), std::move(next), {}};
}

// The rescue beside tank/fs, which is in every state.
constexpr int kWarning = 1;
constexpr int kCritical = 2;
constexpr int kUnknown = 3;

}  // namespace

std::vector<Row> verb_table_once_tried() {
    return {
        tried("healthy", kWarning, "3.9 KiB  ok     -"),
        tried("no dataset", kWarning, "3.9 KiB  ok     -"),
        tried("no pair", kWarning, "3.9 KiB  ok     -"),
        // Somebody's mistake, of which he was told, is no trouble of the pair.
        tried("wrong side", 0, "backup/fs   target  alpha:tank/fs"),
        // It depends on the moment whether the open session or a new one says so.
        tried("peer away",
              kCritical,
              "failing, peer unreachable  -\n\ntank/fs: zrepd ",
              "`systemctl sta"),
        // It depends on the moment whether the open session or a new one says so.
        tried("peer unreachable",
              kCritical,
              "failing, peer unreachable  -\n\ntank/fs: zrepd ",
              "`systemctl sta"),
        tried("peer refuses us",
              kCritical,
              "conflict  -\n\ntank/fs: backup/fs on beta belongs to another pair, or to none\n",
              "zrepctl clear tank/fs, then zrepctl init tank/fs beta DESTINATION"),
        tried("paused", kWarning, "3.9 KiB  ok, paused  -"),
        tried("paused there", kWarning, "3.9 KiB  ok     -"),
        tried("initializing",
              kCritical,
              "failing  -\n\ntank/fs: tank/fs is not completely initialized\n  since: ",
              "zrepctl init 'tank/fs' beta 'backup/fs' again; it continues"),
        tried("freezing", kWarning, "3.9 KiB  ok     -"),
        tried("handed over", kWarning, "target  beta:backup/fs  now        0 s  -        ok     -"),
        tried(
            "stepping down", kWarning, "target  beta:backup/fs  now        0 s  -        ok     -"),
        tried("rejoining",
              kCritical,
              "failing  -\n\ntank/fs: beta: backup/fs on beta has not kept yet what the other side "
              "never got (rejoining)",
              "it is tried again by itself; on beta: zrepctl status 'backup/fs'"),
        tried("promoted", kWarning, "3.9 KiB  ok     -"),
        tried("split brain",
              kCritical,
              "SPLIT BRAIN  -\n\ntank/fs: split brain: backup/fs on beta is marked as master too "
              "(epoch 1 there, 1 here); nothing was sent\n  since: ",
              "zrepctl resolve tank/fs --keep HERE, or --keep PEER"),
        tried("conflict",
              kCritical,
              "conflict  -\n\ntank/fs: tank/fs and backup/fs on beta have no snapshot in common",
              "zrepctl clear tank/fs and zrepctl init tank/fs beta backup/fs"),
        tried("fenced",
              kCritical,
              "failing, fenced  -\n\ntank/fs: tank/fs is not served (zrep:fence=boot)",
              "zrepctl unfence 'tank/fs'"),
        tried("target touched", kWarning, "3.9 KiB  ok     -"),
        tried("foreign snapshot there",
              kCritical,
              "conflict  -\n\ntank/fs: backup/fs on beta has 1 snapshot (0 B) that this side does "
              "not have: @mine",
              "then zfs destroy backup/fs@mine; here: zrepctl sync tank/fs"),
        tried("pool readonly there",
              kCritical,
              "failing  -\n\ntank/fs: beta: cannot receive: pool is read-only\n  since: ",
              "zpool export POOL, zpool import POOL"),
        tried("pool readonly here",
              kCritical,
              "failing  -\n\ntank/fs: cannot snapshot: pool is read-only\n  since: ",
              "zpool export POOL, zpool import POOL"),
        tried("pool suspended",
              kCritical,
              "failing  -\n\ntank/fs: pool tank is SUSPENDED\n  since: ",
              "zpool status tank, then zpool clear tank"),
        tried("zfs fails",
              kCritical,
              "failing  -\n\ntank/fs: internal error: cannot do that\n  since: ",
              "zpool status and dmesg on that host may say more"),
        tried("zfs hangs",
              kCritical,
              "failing  -\n\ntank/fs: zfs did not end within 60 s\n  since: ",
              "dmesg for a disk or path that hangs"),
        tried("half a stream", kWarning, "0 B      ok     -"),
        tried("sync under way", kWarning, "ok, waiting 0 B  -"),
        tried("failover under way", kWarning, "ok, waiting 0 B  -"),
        tried("source nonsense",
              kUnknown,
              "tank/fs has the properties of a pair that cannot be read (zrep:src-fs=",
              "zrepctl changeconfig 'tank/fs' HOST FILESYSTEM"),
        tried("epoch nonsense",
              kCritical,
              "conflict  -\n\ntank/fs: zrep:epoch='seven' of tank/fs is no number",
              "zfs set zrep:epoch=NUMBER 'tank/fs'"),
    };
}

}  // namespace zrepd::test
