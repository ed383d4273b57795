// SPDX-License-Identifier: BSD-2-Clause
// ZfsCli: mounts, keys, clones.
#include "common/platform.hpp"
#include "daemon/zfs/command.hpp"
#include "daemon/zfs/zfs_cli.hpp"

namespace zrepd {

Task<Result<void>> ZfsCli::tolerate(std::string pool, Argv argv, parse::Complaint complaint) {
    Result<void> checked = check_pool(pool);
    if (!checked.has_value()) co_return checked;
    Result<Output> output = co_await processes_.run(argv, kMutationLimit);
    if (!output.has_value()) co_return output.error();
    const bool fine = output->status.ok() || parse::classify(output->err) == complaint;
    if (fine) co_return ok();
    co_return parse::failure(output->err, output->status.text(), command::subject(argv))
        .in(argv[0] + " " + argv[1]);
}

Task<Result<void>> ZfsCli::mount(DatasetName dataset) {
    Argv argv = command::mount(dataset);
    co_return co_await tolerate(
        std::string(dataset.pool()), std::move(argv), parse::Complaint::already_mounted);
}

Task<Result<void>> ZfsCli::remount(DatasetName dataset) {
    std::vector<Argv> commands{command::remount(dataset)};
    co_return co_await mutate(std::string(dataset.pool()), std::move(commands));
}

Task<Result<void>> ZfsCli::unmount(DatasetName dataset) {
    Argv argv = command::unmount(dataset);
    co_return co_await tolerate(
        std::string(dataset.pool()), std::move(argv), parse::Complaint::not_mounted);
}

Task<Result<void>> ZfsCli::mount_at(DatasetName dataset, std::string place) {
    if (!platform::mounts_zfs_anywhere()) {
        co_return Error{
            .code = Code::unsupported,
            .message = dataset.str() + " cannot be mounted at " + place + " on this system",
            .remedy = "zfs mount it where its mountpoint says"};
    }
    std::vector<Argv> commands{command::mount_at(dataset, place)};
    co_return co_await mutate(std::string(dataset.pool()), std::move(commands));
}

Task<Result<void>> ZfsCli::unmount_at(std::string place) {
    const Argv argv = command::unmount_at(place);
    Result<Output> output = co_await processes_.run(argv, kMutationLimit);
    if (!output.has_value()) co_return output.error();
    const bool gone = output->err.find("not mounted") != std::string::npos;
    if (output->status.ok() || gone) co_return ok();
    co_return parse::failure(output->err, output->status.text()).in("umount");
}

Task<Result<void>> ZfsCli::sync_files(std::string mountpoint, std::chrono::milliseconds limit) {
    const Argv argv = command::sync_files(mountpoint);
    const auto at_most = std::min<std::chrono::milliseconds>(limit, kMutationLimit);
    Result<Output> output = co_await processes_.run(argv, at_most);
    if (!output.has_value()) co_return output.error();
    if (output->status.ok()) co_return ok();
    co_return parse::failure(output->err, output->status.text()).in("sync -f " + mountpoint);
}

Task<Result<void>> ZfsCli::load_key(DatasetName dataset, bool only_try) {
    Argv argv = command::load_key(dataset, only_try);
    co_return co_await tolerate(
        std::string(dataset.pool()), std::move(argv), parse::Complaint::key_loaded);
}

Task<Result<void>> ZfsCli::unload_key(DatasetName dataset) {
    std::vector<Argv> commands{command::unload_key(dataset)};
    co_return co_await mutate(std::string(dataset.pool()), std::move(commands));
}

Task<Result<void>> ZfsCli::clone(SnapshotName origin,
                                 DatasetName dataset,
                                 PropertyList properties) {
    Result<Argv> argv = command::clone(origin, dataset, properties);
    if (!argv.has_value()) co_return argv.error();
    std::vector<Argv> commands{std::move(*argv)};
    co_return co_await mutate(std::string(dataset.pool()), std::move(commands));
}

Task<Result<void>> ZfsCli::destroy_dataset(DatasetName dataset) {
    Argv argv = command::destroy_dataset(dataset);
    co_return co_await tolerate(
        std::string(dataset.pool()), std::move(argv), parse::Complaint::dataset_missing);
}

}  // namespace zrepd
