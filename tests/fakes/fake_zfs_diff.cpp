// SPDX-License-Identifier: BSD-2-Clause
// FakeZfs: looks at what differs.
#include "daemon/zfs/parse.hpp"
#include "tests/fakes/fake_zfs.hpp"

namespace zrepd::test {

Task<Result<void>> FakeZfs::mount_at(DatasetName dataset, std::string place) {
    Result<void> entered = enter("mount_at", dataset.str(), dataset.pool());
    if (!entered.has_value()) co_return entered;
    places_.emplace(std::move(place), dataset);
    co_return ok();
}

Task<Result<void>> FakeZfs::unmount_at(std::string place) {
    const auto found = places_.find(place);
    Result<void> entered =
        enter("unmount_at", found == places_.end() ? "" : found->second.str(), "");
    if (!entered.has_value()) co_return entered;
    places_.erase(place);
    co_return ok();
}

/// As zfs does, it refuses what is not mounted.
Task<Result<FileChanges>> FakeZfs::diff(DiffSpec spec) {
    const std::string words = spec.from.str() + " " + spec.to.str();
    Result<void> entered = enter("diff", words, spec.from.dataset().pool());
    if (!entered.has_value()) co_return entered.error();
    for (const SnapshotName* side : {&spec.from, &spec.to}) {
        const FakeDataset* fake = find(side->dataset());
        bool mounted = fake != nullptr && fake->mounted;
        for (const auto& [place, dataset] : places_) mounted |= dataset == side->dataset();
        if (mounted && find(*side) != nullptr) continue;
        co_return parse::failure("Cannot diff an unmounted snapshot", "");
    }
    FileChanges out = file_changes_;
    out.more = out.changes.size() > spec.limit;
    if (out.more) out.changes.resize(spec.limit);
    co_return out;
}

}  // namespace zrepd::test
