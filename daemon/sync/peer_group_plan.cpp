// SPDX-License-Identifier: BSD-2-Clause
// The first half of a pass: what the peer has, and what is therefore to be done.
#include <algorithm>

#include "daemon/plan/estimate.hpp"
#include "daemon/sync/expiry_there.hpp"
#include "daemon/sync/refusals.hpp"

namespace zrepd::sync {
namespace {

/// After the '@': what such a step has acknowledged in the end; empty: nothing.
std::string acknowledged_by(const plan::Step& step) {
    if (const auto* skip = std::get_if<plan::Skip>(&step))
        return skip->acknowledge ? skip->acknowledge->name : "";
    if (const auto* resume = std::get_if<plan::Resume>(&step)) return resume->snapshot.name;
    if (const auto* next = std::get_if<plan::Incremental>(&step))
        return next->existing ? next->existing->name : next->take;
    return "";
}

/// It finishes what was begun, after which its run plans anew.
bool goes_on_after(const plan::Step& step) {
    if (const auto* skip = std::get_if<plan::Skip>(&step)) return skip->acknowledge && skip->more;
    const auto* next = std::get_if<plan::Incremental>(&step);
    return std::holds_alternative<plan::Resume>(step) || (next != nullptr && next->existing);
}

/// A second at least, so that a slow look is not told as a peer that does not answer.
std::chrono::seconds time_left(SteadyClock::time_point until) {
    return std::max(std::chrono::ceil<std::chrono::seconds>(until - SteadyClock::now()),
                    std::chrono::seconds(1));
}

}  // namespace

Task<Result<void>> PeerGroup::plan_all(SteadyClock::time_point until) {
    for (const auto& pair : pairs_) {
        if (run_) parts_.runs.phase(*run_, pair.dataset, "looking");
    }
    // A run holds the locks of its pairs; a dry run does not.
    LookAt what{.peer = peer_, .pairs = pairs_, .sends = run_ != nullptr, .freshness = freshness_};
    auto looked = co_await look_at_targets(source_, std::move(what), until);
    if (!looked) co_return looked.error();
    jobs_.clear();
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
        auto job = std::make_unique<Job>(Job{.pair = pairs_[i], .step = plan::Skip{}});
        const auto& error = (*looked)[i].error;
        if (error) {
            job->step =
                plan::Conflict{failed_there(peer_, rpc::from_item_error(*error)).in(peer_.str())};
        } else {
            auto target =
                co_await target_view(parts_, peer_, job->pair.dataset, std::move((*looked)[i]));
            const plan::SourceView here{parts_.inventory.find(job->pair.dataset),
                                        parts_.inventory.versions(job->pair.dataset),
                                        parts_.inventory.pool_free(job->pair.dataset)};
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

Transfer PeerGroup::transfer_of(const Job& job) const {
    Transfer out{.dataset = job.pair.dataset, .peer = peer_, .request = {}, .send = {}};
    out.limit_bytes_per_second = job.pair.settings.limit_bytes_per_second;
    out.request.source = job.pair.dataset.str();
    out.request.target = job.pair.peer_dataset.str();
    out.request.snapshot = job.snapshot->name;
    out.request.mode = job.resumed ? "resume" : "incremental";
    const Dataset* dataset = parts_.inventory.find(job.pair.dataset);
    out.send.raw = dataset != nullptr && dataset->encrypted;
    if (const auto* resume = std::get_if<plan::Resume>(&job.step)) {
        out.send.token = resume->token;
        return out;
    }
    const auto& step = std::get<plan::Incremental>(job.step);
    out.request.base = step.base_guid;
    out.request.rollback = step.rollback_target;
    out.request.abort_partial = step.abort_partial;
    out.send.base = step.base;
    auto name = SnapshotName::make(job.pair.dataset, job.snapshot->name);
    if (name) out.send.snapshot = *name;
    return out;
}

/// What its stream will be, for those who watch.
std::optional<std::uint64_t> PeerGroup::expected_of(const Job& job) const {
    const DatasetName& name = job.pair.dataset;
    const auto* resume = std::get_if<plan::Resume>(&job.step);
    const auto* step = std::get_if<plan::Incremental>(&job.step);
    if (!job.snapshot || (resume == nullptr && step == nullptr)) return std::nullopt;
    return plan::stream_bytes(parts_.inventory.find(name),
                              parts_.inventory.versions(name),
                              job.snapshot->guid,
                              resume != nullptr ? resume->base_guid : step->base_guid,
                              resume != nullptr ? resume->done_bytes : 0);
}

Task<DryRun> PeerGroup::describe(SteadyClock::time_point until) {
    DryRun out;
    auto planned = co_await plan_all(until);
    if (!planned) {
        for (const auto& pair : pairs_)
            out.results.push_back(failed_result(pair.dataset, planned.error()));
        co_return out;
    }
    rpc::LookIn there;
    for (const auto& job : jobs_) describe_job(*job, out, there);
    co_await describe_expiry_there(source_.peers, peer_, std::move(there), time_left(until), &out);
    for (const auto& job : jobs_) {
        if (goes_on_after(job->step)) out.steps.push_back(plan::look_again(job->pair.dataset));
    }
    co_return out;
}

/// What there is to be asked of the other side goes into `there`.
void PeerGroup::describe_job(const Job& job, DryRun& out, rpc::LookIn& there) const {
    const DatasetName& name = job.pair.dataset;
    const std::string snapshot = acknowledged_by(job.step);
    if (const auto* conflict = std::get_if<plan::Conflict>(&job.step)) {
        out.results.push_back(failed_result(name, conflict->error));
    } else if (snapshot.empty()) {
        rpc::RunResult& unchanged = out.results.emplace_back();
        unchanged.dataset = name.str();
        unchanged.outcome = "unchanged";
        unchanged.text = std::get<plan::Skip>(job.step).reason;
    } else {
        for (auto& line : plan::describe(job.step, name)) out.steps.push_back(std::move(line));
        const Versions* versions = parts_.inventory.versions(name);
        for (const auto& gone : expiring_after(versions, snapshot, job.pair.settings.retention))
            out.steps.push_back("destroy " + name.str() + "@" + gone);
        there.pairs.push_back({name.str(), job.pair.peer_dataset.str(), snapshot});
    }
}

}  // namespace zrepd::sync
