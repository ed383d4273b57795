// SPDX-License-Identifier: BSD-2-Clause
// Two sides, each driven by failover::step(), and the messages between them. What lies on disk is
// kept apart from what a daemon believes of it: a set may land and be reported as failed. What an
// action does to the data is modelled, not run.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>

#include "daemon/failover/fsm.hpp"

namespace zrepd::test {

/// A history: every write adds a bit that nobody had before, higher than all earlier ones. Each is
/// taken as a snapshot of its own, so two histories have a newest common snapshot.
using Bits = std::uint8_t;

bool is_prefix(Bits part, Bits whole);
Bits common_of(Bits a, Bits b);

/// How often the world may do something in one history.
struct Limits {
    std::uint8_t commands = 3;
    std::uint8_t cuts = 1;    ///< power cuts or kills, of either side
    std::uint8_t writes = 1;  ///< by users
    std::uint8_t faults = 1;  ///< messages lost or repeated, work that fails, silence
    std::uint8_t backs = 0;   ///< of the commands: those that go back to a snapshot
    bool operator==(const Limits&) const = default;
};

/// A sync under way. Others may do anything between its parts.
enum class Sync : std::uint8_t { none, received, committed };

struct ModelSide {
    failover::Stored disk;
    Bits base = 0;      ///< in the journal
    bool back = false;  ///< in the journal: the base was asked for
    Bits data = 0;
    Bits sent = 0;  ///< up to where snapshots are marked as acknowledged on this side

    // In memory.
    failover::State machine;
    failover::ActionKind under_way = failover::ActionKind::none;
    Bits heard_base = 0;  ///< the newest common snapshot, by the peer's last answer
    Bits goal_base = 0;   ///< goes into the journal with the store under way
    bool goal_back = false;
    Bits back_to = 0;    ///< the snapshot that the change under way goes back to
    bool asked = false;  ///< the question under way has left
    Sync sync = Sync::none;
    Bits syncing = 0;

    // With Rules::fence_boot alone.
    bool served = false;   ///< mounted
    bool unheard = false;  ///< cut, and nobody has said since that the other side did not take over
    bool operator==(const ModelSide&) const = default;
};

struct Message {
    enum class Kind : std::uint8_t { none, roles, promote, serving, answer, no_base, error };
    Kind kind = Kind::none;
    std::uint8_t to = 0;        ///< the side that it goes to, or that serves it
    bool awaited = false;       ///< whoever asked still waits for the answer
    bool master = false;        ///< answer
    bool refused_base = false;  ///< serving, for a moment
    bool back = false;          ///< promote: begin at the base
    std::uint8_t epoch = 0;
    Bits bits = 0;  ///< promote: the base; answer to roles: what that side has
    bool operator==(const Message&) const = default;
};

struct World {
    std::array<ModelSide, 2> sides;
    std::array<Message, 2> messages;  ///< in flight, in any order
    Bits acked = 0;                   ///< told to a master as being on both sides
    Bits written = 0;                 ///< ever
    Bits rescued = 0;                 ///< kept beside the filesystem, of either side
    bool forced = false;              ///< a command with -L, or resolve, was given
    bool went_back = false;           ///< a planned change to a snapshot was asked for
    bool astray = false;              ///< a new master began at another snapshot than it was to
    bool by_hand = false;             ///< two masters of one epoch were made by hand
    Limits left;
};

/// What of the driver's rules the search can do without, to see what they are for.
struct Rules {
    /// A target takes no stream while its journal says that it has data to rescue.
    bool receive_asks_journal = true;
    /// zrep:fence=boot on both sides: what is cut comes back unmounted.
    bool fence_boot = false;
    /// With that: zrep:fence=lease, whose leases run out at any moment.
    bool lapses = false;
};

using Step = std::function<failover::Transition(const failover::State&, const failover::Event&)>;

/// One world and what can happen in it. What cannot happen now returns false and may leave the
/// world half changed: throw it away then.
class Model {
  public:
    Model(const Step& step, const Rules& rules, World world)
        : w(std::move(world)), step_(step), rules_(rules) {}

    bool idle(unsigned side) const;  ///< nothing holds its lock
    /// The message's side can do what it asks; until then it waits for the lock there.
    bool deliverable(const Message& message) const;
    /// Nobody will answer this side any more, or nobody can.
    bool unheard(unsigned side) const;

    /// idle; false: refused or nothing. `back_to`: the snapshot of a command that goes back.
    bool begin(unsigned side, const failover::Event& event, Bits back_to = 0);
    bool write(unsigned side);
    void cut(unsigned side);
    enum class Set { landed, not_landed, landed_unseen };
    bool store(unsigned side, Set how);
    /// rescue: as far as the copy only, or whole.
    bool rescue(unsigned side, bool copied, bool rolled_back);
    bool ask(unsigned side);  ///< the question leaves
    bool deliver(std::size_t message);
    bool fail(unsigned side);     ///< the action under way
    bool succeed(unsigned side);  ///< check, drain, mount
    bool receive(unsigned side);  ///< a sync's stream, from this side
    bool commit(unsigned side);   ///< recorded by the target
    void acknowledge(unsigned side);

    World w;

  private:
    void feed(unsigned side, const failover::Event& event);
    void answer(Message& message, unsigned from);
    void forget(ModelSide& side) const;
    bool whole_sync(unsigned side);
    Bits base_for(const ModelSide& side, failover::Journal journal) const;

    const Step& step_;
    const Rules& rules_;
};

/// The empty text: all promises hold in this state.
std::string broken_promise(const World& world);
/// The master's users can write: with a fence it has to be mounted for that.
bool is_served(const World& world);
/// One master, the other its target, equal epochs, nothing unfinished, the same data.
bool is_settled(const World& world);
std::string text_of(const World& world);

}  // namespace zrepd::test
