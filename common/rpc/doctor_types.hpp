// SPDX-License-Identifier: BSD-2-Clause
// What `zrepctl doctor` asks its daemon (doctor.run), and that one the others (peer.facts). Facts
// only: what they mean is decided in ctl/render/doctor.cpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/rpc/peer_types.hpp"

namespace zrepd::rpc {

/// peer.facts: what this host is, and whether it and the asking one know each other.
struct FactsIn {
    std::vector<LookIn::Pair> sides;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v.optional("sides", self.sides, "the asking side's dataset and the one here");
    }
};

struct FactsOut {
    struct Side {
        std::string target;
        bool exists = false;
        bool known = false;
        std::string role;
        std::uint64_t epoch = 0;
        template <class Self, class V>
        static void fields(Self& self, V& v) {
            v("target", self.target, "");
            v("exists", self.exists, "");
            v("known", self.known, "what is stored here names the asking side and its dataset");
            v("role", self.role, "master, target or initializing; empty: not known");
            v("epoch", self.epoch, "");
        }
    };
    std::string host;
    std::string you;
    std::string version;
    std::string zfs;
    std::int64_t now = 0;
    std::vector<std::string> accepts;
    std::vector<Side> sides;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("host", self.host, "what this host calls itself");
        v("you", self.you, "whom it takes the asking side for");
        v("version", self.version, "of zrepd");
        v("zfs", self.zfs, "OpenZFS version");
        v("now", self.now, "this host's clock, Unix seconds");
        v("accepts", self.accepts, "below these the asking side may create some; not all of many");
        v("sides", self.sides, "in the order asked");
    }
};

struct DoctorIn {
    std::vector<std::string> hosts;
    std::optional<std::string> request_key;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v.optional("hosts", self.hosts, "to be asked; none: the other side of every pair");
        v("request_key",
          self.request_key,
          "after `timed_out`: the same key again waits for the same answer");
    }
};

struct DoctorOut {
    struct Pair {
        std::string dataset;
        std::string role;
        std::uint64_t epoch = 0;
        std::string peer_dataset;
        std::optional<FactsOut::Side> there;
        template <class Self, class V>
        static void fields(Self& self, V& v) {
            v("dataset", self.dataset, "");
            v("role", self.role, "of this side");
            v("epoch", self.epoch, "of this side");
            v("peer_dataset", self.peer_dataset, "");
            v("there", self.there, "what the peer says of its side");
        }
    };
    struct Peer {
        std::string host;
        std::optional<ItemError> error;
        std::string host_there;
        std::string known_as;
        std::string version;
        std::string zfs;
        std::int64_t clock_ahead_seconds = 0;
        std::vector<std::string> accepts;
        std::vector<Pair> pairs;
        template <class Self, class V>
        static void fields(Self& self, V& v) {
            v("host", self.host, "as it was dialled");
            v("error", self.error, "why it did not answer; the rest but the pairs is empty then");
            v.optional("host_there", self.host_there, "what it calls itself");
            v.optional("known_as", self.known_as, "whom it takes this host for");
            v.optional("version", self.version, "of zrepd there");
            v.optional("zfs", self.zfs, "OpenZFS version there");
            v.optional("clock_ahead_seconds",
                       self.clock_ahead_seconds,
                       "of its clock, at least; negative: it is behind");
            v.optional("accepts", self.accepts, "below these it lets this host create datasets");
            v("pairs", self.pairs, "those with it");
        }
    };
    /// Of this version of OpenZFS, and of what is replicated here.
    struct Fault {
        bool grave = false;
        std::string what;
        std::string next;
        template <class Self, class V>
        static void fields(Self& self, V& v) {
            v("grave", self.grave, "a role change may end without the data");
            v("what", self.what, "with the first filesystem that it matters to, and the issue");
            v("next", self.next, "what to do");
        }
    };
    std::string host;
    std::string version;
    std::string zfs;
    bool zfs_too_old = false;
    std::vector<Fault> faults;
    std::vector<Fault> mounts;
    std::string config_file;
    std::vector<Peer> peers;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("host", self.host, "this host's name");
        v("version", self.version, "of the daemon");
        v("zfs", self.zfs, "OpenZFS version; empty when there is none");
        v.optional("zfs_too_old", self.zfs_too_old, "zrepd needs a newer one");
        v.optional("faults", self.faults, "of that version, that matter to a pair here");
        v.optional(
            "mounts", self.mounts, "copies that would be mounted where their masters are not");
        v("config_file", self.config_file, "its settings file, which need not exist");
        v("peers", self.peers, "one for each host asked");
    }
};

}  // namespace zrepd::rpc
