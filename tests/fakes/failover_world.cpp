// SPDX-License-Identifier: BSD-2-Clause
#include "tests/fakes/failover_world.hpp"

#include <algorithm>

namespace zrepd::test {

using namespace failover;
using Kind = Message::Kind;

bool is_prefix(Bits part, Bits whole) {
    return common_of(part, whole) == part;
}

Bits common_of(Bits a, Bits b) {
    const unsigned differ = static_cast<unsigned>(a ^ b);
    if (differ == 0) return a;
    const unsigned lowest = differ & (~differ + 1U);
    return static_cast<Bits>(a & (lowest - 1U));
}

namespace {

bool is_answer(const Message& message) {
    return message.kind == Kind::answer || message.kind == Kind::no_base ||
           message.kind == Kind::error;
}

}  // namespace

/// Memory of a side that does nothing: what it knows is what lies on disk (Change::look).
void Model::forget(ModelSide& s) const {
    const bool frozen = s.disk.journal == Journal::freezing;
    const bool fenced = rules_.fence_boot && s.disk.master && (!s.served || frozen);
    s.machine = {.stored = s.disk, .must_hear_peer = fenced};
    s.under_way = ActionKind::none;
    s.heard_base = s.goal_base = s.back_to = 0;
    s.goal_back = false;
    s.asked = false;
}

bool Model::idle(unsigned side) const {
    return w.sides[side].machine.phase == Phase::idle && w.sides[side].sync == Sync::none;
}

bool Model::deliverable(const Message& message) const {
    if (message.kind == Kind::none || message.kind == Kind::serving) return false;
    if (message.kind != Kind::promote) return true;
    // What is stale, or done already, is answered without the lock.
    return idle(message.to) || w.sides[message.to].disk.epoch >= message.epoch;
}

bool Model::unheard(unsigned side) const {
    for (const Message& message : w.messages) {
        if (message.kind == Kind::none || !message.awaited) continue;
        const bool ours = is_answer(message) ? message.to == side : message.to != side;
        if (ours) return message.kind != Kind::serving && !deliverable(message);
    }
    return w.sides[side].asked;
}

/// The base that the driver writes into the journal (Change::entry_for).
Bits Model::base_for(const ModelSide& side, Journal journal) const {
    switch (journal) {
        case Journal::stepping_down:
            return side.back_to != 0 ? side.back_to : side.sent;
        case Journal::rejoining:
            return side.back_to != 0 ? side.back_to : side.heard_base;
        case Journal::handed_over:
            return side.machine.stored.journal == Journal::stepping_down ? side.base : side.sent;
        case Journal::none:
        case Journal::freezing:
        case Journal::promoted:
            break;
    }
    return 0;
}

void Model::feed(unsigned side, const Event& event) {
    ModelSide& s = w.sides[side];
    const Transition next = step_(s.machine, event);
    s.machine = next.state;
    s.under_way = next.action.kind;
    s.asked = false;
    if (next.action.kind == ActionKind::refuse) s.under_way = ActionKind::none;
    if (next.action.kind == ActionKind::store) {
        s.machine.goal = next.action.store;
        const Journal journal = next.action.store.journal;
        s.goal_base = base_for(s, journal);
        s.goal_back = journal == Journal::handed_over
                          ? s.back && s.machine.stored.journal == Journal::stepping_down
                          : s.back_to != 0 && s.goal_base != 0;
    }
    if (s.machine.phase != Phase::idle) return;
    forget(s);
    // The end of a promotion is its answer.
    for (Message& message : w.messages) {
        if (message.kind != Kind::serving || message.to != side) continue;
        const bool done = s.disk.epoch >= message.epoch;
        const Kind refusal = message.refused_base ? Kind::no_base : Kind::error;
        answer(message, side);
        if (!done && message.kind == Kind::answer) message.kind = refusal;
    }
}

/// How things stand on this side, to whoever asked with this message.
void Model::answer(Message& message, unsigned from) {
    if (!message.awaited) {
        message = {};
        return;
    }
    const ModelSide& s = w.sides[from];
    message = {.kind = Kind::answer,
               .to = static_cast<std::uint8_t>(1 - from),
               .awaited = true,
               .master = s.disk.master,
               .epoch = static_cast<std::uint8_t>(s.disk.epoch),
               .bits = s.data};
}

bool Model::begin(unsigned side, const Event& event, Bits back_to) {
    if (!idle(side)) return false;
    forget(w.sides[side]);
    w.sides[side].back_to = back_to;
    feed(side, event);
    return w.sides[side].machine.phase != Phase::idle;
}

bool Model::write(unsigned side) {
    if (!w.sides[side].disk.writable) return false;
    if (rules_.fence_boot && !w.sides[side].served) return false;
    const auto next = static_cast<Bits>(w.written + 1);
    w.sides[side].data = static_cast<Bits>(w.sides[side].data | next);
    w.written = static_cast<Bits>(w.written | next);
    return true;
}

/// Memory is gone, and with it the connections.
void Model::cut(unsigned side) {
    ModelSide& s = w.sides[side];
    s.served = false;
    s.unheard = rules_.fence_boot;
    forget(s);
    s.sync = Sync::none;
    s.syncing = 0;
    for (Message& message : w.messages) {
        const bool to_us = message.to == side;
        const bool request = message.kind == Kind::roles || message.kind == Kind::promote;
        if (message.kind == Kind::none) continue;
        if (to_us && !request) message = {};
        if (!to_us && !is_answer(message)) message.awaited = false;
    }
}

bool Model::store(unsigned side, Set how) {
    ModelSide& s = w.sides[side];
    if (s.under_way != ActionKind::store) return false;
    if (how != Set::not_landed) {
        s.disk = s.machine.goal;
        const bool begins = s.machine.phase == Phase::taking_over && s.back_to != 0;
        w.astray = w.astray || (begins && s.data != s.back_to);
        s.base = s.goal_base;
        s.back = s.goal_back;
        s.served = s.served && s.disk.master;
    }
    if (how == Set::landed)
        feed(side, Done{});
    else
        feed(side, Failed{});
    return true;
}

bool Model::rescue(unsigned side, bool copied, bool rolled_back) {
    ModelSide& s = w.sides[side];
    if (s.under_way != ActionKind::rescue) return false;
    if (!is_prefix(s.base, s.data)) {
        feed(side, Failed{});
        return true;
    }
    if (copied) w.rescued = static_cast<Bits>(w.rescued | (s.data & ~s.base));
    if (rolled_back) {
        s.data = s.base;
        s.sent = static_cast<Bits>(s.sent & s.data);
        feed(side, Done{});
    }
    return true;
}

bool Model::ask(unsigned side) {
    ModelSide& s = w.sides[side];
    const bool promote = s.under_way == ActionKind::ask_to_promote;
    if (s.asked || (!promote && s.under_way != ActionKind::ask_peer)) return false;
    for (Message& message : w.messages) {
        if (message.kind != Kind::none) continue;
        message = {.kind = promote ? Kind::promote : Kind::roles,
                   .to = static_cast<std::uint8_t>(1 - side),
                   .awaited = true};
        if (promote) {
            message.epoch = static_cast<std::uint8_t>(s.machine.stored.epoch);
            message.bits = s.base;
            message.back = s.back;
        }
        s.asked = true;
        return true;
    }
    return false;
}

bool Model::deliver(std::size_t number) {
    Message& message = w.messages[number];
    if (!deliverable(message)) return false;
    const unsigned side = message.to;
    ModelSide& s = w.sides[side];
    if (message.kind == Kind::roles) {
        answer(message, side);
        return true;
    }
    if (message.kind == Kind::promote) {
        if (s.disk.epoch >= message.epoch) {
            answer(message, side);
            return true;
        }
        Promote wish{.epoch = message.epoch, .base_here = is_prefix(message.bits, s.data)};
        wish.ahead = message.back && wish.base_here && s.data != message.bits;
        const Bits back_to = wish.ahead ? message.bits : Bits{0};
        forget(s);
        message.kind = Kind::serving;
        message.refused_base = step_(s.machine, wish).action.why == "no_base";
        if (begin(side, wish, back_to)) s.unheard = false;
        return true;
    }
    const Message got = message;
    message = {};
    if (got.kind != Kind::error) s.unheard = false;
    if (s.under_way == ActionKind::ask_peer) s.heard_base = common_of(got.bits, s.data);
    if (got.kind == Kind::error)
        feed(side, Failed{});
    else if (got.kind == Kind::no_base)
        feed(side, NoBase{});
    else
        feed(
            side,
            PeerIs{
                .master = got.master, .epoch = got.epoch, .has_ours = is_prefix(s.data, got.bits)});
    return true;
}

bool Model::fail(unsigned side) {
    if (w.sides[side].machine.phase == Phase::idle) return false;
    // Whoever gives up waiting hears no answer any more; the question may arrive all the same.
    for (Message& message : w.messages) {
        if (is_answer(message) && message.to == side) message = {};
        if (!is_answer(message) && message.to != side) message.awaited = false;
    }
    feed(side, Failed{});
    return true;
}

bool Model::receive(unsigned side) {
    ModelSide& from = w.sides[side];
    ModelSide& to = w.sides[1 - side];
    if (!from.disk.master || to.disk.master || !idle(1 - side)) return false;
    if (to.disk.epoch > from.disk.epoch) return false;
    const bool to_rescue =
        to.disk.journal == Journal::rejoining || to.disk.journal == Journal::stepping_down;
    if (to_rescue && rules_.receive_asks_journal) return false;
    // What was written there and is in no snapshot is rolled back.
    if (to_rescue) to.data = common_of(to.data, from.data);
    if (!is_prefix(to.data, from.data)) return false;
    to.data = from.data;
    from.sync = Sync::received;
    from.syncing = from.data;
    return true;
}

bool Model::commit(unsigned side) {
    ModelSide& from = w.sides[side];
    ModelSide& to = w.sides[1 - side];
    const bool to_rescue =
        to.disk.journal == Journal::rejoining || to.disk.journal == Journal::stepping_down;
    const bool good =
        !to.disk.master && !to_rescue && idle(1 - side) && is_prefix(from.syncing, to.data);
    if (from.sync != Sync::received || !good) return false;
    to.disk.epoch = std::max(to.disk.epoch, from.disk.epoch);
    to.machine.stored = to.disk;
    if (is_prefix(to.sent, from.syncing)) to.sent = from.syncing;
    from.sync = Sync::committed;
    return true;
}

void Model::acknowledge(unsigned side) {
    ModelSide& from = w.sides[side];
    from.sent = from.syncing;
    w.acked = static_cast<Bits>(w.acked | from.syncing);
    from.sync = Sync::none;
    from.syncing = 0;
}

bool Model::whole_sync(unsigned side) {
    if (!receive(side) || !commit(side)) return false;
    acknowledge(side);
    return true;
}

bool Model::succeed(unsigned side) {
    ModelSide& s = w.sides[side];
    const ModelSide& peer = w.sides[1 - side];
    switch (s.under_way) {
        case ActionKind::check:
            if (s.machine.phase == Phase::checking_back) {
                // The other side is the target, has the snapshot, and nothing works on it.
                const bool ready = !peer.disk.master && peer.disk.journal == Journal::none &&
                                   peer.disk.epoch == s.disk.epoch && idle(1 - side);
                if (!ready || !is_prefix(s.back_to, peer.data)) return false;
                break;
            }
            // Also with the same epoch, and nothing unfinished over there.
            if (peer.disk.journal != Journal::none || !whole_sync(side)) return false;
            if (peer.disk.epoch != s.disk.epoch) return false;
            break;
        case ActionKind::drain:
            if (!whole_sync(side)) return false;
            break;
        case ActionKind::mount:
            s.served = rules_.fence_boot;
            break;
        case ActionKind::none:
        case ActionKind::store:
        case ActionKind::ask_peer:
        case ActionKind::ask_to_promote:
        case ActionKind::rescue:
        case ActionKind::refuse:
            return false;
    }
    feed(side, Done{});
    return true;
}

std::string broken_promise(const World& w) {
    const ModelSide& a = w.sides[0];
    const ModelSide& b = w.sides[1];
    const bool both = a.disk.master && b.disk.master;
    const bool same = a.disk.epoch == b.disk.epoch;
    if (both && a.disk.writable && b.disk.writable && same && !w.by_hand) {
        return "two writable masters of one epoch";
    }
    if (both && !w.forced && !w.by_hand) return "two masters without -L";
    for (const ModelSide& s : w.sides) {
        if (s.disk.writable && !s.disk.master) return "a writable target";
        if (s.disk.writable && s.served && s.unheard) return "served before the peer was heard";
    }
    if (w.astray) return "a new master begins at another snapshot";
    if ((w.written & ~(a.data | b.data | w.rescued)) != 0) return "data is gone";
    if (w.by_hand) return "";
    const bool first = same ? a.disk.master : a.disk.epoch > b.disk.epoch;
    const Bits right = first ? a.data : b.data;
    const bool none = same && !a.disk.master && !b.disk.master;
    if (none) return "";
    if ((w.acked & ~(right | w.rescued)) != 0) return "acknowledged data is on the wrong side";
    if (!w.forced && !w.went_back && (w.written & ~right) != 0)
        return "a planned change left data behind";
    return "";
}

bool is_served(const World& w) {
    return w.sides[w.sides[0].disk.master ? 0 : 1].served;
}

bool is_settled(const World& w) {
    const ModelSide& a = w.sides[0];
    const ModelSide& b = w.sides[1];
    for (const ModelSide& s : w.sides) {
        if (s.disk.writable != s.disk.master || s.disk.journal != Journal::none) return false;
    }
    return a.disk.master != b.disk.master && a.disk.epoch == b.disk.epoch && a.data == b.data;
}

std::string text_of(const World& w) {
    std::string out;
    for (const ModelSide& s : w.sides) {
        out += "  [" + std::string(s.disk.master ? "master" : "target") +
               (s.disk.writable ? " rw " : " ro ") + std::to_string(s.disk.epoch) + " " +
               std::string(name(s.disk.journal)) + "; " + std::string(name(s.machine.phase)) +
               "; data " + std::to_string(s.data) + " sent " + std::to_string(s.sent) + " base " +
               std::to_string(s.base) + "]";
    }
    return out + " rescued " + std::to_string(w.rescued);
}

}  // namespace zrepd::test
