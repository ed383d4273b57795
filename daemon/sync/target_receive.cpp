// SPDX-License-Identifier: BSD-2-Clause
// What a peer's stream may do to a target before and while it is received.
#include <algorithm>

#include "common/props.hpp"
#include "common/text.hpp"
#include "daemon/failover/journal.hpp"
#include "daemon/log.hpp"
#include "daemon/sync/receiver.hpp"
#include "daemon/sync/target.hpp"

namespace zrepd::sync {
namespace {

// zfs receive writes down what it has. One that takes longer is shown as busy.
constexpr std::chrono::seconds kEndWait{15};
// Of first streams that brought nothing nobody says so. Events tell of the others too, only later.
constexpr std::size_t kMaxFounded = 10'000;

Error exists_here(const DatasetName& target, const HostName& host, bool member) {
    return Error{.code = Code::already_exists,
                 .message = target.str() + " exists already on " + host.str(),
                 .remedy = member ? "run zrepctl sync again to look anew"
                                  : "choose another name; zrepd never overwrites a filesystem. If "
                                    "it is a copy of this one: zrepctl init --adopt"};
}

/// The dataset, and what lies above it that was not seen yet: it may have been received a moment
/// ago.
std::vector<DatasetName> unknown_above(const Inventory& inventory, const DatasetName& target) {
    std::vector<DatasetName> out{target};
    for (auto above = target.parent(); above; above = above->parent()) {
        if (inventory.find(*above) == nullptr) out.push_back(*above);
    }
    return out;
}

/// It is stored as it comes: what is no number here would count as none for ever, and an epoch
/// that is none of ours could never be overtaken.
Result<void> check_number(const std::string& key, const std::string& value) {
    if (key == prop::kSavecount) {
        auto checked = plan::check_setting(key, value);
        if (!checked) return checked.error();
        if (!value.empty() && checked->second == value) return ok();
        return Error{.code = Code::invalid_params, .message = quote(value) + " is no savecount"};
    }
    if (key != prop::kEpoch) return ok();
    const auto epoch = parse_u64(value);
    if (epoch && *epoch <= failover::kMaxEpoch && std::to_string(*epoch) == value) return ok();
    return Error{.code = Code::invalid_params, .message = quote(value) + " is not an epoch"};
}

/// A resumed stream goes on with what is there, and one that is not built on anything is a full
/// one: neither may found something here, which would be nobody's pair.
Result<void> check_mode(const rpc::ReceiveIn& in) {
    std::string wrong;
    if (in.mode != "incremental" && in.mode != "resume")
        wrong = "unknown mode " + quote(in.mode);
    else if (in.mode == "resume" && in.abort_partial)
        wrong = "what is resumed is not thrown away first";
    else if (in.mode == "incremental" && !in.base.known())
        wrong = "an incremental stream names its base";
    if (wrong.empty()) return ok();
    return Error{.code = Code::invalid_params, .message = wrong};
}

}  // namespace

/// The asking side sends nothing of these now. What still waits here for more of an earlier stream
/// of its (it lost its power, say, and no end ever came) would keep the next from beginning until
/// stall-timeout.
Task<> Target::end_streams(std::string peer, std::vector<rpc::LookIn::Pair> pairs) {
    const std::string reason = std::string(kReceiveReason) + peer;
    std::vector<DatasetName> ended;
    for (const auto& pair : pairs) {
        const auto target = DatasetName::parse(pair.target);
        if (!target || !side_with(peer, *target, pair.source)) continue;
        const auto holder = parts_.locks.conflicting(*target, lock::Scope::node);
        if (!holder || holder->reason != reason || holder->dataset != *target) continue;
        log::event(log::Level::info,
                   "stream_given_up",
                   {{"dataset", target->str()}, {"peer", peer}, {"why", "its sender began anew"}});
        parts_.receives.end(*target);
        ended.push_back(*target);
    }
    const auto until = std::chrono::steady_clock::now() + kEndWait;
    for (const auto& target : ended) {
        const auto left = std::max(until - std::chrono::steady_clock::now(),
                                   std::chrono::steady_clock::duration::zero());
        auto guard = co_await parts_.locks.lock(target, lock::Scope::node, "look", left);
    }
}

Task<Result<std::unique_ptr<Target::Receiver>>> Target::open_receive(std::string peer,
                                                                     rpc::ReceiveIn in) {
    auto target = DatasetName::parse(in.target);
    if (!target) co_return target.error();
    if (!zrep_sequence(in.snapshot)) {
        co_return Error{.code = Code::invalid_params,
                        .message = quote(in.snapshot) + " is not a zrep snapshot's name"};
    }
    auto available = parts_.zfs.check_pool(target->pool());
    if (!available) co_return available.error();
    const bool full = in.mode == "full";
    // What founds no pair can only be a tree's.
    const bool member = full && in.settings.empty();
    // Whose target it is not must not keep its owner from the lock, not even while we look.
    const auto allowed = [&]() -> Result<void> {
        if (side_with(peer, *target, in.source)) return ok();
        const bool may_add = full && (!member || tree_with(peer, *target, in.source));
        if (!may_add) return not_yours(peer, *target);
        auto created = member ? ok() : may_create(peer, *target);
        if (!created || parts_.inventory.find(*target) == nullptr) return created;
        return exists_here(*target, parts_.self.host, member);
    };
    if (!allowed()) {
        std::vector<DatasetName> unsure = unknown_above(parts_.inventory, *target);
        auto seen = co_await look_at_founded(std::move(unsure));
        if (seen && !allowed()) seen = co_await parts_.inventory.discover_for_peer();
        if (!seen) co_return seen.error();
        const Result<void> now = allowed();
        if (!now) co_return now.error();
    }
    auto guard =
        parts_.locks.try_lock(*target, lock::Scope::node, std::string(kReceiveReason) + peer);
    if (!guard) co_return guard.error();
    Result<void> ready = ok();
    if (member)
        ready = co_await ready_for_member(peer, *target, in);
    else if (full)
        ready = co_await ready_for_full(peer, *target, in);
    else
        ready = co_await ready_for_more(peer, *target, in);
    if (!ready) co_return ready.error();
    auto spec = spec_for(*target, in);
    if (!spec) co_return spec.error();
    if (founded_.size() == kMaxFounded) founded_.clear();
    if (full) founded_.insert(*target);
    co_return make_receiver(parts_, std::move(*spec), std::move(*guard));
}

/// The stored pair is this one and no other: a peer founds none in somebody else's name.
Result<void> Target::check_founded_pair(const std::string& peer,
                                        const DatasetName& target,
                                        const rpc::ReceiveIn& in) const {
    const auto value = [&](std::string_view key) {
        const auto found = in.settings.find(std::string(key));
        return found == in.settings.end() ? std::string() : found->second;
    };
    const auto same_host = [&](std::string_view key, const std::string& host) {
        const auto named = HostName::parse(value(key));
        if (!named) return false;
        return named->short_name() == host || (parts_.self.is(*named) && parts_.self.is(host));
    };
    const bool good = same_host(prop::kSrcHost, peer) && value(prop::kSrcFs) == in.source &&
                      same_host(prop::kDestHost, parts_.self.host.str()) &&
                      value(prop::kDestFs) == target.str();
    if (good) return ok();
    return Error{.code = Code::invalid_params,
                 .message = "the settings of the first stream are not those of the pair " + peer +
                            ":" + in.source + " to " + parts_.self.host.str() + ":" + target.str()};
}

Task<Result<void>> Target::ready_for_full(std::string peer, DatasetName target, rpc::ReceiveIn in) {
    auto founded = check_founded_pair(peer, target, in);
    if (!founded) co_return founded;
    // prepare() looked a moment ago; what it saw is checked again because this is what creates.
    auto allowed = may_create(peer, target);
    if (!allowed) co_return allowed;
    auto seen = co_await parts_.inventory.refresh_one(target, Freshness::listed);
    if (!seen) co_return seen;
    if (parts_.inventory.find(target) == nullptr) {
        auto few = may_found_more(peer);
        if (!few) co_return few;
        co_return stands_alone(peer, target);
    }
    if (!in.abort_partial || !pair_with(peer, target, in.source)) {
        co_return exists_here(target, parts_.self.host, /*member=*/false);
    }
    const Versions* versions = parts_.inventory.versions(target);
    if (versions != nullptr && !versions->snapshots.empty()) {
        co_return Error{
            .code = Code::conflict,
            .message = target.str() + " holds complete snapshots; it is not thrown away"};
    }
    // Only the partly received first stream of this very pair; that makes the dataset vanish.
    co_return co_await parts_.zfs.abort_receive(target);
}

/// A side that stepped down or was overtaken may hold data that exists nowhere else. Between its
/// tries to rescue that, or after a power cut, nothing holds its lock: the journal says so.
Result<void> Target::check_rescued(const DatasetName& target) const {
    // A tree goes back as a whole: its root says so.
    const Dataset* dataset = parts_.inventory.find(target);
    const bool apart = dataset != nullptr && plan::stands_apart(*dataset);
    const auto root =
        apart ? std::nullopt : plan::tree_around(parts_.inventory.all(), target, parts_.self);
    if (root) dataset = parts_.inventory.find(root->dataset);
    if (dataset == nullptr) return ok();
    const auto journal = failover::entry_of(*dataset).journal;
    const bool waits =
        journal == failover::Journal::rejoining || journal == failover::Journal::stepping_down;
    if (!waits) return ok();
    return Error{.code = Code::busy,
                 .message = target.str() + " on " + parts_.self.host.str() +
                            " has not kept yet what the other side never got (" +
                            std::string(failover::name(journal)) + "); it takes nothing until then",
                 .remedy = "it is tried again by itself; on " + parts_.self.host.str() +
                           ": zrepctl status " + quote(target.str()) + " shows what it waits for"};
}

Task<Result<void>> Target::ready_for_more(std::string peer, DatasetName target, rpc::ReceiveIn in) {
    auto sane = check_mode(in);
    if (!sane) co_return sane;
    // What takes something away is decided on what is there now: the sender may have looked hours
    // ago, and somebody may have begun to use this side since.
    const bool destructive = in.rollback || in.abort_partial;
    if (destructive || parts_.inventory.versions(target) == nullptr) {
        const Freshness wanted = destructive ? Freshness::listed : Freshness::cached;
        auto seen = co_await parts_.inventory.refresh_one(target, wanted);
        if (!seen) co_return seen;
    }
    if (!side_with(peer, target, in.source)) co_return not_yours(peer, target);
    auto rescued = check_rescued(target);
    if (!rescued) co_return rescued;
    if (in.abort_partial) {
        auto aborted = co_await parts_.zfs.abort_receive(target);
        if (!aborted) co_return aborted;
    }
    if (!in.rollback) co_return ok();
    const Versions* versions = parts_.inventory.versions(target);
    const Snapshot* base = versions == nullptr ? nullptr : find_snapshot(*versions, in.base);
    if (base == nullptr || base != &versions->snapshots.back()) {
        co_return Error{.code = Code::conflict,
                        .message = "the base is not the newest snapshot of " + target.str() +
                                   "; it is not rolled back past others",
                        .remedy = "run zrepctl sync again to look anew"};
    }
    auto name = SnapshotName::make(target, base->name);
    if (!name) co_return name.error();
    log::event(log::Level::warn,
               "target_rolled_back",
               {{"dataset", target.str()}, {"peer", peer}, {"to", name->str()}});
    parts_.events.publish(
        "target_rolled_back", target.str(), "written to on this side; back to " + name->str());
    co_return co_await parts_.zfs.rollback(std::move(*name));
}

Result<ReceiveSpec> Target::spec_for(const DatasetName& target, const rpc::ReceiveIn& in) const {
    auto name = SnapshotName::make(target, in.snapshot);
    if (!name) return name.error();
    ReceiveSpec spec{.snapshot = *name};
    if (in.mode != "full") return spec;
    for (const auto& [key, value] : in.settings) {
        // A peer says whose target it is, and no more: least of all that this side is a master, or
        // in the middle of becoming one.
        const bool founds =
            std::find(prop::kPair.begin(), prop::kPair.end(), key) != prop::kPair.end();
        const bool tree = key == prop::kTree && value == "on";
        if (!founds && !tree && key != prop::kSavecount && key != prop::kEpoch) {
            return Error{.code = Code::invalid_params,
                         .message = "a peer may not set " + quote(key)};
        }
        auto checked = check_number(key, value);
        if (!checked) return checked.error();
        spec.properties.emplace_back(key, value);
    }
    // A tree's members inherit it from their root: one set opens or closes them all.
    if (!in.settings.empty()) spec.properties.emplace_back("readonly", "on");
    // A target is not for use: its device would be found by what scans disks, LVM for one.
    if (in.kind == "filesystem")
        spec.properties.emplace_back("canmount", "noauto");
    else
        spec.properties.emplace_back("volmode", "none");
    return spec;
}

}  // namespace zrepd::sync
