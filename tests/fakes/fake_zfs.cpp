// SPDX-License-Identifier: BSD-2-Clause
#include "tests/fakes/fake_zfs.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <iterator>
#include <stdexcept>

#include "common/props.hpp"
#include "common/text.hpp"
#include "daemon/zfs/parse.hpp"
#include "tests/fakes/fake_error.hpp"

namespace zrepd::test {
namespace {

/// Above 2^63, as half of all real ones are: code that reads them as signed numbers shows.
Guid fresh_guid() {
    static std::uint64_t next = 10'000'000'000'000'000'000U;
    return Guid{++next};
}

std::uint64_t fresh_content() {
    static std::uint64_t next = 0;
    return ++next;
}

std::string words(const std::vector<SnapshotName>& names) {
    std::string result;
    for (const SnapshotName& name : names) result += (result.empty() ? "" : " ") + name.str();
    return result;
}

std::string words(const std::vector<DatasetName>& names) {
    std::string result;
    for (const DatasetName& name : names) result += (result.empty() ? "" : " ") + name.str();
    return result;
}

bool says_all(const std::string& call, const std::string& words) {
    const auto parts = split(words, ' ');
    return std::all_of(parts.begin(), parts.end(), [&](std::string_view part) {
        return call.find(part) != call.npos;
    });
}

/// Of the methods below; a flush of a pool that takes no writes has nothing to wait for.
bool writes(std::string_view method) {
    constexpr std::array<std::string_view, 12> kLooks{"datasets",
                                                      "check_writable",
                                                      "versions",
                                                      "flush",
                                                      "holds",
                                                      "mount_at",
                                                      "unmount_at",
                                                      "diff",
                                                      "sync_files",
                                                      "try_key",
                                                      "token_info",
                                                      "send"};
    return std::find(kLooks.begin(), kLooks.end(), method) == kLooks.end();
}

std::string_view pool_of(const std::vector<SnapshotName>& names) {
    return names.empty() ? std::string_view() : names.front().dataset().pool();
}

}  // namespace

FakeZfs::FakeZfs(asio::any_io_executor executor)
    : executor_(std::move(executor)), answer_(executor_) {}

FakeZfs& FakeZfs::create(std::string_view dataset, Kind kind) {
    FakeDataset fresh;
    fresh.kind = kind;
    fresh.guid = fresh_guid();
    fresh.content = fresh_content();
    datasets_.emplace(DatasetName::parse(dataset).value(), std::move(fresh));
    return *this;
}

void FakeZfs::write(std::string_view dataset, std::uint64_t bytes) {
    FakeDataset& written = at(dataset);
    written.written += bytes;
    written.content = fresh_content();
}

Guid FakeZfs::take(std::string_view snapshot) {
    const SnapshotName name = SnapshotName::parse(snapshot).value();
    const Guid guid = take(at(name.dataset().str()), name.snapshot(), fresh_guid());
    changed(name.dataset(), /*versions_only=*/true);
    return guid;
}

Guid FakeZfs::take(FakeDataset& dataset, std::string name, Guid guid) {
    dataset.snapshots.push_back({.name = std::move(name),
                                 .guid = guid,
                                 .createtxg = ++txg_,
                                 .written = dataset.written,
                                 .content = dataset.content,
                                 .sent = {}});
    dataset.written = 0;
    return guid;
}

FakeDataset& FakeZfs::at(std::string_view dataset) {
    FakeDataset* found = find(DatasetName::parse(dataset).value());
    if (found == nullptr) throw std::logic_error("FakeZfs has no " + std::string(dataset));
    return *found;
}

bool FakeZfs::exists(std::string_view dataset) const {
    return datasets_.contains(DatasetName::parse(dataset).value());
}

FakeSnapshot* FakeZfs::snapshot_of(std::string_view dataset, Guid guid) {
    for (FakeSnapshot& snapshot : at(dataset).snapshots) {
        if (snapshot.guid == guid) return &snapshot;
    }
    return nullptr;
}

FakeDataset* FakeZfs::find(const DatasetName& dataset) {
    const auto found = datasets_.find(dataset);
    return found == datasets_.end() ? nullptr : &found->second;
}

FakeSnapshot* FakeZfs::find(const SnapshotName& snapshot) {
    FakeDataset* dataset = find(snapshot.dataset());
    if (dataset == nullptr) return nullptr;
    for (FakeSnapshot& candidate : dataset->snapshots) {
        if (candidate.name == snapshot.snapshot()) return &candidate;
    }
    return nullptr;
}

void FakeZfs::fail_next(std::string method, Error error) {
    failures_[std::move(method)].push_back(std::move(error));
}
void FakeZfs::fail_at(std::string words, Error error, Effect effect) {
    planned_.push_back({std::move(words), std::move(error), effect});
}
void FakeZfs::cut_next_receive(std::uint64_t bytes) {
    cut_ = bytes;
}
void FakeZfs::stall_next_send(std::uint64_t bytes) {
    stall_ = bytes;
}

void FakeZfs::set_pool_trouble(std::string_view pool, std::string trouble) {
    troubles_[std::string(pool)] = std::move(trouble);
}

std::size_t FakeZfs::count(std::string_view begin) const {
    return static_cast<std::size_t>(std::count_if(
        calls_.begin(), calls_.end(), [&](const auto& call) { return call.starts_with(begin); }));
}

std::vector<std::string> FakeZfs::changes() const {
    std::vector<std::string> out;
    std::copy_if(calls_.begin(), calls_.end(), std::back_inserter(out), [](const auto& call) {
        return writes(std::string_view(call).substr(0, call.find(' ')));
    });
    return out;
}

Result<void> FakeZfs::enter(const std::string& method,
                            const std::string& said,
                            std::string_view pool) {
    calls_.push_back(said.empty() ? method : method + " " + said);
    const std::string& call = calls_.back();
    // It may put another in its own place.
    if (const auto look = look_) look(call);
    const auto planned = std::find_if(planned_.begin(), planned_.end(), [&](const Planned& p) {
        return says_all(call, p.words);
    });
    if (planned != planned_.end()) {
        const Planned now = *planned;
        planned_.erase(planned);
        if (now.effect == Effect::none) return now.error;
        late_ = now.error;
    }
    const auto prepared = failures_.find(method);
    if (prepared != failures_.end() && !prepared->second.empty()) {
        Error failure = std::move(prepared->second.front());
        prepared->second.pop_front();
        return failure;
    }
    if (broken_) return *broken_;
    if (readonly_.contains(pool) && writes(method))
        return parse::failure("cannot " + method + ": pool is read-only", "", pool);
    return check_pool(pool);
}

Result<void> FakeZfs::leave() {
    if (!late_) return ok();
    return std::exchange(late_, std::nullopt).value();
}

std::string_view FakeZfs::pool_in_trouble(const std::vector<DatasetName>& which) {
    for (const DatasetName& name : which) {
        if (!check_pool(name.pool()).has_value()) return name.pool();
    }
    return "";
}

void FakeZfs::changed(const DatasetName& dataset, bool versions_only) {
    for (const auto& [id, watcher] : watchers_) {
        // As from `zpool events`: later, never from inside the call that made the change.
        asio::post(executor_, [this, id = id, dataset, versions_only] {
            const auto present = watchers_.find(id);
            if (present == watchers_.end()) return;
            present->second(Change{.dataset = dataset, .versions_only = versions_only});
        });
    }
}

Dataset FakeZfs::describe(const DatasetName& name) const {
    const FakeDataset& fake = datasets_.at(name);
    Dataset result(name);
    result.kind = fake.kind;
    result.guid = fake.guid;
    result.written_bytes = fake.written;
    result.referenced_bytes = fake.written;
    for (const FakeSnapshot& snapshot : fake.snapshots) result.referenced_bytes += snapshot.written;
    result.available_bytes = fake.available.value_or(available_);
    result.mounted = fake.mounted;
    result.encrypted = fake.encrypted;
    if (fake.partial) result.resume_token = fake.partial->token;
    result.props = fake.props;
    for (auto above = name.parent(); above; above = above->parent()) {
        const auto found = datasets_.find(*above);
        if (found == datasets_.end()) continue;
        for (const auto& [key, property] : found->second.props) {
            result.props.try_emplace(key, Property{property.value, Source::inherited});
        }
    }
    result.key_loaded = fake.key_loaded;
    result.origin = fake.origin;
    const auto native = [&](std::string_view key) -> std::optional<Property> {
        const auto found = result.props.find(key);
        if (found == result.props.end()) return std::nullopt;
        Property property = std::move(found->second);
        result.props.erase(found);
        return property;
    };
    if (const auto readonly = native("readonly")) {
        result.readonly = readonly->value == "on";
        result.readonly_here = readonly->source != Source::inherited;
    }
    const auto volmode = native("volmode");
    const auto canmount = native("canmount");
    const auto mountpoint = native("mountpoint");
    if (fake.kind == Kind::volume) {
        result.volmode = volmode ? volmode->value : "default";
        return result;
    }
    // canmount is not inherited (zfsprops(7)).
    const bool own = canmount && canmount->source != Source::inherited;
    result.canmount = own ? canmount->value : "on";
    const bool placed = mountpoint && mountpoint->source != Source::inherited;
    result.mountpoint = placed ? mountpoint->value : "/" + name.str();
    result.mountpoint_here = placed;
    return result;
}

Task<Result<std::vector<Dataset>>> FakeZfs::datasets(std::vector<DatasetName> which) {
    if (!suspend_.empty()) set_pool_trouble(std::exchange(suspend_, ""), "SUSPENDED");
    Result<void> entered = enter("datasets", words(which), pool_in_trouble(which));
    if (!entered.has_value()) co_return entered.error();
    std::vector<Dataset> result;
    for (const auto& [name, fake] : datasets_) {
        const bool wanted = which.empty()
                                ? check_pool(name.pool()).has_value()
                                : std::find(which.begin(), which.end(), name) != which.end();
        if (wanted) result.push_back(describe(name));
    }
    if (std::exchange(delay_, false)) co_await answer_.wait();
    co_return result;
}

Task<Result<std::map<DatasetName, Versions>>> FakeZfs::versions(std::vector<DatasetName> which) {
    Result<void> entered = enter("versions", words(which), pool_in_trouble(which));
    if (!entered.has_value()) co_return entered.error();
    std::map<DatasetName, Versions> result;
    for (const DatasetName& name : which) {
        const FakeDataset* fake = find(name);
        if (fake == nullptr) continue;
        Versions& versions = result[name];
        versions.bookmarks = fake->bookmarks;
        for (const FakeSnapshot& s : fake->snapshots) {
            versions.snapshots.push_back({.name = s.name,
                                          .guid = s.guid,
                                          .createtxg = s.createtxg,
                                          .written_bytes = s.written,
                                          .held = s.held || s.foreign_hold,
                                          .cloned = s.cloned,
                                          .created = s.created,
                                          .sent = s.sent});
        }
    }
    co_return result;
}

Task<std::vector<Result<Snapshot>>> FakeZfs::snapshot(std::vector<SnapshotName> names) {
    Result<void> entered = enter("snapshot", words(names), pool_of(names));
    std::vector<Result<Snapshot>> outcomes;
    for (const SnapshotName& name : names) {
        if (!entered.has_value()) {
            outcomes.emplace_back(entered.error());
        } else if (find(name.dataset()) == nullptr) {
            outcomes.emplace_back(error(Code::not_found, name.dataset().str() + " does not exist"));
        } else if (find(name) != nullptr) {
            outcomes.emplace_back(error(Code::already_exists, name.str() + " exists"));
        } else {
            take(*find(name.dataset()), name.snapshot(), fresh_guid());
            changed(name.dataset(), /*versions_only=*/true);
            const FakeSnapshot& made = *find(name);
            outcomes.emplace_back(Snapshot{.name = made.name,
                                           .guid = made.guid,
                                           .createtxg = made.createtxg,
                                           .written_bytes = made.written,
                                           .created = made.created,
                                           .sent = {}});
        }
    }
    co_return outcomes;
}

Task<Result<void>> FakeZfs::check_writable(std::string pool) {
    const Result<void> entered = enter("check_writable", pool, pool);
    if (entered && readonly_.contains(pool))
        co_return parse::failure("pool is read-only", "", pool);
    co_return entered;
}

Task<Result<std::vector<Snapshot>>> FakeZfs::snapshot_together(std::vector<SnapshotName> names) {
    Result<void> entered = enter("snapshot_together", words(names), pool_of(names));
    if (!entered.has_value()) co_return entered.error();
    for (const SnapshotName& name : names) {
        if (find(name.dataset()) == nullptr)
            co_return error(Code::not_found, name.dataset().str() + " does not exist");
        if (find(name) != nullptr) co_return error(Code::already_exists, name.str() + " exists");
    }
    std::vector<Snapshot> out;
    const std::uint64_t txg = ++txg_;
    for (const SnapshotName& name : names) {
        take(*find(name.dataset()), name.snapshot(), fresh_guid());
        FakeSnapshot& made = *find(name);
        made.createtxg = txg;
        changed(name.dataset(), /*versions_only=*/true);
        out.push_back(Snapshot{.name = made.name,
                               .guid = made.guid,
                               .createtxg = made.createtxg,
                               .written_bytes = made.written,
                               .created = made.created,
                               .sent = {}});
    }
    co_return out;
}

Task<Result<void>> FakeZfs::flush(std::vector<std::string> pools) {
    co_return enter("flush", join(pools, " "), pools.empty() ? "" : pools[0]);
}

Task<Result<void>> FakeZfs::set(DatasetName dataset, PropertyList properties) {
    std::string said = dataset.str();
    for (const auto& [name, value] : properties)
        said.append(" ").append(name).append("=").append(value);
    Result<void> entered = enter("set", said, dataset.pool());
    if (!entered.has_value()) co_return entered;
    FakeDataset* fake = find(dataset);
    if (fake == nullptr) co_return error(Code::not_found, dataset.str() + " does not exist");
    for (const auto& [name, value] : properties) {
        fake->props[name] = Property{.value = value, .source = Source::local};
        // As zfs(8) does when it gets a mountpoint and may mount.
        const auto canmount = fake->props.find("canmount");
        const bool may = canmount == fake->props.end() || canmount->second.value == "on";
        if (name == "mountpoint" && fake->key_loaded && may) fake->mounted = true;
    }
    changed(dataset, /*versions_only=*/false);
    co_return leave();
}

Task<Result<void>> FakeZfs::inherit(DatasetName dataset, std::vector<std::string> properties) {
    Result<void> entered =
        enter("inherit", dataset.str() + " " + join(properties, " "), dataset.pool());
    if (!entered.has_value()) co_return entered;
    FakeDataset* fake = find(dataset);
    if (fake == nullptr) co_return error(Code::not_found, dataset.str() + " does not exist");
    for (const std::string& name : properties) fake->props.erase(name);
    changed(dataset, /*versions_only=*/false);
    co_return leave();
}

Task<Result<void>> FakeZfs::hold(std::vector<SnapshotName> names) {
    Result<void> entered = enter("hold", words(names), pool_of(names));
    if (!entered.has_value()) co_return entered;
    for (const SnapshotName& name : names) {
        FakeSnapshot* snapshot = find(name);
        if (snapshot == nullptr) co_return error(Code::not_found, name.str() + " does not exist");
        snapshot->held = true;
        changed(name.dataset(), /*versions_only=*/true);
    }
    co_return ok();
}

Task<Result<void>> FakeZfs::release(std::vector<SnapshotName> names) {
    Result<void> entered = enter("release", words(names), pool_of(names));
    if (!entered.has_value()) co_return entered;
    for (const SnapshotName& name : names) {
        FakeSnapshot* snapshot = find(name);
        if (snapshot == nullptr) co_return error(Code::not_found, name.str() + " does not exist");
        snapshot->held = false;
        changed(name.dataset(), /*versions_only=*/true);
    }
    co_return ok();
}

Task<Result<void>> FakeZfs::forget_sent(std::vector<SnapshotName> names) {
    Result<void> entered = enter("forget_sent", words(names), pool_of(names));
    if (!entered.has_value()) co_return entered;
    for (const SnapshotName& name : names) {
        FakeSnapshot* snapshot = find(name);
        if (snapshot == nullptr) co_return error(Code::not_found, name.str() + " does not exist");
        snapshot->sent.reset();
        changed(name.dataset(), /*versions_only=*/true);
    }
    co_return ok();
}

Task<Result<std::set<SnapshotName>>> FakeZfs::foreign_holds(std::vector<SnapshotName> names) {
    Result<void> entered = enter("holds", words(names), pool_of(names));
    if (!entered.has_value()) co_return entered.error();
    std::set<SnapshotName> out;
    for (const SnapshotName& name : names) {
        const FakeSnapshot* snapshot = find(name);
        if (snapshot != nullptr && snapshot->foreign_hold) out.insert(name);
    }
    co_return out;
}

Task<> FakeZfs::watch(std::function<void(Change)> on_change) {
    const int id = next_watcher_++;
    watchers_[id] = std::move(on_change);
    asio::steady_timer forever(executor_, asio::steady_timer::time_point::max());
    bool stop = co_await cancelled();
    while (!stop) {
        co_await forever.async_wait(nothrow);
        stop = co_await cancelled();
    }
    watchers_.erase(id);
}

Result<void> FakeZfs::check_pool(std::string_view pool) {
    const auto found = troubles_.find(pool);
    if (found == troubles_.end() || found->second.empty()) return ok();
    Error out = error(Code::pool_unavailable, "pool " + found->first + " is " + found->second);
    out.remedy = "repair it: zpool status " + found->first + ", then zpool clear " + found->first;
    return out;
}

std::vector<std::string> FakeZfs::unavailable_pools() {
    std::vector<std::string> found;
    for (const auto& [pool, trouble] : troubles_) {
        if (!trouble.empty()) found.push_back(pool);
    }
    return found;
}

}  // namespace zrepd::test
