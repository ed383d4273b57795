// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sync/peer_group.hpp"

#include <algorithm>
#include <utility>

#include "common/props.hpp"
#include "common/units.hpp"
#include "daemon/clock.hpp"
#include "daemon/failover/journal.hpp"
#include "daemon/log.hpp"
#include "daemon/sync/refusals.hpp"

namespace zrepd::sync {
namespace {

// What was not recorded, what was interrupted, what waited behind it, what was written meanwhile.
constexpr unsigned kMaxPasses = 4;

}  // namespace

PeerGroup::PeerGroup(SourceParts source,
                     RunPtr run,
                     HostName peer,
                     std::vector<plan::Pair> pairs,
                     Freshness freshness)
    : source_(source),
      parts_(source.parts),
      run_(std::move(run)),
      peer_(std::move(peer)),
      pairs_(std::move(pairs)),
      freshness_(freshness),
      wake_(parts_.executor, asio::steady_timer::time_point::max()) {}

PeerGroup::PeerGroup(PeerGroup& former, const std::vector<Job*>& jobs)
    : PeerGroup(former.source_, former.run_, former.peer_, {}) {
    pass_ = former.pass_ + 1;
    for (const Job* job : jobs) {
        pairs_.push_back(job->pair);
        after_busy_ = after_busy_ || job->busy;
        auto before = former.earlier_.extract(job->pair.dataset);
        if (before) earlier_.insert(std::move(before));
    }
    // A pass in which a target was busy counts for none.
    waits_ = former.waits_ + (after_busy_ ? 1 : 0);
}

Task<> PeerGroup::go() {
    Result<void> ready = ok();
    if (pass_ > 1) ready = co_await look_again();
    if (ready && pairs_.empty()) co_return;
    if (ready) ready = co_await plan_all(SteadyClock::time_point::max());
    if (!ready) {
        for (const auto& pair : pairs_) fail(pair.dataset, ready.error());
        co_return;
    }
    co_await pass();
    while (following_ > 0) {
        wake_.expires_at(SteadyClock::time_point::max());
        co_await wake_.async_wait(nothrow);
    }
}

/// With fresh lists of this side.
Task<Result<void>> PeerGroup::look_again() {
    if (after_busy_) co_await sleep_for(kBusyWait);
    std::vector<DatasetName> which;
    for (const auto& pair : pairs_) which.push_back(pair.dataset);
    auto seen = co_await parts_.inventory.refresh(std::move(which), Freshness::listed);
    if (!seen) co_return seen.error();
    for (const auto& [dataset, why] : *seen) parts_.runs.fail(*run_, dataset, why);
    std::erase_if(pairs_, [&](const plan::Pair& p) { return seen->contains(p.dataset); });
    co_return ok();
}

Task<> PeerGroup::pass() {
    co_await take_snapshots();
    const bool stop = co_await cancelled();
    for (const auto& job : jobs_) {
        if (stop || !settle(*job)) continue;
        ++streaming_;
        source_.tasks.spawn("stream " + job->pair.dataset.str(), stream(*job));
    }
    co_await end_as_they_finish();
}

/// Ends a job that needs no stream; true when it needs one.
bool PeerGroup::settle(Job& job) {
    if (!run_->pending(job.pair.dataset)) return false;
    if (const auto* conflict = std::get_if<plan::Conflict>(&job.step)) {
        fail(job, conflict->error);
        return false;
    }
    if (const auto* skip = std::get_if<plan::Skip>(&job.step)) {
        if (skip->acknowledge) {
            job.snapshot = skip->acknowledge;
            job.again = skip->more;
            ended_.push_back(&job);
            return false;
        }
        note_unchanged(parts_, job.pair.dataset);
        rpc::RunResult result;
        result.outcome = "unchanged";
        result.text = skip->reason;
        succeed(job, std::move(result));
        return false;
    }
    if (const auto* resume = std::get_if<plan::Resume>(&job.step)) {
        job.snapshot = resume->snapshot;
        job.resumed = true;
        job.again = true;
        return true;
    }
    const auto& incremental = std::get<plan::Incremental>(job.step);
    if (incremental.existing) {
        job.snapshot = incremental.existing;
        job.again = true;
    }
    return job.snapshot.has_value();
}

Task<> PeerGroup::take_snapshots() {
    std::vector<Job*> jobs;
    std::vector<SnapshotName> names;
    for (const auto& job : jobs_) {
        const auto* step = std::get_if<plan::Incremental>(&job->step);
        if (step == nullptr || step->take.empty()) continue;
        auto name = SnapshotName::make(job->pair.dataset, step->take);
        if (!name) {
            fail(*job, name.error());
            continue;
        }
        parts_.runs.phase(*run_, job->pair.dataset, "snapshot");
        names.push_back(std::move(*name));
        jobs.push_back(job.get());
    }
    if (jobs.empty()) co_return;
    auto taken = co_await parts_.zfs.snapshot(std::move(names));
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        if (!taken[i]) {
            fail(*jobs[i], taken[i].error());
            continue;
        }
        parts_.inventory.add_snapshot(jobs[i]->pair.dataset, *taken[i]);
        jobs[i]->snapshot = std::move(*taken[i]);
    }
}

Task<> PeerGroup::stream(Job& job) {
    parts_.runs.phase(*run_, job.pair.dataset, "waiting");
    parts_.runs.expect(*run_, job.pair.dataset, expected_of(job));
    const auto* resume = std::get_if<plan::Resume>(&job.step);
    const Dataset* dataset = parts_.inventory.find(job.pair.dataset);
    plan::Stream wish{.peer = peer_,
                      .first = resume != nullptr && !resume->base_guid.known(),
                      .urgent = dataset != nullptr && plan::is_frozen(*dataset)};
    const auto place = co_await source_.streams.acquire(std::move(wish), job.pair.dataset);
    Result<std::uint64_t> moved = Error{.code = Code::cancelled, .message = "zrepd is stopping"};
    const bool stop = co_await cancelled();
    if (gone_)
        moved = *gone_;
    else if (!place)
        moved = place.error();
    else if (!stop)
        moved = co_await transfer(source_, run_, transfer_of(job));
    if (moved) {
        job.bytes = *moved;
        job.streamed = true;
        ended_.push_back(&job);
        parts_.runs.phase(*run_, job.pair.dataset, "acknowledging");
    } else if (moved.error().code == Code::busy && waits_ < kBusyTries) {
        job.again = job.busy = true;
        ended_.push_back(&job);
    } else {
        // Those that wait behind it would each hold a place until they find out for themselves. One
        // line in the log does for all of them.
        const bool lost = moved.error().code == Code::peer_unreachable;
        if (lost && gone_)
            parts_.runs.fail(*run_, job.pair.dataset, moved.error(), Runs::Told::yes);
        else
            fail(job, moved.error());
        if (lost) gone_ = moved.error();
    }
    --streaming_;
    wake_.cancel();
}

Task<> PeerGroup::end_as_they_finish() {
    std::optional<SteadyClock::time_point> oldest;
    while (streaming_ > 0 || !ended_.empty()) {
        const auto now = SteadyClock::now();
        if (!ended_.empty() && !oldest) oldest = now;
        if (streaming_ == 0 || (oldest && now >= *oldest + parts_.ack_wait)) {
            oldest.reset();
            auto jobs = std::exchange(ended_, {});
            co_await end_together(std::move(jobs));
            continue;
        }
        wake_.expires_at(oldest ? *oldest + parts_.ack_wait : SteadyClock::time_point::max());
        co_await wake_.async_wait(nothrow);
    }
}

/// Acknowledged, in requests that fit; what has more to do goes on.
Task<> PeerGroup::end_together(std::vector<Job*> jobs) {
    std::vector<Job*> received;
    for (Job* job : jobs) {
        if (!job->busy) received.push_back(job);
    }
    for (std::size_t from = 0; from < received.size(); from += kMaxPerRequest) {
        const std::size_t to = std::min(received.size(), from + kMaxPerRequest);
        std::vector<Job*> batch(received.begin() + static_cast<std::ptrdiff_t>(from),
                                received.begin() + static_cast<std::ptrdiff_t>(to));
        co_await commit(std::move(batch));
    }
    const bool stop = co_await cancelled();
    if (!stop) go_on_with(jobs);
}

/// In a group of their own, so that none of them waits for a long stream of another: what is behind
/// may be hours old, and a filesystem that is being synced can do nothing else.
void PeerGroup::go_on_with(const std::vector<Job*>& jobs) {
    std::vector<Job*> unfinished;
    for (Job* job : jobs) {
        if (job->again && run_->pending(job->pair.dataset)) unfinished.push_back(job);
    }
    if (unfinished.empty()) return;
    auto next = std::unique_ptr<PeerGroup>(new PeerGroup(*this, unfinished));
    ++following_;
    source_.tasks.spawn("sync again with " + peer_.str(), follow(std::move(next)));
}

Task<> PeerGroup::follow(std::unique_ptr<PeerGroup> next) {
    co_await next->go();
    --following_;
    wake_.cancel();
}

rpc::CommitIn PeerGroup::commit_request(const std::vector<Job*>& batch) const {
    rpc::CommitIn in;
    in.sent = unix_now();
    const bool ages = source_.peers.offers(peer_, rpc::kOffersAges);
    for (const Job* job : batch) {
        const Dataset* dataset = parts_.inventory.find(job->pair.dataset);
        in.items.push_back(
            {job->pair.dataset.str(),
             job->pair.peer_dataset.str(),
             job->snapshot->name,
             job->snapshot->guid,
             job->pair.epoch,
             dataset == nullptr ? "" : failover::to_text(failover::serve_of(*dataset)),
             ages ? age_for_peer(*job->snapshot) : std::nullopt});
    }
    return in;
}

/// Whether the peer recorded it; ends the job where it did not.
bool PeerGroup::is_received(const Job& job, const rpc::CommitOut::Item& answer) {
    if (answer.error) {
        fail(job, failed_there(peer_, rpc::from_item_error(*answer.error)).in(peer_.str()));
        return false;
    }
    for (const auto& warning : answer.warnings) {
        log::event(log::Level::warn,
                   "target_bookkeeping",
                   {{"dataset", answer.target}, {"peer", peer_.str()}, {"warning", warning}});
    }
    return true;
}

Task<> PeerGroup::commit(std::vector<Job*> batch) {
    const rpc::CommitIn in = commit_request(batch);
    auto answer =
        co_await source_.peers.call_as<rpc::CommitOut>(peer_, "peer.commit", in, kCommitLimit);
    if (answer && answer->items.size() != batch.size()) {
        answer =
            Error{.code = Code::peer_protocol, .message = "the peer acknowledged something else"};
    }
    std::vector<Job*> there;
    std::vector<Acked> acked;
    for (std::size_t i = 0; i < batch.size(); ++i) {
        Job* job = batch[i];
        if (!answer) fail(*job, answer.error().in("acknowledge"));
        if (!answer || !is_received(*job, answer->items[i])) continue;
        auto name = SnapshotName::make(job->pair.dataset, job->snapshot->name);
        there.push_back(job);
        acked.push_back({*name, job->snapshot->guid});
    }
    if (there.empty()) co_return;
    auto outcomes = co_await acknowledge(parts_, Side::master, in.sent, std::move(acked));
    for (std::size_t i = 0; i < there.size(); ++i) finish(*there[i], outcomes[i]);
}

void PeerGroup::finish(Job& job, const AckOutcome& outcome) {
    if (!outcome.acknowledged) {
        fail(job, outcome.acknowledged.error());
        job.again = false;
        return;
    }
    for (const auto& warning : outcome.failed) {
        log::event(log::Level::warn,
                   "bookkeeping",
                   {{"dataset", job.pair.dataset.str()}, {"warning", warning}});
        parts_.events.publish("warning", job.pair.dataset.str(), warning);
    }
    if (const auto age = age_of(*job.snapshot))
        parts_.runs.note_fresh(job.pair.dataset, job.snapshot->guid, *age);
    const std::string name = job.pair.dataset.str() + "@" + job.snapshot->name;
    rpc::RunResult result;
    result.outcome = "done";
    result.bytes = job.bytes;
    result.resumed = job.resumed;
    const char* verb = job.resumed ? "resumed " : "sent ";
    result.text = job.streamed ? verb + name + ", " + human_bytes(job.bytes) + " in " +
                                     seconds_text(SteadyClock::now() - job.started)
                               : "recorded " + name + ", which " + peer_.str() + " had already";
    const auto* anew = std::get_if<plan::Incremental>(&job.step);
    if (anew != nullptr && anew->abort_partial) {
        result.text += "; an interrupted stream could not be continued, " + peer_.str() +
                       " discarded its part";
    }
    if (job.again && pass_ < kMaxPasses + waits_) {
        earlier_[job.pair.dataset] = std::move(result);
    } else {
        succeed(job, std::move(result));
    }
}

/// Ends the dataset's part in the run, with what earlier passes did in front.
void PeerGroup::succeed(const Job& job, rpc::RunResult result) {
    if (const auto found = earlier_.find(job.pair.dataset); found != earlier_.end()) {
        const rpc::RunResult& before = found->second;
        result.text = before.text + (result.outcome == "done" ? "; " + result.text : "");
        result.outcome = "done";
        result.bytes += before.bytes;
        result.resumed = result.resumed || before.resumed;
    }
    parts_.runs.succeed(*run_, job.pair.dataset, std::move(result));
}

void PeerGroup::fail(const Job& job, const Error& error) {
    fail(job.pair.dataset, error);
}

void PeerGroup::fail(const DatasetName& dataset, const Error& error) {
    parts_.runs.fail(*run_, dataset, error, told_of(source_, peer_, error));
}

}  // namespace zrepd::sync
