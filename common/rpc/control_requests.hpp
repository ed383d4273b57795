// SPDX-License-Identifier: BSD-2-Clause
// What the control socket can be asked; the answers are in control_types.hpp.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/rpc/fields.hpp"

namespace zrepd::rpc {

struct InitIn {
    std::string dataset;
    std::string host;
    std::string target;
    std::optional<unsigned> savecount;
    bool adopt = false;
    bool recursive = false;
    bool dry_run = false;
    std::optional<std::string> request_key;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("dataset", self.dataset, "filesystem or volume to replicate");
        v("host", self.host, "where to; localhost for a second pool on this host");
        v("target", self.target, "filesystem to create there");
        v("savecount", self.savecount, "zrep snapshots to keep on each side (default 5)");
        v.optional("adopt", self.adopt, "the target is there already: make it one, send nothing");
        v.optional(
            "recursive",
            self.recursive,
            "with everything below it, as one pair; what is part of another pair is left out");
        v.optional("dry_run", self.dry_run, "check everything, change nothing");
        v("request_key", self.request_key, "the same key again gives the same run");
    }
};

struct SyncIn {
    std::vector<std::string> datasets;
    bool all = false;
    bool dry_run = false;
    std::optional<std::string> request_key;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v.optional("datasets", self.datasets, "filesystems whose master is here");
        v.optional("all", self.all, "every filesystem whose master is here, paused ones left out");
        v.optional("dry_run", self.dry_run, "plan, change nothing");
        v("request_key", self.request_key, "the same key again gives the same run");
    }
};

struct PutBackIn {
    std::string dataset;
    std::string snapshot;
    bool dry_run = false;
    std::optional<std::string> request_key;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("dataset", self.dataset, "a filesystem whose master is here");
        v("snapshot",
          self.snapshot,
          "of it, without the @, acknowledged: where its target goes back to, and waits, paused");
        v.optional("dry_run", self.dry_run, "say what would be done and lost, change nothing");
        v("request_key", self.request_key, "the same key again gives the same run");
    }
};

struct ExpireIn {
    std::vector<std::string> datasets;
    bool all = false;
    bool local_only = false;
    bool dry_run = false;
    std::optional<std::string> request_key;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v.optional("datasets", self.datasets, "filesystems of either role");
        v.optional("all", self.all, "every pair known here");
        v.optional("local_only", self.local_only, "leave the peer alone");
        v.optional("dry_run", self.dry_run, "say what would go, destroy nothing");
        v("request_key", self.request_key, "the same key again gives the same run");
    }
};

/// pair.failover, asked on the master's side, and pair.takeover, on the target's.
struct RoleIn {
    std::vector<std::string> datasets;
    bool all = false;
    bool local_only = false;
    bool dry_run = false;
    std::optional<std::string> snapshot;
    std::optional<bool> master_is_off;
    std::optional<std::string> request_key;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v.optional("datasets", self.datasets, "pairs of which this is the side to be asked");
        v.optional("all", self.all, "every such pair known here");
        v.optional("local_only",
                   self.local_only,
                   "without the other side: failover goes back to what was acknowledged, takeover "
                   "goes on with what is here");
        v.optional("dry_run", self.dry_run, "say what would be done and lost, change nothing");
        v("snapshot",
          self.snapshot,
          "of the one dataset, without the @: the new master begins at it, and what is newer is kept "
          "beside each side");
        v("master_is_off",
          self.master_is_off,
          "takeover with local_only: the caller vouches for it that the old master takes no writes; "
          "its lease (zrep:fence=lease) is not waited for");
        v("request_key", self.request_key, "the same key again gives the same run");
    }
};

struct ResolveIn {
    std::string dataset;
    std::string keep;
    bool dry_run = false;
    std::optional<std::string> request_key;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("dataset", self.dataset, "master here and on the other side, of one epoch");
        v("keep", self.keep, "here or peer: whose data counts; the other's is kept beside it");
        v.optional("dry_run", self.dry_run, "");
        v("request_key", self.request_key, "the same key again gives the same run");
    }
};

struct UnfenceIn {
    std::vector<std::string> datasets;
    bool all = false;
    bool dry_run = false;
    std::optional<std::string> request_key;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v.optional("datasets", self.datasets, "masters that wait for their peer's word");
        v.optional("all", self.all, "every such master here");
        v.optional("dry_run", self.dry_run, "say what would be done, change nothing");
        v("request_key", self.request_key, "the same key again gives the same run");
    }
};

struct RescueDropIn {
    std::string dataset;
    bool dry_run = false;
    std::optional<std::string> request_key;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("dataset", self.dataset, "one of rescue.list");
        v.optional("dry_run", self.dry_run, "say what would go, destroy nothing");
        v("request_key", self.request_key, "the same key again gives the same run");
    }
};

struct RescueDiffIn {
    std::string dataset;
    std::uint64_t limit = 1000;
    std::optional<std::string> request_key;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("dataset", self.dataset, "one of rescue.list");
        v.optional("limit", self.limit, "so many changes at most; default 1000, at most 10000");
        v("request_key",
          self.request_key,
          "after `timed_out`: the same key again waits for the same answer");
    }
};

struct DrillIn {
    std::string dataset;
    std::string program;
    bool dry_run = false;
    std::optional<std::string> request_key;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("dataset", self.dataset, "either side of a pair");
        v.optional("program", self.program, "whole path; gets the path of the mounted clone");
        v.optional("dry_run", self.dry_run, "say what would be done");
        v("request_key", self.request_key, "the same key again gives the same run");
    }
};

struct DatasetsIn {
    std::vector<std::string> datasets;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v.optional("datasets", self.datasets, "none: every pair");
    }
};

struct PauseIn {
    std::vector<std::string> datasets;
    std::optional<std::string> until;
    bool dry_run = false;
    std::optional<std::string> request_key;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("datasets", self.datasets, "pairs, or datasets above them");
        v("until", self.until, "RFC 3339 UTC; absent: until unpaused");
        v.optional("dry_run", self.dry_run, "");
        v("request_key", self.request_key, "");
    }
};

struct UnpauseIn {
    std::vector<std::string> datasets;
    bool dry_run = false;
    std::optional<std::string> request_key;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("datasets", self.datasets, "");
        v.optional("dry_run", self.dry_run, "");
        v("request_key", self.request_key, "");
    }
};

struct ClearIn {
    std::string dataset;
    bool dry_run = false;
    std::optional<std::string> request_key;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("dataset", self.dataset, "");
        v.optional("dry_run", self.dry_run, "");
        v("request_key", self.request_key, "");
    }
};

struct ConfigIn {
    std::string dataset;
    std::string host;
    std::string other;
    bool as_target = false;
    bool unchecked = false;
    bool dry_run = false;
    std::optional<std::string> request_key;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("dataset", self.dataset, "this side of a pair");
        v("host", self.host, "where the other side is from now on");
        v("other", self.other, "the dataset there");
        v.optional("as_target", self.as_target, "this side is the copy");
        v.optional("unchecked", self.unchecked, "the other side is not asked");
        v.optional("dry_run", self.dry_run, "check everything, change nothing");
        v("request_key", self.request_key, "");
    }
};

struct SetIn {
    std::string dataset;
    std::map<std::string, std::string> settings;
    bool dry_run = false;
    std::optional<std::string> request_key;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("dataset", self.dataset, "a pair, or any dataset above pairs: settings inherit");
        v("settings", self.settings, "names with or without zrep:; an empty value removes one");
        v.optional("dry_run", self.dry_run, "");
        v("request_key", self.request_key, "");
    }
};

struct RunIn {
    std::string run_id;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("run_id", self.run_id, "");
    }
};

}  // namespace zrepd::rpc
