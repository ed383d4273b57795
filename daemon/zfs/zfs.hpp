// SPDX-License-Identifier: BSD-2-Clause
// The one door to ZFS. ZfsCli runs zfs(8) and zpool(8); tests have a FakeZfs.
// Thread: io thread. Errors: zfs_failed, pool_unavailable, not_found, no_space, busy, timed_out,
// cancelled; zfs's own words are kept in the message. Atomicity: said at each call.
// Limits: every command has a time limit; a command that does not end even when killed is
// abandoned and counted, never waited for.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "daemon/async/fd.hpp"
#include "daemon/async/task.hpp"
#include "daemon/zfs/zfs_spec.hpp"

namespace zrepd {

/// A running send or receive. Destroying it kills the process.
class StreamProcess {
  public:
    virtual ~StreamProcess() = default;
    /// Waits for the end; an Error with zfs's words when it failed. A cancel kills the process
    /// and still waits for it (bounded); a receive leaves its resumable state in the dataset.
    virtual Task<Result<void>> wait() = 0;
    /// Asks it to end now (SIGTERM, then SIGKILL after a grace). wait() then returns.
    virtual void kill() = 0;
};

class Zfs {
  public:
    virtual ~Zfs() = default;

    /// Properties of these datasets; empty: every filesystem and volume. One process, and more
    /// where that has too much to say. Datasets that do not exist are simply not in the answer.
    virtual Task<Result<std::vector<Dataset>>> datasets(std::vector<DatasetName> which) = 0;
    /// Snapshots and bookmarks of each of these (not of their children). One process.
    virtual Task<Result<std::map<DatasetName, Versions>>> versions(
        std::vector<DatasetName> which) = 0;

    /// All at once, in one transaction group per pool; one that fails keeps no other from it. One
    /// outcome per name, in order. One process per pool, by channel program; where those are
    /// refused, a few plain commands.
    virtual Task<std::vector<Result<Snapshot>>> snapshot(std::vector<SnapshotName> names) = 0;
    /// All of one pool in one transaction group, or none of them: one plain command, and one
    /// process that reads them. invalid_params when they do not fit one command. After an error
    /// that says nothing of the outcome (timed_out) they may be there.
    virtual Task<Result<std::vector<Snapshot>>> snapshot_together(
        std::vector<SnapshotName> names) = 0;
    /// Waits until all that was written so far is in `written` and in a snapshot taken now: without
    /// it, data of the last seconds may count as nothing. Pools in trouble are left out. One
    /// process.
    virtual Task<Result<void>> flush(std::vector<std::string> pools) = 0;
    /// One transaction for all the properties (docs/failover.md). One process.
    virtual Task<Result<void>> set(DatasetName dataset, PropertyList properties) = 0;
    /// Back to inherited; one process per property.
    virtual Task<Result<void>> inherit(DatasetName dataset,
                                       std::vector<std::string> properties) = 0;
    /// One process each. A hold that is there already, or already gone, is no error.
    virtual Task<Result<void>> hold(std::vector<SnapshotName> names) = 0;
    virtual Task<Result<void>> release(std::vector<SnapshotName> names) = 0;
    /// They were never acknowledged, from now on: their zrep:sent goes. One process.
    virtual Task<Result<void>> forget_sent(std::vector<SnapshotName> names) = 0;
    /// Those of them that somebody holds by another tag than ours. One process.
    virtual Task<Result<std::set<SnapshotName>>> foreign_holds(std::vector<SnapshotName> names) = 0;
    /// All snapshots of one dataset in one process; those that fail are named in the error.
    virtual Task<Result<void>> destroy_snapshots(DatasetName dataset,
                                                 std::vector<std::string> names) = 0;
    virtual Task<Result<void>> destroy_bookmark(DatasetName dataset, std::string name) = 0;
    /// Bookkeeping in one channel program per pool, or with plain commands where those are refused.
    /// One outcome per item, in order.
    virtual Task<std::vector<AckOutcome>> acknowledge(AckBatch batch) = 0;
    /// To a snapshot that must be the newest one: zfs refuses otherwise, no -r is ever given.
    virtual Task<Result<void>> rollback(SnapshotName snapshot) = 0;
    /// Mounted, or not, already: no error. `busy` when somebody uses it; nothing is ever forced.
    virtual Task<Result<void>> mount(DatasetName dataset) = 0;
    virtual Task<Result<void>> unmount(DatasetName dataset) = 0;
    /// One that is mounted, as its properties are now: zfs does that by itself only for the dataset
    /// that is set, not for what inherits from it.
    virtual Task<Result<void>> remount(DatasetName dataset) = 0;
    /// Readonly at a directory of ours, whatever its mountpoint says, for the time of a look; the
    /// properties stay as they are. unsupported where only zfs mount can mount.
    virtual Task<Result<void>> mount_at(DatasetName dataset, std::string place) = 0;
    /// Nothing mounted there: no error.
    virtual Task<Result<void>> unmount_at(std::string place) = 0;
    /// Which files differ. Ends at the spec's limits, or with a cancel.
    virtual Task<Result<FileChanges>> diff(DiffSpec spec) = 0;
    /// Writes out what programs left in memory for the filesystem mounted there (syncfs(2)); in a
    /// process of its own, because a disk that hangs would stop the daemon; it is given up at the
    /// limit, or two minutes.
    virtual Task<Result<void>> sync_files(std::string mountpoint,
                                          std::chrono::milliseconds limit) = 0;
    /// From its keylocation; loaded already: no error. `only_try`: whether that would work.
    virtual Task<Result<void>> load_key(DatasetName dataset, bool only_try) = 0;
    /// busy while something that it is the key of is mounted.
    virtual Task<Result<void>> unload_key(DatasetName dataset) = 0;
    virtual Task<Result<void>> clone(SnapshotName origin,
                                     DatasetName dataset,
                                     PropertyList properties) = 0;
    /// One dataset that has no snapshots and no children; zfs refuses any other.
    virtual Task<Result<void>> destroy_dataset(DatasetName dataset) = 0;
    /// `zfs receive -A`: throws away a partly received stream.
    virtual Task<Result<void>> abort_receive(DatasetName dataset) = 0;
    /// not_found for one that says nothing; of one whose snapshot is gone, whose that was.
    virtual Task<Result<TokenInfo>> token_info(std::string token) = 0;

    /// Starts a process that writes to / reads from `fd`, which is closed here once it runs.
    virtual Result<std::unique_ptr<StreamProcess>> send(SendSpec spec, Fd out) = 0;
    virtual Result<std::unique_ptr<StreamProcess>> receive(ReceiveSpec spec, Fd in) = 0;

    /// Follows `zpool events` until cancelled; restarts it with back-off when it ends.
    virtual Task<> watch(std::function<void(Change)> on_change) = 0;
    /// pool_unavailable when the pool is suspended or not readable, from
    /// /proc/spl/kstat/zfs/POOL/state: no process and no wait, unlike any zfs command on such a
    /// pool. ok: healthy, or not knowable here.
    virtual Result<void> check_pool(std::string_view pool) = 0;
    /// pool_unavailable when the pool was imported readonly, too. Whoever writes anyway finds out
    /// by that; this is for a look that must not write. One process.
    virtual Task<Result<void>> check_writable(std::string pool) = 0;
    /// The pools of which check_pool() complains. datasets() of everything leaves them out.
    virtual std::vector<std::string> unavailable_pools() = 0;
    /// "2.3.2", of the kernel module; empty when there is none.
    virtual std::string version() = 0;
};

}  // namespace zrepd
