// SPDX-License-Identifier: BSD-2-Clause
// Where a filesystem would be mounted, and what stands in the way of that. Thread: io thread; where
// a look at a folder may never come back, none is taken. Errors: all are `refused`, each with its
// remedy; nothing is changed.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "daemon/failover/journal.hpp"
#include "daemon/sync/inventory.hpp"

namespace zrepd::failover {

/// What is mounted here, and what is known of the datasets among that.
struct Mounted {
    using Predicate = std::function<bool(const std::string& dataset)>;
    std::string table;    ///< as in /proc/self/mountinfo
    Predicate of_a_pair;  ///< is a side of one, or a member of one
    Predicate hangs;      ///< is, or is a snapshot, in a pool that does not answer
};

/// Reads the table of this host; "" where the system has none. Its predicates ask `inventory`,
/// which has to outlive them.
Mounted mounted_here(const sync::Inventory& inventory);

/// Why a filesystem could not be mounted there: something else is, or the directory is not empty.
/// Reads the directory; not one on a network filesystem or in a suspended pool, or to which the way
/// leads through one: that may not answer for minutes, or ever.
std::optional<Error> mountpoint_problem(const Serve& serve,
                                        const Dataset& dataset,
                                        const Mounted& mounted);

/// The way to `path`, where `dataset` would be mounted, leads through a link that lies in a
/// filesystem of a pair: whoever sent that one, or may write to it, chose where it leads, and
/// zfs(8) follows it; or through one whose pool does not answer. Where no table says what is
/// mounted (not Linux), any link counts. Looks at no more than mountpoint_problem().
std::optional<Error> link_problem(const std::string& path,
                                  const Dataset& dataset,
                                  const Mounted& mounted);

/// A boot follows such a link as well: what would be mounted by itself is not. Pure.
void keep_from_boot(PropertyList& ways);

/// Its master has it mounted where the asking host may not mount it here: a service that finds its
/// files there would find none. `host`: this one. Pure.
std::optional<Error> wish_problem(const Serve& serve, const Dataset& dataset, const HostName& host);

/// The first of these: of the wish, the way, the mount point. None of what is not to be mounted.
std::optional<Error> place_problem(const Serve& serve,
                                   const Dataset& dataset,
                                   const HostName& host,
                                   const Mounted& mounted);

}  // namespace zrepd::failover
