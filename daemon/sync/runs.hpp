// SPDX-License-Identifier: BSD-2-Clause
// The runs under way and the recent ones: which datasets, how far, how they ended; and what each
// pair's last run left for status. Thread: io thread. Limits: kKeptRuns finished runs.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/ids.hpp"
#include "common/time.hpp"
#include "daemon/lock/lock_table.hpp"
#include "daemon/sync/events.hpp"
#include "daemon/zfs/model.hpp"

namespace zrepd::sync {

using SteadyClock = std::chrono::steady_clock;

/// What is remembered of a pair between runs; lost at restart, and nothing depends on it. An expire
/// leaves it alone: it says nothing of how fresh the copy is, nor when to try again.
struct PairMemory {
    std::optional<SteadyClock::time_point> last_start;
    unsigned failures = 0;
    double jitter = 0;
    std::optional<Error> error;
    SteadyClock::time_point failed_at{};
    UnixSeconds error_since = 0;
    struct Fresh {
        Guid guid;                       ///< of the snapshot that holds it
        std::chrono::milliseconds at{};  ///< by the boot clock (boot_now()), which nobody sets
        UnixSeconds wall = 0;            ///< by the wall clock, which counts what a pause hid
    };
    /// The last moment at which the copy had all that the source had.
    std::optional<Fresh> fresh = {};
    /// Of a tree: copies over there whose members are gone, as last seen.
    std::vector<rpc::LeftBehind> left_behind = {};
};

class Run {
  public:
    const std::string& id() const { return out_.run_id; }
    const std::string& operation() const { return out_.operation; }
    /// Tells runs of one operation apart that do not do the same: "to beta:backup/fs". Or empty.
    const std::string& goal() const { return goal_; }
    const rpc::RunOut& out() const { return out_; }
    bool finished() const { return out_.finished; }
    bool has(const DatasetName& dataset) const { return slots_.contains(dataset); }
    bool pending(const DatasetName& dataset) const;

  private:
    friend class Runs;
    struct Slot {
        std::size_t index = 0;
        std::string phase = "waiting";
        std::uint64_t bytes = 0;
        std::uint64_t rate = 0;
        std::uint64_t earlier_bytes = 0;             ///< of streams of this run that are complete
        std::optional<std::uint64_t> expected = {};  ///< of all of them
        SteadyClock::time_point rate_at{};
        UnixSeconds last_progress = 0;
        bool done = false;
        lock::LockTable::Guard lock = {};
    };
    rpc::RunOut out_;
    std::string goal_;
    std::map<DatasetName, Slot> slots_;
    UnixSeconds started_ = 0;
    SteadyClock::time_point began_{};
    std::size_t open_ = 0;
    bool told_ = false;  ///< that it began
};
using RunPtr = std::shared_ptr<Run>;

/// How one dataset's part of a run ended, for who counts. Valid during the call.
struct PartEnd {
    const DatasetName& dataset;
    const std::string& operation;
    const rpc::RunResult& result;
    std::uint64_t bytes = 0;             ///< moved, by streams that were cut off as well
    std::chrono::duration<double> took;  ///< since the run began, its waiting included
};

/// The result of a dataset's part that ended, or could only end, with this error.
rpc::RunResult failed_result(const DatasetName& dataset, const Error& error);

class Runs {
  public:
    explicit Runs(EventBus& events);

    RunPtr start(std::string operation,
                 const std::vector<DatasetName>& datasets,
                 std::string goal = {});
    /// What failed before and is tried once more: no event says so, and it is forgotten at its end,
    /// unless tell() was called, it moves data or it succeeds.
    RunPtr start_again(std::string operation, const std::vector<DatasetName>& datasets);
    /// run_started, if that was not said yet.
    void tell(Run& run);
    /// Held until the dataset's part in the run ends, however long the other parts take.
    void keep_lock(Run& run, const DatasetName& dataset, lock::LockTable::Guard lock);
    void phase(Run& run, const DatasetName& dataset, std::string phase);
    void progress(Run& run, const DatasetName& dataset, std::uint64_t bytes);
    /// How much is still to come, by an estimate; nullopt: nobody knows.
    void expect(Run& run, const DatasetName& dataset, std::optional<std::uint64_t> bytes);
    /// Ends one dataset's part; the first call counts. The last one ends the run.
    void succeed(Run& run, const DatasetName& dataset, rpc::RunResult result);
    /// The log may have been told already, by one line for all the datasets.
    enum class Told { no, yes };
    void fail(Run& run, const DatasetName& dataset, const Error& error, Told told = Told::no);

    /// Called at each such end, before its event. Must not throw or wait.
    void on_part_end(std::function<void(const PartEnd&)> handler) {
        on_part_end_ = std::move(handler);
    }

    /// The unfinished run that still works on this dataset; the oldest when others wait for it.
    RunPtr active(const DatasetName& dataset) const;
    /// The same among those that do this.
    RunPtr active(const DatasetName& dataset,
                  std::string_view operation,
                  std::string_view goal) const;
    /// A dataset above or below this one that is being made part of a pair: no listing shows it
    /// yet.
    std::optional<DatasetName> nested_newcomer(const DatasetName& dataset) const;
    RunPtr find(const std::string& id) const;
    std::optional<rpc::Progress> progress_of(const DatasetName& dataset) const;
    std::size_t active_count() const { return active_.size(); }

    PairMemory& memory(const DatasetName& dataset) { return memory_[dataset]; }
    const PairMemory* remembered(const DatasetName& dataset) const;
    /// So long ago the copy, whose newest snapshot is this one, had all that the source had. A peer
    /// may have said that: less than nothing counts as nothing, and more than a lifetime as that.
    void note_fresh(const DatasetName& dataset, Guid guid, std::chrono::seconds ago);
    void forget_fresh(const DatasetName& dataset);
    /// How long ago that was of a pair whose last acknowledged snapshot is `acked`, or not known
    /// now: by what this zrepd saw itself, by whichever clock says longer; else since the snapshot
    /// was taken, by its stamp. nullopt: nothing was ever acknowledged (ADR 0023).
    std::optional<std::chrono::seconds> lag(const DatasetName& dataset,
                                            const Snapshot* acked,
                                            UnixSeconds now) const;
    void forget(const DatasetName& dataset) { memory_.erase(dataset); }

  private:
    RunPtr make(std::string operation, const std::vector<DatasetName>& datasets, std::string goal);
    void end(Run& run, const DatasetName& dataset, rpc::RunResult result);
    rpc::Progress progress_of(const Run& run, const Run::Slot& slot) const;

    void tell_end(const Run& run, const DatasetName& dataset, const Run::Slot& slot) const;

    EventBus& events_;
    std::function<void(const PartEnd&)> on_part_end_;
    std::string boot_tag_;
    std::uint64_t next_ = 1;
    std::vector<RunPtr> active_;
    std::deque<RunPtr> finished_;
    std::map<DatasetName, PairMemory> memory_;
};

}  // namespace zrepd::sync
