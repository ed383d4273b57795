// SPDX-License-Identifier: BSD-2-Clause
// Replies and events of the control socket; with control_requests.hpp what docs/control-api.md is
// generated from.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/rpc/control_requests.hpp"
#include "common/rpc/fields.hpp"
#include "common/rpc/peer_types.hpp"

namespace zrepd::rpc {

struct Empty {
    template <class Self, class V>
    static void fields(Self&, V&) {}
};

struct RescueListOut {
    struct Rescue {
        std::string dataset;
        std::string of;
        std::uint64_t referenced_bytes = 0;
        template <class Self, class V>
        static void fields(Self& self, V& v) {
            v("dataset", self.dataset, "the copy");
            v("of", self.of, "the filesystem whose data it holds");
            v("referenced_bytes", self.referenced_bytes, "with what it shares with the filesystem");
        }
    };
    std::vector<Rescue> rescues;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("rescues", self.rescues, "sorted by dataset");
    }
};

/// What a rescue has that its filesystem had not at the base.
struct RescueDiffOut {
    struct Change {
        std::string change;
        std::string type;
        std::string path;
        std::optional<std::string> new_path;
        template <class Self, class V>
        static void fields(Self& self, V& v) {
            v("change", self.change, "added, removed, modified or renamed");
            v("type", self.type, "file, directory, symlink or other");
            v("path",
              self.path,
              "from the filesystem's root; \\0ooo for a byte that is not text or steers terminals");
            v("new_path", self.new_path, "of a renamed one");
        }
    };
    std::string dataset;
    std::string base;
    std::string snapshot;
    std::uint64_t bytes = 0;
    std::vector<Change> changes;
    bool complete = false;
    std::string note;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("dataset", self.dataset, "the copy");
        v("base", self.base, "the snapshot that both sides have");
        v("snapshot", self.snapshot, "of the copy: what is compared with the base");
        v("bytes", self.bytes, "written between the two");
        v("changes", self.changes, "in the order of zfs diff");
        v("complete", self.complete, "false: there may be more, and note says why");
        v("note", self.note, "empty when it is complete");
    }
};

/// What a mutation did, in words; with dry_run what it would do.
struct Done {
    std::vector<std::string> steps;
    std::vector<std::string> notes;  ///< what the administrator should know or do next
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("steps", self.steps, "what was done, or would be with dry_run");
        v("notes", self.notes, "what to know or do next");
    }
};

struct AckedSnapshot {
    std::string snapshot;
    Guid guid;
    std::string time;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("snapshot", self.snapshot, "full name");
        v("guid", self.guid, "");
        v("time", self.time, "when it was acknowledged, RFC 3339 UTC");
    }
};

struct Progress {
    std::string run_id;
    std::string phase;
    std::uint64_t bytes = 0;
    std::uint64_t rate_bytes_per_second = 0;
    std::string since;
    std::string last_progress;
    std::optional<std::uint64_t> expected_bytes = {};
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("run_id", self.run_id, "");
        v("phase",
          self.phase,
          "looking, waiting, snapshot, sending, receiving, acknowledging or expiring; of a role change "
          "syncing, checking, changing, draining, promoting, asking, mounting or rescuing");
        v("bytes", self.bytes, "moved so far");
        v("rate_bytes_per_second", self.rate_bytes_per_second, "over the last seconds");
        v("since", self.since, "start of the run, RFC 3339 UTC");
        v("last_progress", self.last_progress, "when bytes last moved, RFC 3339 UTC");
        v("expected_bytes",
          self.expected_bytes,
          "what bytes will be in the end, more or less; absent where that is not known");
    }
};

struct Trouble {
    std::string kind;
    std::string message;
    std::string remedy;
    std::string since;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("kind", self.kind, "error kind, as in data.kind");
        v("message", self.message, "what and why");
        v("remedy", self.remedy, "what to do next");
        v("since", self.since, "first seen, RFC 3339 UTC");
    }
};

struct ListOut {
    struct Pair {
        std::string dataset;
        std::string role;
        std::string peer;
        std::string peer_dataset;
        std::map<std::string, std::string> properties;
        std::string last_acked;
        template <class Self, class V>
        static void fields(Self& self, V& v) {
            v("dataset", self.dataset, "");
            v("role", self.role, "master, target or initializing");
            v("peer", self.peer, "the other host");
            v("peer_dataset", self.peer_dataset, "the dataset there");
            v("properties", self.properties, "zrep: properties in force");
            v("last_acked", self.last_acked, "newest acknowledged snapshot, or empty");
        }
    };
    std::optional<Trouble> problem;  ///< why there may be more pairs
    std::vector<Pair> pairs;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("problem",
          self.problem,
          "why not all pairs may be known, or a named one is shown as last seen; else absent");
        v("pairs", self.pairs, "sorted by dataset");
    }
};

/// A copy of what is no member of its tree any more.
struct LeftBehind {
    std::string dataset;
    std::string remedy;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("dataset", self.dataset, "on the target's side");
        v("remedy", self.remedy, "how to let go of it");
    }
    bool operator==(const LeftBehind&) const = default;
};

struct PairStatus {
    std::string dataset;
    std::string role;
    std::uint64_t epoch = 0;
    std::string peer;
    std::string peer_dataset;
    std::string peer_state;
    std::optional<AckedSnapshot> last_acked;
    std::optional<std::int64_t> lag_seconds;
    std::uint64_t backlog_bytes = 0;
    std::optional<std::string> interval;
    bool paused = false;
    std::optional<std::string> put_back;
    std::optional<Progress> running;
    unsigned pending_snapshots = 0;
    std::optional<std::string> next_run;
    std::optional<Trouble> last_error;
    std::optional<Trouble> warning;
    std::vector<std::string> rescues;
    std::optional<unsigned> members;
    std::vector<LeftBehind> left_behind;
    std::string fence = "off";
    bool fenced = false;
    std::string health;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("dataset", self.dataset, "");
        v("role", self.role, "master, target or initializing");
        v("epoch", self.epoch, "grows by one at every role change");
        v("peer", self.peer, "the other host");
        v("peer_dataset", self.peer_dataset, "the dataset there");
        v("peer_state", self.peer_state, "connected, unreachable or unknown");
        v("last_acked", self.last_acked, "newest snapshot that both sides have");
        v("lag_seconds",
          self.lag_seconds,
          "since source and copy were last known to hold the same data; grows until the next sync");
        v("backlog_bytes", self.backlog_bytes, "written on the master since, as last seen");
        v("interval", self.interval, "how often it syncs; absent: only on request");
        v("paused", self.paused, "");
        v("put_back",
          self.put_back,
          "of a paused master: the snapshot to which its target was put back, and where it waits "
          "until it is unpaused and synced");
        v("running", self.running, "the run under way");
        v("pending_snapshots", self.pending_snapshots, "zrep snapshots not yet acknowledged");
        v("next_run", self.next_run, "RFC 3339 UTC; absent: none planned");
        v("last_error", self.last_error, "of the last run, if it failed, or what else is wrong");
        v("warning",
          self.warning,
          "what is wrong and stops no sync; kind is writable, of a target that is mounted so, or late");
        v("rescues", self.rescues, "copies of what this side had and the other never got");
        v("members",
          self.members,
          "of a recursive pair: how many datasets it has, its root included");
        v.optional("left_behind",
                   self.left_behind,
                   "of a recursive pair's master, as last seen: copies whose members are gone");
        v.optional("fence", self.fence, "zrep:fence in force: off, boot or lease");
        v.optional(
            "fenced",
            self.fenced,
            "a master that is not served, or readonly, until its peer is heard, or zrepctl unfence");
        v("health", self.health, "ok, late, failing, conflict or split_brain");
    }
};

/// A process that not even SIGKILL ended.
struct AbandonedProcess {
    std::int64_t pid = 0;
    std::string command;
    std::string since;
    std::optional<std::string> dataset;
    std::string remedy;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("pid", self.pid, "");
        v("command", self.command, "its arguments, joined by spaces");
        v("since", self.since, "when it was started, RFC 3339 UTC");
        v("dataset", self.dataset, "that it works on; absent when its arguments name none");
        v("remedy", self.remedy, "what to do next");
    }
};

struct StatusOut {
    std::string host;
    std::string version;
    std::string time;
    std::optional<Trouble> problem;  ///< why there may be pairs that are not shown
    std::vector<PairStatus> pairs;
    std::vector<AbandonedProcess> abandoned;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("host", self.host, "this host's short name");
        v("version", self.version, "of the daemon");
        v("time", self.time, "of this answer, RFC 3339 UTC");
        v("problem", self.problem, "why not all pairs may be known; absent when they are");
        v("pairs", self.pairs, "sorted by dataset");
        v.optional("abandoned",
                   self.abandoned,
                   "processes that wait in the kernel and did not end even when killed, until they "
                   "do; at most 100");
    }
};

/// The outcome of one dataset in a run.
struct RunResult {
    std::string dataset;
    std::string outcome;  ///< "done", "unchanged", "failed" or "running"
    std::string text;     ///< "sent tank/fs@zrep_000002, 12.0 MiB in 1.2 s"
    std::uint64_t bytes = 0;
    bool resumed = false;
    std::optional<ItemError> error;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("dataset", self.dataset, "");
        v("outcome", self.outcome, "running, done, unchanged or failed");
        v("text", self.text, "in words");
        v("bytes", self.bytes, "of the stream");
        v("resumed", self.resumed, "an interrupted stream was continued");
        v("error", self.error, "when it failed");
    }
};

/// A run was started; its end comes as the event run_finished with this id.
struct RunStarted {
    std::string run_id;
    std::vector<std::string> joined;  ///< ids of runs that do the same to some of the datasets
    std::vector<std::string> steps;   ///< dry run only: what would be done; no run was started
    std::optional<std::string> note;  ///< why there is nothing to do
    /// Dry run of sync, put_back and expire only: the datasets to which nothing would be done.
    std::optional<std::vector<RunResult>> results = {};
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("run_id", self.run_id, "empty after a dry run, or when every dataset is in a joined run");
        v("joined",
          self.joined,
          "runs of the same operation already under way for some of the datasets");
        v("steps", self.steps, "dry run: what would be done");
        v("note", self.note, "with all: why there is nothing to do");
        v("results",
          self.results,
          "dry run of sync, put_back and expire: the datasets to which nothing would be done, unchanged or failed");
    }
};

struct RunOut {
    std::string run_id;
    std::string operation;
    bool finished = false;
    std::vector<RunResult> results;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("run_id", self.run_id, "");
        v("operation",
          self.operation,
          "init, sync, put_back, expire, failover, takeover, resolve, unfence, drill, drop; by itself receive, promote, rejoin");
        v("finished", self.finished, "");
        v("results", self.results, "one per dataset");
    }
};

/// An event's params: notification `event`. Kinds so far: run_started, run_progress, run_finished,
/// pair_changed, peer_up, peer_down, warning.
struct EventOut {
    U64 seq;
    std::string event;
    std::string time;
    std::string dataset;
    std::string text;
    std::optional<RunOut> run;
    std::optional<Progress> progress;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("seq", self.seq, "grows by one; a gap means that progress was coalesced or dropped");
        v("event", self.event, "");
        v("time", self.time, "RFC 3339 UTC");
        v.optional("dataset", self.dataset, "");
        v.optional("text", self.text, "in words");
        v("run", self.run, "with run_started and run_finished");
        v("progress", self.progress, "with run_progress");
    }
};

struct SubscribeOut {
    U64 seq;
    StatusOut status;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("seq", self.seq, "of the last event before this answer");
        v("status", self.status, "the state now; events after it come as notifications");
    }
};

struct VersionOut {
    std::string version;
    std::string protocol;
    std::string zfs;
    std::string host;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("version", self.version, "of the daemon");
        v("protocol", self.protocol, "");
        v("zfs", self.zfs, "OpenZFS version; empty when there is none");
        v("host", self.host, "");
    }
};

}  // namespace zrepd::rpc
