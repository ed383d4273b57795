// SPDX-License-Identifier: BSD-2-Clause
// The target's side of leases: confirms to masters elsewhere that their targets here stay targets,
// and knows how long a takeover without the master has to wait for that. Thread: io thread.
// Errors: what cannot be stored is logged and not confirmed. Atomicity: a confirmation is given
// only when zrep:lease lies on disk. Limits: kParallelNotes sets at once.
#pragma once

#include <map>
#include <optional>
#include <set>

#include "daemon/async/signal.hpp"
#include "daemon/async/task_group.hpp"
#include "daemon/failover/lease.hpp"
#include "daemon/sync/parts.hpp"

namespace zrepd::failover {

class Grants {
  public:
    explicit Grants(sync::Parts& parts);

    /// A master's question about one of our targets.
    struct Question {
        std::uint64_t epoch = 0;
        std::uint64_t sent_ms = 0;
        LeaseNote note;
    };
    /// Whether it is confirmed. Where the note is to be stored first that is begun in `tasks`, and
    /// the master, which asks again, is confirmed then: no disk holds up the other pairs.
    bool confirm(const plan::Pair& pair, const Question& question, TaskGroup& tasks);
    /// The master counts on no lease any more; whether that is so here.
    bool release(const plan::Pair& pair, std::uint64_t sent_ms, TaskGroup& tasks);

    /// While it lives nothing is confirmed of this dataset: a takeover without the master was
    /// decided.
    class Decision {
      public:
        Decision() = default;
        Decision(Grants* owner, DatasetName dataset);
        Decision(Decision&& other) noexcept;
        Decision& operator=(Decision&& other) noexcept;
        ~Decision();

      private:
        Grants* owner_ = nullptr;
        std::optional<DatasetName> dataset_;
    };
    Decision decide(const DatasetName& dataset) { return {this, dataset}; }
    /// It may become the master late: a set was given up, and may land yet. Nothing is confirmed
    /// until a role change of it ended well.
    void doubt(const DatasetName& dataset, bool doubtful);

    /// How long a takeover without the master has to wait from now; nullopt: nobody counts on it.
    std::optional<BootTime> wait_left(const DatasetName& dataset) const;
    /// The note on disk, for whom else there is to ask.
    std::optional<LeaseNote> note(const DatasetName& dataset) const;

  private:
    struct Given {
        BootTime at{};
        BootTime wait{};
        std::uint64_t sent_ms = 0;
    };
    bool is_becoming_master(const DatasetName& dataset) const;
    void store(const DatasetName& dataset, std::string note, TaskGroup& tasks);
    Task<> store_note(DatasetName dataset, std::string note);

    sync::Parts& parts_;
    BootTime started_;
    std::map<DatasetName, Given> given_;
    std::multiset<DatasetName> decided_;
    std::set<DatasetName> doubtful_;
    std::map<DatasetName, std::string> storing_;  ///< and what; "": the note is taken away
    Semaphore places_;
};

}  // namespace zrepd::failover
