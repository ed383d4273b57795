// SPDX-License-Identifier: BSD-2-Clause
// What an init would do, for --dry-run: asks both sides as the run does, and changes nothing.
#include "common/text.hpp"
#include "common/units.hpp"
#include "daemon/sync/bookkeeping.hpp"
#include "daemon/sync/init.hpp"
#include "daemon/sync/init_plan.hpp"
#include "daemon/sync/tree_sync.hpp"

namespace zrepd::sync {
namespace {

Task<Result<std::vector<std::string>>> tree_steps(SourceParts source,
                                                  InitRequest request,
                                                  std::chrono::seconds limit) {
    const auto until = SteadyClock::now() + limit;
    std::vector<DatasetName> members = source.parts.inventory.members(request.dataset);
    auto seen = co_await source.parts.inventory.refresh(std::move(members), Freshness::listed);
    if (!seen) co_return seen.error();
    Founding founding;
    for (auto& [key, value] : pair_properties(source.parts, request)) founding[key] = value;
    TreeSync work(source, nullptr, tree_pair(request), std::move(founding));
    DryRun found = co_await work.describe(until);
    for (const auto& result : found.results) {
        if (result.error) co_return rpc::from_item_error(*result.error);
    }
    std::vector<std::string> out{"store the pair's properties on " + request.dataset.str()};
    for (std::string& step : found.steps) out.push_back(std::move(step));
    out.emplace_back("make this side the master");
    co_return out;
}

/// What goes here once that snapshot is acknowledged.
void add_expiry(const Parts& parts,
                const InitRequest& request,
                const std::string& snapshot,
                std::vector<std::string>& out) {
    const Dataset* dataset = parts.inventory.find(request.dataset);
    if (dataset == nullptr) return;
    const plan::Retention retention = retention_of(*dataset, request);
    const Versions* versions = parts.inventory.versions(request.dataset);
    for (const auto& gone : expiring_after(versions, snapshot, retention))
        out.push_back("destroy " + request.dataset.str() + "@" + gone);
}

Task<Result<std::vector<std::string>>> adopt_steps(SourceParts source,
                                                   InitRequest request,
                                                   std::chrono::seconds limit) {
    auto seen = co_await look_at_source(source.parts, request);
    if (!seen) co_return seen.error();
    const rpc::AdoptIn in = adopt_request(source.parts.inventory, request, /*dry_run=*/true);
    auto found =
        co_await source.peers.call_as<rpc::AdoptOut>(request.host, "peer.adopt", in, limit);
    if (!found) co_return std::move(Error(found.error())).in(request.host.str());
    std::vector<std::string> out = std::move(found->steps);
    if (!request.recursive) {
        out.push_back("record @" + found->base.name +
                      " as acknowledged on both sides and make this side the master");
        add_expiry(source.parts, request, found->base.name, out);
        for (const auto& gone : found->expires)
            out.push_back("destroy " + request.target.str() + "@" + gone + " on " +
                          request.host.str());
        co_return out;
    }
    out.push_back("take a snapshot of " + request.dataset.str() +
                  " and all below it, and send what is newer than what both have");
    out.emplace_back("acknowledge it on both sides and make this side the master");
    co_return out;
}

}  // namespace

Task<Result<std::vector<std::string>>> init_steps(SourceParts source,
                                                  InitRequest request,
                                                  std::chrono::seconds limit) {
    const Dataset* dataset = source.parts.inventory.find(request.dataset);
    if (dataset == nullptr) co_return Error{.code = Code::not_found, .message = "it is gone"};
    if (request.adopt) co_return co_await adopt_steps(source, request, limit);
    rpc::PrepareIn ask = prepare_request(*dataset, request);
    if (request.recursive) ask.referenced_bytes = tree_bytes(source.parts, request.dataset);
    const std::uint64_t size = dataset->referenced_bytes;
    auto prepared =
        co_await source.peers.call_as<rpc::PrepareOut>(request.host, "peer.prepare", ask, limit);
    if (!prepared) co_return prepared.error().in(request.host.str());
    auto fits = check_encryption(*dataset, *prepared, request);
    if (!fits) co_return fits.error();
    if (request.recursive) co_return co_await tree_steps(source, request, limit);
    const std::string there = request.host.str() + ":" + request.target.str();
    std::vector<std::string> out{"store the pair's properties on " + request.dataset.str()};
    std::string taken;
    if (prepared->state == "new") {
        taken = next_name(source.parts.inventory.versions(request.dataset));
        out.push_back("take snapshot " + request.dataset.str() + "@" + taken);
        out.push_back("send it whole, about " + human_bytes(size) + ", to " + there);
    } else if (prepared->state == "resume") {
        out.push_back("continue the interrupted stream to " + there);
    }
    out.emplace_back("acknowledge it on both sides and make this side the master");
    if (!taken.empty()) add_expiry(source.parts, request, taken, out);
    co_return out;
}

}  // namespace zrepd::sync
