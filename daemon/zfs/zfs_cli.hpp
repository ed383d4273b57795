// SPDX-License-Identifier: BSD-2-Clause
// Zfs by running zfs(8) and zpool(8); see zfs.hpp for the contract.
#pragma once

#include "daemon/zfs/subprocess.hpp"
#include "daemon/zfs/zfs.hpp"

namespace zrepd {

class ZfsCli : public Zfs {
  public:
    ZfsCli(asio::any_io_executor executor, Processes& processes)
        : executor_(std::move(executor)), processes_(processes) {}

    Task<Result<std::vector<Dataset>>> datasets(std::vector<DatasetName> which) override;
    Task<Result<std::map<DatasetName, Versions>>> versions(std::vector<DatasetName> which) override;
    Task<Result<void>> snapshot(std::vector<SnapshotName> names) override;
    Task<Result<void>> set(DatasetName dataset, PropertyList properties) override;
    Task<Result<void>> inherit(DatasetName dataset, std::vector<std::string> properties) override;
    Task<Result<void>> hold(std::vector<SnapshotName> names) override;
    Task<Result<void>> release(std::vector<SnapshotName> names) override;
    Task<Result<void>> destroy_snapshots(DatasetName dataset,
                                         std::vector<std::string> names) override;
    Task<Result<void>> destroy_bookmark(DatasetName dataset, std::string name) override;
    Task<std::vector<AckOutcome>> acknowledge(AckBatch batch) override;
    Task<Result<void>> rollback(SnapshotName snapshot) override;
    Task<Result<void>> abort_receive(DatasetName dataset) override;
    Task<Result<TokenInfo>> token_info(std::string token) override;
    Result<std::unique_ptr<StreamProcess>> send(SendSpec spec, Fd out) override;
    Result<std::unique_ptr<StreamProcess>> receive(ReceiveSpec spec, Fd in) override;
    Task<> watch(std::function<void(Change)> on_change) override;
    std::optional<std::string> pool_trouble(std::string_view pool) override;
    std::string version() override;

  private:
    /// Runs a command that changes something; its complaint as an Error.
    Task<Result<void>> change(std::vector<std::string> argv);
    Task<std::vector<AckOutcome>> acknowledge_in_pool(AckBatch batch);
    Task<AckOutcome> acknowledge_plainly(AckItem item, UnixSeconds sent);
    Task<Result<void>> follow_events(std::function<void(Change)>& on_change);

    asio::any_io_executor executor_;
    Processes& processes_;
    bool programs_refused_ = false;
};

}  // namespace zrepd
