// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/sync/runs.hpp"

#include <algorithm>
#include <cstdio>
#include <random>
#include <utility>

#include "daemon/clock.hpp"
#include "daemon/log.hpp"

namespace zrepd::sync {
namespace {

// A client asks for its run's result soon after its end; an hour of minutely runs is plenty.
constexpr std::size_t kKeptRuns = 60;
constexpr std::chrono::seconds kRounding{2};
constexpr std::chrono::hours kOldest{24 * 365 * 100};

double draw_jitter() {
    static std::minstd_rand generator{std::random_device{}()};
    return std::uniform_real_distribution<double>(0, 1)(generator);
}

/// Whether its end says something of the pair's copy, as PairMemory keeps it: not of an expire or a
/// role change.
bool is_remembered(const Run& run) {
    const std::string& operation = run.operation();
    return operation == "sync" || operation == "init" || operation == "receive";
}

}  // namespace

bool Run::pending(const DatasetName& dataset) const {
    const auto found = slots_.find(dataset);
    return found != slots_.end() && !found->second.done;
}

rpc::RunResult failed_result(const DatasetName& dataset, const Error& error) {
    rpc::RunResult out;
    out.dataset = dataset.str();
    out.outcome = "failed";
    out.text = error.text();
    out.error = rpc::to_item_error(error);
    return out;
}

Runs::Runs(EventBus& events) : events_(events) {
    char tag[32];
    std::snprintf(tag, sizeof tag, "%llx", static_cast<unsigned long long>(unix_now()));
    boot_tag_ = tag;
}

RunPtr Runs::start(std::string operation,
                   const std::vector<DatasetName>& datasets,
                   std::string goal) {
    RunPtr run = make(std::move(operation), datasets, std::move(goal));
    tell(*run);
    return run;
}

RunPtr Runs::start_again(std::string operation, const std::vector<DatasetName>& datasets) {
    return make(std::move(operation), datasets, {});
}

void Runs::tell(Run& run) {
    if (std::exchange(run.told_, true)) return;
    rpc::EventOut event;
    event.event = "run_started";
    event.run = run.out_;
    events_.publish(std::move(event));
}

RunPtr Runs::make(std::string operation,
                  const std::vector<DatasetName>& datasets,
                  std::string goal) {
    auto run = std::make_shared<Run>();
    run->out_.run_id = boot_tag_ + "-" + std::to_string(next_++);
    run->out_.operation = std::move(operation);
    run->goal_ = std::move(goal);
    run->started_ = unix_now();
    run->began_ = SteadyClock::now();
    run->open_ = datasets.size();
    for (const auto& dataset : datasets) {
        run->slots_[dataset].index = run->out_.results.size();
        rpc::RunResult result;
        result.dataset = dataset.str();
        result.outcome = "running";
        run->out_.results.push_back(std::move(result));
        if (is_remembered(*run)) memory(dataset).last_start = SteadyClock::now();
    }
    active_.push_back(run);
    return run;
}

void Runs::keep_lock(Run& run, const DatasetName& dataset, lock::LockTable::Guard lock) {
    const auto slot = run.slots_.find(dataset);
    if (slot != run.slots_.end() && !slot->second.done) slot->second.lock = std::move(lock);
}

void Runs::phase(Run& run, const DatasetName& dataset, std::string phase) {
    const auto slot = run.slots_.find(dataset);
    if (slot == run.slots_.end() || slot->second.done) return;
    slot->second.phase = std::move(phase);
    slot->second.earlier_bytes += slot->second.bytes;
    slot->second.bytes = 0;
}

void Runs::expect(Run& run, const DatasetName& dataset, std::optional<std::uint64_t> bytes) {
    const auto found = run.slots_.find(dataset);
    if (found == run.slots_.end()) return;
    Run::Slot& slot = found->second;
    slot.expected.reset();
    if (bytes) slot.expected = slot.earlier_bytes + slot.bytes + *bytes;
}

void Runs::progress(Run& run, const DatasetName& dataset, std::uint64_t bytes) {
    const auto found = run.slots_.find(dataset);
    if (found == run.slots_.end() || found->second.done) return;
    Run::Slot& slot = found->second;
    const auto now = SteadyClock::now();
    const std::chrono::duration<double> passed = now - slot.rate_at;
    if (bytes > slot.bytes) {
        const double rate =
            static_cast<double>(bytes - slot.bytes) / std::max(passed.count(), 0.05);
        slot.rate = slot.bytes == 0 ? 0 : static_cast<std::uint64_t>(rate);
        slot.last_progress = unix_now();
    }
    slot.rate_at = now;
    slot.bytes = bytes;
    tell(run);
    rpc::EventOut event;
    event.event = "run_progress";
    event.dataset = dataset.str();
    event.progress = progress_of(run, slot);
    events_.publish(std::move(event));
}

void Runs::succeed(Run& run, const DatasetName& dataset, rpc::RunResult result) {
    if (!run.pending(dataset)) return;
    tell(run);
    if (is_remembered(run)) {
        PairMemory& memory = memory_[dataset];
        memory.failures = 0;
        memory.error.reset();
    }
    result.dataset = dataset.str();
    log::event(log::Level::info,
               "dataset_done",
               {{"run", run.id()},
                {"op", run.operation()},
                {"dataset", dataset.str()},
                {"outcome", result.outcome},
                {"text", result.text}});
    end(run, dataset, std::move(result));
}

void Runs::fail(Run& run, const DatasetName& dataset, const Error& error, Told told) {
    if (!run.pending(dataset)) return;
    unsigned failures = 1;
    bool repeated = false;
    // Who asked on the wrong side is told. Nothing is wrong with the pair, and no later run there
    // would say so.
    if (is_remembered(run) && error.code != Code::wrong_role) {
        PairMemory& memory = memory_[dataset];
        const bool same = memory.error && memory.error->code == error.code;
        if (!same) memory.error_since = unix_now();
        // The same failure every minute is a line an hour in the log, not sixty.
        repeated = same && memory.failures % 60 != 0;
        failures = ++memory.failures;
        memory.jitter = draw_jitter();
        memory.error = error;
        memory.failed_at = SteadyClock::now();
    }
    log::event(repeated || told == Told::yes ? log::Level::debug : log::Level::error,
               "dataset_failed",
               {{"run", run.id()},
                {"op", run.operation()},
                {"dataset", dataset.str()},
                {"kind", std::string(info(error.code).name)},
                {"error", error.text()},
                {"next", error.remedy},
                {"failures", std::to_string(failures)}});
    end(run, dataset, failed_result(dataset, error));
}

void Runs::end(Run& run, const DatasetName& dataset, rpc::RunResult result) {
    Run::Slot& slot = run.slots_[dataset];
    slot.done = true;
    slot.lock = {};
    run.out_.results[slot.index] = std::move(result);
    tell_end(run, dataset, slot);
    if (--run.open_ != 0) return;
    run.out_.finished = true;
    const auto found = std::find_if(
        active_.begin(), active_.end(), [&](const RunPtr& r) { return r.get() == &run; });
    if (found != active_.end()) {
        if (run.told_) finished_.push_back(*found);
        active_.erase(found);
        if (finished_.size() > kKeptRuns) finished_.pop_front();
    }
    if (!run.told_) return;
    rpc::EventOut event;
    event.event = "run_finished";
    event.run = run.out_;
    events_.publish(std::move(event));
}

void Runs::tell_end(const Run& run, const DatasetName& dataset, const Run::Slot& slot) const {
    if (!on_part_end_) return;
    const rpc::RunResult& result = run.out_.results[slot.index];
    on_part_end_({.dataset = dataset,
                  .operation = run.operation(),
                  .result = result,
                  .bytes = std::max(result.bytes, slot.earlier_bytes + slot.bytes),
                  .took = SteadyClock::now() - run.began_});
}

RunPtr Runs::active(const DatasetName& dataset) const {
    const auto found = std::find_if(
        active_.begin(), active_.end(), [&](const RunPtr& run) { return run->pending(dataset); });
    return found == active_.end() ? nullptr : *found;
}

RunPtr Runs::active(const DatasetName& dataset,
                    std::string_view operation,
                    std::string_view goal) const {
    const auto found = std::find_if(active_.begin(), active_.end(), [&](const RunPtr& run) {
        return run->operation() == operation && run->goal() == goal && run->pending(dataset);
    });
    return found == active_.end() ? nullptr : *found;
}

std::optional<DatasetName> Runs::nested_newcomer(const DatasetName& dataset) const {
    for (const auto& run : active_) {
        // Others work on pairs that exist, which a listing shows.
        if (run->operation() != "init" && run->operation() != "receive") continue;
        for (const auto& [other, slot] : run->slots_) {
            const bool nested = other.is_below(dataset) || dataset.is_below(other);
            if (nested && !slot.done) return other;
        }
    }
    return std::nullopt;
}

RunPtr Runs::find(const std::string& id) const {
    for (const auto& run : active_) {
        if (run->id() == id) return run;
    }
    for (const auto& run : finished_) {
        if (run->id() == id) return run;
    }
    return nullptr;
}

rpc::Progress Runs::progress_of(const Run& run, const Run::Slot& slot) const {
    rpc::Progress out;
    out.run_id = run.id();
    out.phase = slot.phase;
    out.bytes = slot.earlier_bytes + slot.bytes;
    out.rate_bytes_per_second = slot.rate;
    out.since = to_rfc3339(run.started_);
    out.last_progress = to_rfc3339(slot.last_progress == 0 ? run.started_ : slot.last_progress);
    out.expected_bytes = slot.expected;
    return out;
}

std::optional<rpc::Progress> Runs::progress_of(const DatasetName& dataset) const {
    const RunPtr run = active(dataset);
    if (!run) return std::nullopt;
    return progress_of(*run, run->slots_.at(dataset));
}

const PairMemory* Runs::remembered(const DatasetName& dataset) const {
    const auto found = memory_.find(dataset);
    return found == memory_.end() ? nullptr : &found->second;
}

void Runs::note_fresh(const DatasetName& dataset, Guid guid, std::chrono::seconds ago) {
    ago = std::clamp<std::chrono::seconds>(ago, std::chrono::seconds(0), kOldest);
    memory(dataset).fresh = {
        .guid = guid, .at = boot_now() - ago, .wall = unix_now() - ago.count()};
}

void Runs::forget_fresh(const DatasetName& dataset) {
    const auto found = memory_.find(dataset);
    if (found != memory_.end()) found->second.fresh.reset();
}

std::optional<std::chrono::seconds> Runs::lag(const DatasetName& dataset,
                                              const Snapshot* acked,
                                              UnixSeconds now) const {
    const PairMemory* memory = remembered(dataset);
    const auto* fresh = memory != nullptr && memory->fresh ? &*memory->fresh : nullptr;
    if (fresh != nullptr && (acked == nullptr || fresh->guid == acked->guid)) {
        const std::chrono::seconds by_wall(std::max<UnixSeconds>(0, now - fresh->wall));
        const auto by_boot = std::chrono::floor<std::chrono::seconds>(boot_now() - fresh->at);
        // The same but for rounding, by the one whose difference to `now` stands still.
        return by_boot > by_wall + kRounding ? by_boot : by_wall;
    }
    if (acked == nullptr) return std::nullopt;
    UnixSeconds at = acked->sent.value_or(now);
    if (acked->created != 0) at = std::min(at, acked->created);
    return std::chrono::seconds(std::max<UnixSeconds>(0, now - at));
}

}  // namespace zrepd::sync
