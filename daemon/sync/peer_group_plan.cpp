// SPDX-License-Identifier: BSD-2-Clause
// The first half of a pass: what the peer has, and what is therefore to be done.
#include <algorithm>
#include <chrono>
#include <iterator>

#include "daemon/sync/peer_group.hpp"

namespace zrepd::sync {
namespace {

// Of one request. A run has no other limit: one of many filesystems may take many requests.
constexpr std::chrono::milliseconds kLookLimit{60'000};

/// A peer's list is shown to people, and its names end in commands that they paste.
Result<void> check_names(const rpc::TargetState& state) {
    const auto target = DatasetName::parse(state.target);
    if (!target) return target.error();
    for (const auto& snapshot : state.snapshots) {
        auto name = SnapshotName::make(*target, snapshot.name);
        if (!name) return name.error();
    }
    return ok();
}

std::chrono::milliseconds limit_of_look(SteadyClock::time_point until) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - SteadyClock::now());
    return std::min(left, kLookLimit);
}

Error answered_in_part(const HostName& peer, std::size_t answered, std::size_t asked) {
    return Error{.code = Code::timed_out,
                 .message = peer.str() + " answered for " + std::to_string(answered) + " of " +
                            std::to_string(asked) + " filesystems in the time there is",
                 .remedy = "name fewer filesystems at once, or look at the load on " + peer.str()};
}

Snapshot from_wire(const rpc::PeerSnapshot& wire, std::uint64_t order) {
    Snapshot out;
    out.name = wire.name;
    out.guid = wire.guid;
    out.createtxg = order;
    out.written_bytes = wire.written_bytes;
    out.sent = wire.sent;
    return out;
}

}  // namespace

/// One request for all of them; several when they do not fit one line.
Task<Result<std::vector<rpc::TargetState>>> PeerGroup::look(SteadyClock::time_point until) {
    std::vector<rpc::TargetState> out;
    while (out.size() < pairs_.size()) {
        const auto limit = limit_of_look(until);
        if (limit.count() <= 0) co_return answered_in_part(peer_, out.size(), pairs_.size());
        rpc::LookIn in;
        // A run holds the locks of its pairs; a dry run does not.
        in.sends = run_ != nullptr;
        const std::size_t end = std::min(pairs_.size(), out.size() + kMaxPerRequest);
        for (std::size_t i = out.size(); i < end; ++i) {
            in.pairs.push_back({pairs_[i].dataset.str(), pairs_[i].peer_dataset.str()});
        }
        auto some = co_await source_.peers.call_as<rpc::LookOut>(peer_, "peer.look", in, limit);
        if (!some && some.error().code == Code::timed_out && !out.empty())
            co_return answered_in_part(peer_, out.size(), pairs_.size());
        if (!some) co_return some.error();
        if (some->targets.size() != in.pairs.size()) {
            co_return Error{.code = Code::peer_protocol,
                            .message = peer_.str() + " answered for other filesystems",
                            .remedy = "compare `zrepctl version` on both hosts"};
        }
        std::move(some->targets.begin(), some->targets.end(), std::back_inserter(out));
    }
    co_return out;
}

Task<Result<void>> PeerGroup::plan_all(SteadyClock::time_point until) {
    for (const auto& pair : pairs_) {
        if (run_) parts_.runs.phase(*run_, pair.dataset, "looking");
    }
    auto looked = co_await look(until);
    if (!looked) co_return looked.error();
    jobs_.clear();
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
        auto job = std::make_unique<Job>(Job{.pair = pairs_[i], .step = plan::Skip{}});
        const auto& error = (*looked)[i].error;
        if (error) {
            job->step = plan::Conflict{rpc::from_item_error(*error).in(peer_.str())};
        } else {
            auto target = co_await view(job->pair.dataset, std::move((*looked)[i]));
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

Task<Result<plan::TargetView>> PeerGroup::view(DatasetName source, rpc::TargetState state) {
    auto sane = check_names(state);
    if (!sane) {
        co_return Error{.code = Code::peer_protocol,
                        .message = peer_.str() + " named what cannot be: " + sane.error().text(),
                        .remedy = "compare `zrepctl version` on both hosts"};
    }
    plan::TargetView out;
    out.exists = state.exists;
    out.guid = state.guid;
    out.is_pair = state.is_pair;
    out.master = state.master;
    out.epoch = state.epoch;
    out.written_bytes = state.written_bytes;
    out.available_bytes = state.available_bytes;
    out.receiving = state.receiving;
    out.resume_token = state.resume_token;
    std::uint64_t order = 0;
    for (const auto& snapshot : state.snapshots)
        out.snapshots.push_back(from_wire(snapshot, ++order));
    if (!out.resume_token.empty()) {
        // The token comes from the peer: zfs here says what it would make us send, before we do.
        auto token = co_await usable_token(parts_, std::move(source), out.resume_token);
        if (!token) co_return token.error();
        if (*token) out.token_guid = (*token)->guid;
    }
    co_return out;
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
        }
    }
    co_return out;
}

}  // namespace zrepd::sync
