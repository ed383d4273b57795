// SPDX-License-Identifier: BSD-2-Clause
// Copies: which files of a rescue differ from its base. zfs diff wants the filesystem of the base
// and the copy mounted, wherever that is. Both are often not: they are mounted readonly below the
// runtime directory, and the folder there is the note that says so after a kill.
#include <algorithm>
#include <filesystem>

#include "common/text.hpp"
#include "daemon/failover/copies.hpp"
#include "daemon/log.hpp"

namespace zrepd::failover {
namespace {

namespace fs = std::filesystem;
using sync::Freshness;

constexpr std::chrono::seconds kDiffLockWait{30};
constexpr std::chrono::minutes kLookLimit{10};
constexpr std::chrono::milliseconds kDiffLookAgain{50};
// A target that is mounted for it takes no stream and no role meanwhile: less than the time for
// which those wait for its lock.
constexpr std::chrono::seconds kLockedLimit{45};
constexpr std::uint64_t kMostChanges = 10'000;
constexpr std::string_view kReason = "rescue diff";

std::string word_for_kind(char kind) {
    if (kind == '+') return "added";
    if (kind == '-') return "removed";
    return kind == 'R' ? "renamed" : "modified";
}

std::string word_for_type(char type) {
    if (type == 'F') return "file";
    if (type == '/') return "directory";
    return type == '@' ? "symlink" : "other";
}

rpc::RescueDiffOut::Change described(FileChange change) {
    rpc::RescueDiffOut::Change out;
    out.change = word_for_kind(change.kind);
    out.type = word_for_type(change.type);
    out.path = std::move(change.path);
    if (change.kind == 'R') out.new_path = std::move(change.new_path);
    return out;
}

Result<std::string> new_place(const fs::path& runtime) {
    std::error_code ec;
    const fs::path looks = runtime / "diff";
    if (auto made = make_closed(looks); !made) return made.error();
    for (unsigned i = 1; !ec && i < 1000; ++i) {
        const fs::path place = looks / std::to_string(i);
        if (!fs::create_directory(place, ec)) continue;
        fs::create_directory(place / "base", ec);
        fs::create_directory(place / "copy", ec);
        if (!ec) return place.string();
    }
    return Error{.code = Code::io_error,
                 .message = "no folder below " + looks.string() + " can be made: " + ec.message(),
                 .remedy = "ls -l " + quote(looks.string())};
}

Error key_missing(const DatasetName& dataset) {
    return Error{
        .code = Code::refused,
        .message = "the key of " + dataset.str() + " is not loaded: its files cannot be read",
        .remedy = "zfs load-key " + quote(dataset.str())};
}

Error base_gone(const DatasetName& copy, const SnapshotName& base) {
    return Error{.code = Code::not_found,
                 .message = base.str() + ", from which " + copy.str() +
                            " was begun, is gone: there is nothing to compare it with",
                 .remedy = "its files are all there: zfs mount " + quote(copy.str()) +
                           ", or zfs get mountpoint,canmount " + quote(copy.str()) +
                           " says why not"};
}

std::string why_incomplete(const FileChanges& found, std::chrono::seconds time) {
    if (found.more) {
        return "cut after " + std::to_string(found.changes.size()) + " changes; --limit shows more";
    }
    if (!found.timed_out) return "";
    return "zfs diff was ended after " + std::to_string(time.count()) +
           " s; there may be more changes";
}

}  // namespace

Result<Copies::Look> Copies::look_of(const DatasetName& copy) const {
    auto checked = check_rescue(copy);
    if (!checked) return checked.error();
    const Dataset* dataset = parts_.inventory.find(copy);
    const Versions* versions = parts_.inventory.versions(copy);
    const auto base = SnapshotName::parse(dataset->origin);
    if (!base || versions == nullptr || versions->snapshots.empty()) {
        return Error{.code = Code::conflict,
                     .message = copy.str() +
                                " is not a clone with snapshots: there is nothing to "
                                "compare it with",
                     .remedy = "zfs get origin " + quote(copy.str()) +
                               "; if it was promoted, the rescue is a filesystem of its own now"};
    }
    auto newest = SnapshotName::make(copy, versions->snapshots.back().name);
    if (!newest) return newest.error();
    Look out{.base = *base, .newest = *newest};
    for (const Snapshot& s : versions->snapshots) out.bytes += s.written_bytes;
    out.volume = dataset->kind == Kind::volume;
    if (!dataset->key_loaded) return key_missing(copy);
    return out;
}

/// Nothing when the filesystem is mounted anyway: then nobody has to be kept away.
Task<Result<std::optional<lock::LockTable::Guard>>> Copies::lock_base(DatasetName dataset) {
    std::optional<lock::LockTable::Guard> out;
    auto seen = co_await parts_.inventory.refresh_one(dataset, Freshness::cached);
    if (!seen) co_return seen.error();
    const Dataset* now = parts_.inventory.find(dataset);
    if (now != nullptr && now->mounted) co_return out;
    auto guard =
        co_await parts_.locks.lock(dataset, lock::Scope::node, std::string(kReason), kDiffLockWait);
    if (!guard) co_return guard.error();
    out.emplace(std::move(*guard));
    auto again = co_await parts_.inventory.refresh_one(dataset, Freshness::cached);
    if (!again) co_return again.error();
    co_return out;
}

Task<Result<rpc::RescueDiffOut>> Copies::diff(DatasetName copy, std::uint64_t limit) {
    if (limit == 0 || limit > kMostChanges) {
        co_return Error{.code = Code::invalid_params,
                        .message = "limit: " + std::to_string(limit) + " is not 1 to " +
                                   std::to_string(kMostChanges)};
    }
    co_await end_left_looks();
    auto guard =
        co_await parts_.locks.lock(copy, lock::Scope::node, std::string(kReason), kDiffLockWait);
    if (!guard) co_return guard.error();
    auto seen = co_await parts_.inventory.refresh_one(copy, Freshness::listed);
    if (!seen) co_return seen.error();
    auto look = look_of(copy);
    if (!look) co_return look.error();
    rpc::RescueDiffOut out;
    out.dataset = copy.str();
    out.base = look->base.str();
    out.snapshot = look->newest.str();
    out.bytes = look->bytes;
    if (look->volume) {
        out.note = "a volume: which files these bytes are in is only known to who uses it";
        co_return out;
    }
    auto base_guard = co_await lock_base(look->base.dataset());
    if (!base_guard) co_return base_guard.error();
    const Versions* all = parts_.inventory.versions(look->base.dataset());
    const std::string& base = look->base.snapshot();
    const bool gone =
        all != nullptr && std::none_of(all->snapshots.begin(),
                                       all->snapshots.end(),
                                       [&](const Snapshot& s) { return s.name == base; });
    if (gone) co_return base_gone(copy, look->base);
    look->limit = static_cast<std::size_t>(limit);
    look->time = base_guard->has_value() ? kLockedLimit : kLookLimit;
    auto found = co_await compare(*look);
    if (!found) co_return found.error();
    out.note = why_incomplete(*found, look->time);
    out.complete = out.note.empty();
    for (FileChange& change : found->changes) out.changes.push_back(described(std::move(change)));
    co_return out;
}

Task<Result<FileChanges>> Copies::compare(Look look) {
    auto place = new_place(parts_.config.runtime_dir);
    if (!place) co_return place.error();
    look.place = *place;
    looks_.insert(look.place);
    Result<FileChanges> found = FileChanges{};
    auto mounted = co_await mount_both(&look);
    if (mounted) {
        DiffSpec spec{.from = look.base, .to = look.newest, .root = look.root};
        spec.limit = look.limit;
        spec.time = look.time;
        found = co_await parts_.zfs.diff(std::move(spec));
    } else {
        found = mounted.error();
    }
    // Whatever came of it, and also when zrepd is being stopped: nothing stays mounted.
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    auto ended = co_await end_look(look.place);
    looks_.erase(look.place);
    if (found && !ended) co_return ended.error();
    co_return found;
}

Task<Result<void>> Copies::mount_both(Look* look) {
    const DatasetName copy = look->newest.dataset();
    const DatasetName base = look->base.dataset();
    const Dataset* now = parts_.inventory.find(copy);
    look->root = now == nullptr ? "" : now->mountpoint;
    if (now == nullptr || !now->mounted) {
        look->root = look->place + "/copy";
        auto mounted = co_await parts_.zfs.mount_at(copy, look->root);
        if (!mounted) co_return mounted.error().in("mount " + copy.str());
    }
    now = parts_.inventory.find(base);
    if (now != nullptr && now->mounted) co_return ok();
    if (now != nullptr && !now->key_loaded) co_return key_missing(base);
    auto mounted = co_await parts_.zfs.mount_at(base, look->place + "/base");
    if (!mounted) co_return mounted.error().in("mount " + base.str());
    co_return ok();
}

Task<Result<void>> Copies::end_look(std::string place) {
    auto copy = co_await parts_.zfs.unmount_at(place + "/copy");
    auto base = co_await parts_.zfs.unmount_at(place + "/base");
    std::error_code ignored;
    // The folder of what stays mounted says so.
    if (copy) fs::remove(place + "/copy", ignored);
    if (base) fs::remove(place + "/base", ignored);
    fs::remove(place, ignored);
    if (copy && base) co_return ok();
    Error error = copy ? base.error() : copy.error();
    error.remedy = "umount " + quote(place + (copy ? "/base" : "/copy")) +
                   "; zrepd tries it again at its next start";
    co_return error;
}

/// A look that comes meanwhile would take what is about to be unmounted for mounted.
Task<> Copies::end_left_looks() {
    while (cleaning_ && !cleaned_) {
        const bool stop = co_await cancelled();
        if (stop) co_return;
        co_await sleep_for(kDiffLookAgain);
    }
    if (cleaned_) co_return;
    cleaning_ = true;
    co_await clean_up_looks();
    cleaned_ = true;
}

/// What a kill left mounted.
Task<> Copies::clean_up_looks() {
    std::vector<std::string> left;
    std::error_code ec;
    for (fs::directory_iterator at(parts_.config.runtime_dir / "diff", ec), end; !ec && at != end;
         at.increment(ec)) {
        if (!looks_.contains(at->path().string())) left.push_back(at->path().string());
    }
    for (const std::string& place : left) {
        auto gone = co_await end_look(place);
        log::event(log::Level::warn,
                   "look_left_over",
                   {{"place", place}, {"error", gone ? "" : gone.error().text()}});
    }
}

}  // namespace zrepd::failover
