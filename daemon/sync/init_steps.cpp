// SPDX-License-Identifier: BSD-2-Clause
// What an init would do, for --dry-run: asks both sides as the run does, and changes nothing.
#include <algorithm>

#include "common/text.hpp"
#include "common/units.hpp"
#include "daemon/sync/bookkeeping.hpp"
#include "daemon/sync/expiry_there.hpp"
#include "daemon/sync/init.hpp"
#include "daemon/sync/init_plan.hpp"
#include "daemon/sync/init_tries.hpp"
#include "daemon/sync/refusals.hpp"
#include "daemon/sync/tree_sync.hpp"

namespace zrepd::sync {
namespace {

/// What an older peer does not say is said here; what failed is an error.
Result<void> add_not_known(const std::vector<rpc::RunResult>& results,
                           std::vector<std::string>& out) {
    for (const rpc::RunResult& result : results) {
        if (result.error) return rpc::from_item_error(*result.error);
        if (!result.text.empty()) out.push_back(result.text);
    }
    return ok();
}

/// The first sync of all members, and what comes before and after it here.
Task<Result<std::vector<std::string>>> tree_steps(SourceParts source,
                                                  InitRequest request,
                                                  SteadyClock::time_point until,
                                                  std::optional<ToAdopt> adopted) {
    if (!adopted) {
        std::vector<DatasetName> members = source.parts.inventory.members(request.dataset);
        auto seen = co_await source.parts.inventory.refresh(std::move(members), Freshness::listed);
        if (!seen) co_return seen.error();
    }
    Founding founding;
    for (auto& [key, value] : pair_properties(source.parts, request)) founding[key] = value;
    TreeSync work(source, nullptr, tree_pair(request), std::move(founding));
    if (adopted) work.expect(std::move(*adopted));
    DryRun found = co_await work.describe(until);
    std::vector<std::string> out{"store the pair's properties on " + request.dataset.str()};
    for (std::string& step : found.steps) out.push_back(std::move(step));
    auto known = add_not_known(found.results, out);
    if (!known) co_return known.error();
    out.emplace_back("make this side the master");
    co_return out;
}

/// What goes here once that snapshot is acknowledged; without `before`, what went earlier.
void add_expiry(const Parts& parts,
                const InitRequest& request,
                const std::string& snapshot,
                const std::vector<std::string>& before,
                std::vector<std::string>& out) {
    const Dataset* dataset = parts.inventory.find(request.dataset);
    const Versions* versions = parts.inventory.versions(request.dataset);
    if (dataset == nullptr || versions == nullptr) return;
    const plan::Retention retention = retention_of(*dataset, request);
    Versions then = *versions;
    std::erase_if(then.snapshots, [&](const Snapshot& s) {
        return std::find(before.begin(), before.end(), s.name) != before.end();
    });
    for (const auto& gone : expiring_after(&then, snapshot, retention))
        out.push_back("destroy " + request.dataset.str() + "@" + gone);
}

/// Of a tree that an older zrepd is to adopt: it does not say what the first sync will find.
std::vector<std::string> unknown_steps(const InitRequest& request) {
    return {"take a snapshot of " + request.dataset.str() +
                " and all below it, and send what is newer than what both have",
            "acknowledge it on both sides and make this side the master",
            "destroy what is beyond savecount on both sides: the zrepd on " + request.host.str() +
                " is older and does not say what that is"};
}

Task<Result<std::vector<std::string>>> adopt_steps(SourceParts source,
                                                   InitRequest request,
                                                   std::chrono::seconds limit) {
    const auto until = SteadyClock::now() + limit;
    auto seen = co_await look_at_source(source.parts, request);
    if (!seen) co_return seen.error();
    const rpc::AdoptIn in = adopt_request(source.parts.inventory, request, /*dry_run=*/true);
    auto found =
        co_await source.peers.call_as<rpc::AdoptOut>(request.host, "peer.adopt", in, limit);
    if (!found) co_return failed_there(request.host, found.error()).in(request.host.str());
    std::vector<std::string> out = std::move(found->steps);
    if (!request.recursive) {
        out.push_back("record @" + found->base.name +
                      " as acknowledged on both sides and make this side the master");
        add_expiry(source.parts, request, found->base.name, {}, out);
        for (const auto& gone : found->expires)
            out.push_back("destroy " + request.target.str() + "@" + gone + " on " +
                          request.host.str());
        co_return out;
    }
    if (found->found.empty()) {
        for (std::string& step : unknown_steps(request)) out.push_back(std::move(step));
        co_return out;
    }
    ToAdopt adopted{.ask = in, .found = std::move(found->found)};
    auto synced = co_await tree_steps(source, request, until, std::move(adopted));
    if (!synced) co_return synced.error();
    for (std::string& step : *synced) out.push_back(std::move(step));
    co_return out;
}

/// The snapshot that an earlier try sent, all or part of it; nullopt: its rest can go nowhere.
Task<Result<std::optional<Snapshot>>> sent_before(SourceParts source,
                                                  InitRequest request,
                                                  rpc::PrepareOut prepared) {
    if (prepared.state == "received") {
        const Versions* versions = source.parts.inventory.versions(request.dataset);
        auto received = received_snapshot(versions, prepared.snapshots, request);
        if (!received) co_return received.error();
        co_return std::optional(std::move(*received));
    }
    auto token = co_await usable_token(source.parts, request.dataset, prepared.resume_token);
    if (!token) co_return token.error();
    const Versions* versions = source.parts.inventory.versions(request.dataset);
    const Snapshot* found =
        *token && versions != nullptr ? find_snapshot(*versions, (*token)->guid) : nullptr;
    if (found == nullptr || !zrep_sequence(found->name)) co_return std::optional<Snapshot>();
    co_return std::optional(*found);
}

Task<Result<void>> add_expiry_there(SourceParts source,
                                    InitRequest request,
                                    std::string snapshot,
                                    SteadyClock::time_point until,
                                    std::vector<std::string>* out) {
    rpc::LookIn in;
    in.pairs.push_back({request.dataset.str(), request.target.str(), snapshot});
    const auto left = std::max(std::chrono::ceil<std::chrono::seconds>(until - SteadyClock::now()),
                               std::chrono::seconds(1));
    DryRun gone;
    co_await describe_expiry_there(source.peers, request.host, std::move(in), left, &gone);
    for (std::string& step : gone.steps) out->push_back(std::move(step));
    co_return add_not_known(gone.results, *out);
}

/// What is sent whole, and what goes for it.
struct FirstStream {
    std::string snapshot;
    std::vector<std::string> dropped;
};

/// A new snapshot, unless there is one that serves as well.
Task<Result<FirstStream>> add_first_stream(Parts& parts,
                                           InitRequest request,
                                           std::vector<std::string>* out) {
    const Dataset* dataset = parts.inventory.find(request.dataset);
    const Versions* versions = parts.inventory.versions(request.dataset);
    const Snapshot* unsent = unsent_snapshot(dataset, versions);
    FirstStream first;
    first.snapshot = unsent == nullptr ? next_name(versions) : unsent->name;
    const std::uint64_t size = dataset == nullptr ? 0 : dataset->referenced_bytes;
    const char* take = unsent == nullptr ? "take snapshot " : "use the snapshot that is there, ";
    out->push_back(take + request.dataset.str() + "@" + first.snapshot);
    if (was_begun(parts.inventory, request.dataset)) {
        auto tries = co_await earlier_tries(parts, request.dataset, first.snapshot);
        if (!tries) co_return tries.error();
        first.dropped = std::move(*tries);
    }
    for (const std::string& dropped : first.dropped)
        out->push_back("destroy " + request.dataset.str() + "@" + dropped);
    out->push_back("send it whole, about " + human_bytes(size) + ", to " + request.host.str() +
                   ":" + request.target.str());
    co_return first;
}

/// The snapshot that is sent, or was, and what expires with it.
Task<Result<std::vector<std::string>>> stream_steps(SourceParts source,
                                                    InitRequest request,
                                                    rpc::PrepareOut prepared,
                                                    SteadyClock::time_point until) {
    auto seen = co_await source.parts.inventory.refresh_one(request.dataset, Freshness::listed);
    if (!seen) co_return seen.error();
    const std::string there = request.host.str() + ":" + request.target.str();
    std::vector<std::string> out{"store the pair's properties on " + request.dataset.str()};
    Result<std::optional<Snapshot>> before = std::optional<Snapshot>();
    if (prepared.state != "new") before = co_await sent_before(source, request, prepared);
    if (!before) co_return before.error();
    if (!*before && prepared.state != "new")
        out.push_back("discard the partly received stream in " + there);
    if (*before && prepared.state == "resume")
        out.push_back("continue the interrupted stream to " + there);
    if (!*before) {
        auto room = room_for_first(source.parts.inventory, request.dataset);
        if (!room) co_return room.error();
    }
    Result<FirstStream> first = FirstStream{*before ? (*before)->name : "", {}};
    if (!*before) first = co_await add_first_stream(source.parts, request, &out);
    if (!first) co_return first.error();
    const std::string name = first->snapshot;
    out.emplace_back("acknowledge it on both sides and make this side the master");
    add_expiry(source.parts, request, name, first->dropped, out);
    // Only a try that came as far as an acknowledgement has left more than that there.
    if (prepared.state != "received") co_return out;
    auto there_too = co_await add_expiry_there(source, request, name, until, &out);
    if (!there_too) co_return there_too.error();
    co_return out;
}

}  // namespace

Task<Result<std::vector<std::string>>> init_steps(SourceParts source,
                                                  InitRequest request,
                                                  std::chrono::seconds limit) {
    const auto until = SteadyClock::now() + limit;
    const Dataset* dataset = source.parts.inventory.find(request.dataset);
    if (dataset == nullptr) co_return Error{.code = Code::not_found, .message = "it is gone"};
    if (request.adopt) co_return co_await adopt_steps(source, request, limit);
    rpc::PrepareIn ask = prepare_request(*dataset, request);
    if (request.recursive) ask.referenced_bytes = tree_bytes(source.parts, request.dataset);
    auto prepared =
        co_await source.peers.call_as<rpc::PrepareOut>(request.host, "peer.prepare", ask, limit);
    if (!prepared) co_return failed_there(request.host, prepared.error()).in(request.host.str());
    // Somebody may have looked meanwhile.
    dataset = source.parts.inventory.find(request.dataset);
    if (dataset == nullptr) co_return Error{.code = Code::not_found, .message = "it is gone"};
    auto fits = check_prepared(*dataset, *prepared, request);
    if (!fits) co_return fits.error();
    if (request.recursive)
        co_return co_await tree_steps(source, request, until, /*adopted=*/std::nullopt);
    co_return co_await stream_steps(source, request, std::move(*prepared), until);
}

}  // namespace zrepd::sync
