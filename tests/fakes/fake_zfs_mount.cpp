// SPDX-License-Identifier: BSD-2-Clause
// FakeZfs: mounts, keys, clones.
#include "tests/fakes/fake_error.hpp"
#include "tests/fakes/fake_zfs.hpp"

namespace zrepd::test {

Task<Result<void>> FakeZfs::mount(DatasetName dataset) {
    Result<void> entered = enter("mount", dataset.str(), dataset.pool());
    if (!entered.has_value()) co_return entered;
    FakeDataset* fake = find(dataset);
    if (fake == nullptr) co_return error(Code::not_found, dataset.str() + " does not exist");
    if (!fake->key_loaded) co_return error(Code::zfs_failed, "encryption key not loaded");
    if (fake->key_changed) co_return error(Code::access_denied, "Permission denied");
    fake->mounted = true;
    co_return ok();
}

Task<Result<void>> FakeZfs::remount(DatasetName dataset) {
    co_return enter("remount", dataset.str(), dataset.pool());
}

Task<Result<void>> FakeZfs::unmount(DatasetName dataset) {
    Result<void> entered = enter("unmount", dataset.str(), dataset.pool());
    if (!entered.has_value()) co_return entered;
    FakeDataset* fake = find(dataset);
    if (fake == nullptr) co_return error(Code::not_found, dataset.str() + " does not exist");
    if (fake->mounted && fake->in_use) co_return error(Code::busy, "pool or dataset is busy");
    fake->mounted = false;
    // As zfs-unmount(8): with it what inherits its mount point.
    for (auto& [name, below] : datasets_) {
        const bool inherits = name.is_below(dataset) && !below.props.contains("mountpoint");
        if (inherits && !below.in_use) below.mounted = false;
    }
    co_return ok();
}

Task<Result<void>> FakeZfs::sync_files(std::string mountpoint,
                                       std::chrono::milliseconds /*limit*/) {
    co_return enter("sync_files", mountpoint, "");
}

Task<Result<void>> FakeZfs::load_key(DatasetName dataset, bool only_try) {
    Result<void> entered = enter(only_try ? "try_key" : "load_key", dataset.str(), dataset.pool());
    if (!entered.has_value()) co_return entered;
    FakeDataset* fake = find(dataset);
    if (fake == nullptr) co_return error(Code::not_found, dataset.str() + " does not exist");
    if (only_try || fake->key_loaded) co_return ok();
    fake->key_loaded = true;
    fake->key_changed = false;
    co_return ok();
}

Task<Result<void>> FakeZfs::unload_key(DatasetName dataset) {
    Result<void> entered = enter("unload_key", dataset.str(), dataset.pool());
    if (!entered.has_value()) co_return entered;
    FakeDataset* fake = find(dataset);
    if (fake == nullptr) co_return error(Code::not_found, dataset.str() + " does not exist");
    if (fake->mounted) co_return error(Code::busy, "Key unload error: is busy");
    fake->key_loaded = false;
    co_return ok();
}

Task<Result<void>> FakeZfs::clone(SnapshotName origin,
                                  DatasetName dataset,
                                  PropertyList properties) {
    Result<void> entered = enter("clone", origin.str() + " " + dataset.str(), dataset.pool());
    if (!entered.has_value()) co_return entered;
    FakeSnapshot* from = find(origin);
    if (from == nullptr) co_return error(Code::not_found, origin.str() + " does not exist");
    if (find(dataset) != nullptr) co_return error(Code::already_exists, "dataset already exists");
    create(dataset.str(), find(origin.dataset())->kind);
    FakeDataset& made = at(dataset.str());
    made.content = from->content;
    made.mounted = false;
    made.origin = origin.str();
    for (const auto& [name, value] : properties) {
        made.props[name] = Property{.value = value, .source = Source::local};
    }
    from->cloned = true;
    changed(dataset, /*versions_only=*/false);
    co_return ok();
}

Task<Result<void>> FakeZfs::destroy_dataset(DatasetName dataset) {
    Result<void> entered = enter("destroy_dataset", dataset.str(), dataset.pool());
    if (!entered.has_value()) co_return entered;
    FakeDataset* fake = find(dataset);
    if (fake == nullptr) co_return ok();
    const auto next = datasets_.upper_bound(dataset);
    const bool parent = next != datasets_.end() && next->first.is_below(dataset);
    if (parent || !fake->snapshots.empty())
        co_return error(Code::conflict, "filesystem has children");
    const auto origin = SnapshotName::parse(fake->origin);
    datasets_.erase(dataset);
    if (FakeSnapshot* from = origin.has_value() ? find(*origin) : nullptr) from->cloned = false;
    changed(dataset, /*versions_only=*/false);
    co_return ok();
}

}  // namespace zrepd::test
