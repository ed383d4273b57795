// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sync/init_plan.hpp"

#include <algorithm>

#include "common/props.hpp"
#include "common/text.hpp"
#include "daemon/plan/displaced.hpp"
#include "daemon/plan/foreign.hpp"
#include "daemon/plan/members.hpp"
#include "daemon/plan/plan.hpp"
#include "daemon/sync/refusals.hpp"
#include "daemon/sync/target.hpp"

namespace zrepd::sync {

std::string init_command(const InitRequest& request) {
    return std::string("zrepctl init ") + (request.adopt ? "--adopt " : "") +
           (request.recursive ? "-r " : "") + quote(request.dataset.str()) + " " +
           request.host.str() + " " + quote(request.target.str());
}

Error nested_pair(const DatasetName& dataset, const DatasetName& other, const char* where) {
    return Error{
        .code = Code::nested_pair,
        .message = dataset.str() + " lies " + where + " " + other.str() +
                   ", which is part of a pair already",
        .remedy = "replicate " + other.str() +
                  " and this one under different parents, or zrepctl clear the other first"};
}

Result<void> check_names(const Parts& parts, const InitRequest& request) {
    if (request.dataset.str().size() + kOwnNamesRoom > kMaxDatasetName ||
        request.target.str().size() + kOwnNamesRoom > kMaxDatasetName) {
        return Error{
            .code = Code::invalid_params,
            .message = "the name leaves no room for the names of our snapshots and bookmarks",
            .remedy = "use names of at most " + std::to_string(kMaxDatasetName - kOwnNamesRoom) +
                      " bytes"};
    }
    if (!parts.self.is(request.host)) return ok();
    if (request.dataset == request.target) {
        return Error{.code = Code::invalid_params,
                     .message = "source and destination are the same filesystem",
                     .remedy = "name a filesystem that does not exist yet, best in another pool"};
    }
    if (request.target.is_below(request.dataset) || request.dataset.is_below(request.target)) {
        return Error{.code = Code::nested_pair,
                     .message = "source and destination lie inside each other",
                     .remedy = "choose a destination outside " + request.dataset.str()};
    }
    return ok();
}

Result<void> check_existing_pair(const plan::Pair& pair,
                                 const InitRequest& request,
                                 const Parts& parts) {
    const bool same_host = pair.peer.short_name() == request.host.short_name() ||
                           (parts.self.is(pair.peer) && parts.self.is(request.host));
    const bool same = same_host && pair.peer_dataset == request.target;
    const bool begun = pair.role == plan::Role::initializing && same;
    if (begun && pair.tree == request.recursive) return ok();
    if (begun) {
        InitRequest as_begun = request;
        as_begun.recursive = pair.tree;
        // It finds out itself whether it was an adoption.
        as_begun.adopt = false;
        return Error{.code = Code::already_configured,
                     .message = "the init of " + pair.dataset.str() + " was begun " +
                                (pair.tree ? "with -r" : "without -r"),
                     .remedy = init_command(as_begun) + " goes on with it; zrepctl clear " +
                               quote(pair.dataset.str()) + " forgets it"};
    }
    const std::string name = quote(pair.dataset.str());
    const std::string next = same && pair.role == plan::Role::master
                                 ? "there is nothing to do; zrepctl sync " + name
                                 : "zrepctl list shows it";
    return Error{.code = Code::already_configured,
                 .message = pair.dataset.str() + " is already the " +
                            std::string(plan::role_name(pair.role)) + " side of a pair with " +
                            pair.peer.str() + ":" + pair.peer_dataset.str(),
                 .remedy = next + "; zrepctl clear " + name + " forgets it"};
}

PropertyList pair_properties(const Parts& parts, const InitRequest& request) {
    // localhost on both sides keeps the pair whole when the host is renamed.
    const bool local = parts.self.is(request.host);
    const std::string here = local ? "localhost" : parts.self.host.str();
    const std::string there = local ? "localhost" : request.host.short_name();
    PropertyList out{{std::string(prop::kSrcHost), here},
                     {std::string(prop::kSrcFs), request.dataset.str()},
                     {std::string(prop::kDestHost), there},
                     {std::string(prop::kDestFs), request.target.str()},
                     {std::string(prop::kSavecount), std::to_string(request.savecount)},
                     {std::string(prop::kEpoch), "1"}};
    if (request.recursive) out.emplace_back(prop::kTree, "on");
    return out;
}

plan::Retention retention_of(const Dataset& dataset, const InitRequest& request) {
    Dataset then = dataset;
    const unsigned count = std::max(prop::kMinSavecount, request.savecount);
    then.props[std::string(prop::kSavecount)] = {std::to_string(count), Source::local};
    return plan::settings_of(then).retention;
}

Result<void> check_tree(const Parts& parts, const InitRequest& request) {
    const std::vector<DatasetName> members = parts.inventory.members(request.dataset);
    if (members.size() > plan::kMaxMembers) {
        return Error{.code = Code::invalid_params,
                     .message = request.dataset.str() + " has " + std::to_string(members.size()) +
                                " members; a recursive pair takes " +
                                std::to_string(plan::kMaxMembers),
                     .remedy = "make pairs of the datasets below it instead"};
    }
    for (const auto& name : members) {
        InitRequest member = request;
        member.dataset = name;
        auto target = plan::member_name(request.target, plan::relative_name(request.dataset, name));
        if (target) member.target = *target;
        Result<void> fits = ok();
        if (!target)
            fits = target.error();
        else if (name != request.dataset)
            fits = check_names(parts, member);
        if (!fits) return std::move(Error(fits.error())).in(name.str());
    }
    const Dataset* root = parts.inventory.find(request.dataset);
    if (root == nullptr || plan::settings_of(*root).fence == plan::Fence::off) return ok();
    return Error{.code = Code::refused,
                 .message = "zrep:fence is in force on " + request.dataset.str() +
                            ": it would close the root of a recursive pair and leave what lies "
                            "below it open",
                 .remedy = "zrepctl set " + quote(request.dataset.str()) +
                           " zrep:fence=off, then this again"};
}

/// A master of before it or this host was renamed: with another copy, that of the first would be
/// nobody's from then on. What only came with such properties was never made one here.
bool leaves_a_copy(const Dataset& source, const InitRequest& request, const plan::Self& self) {
    if (source.local(prop::kMaster) != "yes") return false;
    if (plan::foreign_host(source, self)) return true;
    const bool same = source.local(prop::kDestHost) == request.host.short_name() &&
                      source.local(prop::kDestFs) == request.target.str();
    return !same && plan::displaced(source, self);
}

Result<void> check_nesting(const Parts& parts, const InitRequest& request) {
    const Dataset* source = parts.inventory.find(request.dataset);
    if (source != nullptr && leaves_a_copy(*source, request, parts.self))
        return not_configured(parts, request.dataset);
    for (const auto& pair : parts.inventory.pairs()) {
        // Inside a tree, and around others for one, each keeps its own chain. A tree's copy is
        // nobody's source.
        const bool leaves_tree = pair.tree && pair.role != plan::Role::target;
        if (pair.dataset == request.dataset) {
            auto same = check_existing_pair(pair, request, parts);
            if (!same) return same;
        } else if (request.dataset.is_below(pair.dataset) && !leaves_tree) {
            return nested_pair(request.dataset, pair.dataset, "inside");
        } else if (pair.dataset.is_below(request.dataset) && !request.recursive) {
            return nested_pair(request.dataset, pair.dataset, "around");
        }
    }
    return ok();
}

Result<void> check_prepared(const Dataset& dataset,
                            const rpc::PrepareOut& prepared,
                            const InitRequest& request) {
    const bool as_asked = !prepared.tree || *prepared.tree == request.recursive;
    if (!as_asked) {
        InitRequest as_there = request;
        as_there.recursive = *prepared.tree;
        return Error{.code = Code::already_configured,
                     .message = request.target.str() + " on " + request.host.str() +
                                " is the target of " + dataset.name.str() + " already, " +
                                (*prepared.tree ? "with" : "without") + " everything below it",
                     .remedy = init_command(as_there) + " goes on with it; on " +
                               request.host.str() + ": zrepctl clear " +
                               quote(request.target.str()) + " forgets that pair there"};
    }
    if (dataset.encrypted || !prepared.encrypts) return ok();
    const std::string parent = request.target.parent()->str();
    return Error{.code = Code::invalid_params,
                 .message = dataset.name.str() + " is not encrypted, and " + parent + " on " +
                            request.host.str() +
                            " is: a copy below it would be, and could never be sent back",
                 .remedy =
                     "choose a destination below a parent that is not encrypted, or encrypt "
                     "the source"};
}

Result<Snapshot> received_snapshot(const Versions* here,
                                   const std::vector<rpc::PeerSnapshot>& there,
                                   const InitRequest& request) {
    const std::string where = request.target.str() + " on " + request.host.str();
    const Snapshot* both = nullptr;
    // Newest first: something else may have taken snapshots of the copy since.
    for (auto it = there.rbegin(); it != there.rend() && here != nullptr; ++it) {
        const Snapshot* found = find_snapshot(*here, it->guid);
        if (found != nullptr && zrep_sequence(found->name)) return *found;
        if (both == nullptr) both = found;
    }
    if (both == nullptr)
        return Error{.code = Code::conflict,
                     .message = where + " holds no snapshot that this side still has",
                     .remedy = "destroy it there if nobody needs it, then run " +
                               init_command(request) + " again"};
    InitRequest adopting = request;
    adopting.adopt = true;
    return Error{.code = Code::conflict,
                 .message = where + " was there before, with @" + both->name +
                            ", which both sides have: it is being adopted",
                 .remedy = "go on with that: " + init_command(adopting)};
}

rpc::PrepareIn prepare_request(const Dataset& dataset, const InitRequest& request) {
    rpc::PrepareIn in;
    in.host = request.host.str();
    in.source = request.dataset.str();
    in.target = request.target.str();
    in.kind = dataset.kind == Kind::volume ? "volume" : "filesystem";
    in.referenced_bytes = dataset.referenced_bytes;
    return in;
}

std::uint64_t tree_bytes(const Parts& parts, const DatasetName& root) {
    std::uint64_t out = 0;
    for (const auto& name : parts.inventory.members(root)) {
        if (const Dataset* member = parts.inventory.find(name)) out += member->referenced_bytes;
    }
    return out;
}

namespace {

std::string kind_name(const Dataset& dataset) {
    return dataset.kind == Kind::volume ? "volume" : "filesystem";
}

}  // namespace

rpc::AdoptIn adopt_request(const Inventory& inventory, const InitRequest& request, bool dry_run) {
    rpc::AdoptIn in;
    in.host = request.host.str();
    in.source = request.dataset.str();
    in.target = request.target.str();
    if (const Dataset* dataset = inventory.find(request.dataset)) in.kind = kind_name(*dataset);
    in.savecount = request.savecount;
    in.snapshots = newest_snapshots(inventory.versions(request.dataset));
    in.dry_run = dry_run;
    if (!request.recursive) return in;
    in.members.emplace();
    for (const DatasetName& name : inventory.members(request.dataset)) {
        const Dataset* member = inventory.find(name);
        if (member == nullptr || name == request.dataset) continue;
        in.members->push_back({plan::relative_name(request.dataset, name),
                               kind_name(*member),
                               newest_snapshots(inventory.versions(name))});
    }
    return in;
}

const Snapshot* unsent_snapshot(const Dataset* dataset, const Versions* versions) {
    if (dataset == nullptr || versions == nullptr || versions->snapshots.empty()) return nullptr;
    const Snapshot& newest = versions->snapshots.back();
    const bool ours = zrep_sequence(newest.name).has_value();
    return ours && dataset->written_bytes == 0 ? &newest : nullptr;
}

Result<void> room_for_first(const Inventory& inventory, const DatasetName& dataset) {
    const Dataset* here = inventory.find(dataset);
    const Versions* versions = inventory.versions(dataset);
    if (here == nullptr || unsent_snapshot(here, versions) != nullptr) return ok();
    auto full = plan::check_room({here, versions, inventory.pool_free(dataset)},
                                 plan::settings_of(*here).minfree_bytes);
    if (full) return std::move(full->error);
    return ok();
}

std::string next_name(const Versions* versions) {
    std::uint64_t next = 0;
    if (versions != nullptr) {
        for (const Snapshot& snapshot : versions->snapshots) {
            const auto number = zrep_sequence(snapshot.name);
            if (number && *number < plan::kMaxSequence) next = std::max(next, *number + 1);
        }
    }
    return zrep_snapshot_name(next);
}

plan::Pair tree_pair(const InitRequest& request) {
    plan::Pair out{.dataset = request.dataset,
                   .role = plan::Role::initializing,
                   .peer = request.host,
                   .peer_dataset = request.target,
                   .epoch = 1,
                   .settings = {},
                   .tree = true};
    return out;
}

}  // namespace zrepd::sync
