// SPDX-License-Identifier: BSD-2-Clause
// The first half of a pass: what the peer has, and what is therefore to be done.
#include <limits>

#include "daemon/plan/prune.hpp"
#include "daemon/sync/peer_group.hpp"

namespace zrepd::sync {
namespace {

/// What goes on this side with the acknowledgement of such a step.
std::vector<std::string> expiring_with(const Versions* versions,
                                       const plan::Retention& retention,
                                       const plan::Step& step) {
    if (versions == nullptr) return {};
    Versions then = *versions;
    Guid base;
    if (const auto* skip = std::get_if<plan::Skip>(&step); skip != nullptr && skip->acknowledge)
        base = skip->acknowledge->guid;
    if (const auto* resume = std::get_if<plan::Resume>(&step)) base = resume->snapshot.guid;
    if (const auto* next = std::get_if<plan::Incremental>(&step)) {
        Snapshot taken;
        taken.name = next->take;
        taken.guid = Guid{std::numeric_limits<std::uint64_t>::max()};
        taken.createtxg = std::numeric_limits<std::uint64_t>::max();
        if (!next->existing) then.snapshots.push_back(taken);
        base = next->existing ? next->existing->guid : taken.guid;
    }
    return plan::to_destroy(plan::prune(then, base, retention));
}

}  // namespace

Task<Result<void>> PeerGroup::plan_all(SteadyClock::time_point until) {
    for (const auto& pair : pairs_) {
        if (run_) parts_.runs.phase(*run_, pair.dataset, "looking");
    }
    // A run holds the locks of its pairs; a dry run does not.
    LookAt what{.peer = peer_, .pairs = pairs_, .sends = run_ != nullptr};
    auto looked = co_await look_at_targets(source_, std::move(what), until);
    if (!looked) co_return looked.error();
    jobs_.clear();
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
        auto job = std::make_unique<Job>(Job{.pair = pairs_[i], .step = plan::Skip{}});
        const auto& error = (*looked)[i].error;
        if (error) {
            job->step = plan::Conflict{rpc::from_item_error(*error).in(peer_.str())};
        } else {
            auto target =
                co_await target_view(parts_, peer_, job->pair.dataset, std::move((*looked)[i]));
            const plan::SourceView here{parts_.inventory.find(job->pair.dataset),
                                        parts_.inventory.versions(job->pair.dataset)};
            if (!target) {
                job->step = plan::Conflict{target.error()};
            } else if (here.dataset != nullptr && here.versions != nullptr) {
                job->step = plan::plan_sync(here, *target);
            } else {
                job->step = plan::Conflict{
                    Error{.code = Code::not_found, .message = "the filesystem is gone"}};
            }
        }
        jobs_.push_back(std::move(job));
    }
    co_return ok();
}

Task<DryRun> PeerGroup::describe(SteadyClock::time_point until) {
    DryRun out;
    auto planned = co_await plan_all(until);
    if (!planned) {
        for (const auto& pair : pairs_)
            out.results.push_back(failed_result(pair.dataset, planned.error()));
        co_return out;
    }
    for (const auto& job : jobs_) {
        const auto* conflict = std::get_if<plan::Conflict>(&job->step);
        const auto* skip = std::get_if<plan::Skip>(&job->step);
        if (conflict != nullptr) {
            out.results.push_back(failed_result(job->pair.dataset, conflict->error));
        } else if (skip != nullptr && !skip->acknowledge) {
            rpc::RunResult& unchanged = out.results.emplace_back();
            unchanged.dataset = job->pair.dataset.str();
            unchanged.outcome = "unchanged";
            unchanged.text = skip->reason;
        } else {
            for (auto& line : plan::describe(job->step, job->pair.dataset))
                out.steps.push_back(std::move(line));
            const DatasetName& name = job->pair.dataset;
            const Versions* versions = parts_.inventory.versions(name);
            const auto& retention = job->pair.settings.retention;
            for (const auto& gone : expiring_with(versions, retention, job->step))
                out.steps.push_back("destroy " + name.str() + "@" + gone);
        }
    }
    co_return out;
}

}  // namespace zrepd::sync
