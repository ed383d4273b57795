// SPDX-License-Identifier: BSD-2-Clause
// A pair as one of its sides has it stored, and the settings in force for it. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "daemon/plan/keep.hpp"

namespace zrepd::plan {

enum class Role { master, target, initializing };
std::string_view role_name(Role role);

/// Our own name, and what else means this host.
struct Self {
    HostName host;
    /// `name` as stored, which a legacy zrep may have written in upper case or with its domain.
    bool is(std::string_view name) const {
        const auto parsed = HostName::parse(name);
        return parsed && is(*parsed);
    }
    bool is(const HostName& name) const {
        return name.short_name() == "localhost" || name.short_name() == host.short_name();
    }
};

/// What keeps an old master from being served when it comes back (failover/fence.hpp), or when
/// nobody hears it any more (failover/lease.hpp). Each does what the one before it does as well.
enum class Fence { off, boot, lease };
std::string_view fence_name(Fence fence);

struct Settings {
    Retention retention = {};
    std::optional<std::chrono::seconds> interval;
    std::string paused;  ///< as stored; sched::is_paused() reads it
    std::uint64_t limit_bytes_per_second = 0;
    std::uint64_t minfree_bytes = 0;
    unsigned maxsnaps = 1;
    Fence fence = Fence::off;
};

struct Pair {
    DatasetName dataset;
    Role role = Role::master;
    HostName peer;  ///< "localhost" for a pair between two pools of this host
    DatasetName peer_dataset;
    std::uint64_t epoch = 0;
    Settings settings;
    bool tree = false;  ///< with everything below it (plan/tree.hpp); also of its members
};

/// The pair this dataset is one side of; nullopt when it is none, or when what is stored is not
/// readable. Only its own properties count, never inherited ones; zrep:master only when set here.
std::optional<Pair> pair_of(const Dataset& dataset, const Self& self);

/// Whether `peer`, a short host name, and its dataset `source` are the other side of the pair.
bool is_other_side(const Pair& pair,
                   const Self& self,
                   std::string_view peer,
                   std::string_view source);

/// The command that syncs a target, where its master is.
std::string sync_by_master(const Pair& target);

/// Settings in force, inherited ones included; a value that cannot be read counts as absent.
Settings settings_of(const Dataset& dataset);

/// invalid_params naming the first setting in force on a pair of this role that settings_of()
/// cannot take as it stands, what counts instead, and an example. Only zfs(8) lets one through.
std::optional<Error> unreadable_setting(const Dataset& dataset, Role role);

/// True when the nearest zrep:accept that applies to `dataset` lists `peer` (names separated by
/// commas or spaces; "*" is not special: every host is named).
bool accepts(const Dataset& dataset, const std::string& peer);

/// Checks one `zrepctl set` assignment; the value as it is to be stored. The key may lack "zrep:".
Result<std::pair<std::string, std::string>> check_setting(std::string_view key,
                                                          std::string_view value);

}  // namespace zrepd::plan
