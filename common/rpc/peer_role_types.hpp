// SPDX-License-Identifier: BSD-2-Clause
// What two daemons say to each other about roles (docs/peer-protocol.md).
#pragma once

#include "common/rpc/peer_types.hpp"

namespace zrepd::rpc {

/// peer.roles: who of the two sides is master, and of which epoch.
struct RolesIn {
    struct Side {
        std::string source;
        std::string target;
        bool master = false;
        std::uint64_t epoch = 0;
        bool idle = false;
        template <class Self, class V>
        static void fields(Self& self, V& v) {
            v("source", self.source, "dataset on the asking side, whatever its role");
            v("target", self.target, "dataset here");
            v("master", self.master, "the asking side is master");
            v("epoch", self.epoch, "of the asking side");
            v("idle",
              self.idle,
              "the asking side sends nothing of it: what still arrives of an earlier stream is over");
        }
    };
    std::vector<Side> sides;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("sides", self.sides, "");
    }
};
struct RolesOut {
    struct Side {
        std::string target;
        bool known = false;
        bool master = false;
        std::uint64_t epoch = 0;
        std::string journal;
        bool leased = false;
        std::vector<PeerSnapshot> snapshots;
        template <class Self, class V>
        static void fields(Self& self, V& v) {
            v("target", self.target, "");
            v("known", self.known, "it is the other side of the asking one, in whatever role");
            v("master", self.master, "");
            v("epoch", self.epoch, "");
            v("journal", self.journal, "zrep:inprogress, its first word");
            v.optional("leased", self.leased, "it believes that its master counts on a lease");
            v("snapshots", self.snapshots, "oldest first; only the newest ones");
        }
    };
    std::vector<Side> sides;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("sides", self.sides, "in the order asked");
    }
};

/// What is asked of one member of a recursive pair, beside its root.
struct TreePart {
    std::string name;
    Guid base;
    std::string serve;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("name", self.name, "relative to the root");
        v("base", self.base, "guid of its part of the root's base");
        v("serve", self.serve, "how the master's is served, as in zrep:serve");
    }
};

/// peer.check: what would keep this target from becoming the master.
struct CheckIn {
    std::string source;
    std::string target;
    std::uint64_t epoch = 0;
    Guid base;
    std::string serve;
    bool dry_run = false;
    std::optional<bool> back;
    std::optional<std::vector<TreePart>> members;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("source", self.source, "the master's dataset on the asking side");
        v("target", self.target, "");
        v("epoch", self.epoch, "of the asking side");
        v("base", self.base, "guid of the newest snapshot that both sides have");
        v("serve", self.serve, "how the master is served, as in zrep:serve");
        v.optional("dry_run", self.dry_run, "only look: run no hook, store nothing");
        v("back",
          self.back,
          "it is to begin at `base`: what is newer there is kept beside it first");
        v("members", self.members, "of a recursive pair, all that have the base");
    }
};
struct CheckOut {
    std::vector<ItemError> problems;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("problems", self.problems, "none: it can become the master");
    }
};

/// peer.promote: become the master of this epoch; the asking side is none any more.
struct PromoteIn {
    std::string source;
    std::string target;
    std::uint64_t epoch = 0;
    Guid base;
    std::string serve;
    std::optional<bool> back;
    std::optional<std::vector<TreePart>> members;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("source", self.source, "the asking side's dataset");
        v("target", self.target, "");
        v("epoch", self.epoch, "of the new master");
        v("base", self.base, "guid of a snapshot that this side must have");
        v("serve", self.serve, "how the master was served");
        v("back", self.back, "begin at `base`: what is newer is kept beside it first");
        v("members", self.members, "of a recursive pair, all that have the base");
    }
};
struct PromoteOut {
    bool master = false;
    std::uint64_t epoch = 0;
    std::vector<std::string> notes;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("master", self.master, "this side is master now");
        v("epoch", self.epoch, "of this side now");
        v.optional(
            "notes", self.notes, "what went wrong on the way, such as a mount, with what to do");
    }
};

/// peer.lease: the asking side is master and stays so only while its targets confirm it.
struct LeaseIn {
    struct Side {
        std::string source;
        std::string target;
        std::uint64_t epoch = 0;
        bool release = false;
        bool counts = false;
        template <class Self, class V>
        static void fields(Self& self, V& v) {
            v("source", self.source, "the master's dataset on the asking side");
            v("target", self.target, "");
            v("epoch", self.epoch, "of the asking side");
            v.optional("release", self.release, "it counts on no lease any more");
            v.optional(
                "counts",
                self.counts,
                "it will be readonly without a confirmation; else it stays writable until the "
                "first one");
        }
    };
    std::vector<Side> sides;
    std::uint64_t lease_ms = 0;
    std::uint64_t sent_ms = 0;
    std::optional<std::string> witness;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("sides", self.sides, "");
        v("lease_ms", self.lease_ms, "the master is readonly so long after it asked last");
        v("sent_ms", self.sent_ms, "since the boot of the asking host: orders its requests");
        v("witness", self.witness, "who else may confirm the master");
    }
};
struct LeaseOut {
    struct Side {
        std::string target;
        bool confirmed = false;
        bool master = false;
        std::uint64_t epoch = 0;
        template <class Self, class V>
        static void fields(Self& self, V& v) {
            v("target", self.target, "");
            v("confirmed",
              self.confirmed,
              "it does not become the master by itself before 5/4 lease_ms + 10 s are over; of a "
              "release: it is forgotten");
            v("master", self.master, "this side says that it is the master itself");
            v("epoch", self.epoch, "of this side");
        }
    };
    std::vector<Side> sides;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("sides", self.sides, "in the order asked");
    }
};

/// peer.hand_over: a target asks its master for a planned failover.
struct HandOverIn {
    std::string source;
    std::string target;
    bool dry_run = false;
    std::optional<Guid> base;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("source", self.source, "the asking side's dataset, a target");
        v("target", self.target, "its master here");
        v.optional("dry_run", self.dry_run, "only say what would be done");
        v("base",
          self.base,
          "guid of the snapshot that the new master begins at; absent: the newest");
    }
};
struct HandOverOut {
    std::string run_id;
    std::vector<std::string> steps;
    std::optional<std::string> note;
    std::optional<bool> joined;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("run_id", self.run_id, "to be asked for with peer.run");
        v("steps", self.steps, "dry run: what would be done");
        v("note", self.note, "why nothing is done, nor was started");
        v("joined", self.joined, "the run began earlier, and what was written since is not in it");
    }
};

/// peer.refresh: a target asks its master for a sync now.
struct RefreshIn {
    std::string source;
    std::string target;
    bool dry_run = false;
    std::optional<bool> all;  ///< absent: an older master knows no such key
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("source", self.source, "the asking side's dataset, a target");
        v("target", self.target, "its master here");
        v.optional("dry_run", self.dry_run, "only say what would be done");
        v("all", self.all, "not asked for by name: nothing is done while the master is paused");
    }
};

/// peer.run: how a run that this peer asked for goes.
struct PeerRunIn {
    std::string run_id;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("run_id", self.run_id, "");
    }
};
struct PeerRunOut {
    bool finished = false;
    std::string text;
    std::optional<ItemError> error;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("finished", self.finished, "");
        v("text", self.text, "in words");
        v("error", self.error, "when it failed");
    }
};

}  // namespace zrepd::rpc
