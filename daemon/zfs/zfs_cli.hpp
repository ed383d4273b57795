// SPDX-License-Identifier: BSD-2-Clause
// Zfs by running zfs(8) and zpool(8). Thread: io thread. Errors: as zfs.hpp.
// Atomicity: as zfs.hpp. Limits: the time limits below; output and argument limits of the parts.
#pragma once

#include <chrono>
#include <limits>
#include <string>

#include "daemon/zfs/parse.hpp"
#include "daemon/zfs/subprocess.hpp"
#include "daemon/zfs/zfs.hpp"

namespace zrepd {

/// A listing of 10,000 datasets on a busy pool takes about ten seconds.
inline constexpr std::chrono::seconds kListLimit{60};
/// One filesystem's snapshots are one command, however many they are: it may say and take more than
/// a listing of several, which is cut in halves where it is too much. 170,000 of one would take two
/// minutes on a slow host, and 50 MB.
inline constexpr std::size_t kMaxAloneBytes = std::size_t{256} << 20;
inline constexpr std::chrono::seconds kListAloneLimit{300};
/// After this no listing is cut in halves any more: a pool that hangs must not be asked for ever.
inline constexpr std::chrono::seconds kListAllLimit{900};
/// Each waits for a transaction group, which a loaded pool may take half a minute to write.
inline constexpr std::chrono::seconds kMutationLimit{120};
/// Rolling back or aborting a receive frees blocks first.
inline constexpr std::chrono::seconds kFreeLimit{300};

struct ZfsPaths {
    std::string kstat = "/proc/spl/kstat/zfs";
    std::string module_version = "/sys/module/zfs/version";
};

class ZfsCli final : public Zfs {
  public:
    explicit ZfsCli(Processes& processes, ZfsPaths paths = {});

    /// With no names, and while a pool is in trouble: only the datasets of the other pools. What is
    /// too much for one process is asked for in parts. zfs_datasets.cpp
    Task<Result<std::vector<Dataset>>> datasets(std::vector<DatasetName> which) override;
    Task<Result<std::map<DatasetName, Versions>>> versions(std::vector<DatasetName> which) override;
    Task<std::vector<Result<Snapshot>>> snapshot(std::vector<SnapshotName> names) override;
    Task<Result<std::vector<Snapshot>>> snapshot_together(std::vector<SnapshotName> names) override;
    Task<Result<void>> flush(std::vector<std::string> pools) override;
    Task<Result<void>> set(DatasetName dataset, PropertyList properties) override;
    Task<Result<void>> inherit(DatasetName dataset, std::vector<std::string> properties) override;
    Task<Result<void>> hold(std::vector<SnapshotName> names) override;
    Task<Result<void>> release(std::vector<SnapshotName> names) override;
    Task<Result<void>> forget_sent(std::vector<SnapshotName> names) override;
    Task<Result<std::set<SnapshotName>>> foreign_holds(std::vector<SnapshotName> names) override;
    /// zfs destroys all or none: when it refuses, each is tried alone so that one held snapshot
    /// does not keep the others.
    Task<Result<void>> destroy_snapshots(DatasetName dataset,
                                         std::vector<std::string> names) override;
    Task<Result<void>> destroy_bookmark(DatasetName dataset, std::string name) override;
    Task<std::vector<AckOutcome>> acknowledge(AckBatch batch) override;
    Task<Result<void>> rollback(SnapshotName snapshot) override;
    // zfs_mount.cpp
    Task<Result<void>> mount(DatasetName dataset) override;
    Task<Result<void>> remount(DatasetName dataset) override;
    Task<Result<void>> unmount(DatasetName dataset) override;
    Task<Result<void>> mount_at(DatasetName dataset, std::string place) override;
    Task<Result<void>> unmount_at(std::string place) override;
    Task<Result<FileChanges>> diff(DiffSpec spec) override;  // zfs_diff.cpp
    Task<Result<void>> sync_files(std::string mountpoint, std::chrono::milliseconds limit) override;
    Task<Result<void>> load_key(DatasetName dataset, bool only_try) override;
    Task<Result<void>> unload_key(DatasetName dataset) override;
    Task<Result<void>> clone(SnapshotName origin,
                             DatasetName dataset,
                             PropertyList properties) override;
    Task<Result<void>> destroy_dataset(DatasetName dataset) override;
    /// No error when there is nothing to abort.
    Task<Result<void>> abort_receive(DatasetName dataset) override;
    Task<Result<TokenInfo>> token_info(std::string token) override;
    Result<std::unique_ptr<StreamProcess>> send(SendSpec spec, Fd out) override;
    Result<std::unique_ptr<StreamProcess>> receive(ReceiveSpec spec, Fd in) override;
    Task<> watch(std::function<void(Change)> on_change) override;
    Result<void> check_pool(std::string_view pool) override;
    Task<Result<void>> check_writable(std::string pool) override;
    std::vector<std::string> unavailable_pools() override;
    std::string version() override;

  private:
    using Argv = std::vector<std::string>;

    /// pool_unavailable for a pool that is suspended or worse.
    Result<void> check_state(std::string_view pool) const;
    /// pool_unavailable while one of our processes hangs for it, though the pool is not suspended.
    Result<void> check_stuck(const std::string& pool) const;
    // zfs_datasets.cpp
    Task<Result<std::vector<Dataset>>> all_datasets();
    /// For when one of them does not answer, and nobody knows which, or has too much to say. `why`:
    /// what is wrong where one that was left out is back.
    Task<Result<std::vector<Dataset>>> datasets_of_each_pool(Error why);
    Task<Result<std::vector<Dataset>>> datasets_of_pool(std::string pool);
    Task<Result<std::vector<Dataset>>> datasets_of(std::vector<DatasetName> which);
    Result<void> check_pools(const std::vector<DatasetName>& which);
    /// The imported pools; empty where they are not knowable without a process.
    std::vector<std::string> pools() const;
    /// Runs and turns a failure into its error.
    Task<Result<Output>> succeed(Argv argv, std::chrono::seconds limit);
    /// Runs it; complaints of this kind are no error.
    Task<Result<void>> tolerate(std::string pool, Argv argv, parse::Complaint complaint);
    /// Runs each in turn until one fails.
    Task<Result<void>> mutate(std::string pool, std::vector<Argv> commands);
    /// The stdout of all, and in `err` what they complained of; only missing datasets are
    /// tolerated.
    Task<Result<Output>> list(std::vector<Argv> commands,
                              std::chrono::seconds limit = kListLimit,
                              std::size_t most = kMaxOutputBytes);
    Task<Result<std::map<DatasetName, Versions>>> versions_of(std::vector<DatasetName> which);
    /// As mutate, but goes on after a failure; complaints of the tolerated kind are no error. zfs
    /// waits for a transaction group for each name: several at once share them.
    Task<Result<void>> tag_snapshots(std::vector<SnapshotName> names, bool release);
    struct Tagging;
    Task<> tag_some(Tagging* work);
    Task<Result<void>> destroy_each(DatasetName dataset,
                                    std::vector<std::string> names,
                                    std::vector<std::string>& destroyed,
                                    std::vector<Error>& failed);

    // zfs_snapshot.cpp
    /// False for errors after which the plain commands would fare no better.
    static bool plain_commands_help(const Error& error);
    /// What the program returned, as JSON; unsupported once programs were refused.
    Task<Result<std::string>> run_program(std::string pool,
                                          std::string_view text,
                                          std::vector<std::string> arguments);
    Task<std::vector<Result<Snapshot>>> snapshot_pool(std::string pool,
                                                      std::vector<SnapshotName> names);
    Task<std::vector<Result<Snapshot>>> snapshot_plainly(std::vector<SnapshotName> names);

    // zfs_ack.cpp
    Task<std::vector<AckOutcome>> acknowledge_pool(std::string pool,
                                                   UnixSeconds sent,
                                                   std::vector<AckItem> items);
    Task<Result<std::vector<AckOutcome>>> acknowledge_by_program(std::string pool,
                                                                 UnixSeconds sent,
                                                                 std::vector<AckItem> items);
    Task<std::vector<AckOutcome>> acknowledge_plainly(UnixSeconds sent, std::vector<AckItem> items);
    Task<std::vector<AckOutcome>> check_guids(std::vector<AckItem> items);
    Task<> record_sent(UnixSeconds sent,
                       const std::vector<AckItem>& items,
                       std::vector<AckOutcome>& outcomes);
    Task<> tidy(const AckItem& item, AckOutcome& outcome);

    Processes& processes_;
    ZfsPaths paths_;
    /// Datasets whose snapshots one listing may have; fewer after one that was too much.
    std::size_t names_at_once_ = std::numeric_limits<std::size_t>::max();
    /// Pools, by how many datasets, of which one process cannot tell all; "": of all of them.
    std::map<std::string, std::size_t, std::less<>> large_pools_;
    bool programs_refused_ = false;  ///< found out once; then plain commands at once
};

}  // namespace zrepd
