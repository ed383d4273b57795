// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sync/init_plan.hpp"

#include <algorithm>

#include "common/props.hpp"
#include "common/text.hpp"
#include "daemon/sync/target.hpp"

namespace zrepd::sync {

std::string init_command(const InitRequest& request) {
    return std::string("zrepctl init ") + (request.adopt ? "--adopt " : "") +
           quote(request.dataset.str()) + " " + request.host.str() + " " +
           quote(request.target.str());
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
    if (pair.role == plan::Role::initializing && same) return ok();
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
    return {{std::string(prop::kSrcHost), here},
            {std::string(prop::kSrcFs), request.dataset.str()},
            {std::string(prop::kDestHost), there},
            {std::string(prop::kDestFs), request.target.str()},
            {std::string(prop::kSavecount), std::to_string(request.savecount)},
            {std::string(prop::kEpoch), "1"}};
}

Result<void> check_encryption(const Dataset& dataset,
                              const rpc::PrepareOut& prepared,
                              const InitRequest& request) {
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

rpc::PrepareIn prepare_request(const Dataset& dataset, const InitRequest& request) {
    rpc::PrepareIn in;
    in.host = request.host.str();
    in.source = request.dataset.str();
    in.target = request.target.str();
    in.kind = dataset.kind == Kind::volume ? "volume" : "filesystem";
    in.referenced_bytes = dataset.referenced_bytes;
    return in;
}

rpc::AdoptIn adopt_request(const Dataset& dataset,
                           const Versions* versions,
                           const InitRequest& request,
                           bool dry_run) {
    rpc::AdoptIn in;
    in.host = request.host.str();
    in.source = request.dataset.str();
    in.target = request.target.str();
    in.kind = dataset.kind == Kind::volume ? "volume" : "filesystem";
    in.savecount = request.savecount;
    in.snapshots = newest_snapshots(versions);
    in.dry_run = dry_run;
    return in;
}

const Snapshot* newest_ours(const Versions& versions) {
    const auto found =
        std::find_if(versions.snapshots.rbegin(), versions.snapshots.rend(), [](const Snapshot& s) {
            return zrep_sequence(s.name).has_value();
        });
    return found == versions.snapshots.rend() ? nullptr : &*found;
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

}  // namespace zrepd::sync
