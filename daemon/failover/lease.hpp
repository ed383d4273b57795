// SPDX-License-Identifier: BSD-2-Clause
// zrep:fence=lease, as far as it is a decision: a master is writable only while somebody confirms
// that nobody else is, and whoever confirmed waits longer than the master before it takes over.
// All times are of the host's own boot clock (daemon/clock.hpp), and only intervals of them count:
// clocks of two hosts may differ by 10 % in speed, and by anything else. Pure. ADR 0013.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/failover/fsm.hpp"
#include "daemon/plan/pair.hpp"

namespace zrepd::failover {

/// Since a host's boot.
using BootTime = std::chrono::milliseconds;

/// Room for the `zfs set readonly=on` of a master whose lease ran out. One that takes longer by its
/// own clock than 9/10 of this is not covered: a pool that answers so slowly is as good as lost.
inline constexpr BootTime kSetTime{10'000};
/// As long as zrepd.conf allows; what a target waits for whose note cannot be read.
inline constexpr BootTime kLongestLease{600'000};

/// How long whoever confirmed a lease has to leave the master alone, by its own clock: 5/4 cover
/// one clock that is 10 % too slow and another that is 10 % too fast.
constexpr BootTime wait_of(BootTime lease) {
    return lease + (lease + BootTime(3)) / 4 + kSetTime;
}

/// A pair whose lease counts: the others have the fence `boot` at most.
bool is_leased(const Dataset& dataset, const plan::Pair& pair);

/// The master's side of one lease.
struct Lease {
    std::uint64_t epoch = 0;
    /// When it has to be readonly. nullopt: nobody counts on that yet, because nobody confirmed it
    /// since the fence was set, since it became the master, or since an operator vouched for it.
    std::optional<BootTime> until = {};
    /// Who may confirm it as well: the target noted that, and asks it before it takes over.
    std::string witness = {};
    /// Of its filesystem, which a name is not; unknown when an older zrepd counted it.
    Guid guid = {};
    bool operator==(const Lease&) const = default;
};

/// A confirmation of a request that was sent then.
void confirm(Lease& lease, BootTime sent, BootTime time);
bool has_run_out(const Lease& lease, BootTime now);
/// Less than a quarter of it is left, which only renewals that failed leave.
bool is_at_risk(const Lease& lease, BootTime now, BootTime time);
/// The lease of a master that zrepd finds at its start. `kept`: what the zrepd before it in this
/// boot left of it. Without that, and at most, it has one lease time from now: whoever confirmed
/// the earlier zrepd counted from then.
Lease after_start(const std::optional<Lease>& kept,
                  std::uint64_t epoch,
                  BootTime now,
                  BootTime time);

/// What a target knows when its master asks for a confirmation.
struct TargetState {
    bool target = false;
    std::uint64_t epoch = 0;
    Journal journal = Journal::none;
    bool becoming_master = false;  ///< a takeover was decided, or a promotion is under way
};
bool may_confirm(const TargetState& here, std::uint64_t master_epoch);
/// When a target may take over without its master: W after the last confirmation it gave, or after
/// its zrepd started, because that may have forgotten one.
BootTime free_at(BootTime started, std::optional<BootTime> confirmed, BootTime wait);

/// zrep:lease: what a target's master counts on. "wait=35000ms open witness=/path"; the time comes
/// first, the others are left out where they are not so.
struct LeaseNote {
    BootTime wait{};
    std::string witness = {};
    bool open = false;  ///< the master stays writable without us: nobody confirmed it yet
    bool operator==(const LeaseNote&) const = default;
};
std::string to_text(const LeaseNote& note);
/// The longest wait for what cannot be read: somebody wrote something.
LeaseNote read_note(std::string_view text);
/// What is stored on the dataset itself; nullopt: nothing.
std::optional<LeaseNote> note_of(const Dataset& dataset);

/// zrep:lease of a master: "out", or "out readonly=here". Its lease ran out in the middle of a role
/// change, whose journal is its own: readonly alone was set, and the journal is to follow.
struct ClosedNote {
    bool readonly_was_here = false;
    bool operator==(const ClosedNote&) const = default;
};
std::string to_text(const ClosedNote& note);
/// nullopt: nothing of that kind, or this side is not the master.
std::optional<ClosedNote> closed_note_of(const Dataset& dataset);

/// What zrepd leaves for its next start in this boot.
using LeaseList = std::map<DatasetName, Lease>;
std::string to_text(const LeaseList& leases, std::string_view boot);
/// Empty when it is of another boot, or cannot be read.
LeaseList read_leases(std::string_view text, std::string_view boot);

}  // namespace zrepd::failover
