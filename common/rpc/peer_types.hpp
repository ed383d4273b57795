// SPDX-License-Identifier: BSD-2-Clause
// What two daemons say to each other over the peer socket (docs/peer-protocol.md).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/rpc/fields.hpp"

namespace zrepd::rpc {

/// The error of one item in a list; `message` empty: none.
struct ItemError {
    std::string kind;
    std::string message;
    std::string remedy;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("kind", self.kind, "error kind, as in data.kind");
        v("message", self.message, "what and why");
        v.optional("remedy", self.remedy, "what to do next");
    }
};

struct PeerSnapshot {
    std::string name;
    Guid guid;
    std::uint64_t written_bytes = 0;
    std::optional<std::int64_t> sent;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("name", self.name, "after the '@'");
        v("guid", self.guid, "");
        v("written_bytes", self.written_bytes, "since the snapshot before it");
        v("sent", self.sent, "zrep:sent, Unix seconds");
    }
};

/// peer.look: the state of the targets of a sync, all in one request.
struct LookIn {
    struct Pair {
        std::string source;
        std::string target;
        std::optional<std::string> after = {};  ///< absent: an older peer knows no such key
        std::optional<Guid> current = {};       ///< this and `age` only to who offers kOffersAges
        std::optional<std::int64_t> age = {};
        template <class Self, class V>
        static void fields(Self& self, V& v) {
            v("source", self.source, "filesystem on the asking side");
            v("target", self.target, "filesystem here");
            v("after",
              self.after,
              "of peer.expire with dry_run: once this snapshot, which may still have to come, is "
              "acknowledged");
            v("current",
              self.current,
              "of peer.look: the acknowledged snapshot after which nothing was written; of a tree, "
              "only where that is so in all of it");
            v("age", self.age, "of peer.look: for how many seconds that is known");
        }
    };
    std::vector<Pair> pairs;
    bool sends = false;
    std::optional<bool> dry_run;  ///< absent: an older peer knows no such key
    std::optional<bool> cached;   ///< only to who offers kOffersCached
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("pairs", self.pairs, "");
        v("sends",
          self.sends,
          "the asking side sends nothing of these pairs now: what still arrives of an earlier "
          "stream is given up first");
        v("dry_run", self.dry_run, "of peer.expire: only say what would be destroyed");
        v("cached",
          self.cached,
          "of peer.look: of pairs with `current` the list of snapshots that no event contradicted "
          "will do");
    }
};

struct TargetState {
    std::string target;
    std::optional<ItemError> error;
    bool exists = false;
    Guid guid;
    bool is_pair = false;
    bool master = false;
    std::uint64_t epoch = 0;
    std::uint64_t written_bytes = 0;
    std::uint64_t available_bytes = 0;
    bool receiving = false;
    std::string resume_token;
    std::vector<PeerSnapshot> snapshots;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("target", self.target, "");
        v("error", self.error, "why nothing more is said");
        v("exists", self.exists, "");
        v("guid", self.guid, "of the dataset");
        v("is_pair", self.is_pair, "its stored pair names the asking host and filesystem");
        v("master", self.master, "zrep:master is yes here");
        v("epoch", self.epoch, "zrep:epoch");
        v("written_bytes", self.written_bytes, "since its newest snapshot");
        v("available_bytes", self.available_bytes, "");
        v("receiving", self.receiving, "a receive of it is under way");
        v("resume_token", self.resume_token, "of an interrupted receive, or empty");
        v("snapshots",
          self.snapshots,
          "oldest first; only the newest ones when there are many, and the newest alone where that "
          "is the `current` of the asking side");
    }
};

struct LookOut {
    std::vector<TargetState> targets;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("targets", self.targets, "in the order asked");
    }
};

/// peer.tree: what lies below the target of a recursive pair, besides its members.
struct TreeIn {
    std::string source;
    std::string target;
    std::vector<std::string> members;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("source", self.source, "root of the tree on the asking side");
        v("target", self.target, "root of its copy here");
        v("members", self.members, "what lies below the source, by names relative to it");
    }
};
struct TreeOut {
    struct Copy {
        std::string name;
        std::string snapshot;
        template <class Self, class V>
        static void fields(Self& self, V& v) {
            v("name", self.name, "relative to the target");
            v("snapshot", self.snapshot, "the newest one of zrepd's, after the '@'");
        }
    };
    /// Of copies, and of parts.
    static constexpr std::size_t kMostTold = 1000;
    bool known = false;
    std::vector<Copy> left;
    std::vector<std::string> partial;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("known", self.known, "the target is a tree of the asking side's");
        v("left", self.left, "copies of what is no member; at most 1000");
        v.optional("partial",
                   self.partial,
                   "what was received of a first stream of what is no member, relative to the "
                   "target; at most 1000");
    }
};

/// What one member of a recursive pair goes back to, beside its root.
struct RollBackPart {
    std::string name;
    Guid base;
    std::vector<Guid> newer;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("name", self.name, "relative to the root");
        v("base", self.base, "guid of its part of the root's base");
        v("newer", self.newer, "guids of what the master's has after it");
    }
};

/// peer.roll_back: the target goes back to a snapshot that both sides have.
struct RollBackIn {
    std::string source;
    std::string target;
    std::uint64_t epoch = 0;
    Guid base;
    std::vector<Guid> newer;
    bool dry_run = false;
    std::optional<std::vector<RollBackPart>> members;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("source", self.source, "the master's dataset on the asking side");
        v("target", self.target, "");
        v("epoch", self.epoch, "of the asking side; this side's has to be the same");
        v("base", self.base, "guid of an acknowledged snapshot");
        v("newer", self.newer, "guids of what the master has after it: all else stays here");
        v.optional("dry_run", self.dry_run, "only what would be done, or why it cannot be");
        v("members", self.members, "of a recursive pair: what lies below its root");
    }
};
struct RollBackOut {
    std::vector<std::string> steps;
    std::vector<std::string> destroyed;
    std::uint64_t lost_bytes = 0;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("steps", self.steps, "what is done here, in order");
        v("destroyed",
          self.destroyed,
          "names of snapshots, after the '@'; of a member NAME@SNAPSHOT, relative to the root");
        v("lost_bytes", self.lost_bytes, "written here, in no snapshot, and gone with it");
    }
};

/// peer.prepare: may this filesystem be created here?
struct PrepareIn {
    std::string host;  ///< whom the asking side believes to have reached
    std::string source;
    std::string target;
    std::string kind;  ///< "filesystem" or "volume"
    std::uint64_t referenced_bytes = 0;
    bool sends = false;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("host", self.host, "this host's name, as it will be stored with the pair");
        v("source", self.source, "filesystem on the asking side");
        v("target", self.target, "filesystem to be created here");
        v("kind", self.kind, "filesystem or volume");
        v("referenced_bytes", self.referenced_bytes, "size of the first stream, about");
        v("sends", self.sends, "as of peer.look");
    }
};
struct PrepareOut {
    std::string state;  ///< "new", "resume" (partly received, token below), "received" (only the
                        ///< end is missing)
    std::string resume_token;
    std::vector<PeerSnapshot> snapshots;
    bool encrypts = false;
    std::optional<bool> tree = {};
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("state", self.state, "new, resume or received");
        v("tree", self.tree, "unless it is new: whether it is the target of a recursive pair");
        v("encrypts", self.encrypts, "a new one would inherit encryption from its parent");
        v("resume_token", self.resume_token, "");
        v("snapshots", self.snapshots, "of a target that was received already");
    }
};

/// stream.receive: the reply is {}, then the raw stream follows, then the line `stream.received`.
struct ReceiveIn {
    std::string source;
    std::string target;
    std::string snapshot;        ///< name after the '@' that the stream brings
    std::string mode;            ///< "full", "incremental" or "resume"
    Guid base;                   ///< incremental: the target's newest snapshot must be this one
    bool rollback = false;       ///< incremental: written on the target; go back to the base first
    bool abort_partial = false;  ///< throw away a partly received stream first
    std::map<std::string, std::string> settings;  ///< full: zrep:savecount and the like
    std::string kind;                             ///< full: "filesystem" or "volume"
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("source", self.source, "");
        v("target", self.target, "");
        v("snapshot", self.snapshot, "name after the '@' that the stream brings");
        v("mode", self.mode, "full, incremental or resume");
        v.optional("base", self.base, "incremental: guid of the target's newest snapshot");
        v.optional("rollback", self.rollback, "incremental: go back to the base first");
        v.optional(
            "abort_partial", self.abort_partial, "throw away a partly received stream first");
        v.optional("settings", self.settings, "full: zrep: settings for the new dataset");
        v.optional("kind", self.kind, "full: filesystem or volume");
    }
};
/// Params of the notification `stream.received`, the acknowledgement that ends a stream.
struct Received {
    std::optional<ItemError> error;
    std::uint64_t bytes = 0;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("error", self.error, "why it was not received");
        v("bytes", self.bytes, "of the stream");
    }
};

/// peer.commit: record received snapshots as acknowledged, move the hold, expire.
struct CommitIn {
    struct Item {
        std::string source;
        std::string target;
        std::string snapshot;
        Guid guid;
        std::uint64_t epoch = 0;
        std::string serve = {};
        std::optional<std::int64_t> age = {};
        template <class Self, class V>
        static void fields(Self& self, V& v) {
            v("source", self.source, "");
            v("target", self.target, "");
            v("snapshot", self.snapshot, "name after the '@'");
            v("guid", self.guid, "what the sender has under that name");
            v.optional("epoch", self.epoch, "of the master; a target that is behind takes it");
            v.optional("serve", self.serve, "how the master is served; kept in zrep:serve");
            v("age", self.age, "of the snapshot, seconds");
        }
    };
    std::int64_t sent = 0;
    std::vector<Item> items;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("sent", self.sent, "value for zrep:sent, Unix seconds");
        v("items", self.items, "");
    }
};
struct CommitOut {
    struct Item {
        std::string target;
        std::optional<ItemError> error;
        std::vector<std::string> warnings;
        template <class Self, class V>
        static void fields(Self& self, V& v) {
            v("target", self.target, "");
            v("error", self.error, "it is not acknowledged");
            v("warnings", self.warnings, "acknowledged, but expiry or hold had trouble");
        }
    };
    std::vector<Item> items;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("items", self.items, "in the order given");
    }
};

/// peer.expire: run this side's expiry on these targets.
struct PeerExpireOut {
    struct Item {
        std::string target;
        std::optional<ItemError> error;
        std::vector<std::string> destroyed;
        template <class Self, class V>
        static void fields(Self& self, V& v) {
            v("target", self.target, "");
            v("error", self.error, "");
            v("destroyed", self.destroyed, "snapshot names");
        }
    };
    std::vector<Item> items;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("items", self.items, "in the order given");
    }
};

/// Takes `current` and `age` in requests: how fresh its copies are (ADR 0023).
inline constexpr std::string_view kOffersAges = "ages";
/// Takes `cached` in peer.look.
inline constexpr std::string_view kOffersCached = "cached";

/// Params of `hello`, the first line of every connection on either socket.
struct Hello {
    std::string protocol;
    std::string version;
    std::string host;
    std::string boot_id;
    std::vector<std::string> capabilities;
    std::string access;  ///< "read", "operate", "admin" or "peer"
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("protocol", self.protocol, "major.minor; the major must match");
        v("version", self.version, "of the daemon");
        v("host", self.host, "short name");
        v("boot_id", self.boot_id, "changes at every boot");
        v("capabilities",
          self.capabilities,
          "of a peer socket: which optional keys requests may have");
        v("access", self.access, "what this connection may do");
    }
};

inline ItemError to_item_error(const Error& error) {
    return {std::string(info(error.code).name), error.text(), error.remedy};
}
inline Error from_item_error(const ItemError& item) {
    return Error{.code = code_from_name(item.kind).value_or(Code::internal),
                 .message = item.message,
                 .remedy = item.remedy};
}

}  // namespace zrepd::rpc
