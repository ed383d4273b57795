// SPDX-License-Identifier: BSD-2-Clause
// zrep:inprogress of a role change as text, and zrep:serve, which says how a master is to be
// served. Pure. What cannot be read is no entry: nothing is ever guessed from it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "daemon/failover/fsm.hpp"
#include "daemon/zfs/model.hpp"

namespace zrepd::failover {

/// "rejoining base=1234 copied=5678": the word, then what the next step needs to go on after a
/// power cut.
struct Entry {
    Journal journal = Journal::none;
    Guid base = {};    ///< the newest snapshot that both sides are known to have
    Guid copied = {};  ///< newest snapshot of the rescue once that is complete
    /// The base was asked for: both sides begin at it, whatever else they have.
    bool back = false;
    /// freezing: readonly was set on the dataset itself before, and is to be so again.
    bool readonly_was_here = false;
    /// freezing: not for a failover, but because nobody confirmed the master's lease.
    bool lease = false;
};

std::string to_text(const Entry& entry);
/// nullopt for an empty text, an init's journal, and anything else that is not one of ours.
std::optional<Entry> parse_entry(std::string_view text);
/// The journal set on the dataset itself: a peer's stream never brings one.
Entry entry_of(const Dataset& dataset);

/// What another host may set: it grows by one with each change of roles from there.
inline constexpr std::uint64_t kMaxEpoch = (std::uint64_t{1} << 63U) - 1;

/// How the master is served: what the other side needs to know when it becomes the master without
/// being able to ask. "canmount=on mounted=yes interval=60s mountpoint=/srv/my data" or
/// "volmode=dev interval=60s"; the mountpoint comes last because it may contain spaces.
struct Serve {
    std::string canmount = {};  ///< filesystems only, like the next two
    bool mounted = false;
    std::string mountpoint = {};
    /// In place of that: where its master has it, told by a host that may not choose it here
    /// (ADR 0022).
    std::string wished = {};
    std::string volmode = {};   ///< volumes only
    std::string interval = {};  ///< zrep:interval in force; empty: none
    bool operator==(const Serve&) const = default;
};

std::string to_text(const Serve& serve);
/// nullopt when it cannot be read or names what zfs would not take.
std::optional<Serve> parse_serve(std::string_view text);
/// The same from a host that has no say where something is mounted here: its mount point becomes a
/// wish. What cannot be read stays as it is.
std::string without_choice(const std::string& serve);
/// Where it is mounted when it becomes the master's: what is set on the dataset itself counts more.
std::string place_of(const Serve& serve, const Dataset& dataset);
/// What a master's dataset says of itself now.
Serve serve_of(const Dataset& dataset);
/// The same of a tree's member: what it inherits comes with its root. Mounted it is where a boot
/// would mount it: when it is asked for, the old master's are unmounted already.
Serve serve_of_member(const Dataset& dataset);

}  // namespace zrepd::failover
