// SPDX-License-Identifier: BSD-2-Clause
// FakeZfs: destroying, bookkeeping, rolling back.
#include <algorithm>

#include "common/text.hpp"
#include "tests/fakes/fake_error.hpp"
#include "tests/fakes/fake_zfs.hpp"

namespace zrepd::test {

Result<void> FakeZfs::destroy_one(const DatasetName& dataset, const std::string& name) {
    FakeDataset* fake = find(dataset);
    if (fake == nullptr) return error(Code::not_found, dataset.str() + " does not exist");
    auto& all = fake->snapshots;
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const auto& s) { return s.name == name; });
    if (found == all.end()) return ok();
    const std::string full = dataset.str() + "@" + name;
    if (found->held || found->foreign_hold)
        return error(Code::busy, "destroy " + full + ": it is held or in use");
    if (found->cloned) return error(Code::busy, "destroy " + full + ": it has dependent clones");
    // As in zfs: what it had written is counted by whatever comes after it.
    (found + 1 == all.end() ? fake->written : (found + 1)->written) += found->written;
    all.erase(found);
    changed(dataset, /*versions_only=*/true);
    return ok();
}

Task<Result<void>> FakeZfs::destroy_snapshots(DatasetName dataset, std::vector<std::string> names) {
    Result<void> entered =
        enter("destroy_snapshots", dataset.str() + "@" + join(names, ","), dataset.pool());
    if (!entered.has_value()) co_return entered;
    std::vector<std::string> failed;
    for (const std::string& name : names) {
        Result<void> gone = destroy_one(dataset, name);
        if (!gone.has_value()) failed.push_back(gone.error().message);
    }
    if (!failed.empty()) co_return error(Code::busy, join(failed, "; "));
    co_return ok();
}

Task<Result<void>> FakeZfs::destroy_bookmark(DatasetName dataset, std::string name) {
    Result<void> entered = enter("destroy_bookmark", dataset.str() + "#" + name, dataset.pool());
    if (!entered.has_value()) co_return entered;
    FakeDataset* fake = find(dataset);
    if (fake == nullptr) co_return error(Code::not_found, dataset.str() + " does not exist");
    std::erase_if(fake->bookmarks, [&](const Bookmark& b) { return b.name == name; });
    changed(dataset, /*versions_only=*/true);
    co_return ok();
}

AckOutcome FakeZfs::acknowledge_one(UnixSeconds sent, const AckItem& item) {
    AckOutcome outcome;
    FakeSnapshot* snapshot = find(item.snapshot);
    if (snapshot == nullptr) {
        outcome.acknowledged = error(Code::not_found, item.snapshot.str() + " does not exist");
        return outcome;
    }
    if (snapshot->guid != item.guid) {
        outcome.acknowledged = error(Code::conflict, item.snapshot.str() + " is another snapshot");
        return outcome;
    }
    if (item.set_sent) snapshot->sent = sent;
    FakeDataset& fake = *find(item.snapshot.dataset());
    const std::string mark = zrep_bookmark_name(item.guid);
    const auto same = [&](const Bookmark& b) { return b.name == mark; };
    if (item.bookmark && std::none_of(fake.bookmarks.begin(), fake.bookmarks.end(), same)) {
        fake.bookmarks.push_back(
            {.name = mark, .guid = item.guid, .createtxg = snapshot->createtxg});
    }
    outcome.bookmarked = item.bookmark;
    for (const std::string& name : item.destroy) {
        Result<void> gone = destroy_one(item.snapshot.dataset(), name);
        if (gone.has_value()) {
            outcome.destroyed.push_back(name);
        } else {
            outcome.failed.push_back(gone.error().message);
        }
    }
    changed(item.snapshot.dataset(), /*versions_only=*/true);
    return outcome;
}

Task<std::vector<AckOutcome>> FakeZfs::acknowledge(AckBatch batch) {
    std::string said;
    for (const AckItem& item : batch.items) {
        said += (said.empty() ? "" : " ") + item.snapshot.str();
    }
    const std::string pool(batch.items.empty() ? std::string_view()
                                               : batch.items[0].snapshot.dataset().pool());
    Result<void> entered = enter("acknowledge", said, pool);
    std::vector<AckOutcome> outcomes;
    for (const AckItem& item : batch.items) {
        outcomes.push_back(entered.has_value() ? acknowledge_one(batch.sent, item)
                                               : AckOutcome{.acknowledged = entered});
    }
    co_return outcomes;
}

Task<Result<void>> FakeZfs::rollback(SnapshotName snapshot) {
    Result<void> entered = enter("rollback", snapshot.str(), snapshot.dataset().pool());
    if (!entered.has_value()) co_return entered;
    const FakeSnapshot* target = find(snapshot);
    if (target == nullptr) co_return error(Code::not_found, snapshot.str() + " does not exist");
    FakeDataset& fake = *find(snapshot.dataset());
    if (fake.snapshots.back().name != snapshot.snapshot()) {
        co_return error(Code::conflict, "more recent snapshots or bookmarks exist");
    }
    fake.written = 0;
    fake.content = target->content;
    changed(snapshot.dataset(), /*versions_only=*/false);
    co_return ok();
}

Task<Result<void>> FakeZfs::abort_receive(DatasetName dataset) {
    Result<void> entered = enter("abort_receive", dataset.str(), dataset.pool());
    if (!entered.has_value()) co_return entered;
    FakeDataset* fake = find(dataset);
    if (fake == nullptr) co_return error(Code::not_found, dataset.str() + " does not exist");
    fake->partial.reset();
    // A first receive that never got a snapshot leaves no dataset behind, as in zfs.
    const bool only_partial = fake->snapshots.empty() && fake->content == 0;
    if (only_partial) datasets_.erase(dataset);
    changed(dataset, /*versions_only=*/false);
    co_return ok();
}

}  // namespace zrepd::test
