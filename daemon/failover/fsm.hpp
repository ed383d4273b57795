// SPDX-License-Identifier: BSD-2-Clause
// What a role change does next: one side's state and an event in, the next state and one action
// out. The table is in docs/failover.md; tests hold the two together and explore all states of two
// such machines. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

namespace zrepd::failover {

/// zrep:inprogress of a role change: what is to be done after a power cut. Written in the same set
/// (one transaction group) as readonly, master, epoch and direction.
enum class Journal { none, freezing, stepping_down, handed_over, promoted, rejoining };

/// What of one side lies on disk.
struct Stored {
    bool master = false;
    bool writable = false;
    std::uint64_t epoch = 0;
    Journal journal = Journal::none;
    bool operator==(const Stored&) const = default;
};

/// What is under way in memory; idle after every start.
enum class Phase {
    idle,
    checking,
    freezing,
    draining,
    handing_over,
    asking_to_promote,
    asking,
    thawing,
    taking_over,
    mounting,
    settling,
    demoting,
    rescuing,
    raising,
    checking_back,
};

struct State {
    Stored stored;
    Phase phase = Phase::idle;
    Stored goal = {};  ///< of the store under way
    /// A fence: a master that is not served, and is not to be without the peer's word, or an
    /// operator's.
    bool must_hear_peer = false;
    /// After the rescue under way: master of this epoch. 0: the target that it is. A cut forgets
    /// it: whoever wanted it asks again.
    std::uint64_t take = 0;
    bool operator==(const State&) const = default;
};

/// failover_back and takeover_back go back to a snapshot: what is newer is rescued first, on either
/// side. failover_local does so as well; to which snapshot is a matter of data.
enum class Command {
    failover,
    failover_local,
    takeover_local,
    keep_here,
    keep_peer,
    failover_back,
    takeover_back,
    unfence,
};

/// An operator asks; of `failover`, the target's operator may as well.
struct Asked {
    Command command = Command::failover;
};
/// After a start, a while, or a hint of the peer's: finish what the journal says, else find out
/// whether the other side is master.
struct Recover {};
/// The peer stepped down and asks this side to become the master of this epoch.
struct Promote {
    std::uint64_t epoch = 0;
    bool base_here = false;  ///< this side has the snapshot that the peer handed over with
    bool ahead = false;      ///< it has more, and is to begin at that snapshot
};
/// A fence: nobody confirmed in time that this master still is the only one.
struct Lapsed {};
/// The peer's answer to asking and to asking_to_promote.
struct PeerIs {
    bool master = false;
    std::uint64_t epoch = 0;
    bool has_ours = true;  ///< it knows the newest of our own snapshots, or is not asked
};
/// The peer's other answer to asking_to_promote: no, it lacks the snapshot to go on from.
struct NoBase {};
/// The action under way ended so.
struct Done {};
struct Failed {};
using Event = std::variant<Asked, Recover, Promote, Lapsed, PeerIs, NoBase, Done, Failed>;

/// Each but none and refuse ends in exactly one event: Done, Failed or PeerIs.
enum class ActionKind {
    none,
    check,           ///< everything that can be known before anything is changed
    store,           ///< Action::store, in one set
    drain,           ///< send what was written, until nothing is
    ask_peer,        ///< which role and epoch it has
    ask_to_promote,  ///< the peer, of our epoch
    mount,
    rescue,  ///< keep what the other side never got, then back to the base
    refuse,  ///< Action::why
};
struct Action {
    ActionKind kind = ActionKind::none;
    Stored store = {};
    std::string_view why = {};
};
struct Transition {
    State state;
    Action action;
};

/// The next step. An event that the phase does not wait for changes nothing.
Transition step(const State& state, const Event& event);

std::string_view name(Journal journal);
std::string_view name(Phase phase);
std::string_view name(Command command);
std::string_view name(ActionKind kind);
std::optional<Journal> journal_from_name(std::string_view name);

}  // namespace zrepd::failover
