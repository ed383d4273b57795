// SPDX-License-Identifier: BSD-2-Clause
// peer.adopt: a copy that is there already becomes the target of a pair.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/rpc/peer_types.hpp"

namespace zrepd::rpc {

/// A member of a recursive pair that is adopted.
struct AdoptMember {
    std::string name;
    std::string kind;
    std::vector<PeerSnapshot> snapshots;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("name", self.name, "relative to the root");
        v("kind", self.kind, "filesystem or volume");
        v("snapshots", self.snapshots, "of the source, oldest first");
    }
};

/// peer.adopt: makes a dataset that is here already the target of the asking side's.
struct AdoptIn {
    std::string host;  ///< whom the asking side believes to have reached
    std::string source;
    std::string target;
    std::string kind;  ///< "filesystem" or "volume"
    unsigned savecount = 0;
    std::vector<PeerSnapshot> snapshots;
    bool dry_run = false;
    std::optional<std::vector<AdoptMember>> members;
    std::optional<std::string> after = {};  ///< absent: an older peer knows no such key
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("host", self.host, "this host's name, as it will be stored with the pair");
        v("source", self.source, "dataset on the asking side");
        v("target", self.target, "dataset here");
        v("kind", self.kind, "filesystem or volume");
        v("savecount", self.savecount, "zrep snapshots to keep here");
        v("snapshots", self.snapshots, "of the source, oldest first");
        v.optional("dry_run", self.dry_run, "only whether that can be done");
        v("members", self.members, "of a recursive pair: what lies below its root");
        v("after",
          self.after,
          "of a dry run of a recursive pair: what goes here once this snapshot, which may still have "
          "to come, is acknowledged");
    }
};
struct AdoptOut {
    /// The root of a recursive pair, or a member.
    struct Found {
        std::string name;
        bool exists = false;
        std::uint64_t written_bytes = 0;
        std::uint64_t available_bytes = 0;
        std::string resume_token;
        std::vector<Guid> common;
        std::optional<PeerSnapshot> last = {};
        template <class Self, class V>
        static void fields(Self& self, V& v) {
            v("name", self.name, "relative to the root, which has none");
            v("exists", self.exists, "");
            v("written_bytes", self.written_bytes, "since its newest snapshot");
            v("available_bytes", self.available_bytes, "");
            v("resume_token",
              self.resume_token,
              "of an interrupted receive of this pair's, or empty");
            v("common",
              self.common,
              "guids of the newest snapshot that both sides have and of zrepd's newest, older first");
            v("last",
              self.last,
              "the one with zrepd's highest number, where only this side has it");
        }
    };
    PeerSnapshot base;
    std::vector<std::string> steps;
    std::vector<std::string> notes;
    std::vector<std::string> expires;
    std::vector<Found> found;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("base", self.base, "the newest snapshot that both have");
        v("steps", self.steps, "what is changed here");
        v.optional("expires",
                   self.expires,
                   "dry run: snapshots that go here once the base, or what it is to be after, is "
                   "acknowledged; of a member NAME@SNAPSHOT, relative to the root");
        v.optional(
            "found",
            self.found,
            "dry run of a recursive pair: what its first sync finds here, one for each name");
        v("notes", self.notes, "what did not go well beside it");
    }
};

}  // namespace zrepd::rpc
