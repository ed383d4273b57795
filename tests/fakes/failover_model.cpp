// SPDX-License-Identifier: BSD-2-Clause
#include "tests/fakes/failover_model.hpp"

#include <deque>
#include <unordered_map>

namespace zrepd::test {
namespace {

using namespace failover;

// Both sides up, no operator: so many steps of the daemons must be enough.
constexpr unsigned kMaxSettling = 40;

std::string word(std::uint64_t value) {
    return std::to_string(value);
}

std::string text_of(const Stored& s) {
    return std::string(s.master ? "M" : "t") + (s.writable ? "w" : "r") + word(s.epoch) + "/" +
           std::string(name(s.journal));
}

/// Everything that counts, as a key.
std::string key_of(const World& w) {
    std::string out;
    const auto add = [&](std::uint64_t v) { out.append(word(v)).push_back(','); };
    for (const ModelSide& s : w.sides) {
        out += text_of(s.machine.stored) + std::string(name(s.machine.phase));
        add(static_cast<unsigned>(s.under_way));
        if (s.under_way == ActionKind::store) out += text_of(s.storing);
        add(s.data);
        add(s.base);
        add(s.rescued);
    }
    if (w.late.there) {
        add(w.late.to);
        add(w.late.epoch);
        add(w.late.base);
    }
    out.push_back(';');
    for (const unsigned v : {unsigned{w.acked},
                             unsigned{w.forced},
                             unsigned{w.by_hand},
                             w.left.commands,
                             w.left.cuts,
                             w.left.writes,
                             w.left.network,
                             w.next_bit}) {
        add(v);
    }
    return out;
}

bool is_subset(Bits part, Bits whole) {
    return (part & ~whole) == 0;
}

/// One history's world and what can happen in it.
class Model {
  public:
    Model(const Step& step, World world) : step_(step), w(std::move(world)) {}

    void feed(unsigned side, const Event& event) {
        ModelSide& s = w.sides[side];
        const Transition next = step_(s.machine, event);
        s.machine = next.state;
        s.under_way = next.action.kind;
        if (next.action.kind == ActionKind::refuse) s.under_way = ActionKind::none;
        if (next.action.kind == ActionKind::store) s.storing = next.action.store;
    }

    /// What a store leaves on disk, with what goes with it.
    void land(unsigned side) {
        ModelSide& s = w.sides[side];
        s.machine.stored = s.storing;
        const Journal journal = s.storing.journal;
        // The base that the driver writes into the journal (Change::entry_for).
        if (journal == Journal::stepping_down) s.base = s.data & w.acked;
        if (journal == Journal::rejoining) s.base = s.data & w.sides[1 - side].data;
        if (journal == Journal::handed_over && s.under_way != ActionKind::none &&
            s.machine.phase == Phase::handing_over && s.machine.stored.epoch != 0) {
            s.base = is_subset(s.data, w.acked) ? s.data : s.base;
        }
    }

    bool idle(unsigned side) const { return w.sides[side].machine.phase == Phase::idle; }
    const Stored& stored(unsigned side) const { return w.sides[side].machine.stored; }

    /// The target takes what the master has, if it is that master's target and lacks only its end.
    bool sync(unsigned from) {
        ModelSide& source = w.sides[from];
        ModelSide& target = w.sides[1 - from];
        const bool roles = stored(from).master && !stored(1 - from).master &&
                           stored(1 - from).epoch <= stored(from).epoch &&
                           stored(1 - from).journal == Journal::none;
        if (!roles || !is_subset(target.data, source.data)) return false;
        target.data = source.data;
        target.machine.stored.epoch = stored(from).epoch;
        w.acked |= source.data;
        return true;
    }

    /// A promotion waits for what is under way over there; what is answered without the lock does
    /// not.
    bool waits_for_lock(unsigned side) const {
        return w.sides[side].under_way == ActionKind::ask_to_promote && !idle(1 - side) &&
               stored(1 - side).epoch < stored(side).epoch;
    }

    PeerIs view_of(unsigned side) const { return {stored(side).master, stored(side).epoch}; }

    /// The action under way does its work and is answered.
    void perform(unsigned side) {
        ModelSide& s = w.sides[side];
        const unsigned peer = 1 - side;
        switch (s.under_way) {
            case ActionKind::store:
                land(side);
                return feed(side, Done{});
            case ActionKind::check: {
                const bool good = !stored(peer).master && stored(peer).journal == Journal::none &&
                                  idle(peer) && sync(side) &&
                                  stored(peer).epoch == stored(side).epoch;
                if (good) return feed(side, Done{});
                return feed(side, Failed{});
            }
            case ActionKind::drain:
                if (idle(peer) && sync(side)) return feed(side, Done{});
                return feed(side, Failed{});
            case ActionKind::ask_peer:
                return feed(side, view_of(peer));
            case ActionKind::ask_to_promote:
                // Stale, or done already: answered without the lock. Else it is held over there,
                // and the question is asked again later.
                if (stored(peer).epoch >= stored(side).epoch) return feed(side, view_of(peer));
                if (!idle(peer)) return feed(side, Failed{});
                promote(peer, stored(side).epoch, s.base);
                // Its answer comes when its store has landed.
                if (w.sides[peer].under_way == ActionKind::store) perform(peer);
                return feed(side, view_of(peer));
            case ActionKind::rescue:
                s.rescued |= s.data & ~s.base;
                s.data = s.data & s.base;
                return feed(side, Done{});
            case ActionKind::mount:
                return feed(side, Done{});
            case ActionKind::none:
            case ActionKind::refuse:
                return;
        }
    }

    void promote(unsigned side, std::uint64_t epoch, Bits base) {
        feed(side, Promote{.epoch = epoch, .base_here = is_subset(base, w.sides[side].data)});
    }

    /// A power cut or kill: memory is gone, and a store has landed or not.
    void cut(unsigned side, bool landed) {
        ModelSide& s = w.sides[side];
        if (s.under_way == ActionKind::store && landed) land(side);
        s.machine.phase = Phase::idle;
        s.machine.goal = {};
        s.under_way = ActionKind::none;
    }

    bool writes(unsigned side) {
        ModelSide& s = w.sides[side];
        if (!stored(side).writable) return false;
        s.data = static_cast<Bits>(s.data | (1U << w.next_bit++));
        return true;
    }

    const Step& step_;
    World w;
};

std::string violation_of(const World& w) {
    const Stored& a = w.sides[0].machine.stored;
    const Stored& b = w.sides[1].machine.stored;
    const bool both = a.master && b.master;
    if (both && a.writable && b.writable && a.epoch == b.epoch && !w.by_hand) {
        return "two writable masters of one epoch";
    }
    if (both && !w.forced && !w.by_hand) return "two masters without -L";
    if (a.writable && !a.master) return "a writable target";
    if (b.writable && !b.master) return "a writable target";
    Bits kept = 0;
    for (const ModelSide& s : w.sides) kept = static_cast<Bits>(kept | s.data | s.rescued);
    if (!is_subset(w.acked, kept)) return "acknowledged data is gone";
    // What was acknowledged is where the role is right, or was kept.
    const ModelSide& right = w.sides[a.epoch >= b.epoch ? 0 : 1];
    const Bits reachable = static_cast<Bits>(right.data | w.sides[0].rescued | w.sides[1].rescued);
    if (a.epoch != b.epoch && !is_subset(w.acked, reachable))
        return "acknowledged data is on the wrong side";
    return "";
}

bool is_settled(const World& w) {
    const Stored& a = w.sides[0].machine.stored;
    const Stored& b = w.sides[1].machine.stored;
    return a.master != b.master && a.epoch == b.epoch && a.writable == a.master &&
           b.writable == b.master && a.journal == Journal::none && b.journal == Journal::none;
}

/// Where only an operator can say whose data counts: both masters of one epoch, or, after commands
/// on both sides of such a pair that contradict each other, none of them. Made by hand, or it is a
/// violation.
bool needs_operator(const World& w) {
    const Stored& a = w.sides[0].machine.stored;
    const Stored& b = w.sides[1].machine.stored;
    const bool gave_up = a.journal == Journal::handed_over && b.journal == Journal::handed_over &&
                         !a.master && !b.master;
    return w.by_hand && a.epoch == b.epoch && ((a.master && b.master) || gave_up);
}

/// Both up, the link good, the operator silent: steps until all is in order, or the most.
unsigned settle(const Step& step, World world) {
    Model m(step, std::move(world));
    m.w.late = {};
    std::array<bool, 2> recovered{};
    for (unsigned n = 0; n < kMaxSettling; ++n) {
        if (is_settled(m.w) || needs_operator(m.w)) return n;
        const unsigned side = n % 2;
        if (m.waits_for_lock(side)) continue;
        if (!m.idle(side)) {
            m.perform(side);
        } else if (recovered[side] && m.sync(side)) {
            recovered[side] = false;
        } else {
            recovered[side] = true;
            m.feed(side, Recover{});
        }
    }
    return kMaxSettling;
}

struct Branch {
    std::string what;
    World world;
};

class Explorer {
  public:
    Explorer(const Step& step, Limits limits) : step_(step) {
        World fresh;
        fresh.left = limits;
        fresh.sides[0].machine.stored = {.master = true, .writable = true, .epoch = 1};
        fresh.sides[1].machine.stored = {.master = false, .writable = false, .epoch = 1};
        fresh.sides[0].data = fresh.sides[1].data = fresh.acked = 1;
        fresh.sides[0].base = fresh.sides[1].base = 1;
        fresh.next_bit = 1;
        first_ = fresh;
    }

    World& first() { return first_; }

    ModelResult go() {
        add({"start", first_}, -1);
        while (at_ < seen_.size() && result_.violation.empty()) {
            const World world = seen_[at_].world;
            judge(world);
            if (!result_.violation.empty()) break;
            for (Branch& next : branches(world)) add(std::move(next), static_cast<int>(at_));
            ++at_;
        }
        result_.states = seen_.size();
        return std::move(result_);
    }

  private:
    struct Seen {
        World world;
        std::string what;
        int before = -1;
    };

    void add(Branch next, int before) {
        if (!known_.emplace(key_of(next.world), seen_.size()).second) return;
        seen_.push_back({std::move(next.world), std::move(next.what), before});
    }

    void judge(const World& world) {
        std::string wrong = violation_of(world);
        if (wrong.empty()) {
            const unsigned steps = settle(step_, world);
            ++result_.settled;
            result_.longest = std::max(result_.longest, steps);
            if (steps == kMaxSettling) wrong = "it never settles";
        }
        if (wrong.empty()) return;
        result_.violation = wrong;
        for (int i = static_cast<int>(at_); i >= 0; i = seen_[static_cast<std::size_t>(i)].before) {
            const Seen& s = seen_[static_cast<std::size_t>(i)];
            std::string line = s.what;
            for (const ModelSide& side : s.world.sides) {
                line += "  [" + text_of(side.machine.stored) + " " +
                        std::string(name(side.machine.phase)) + " " + word(side.data) + "]";
            }
            result_.way.insert(result_.way.begin(), std::move(line));
        }
    }

    template <class F>
    void branch(std::vector<Branch>& out, const World& world, std::string what, F&& change) {
        Model m(step_, world);
        if (change(m)) out.push_back({std::move(what), std::move(m.w)});
    }

    void daemon_steps(std::vector<Branch>& out, const World& world, unsigned side) {
        const std::string who = side == 0 ? "A" : "B";
        const ActionKind kind = world.sides[side].under_way;
        if (world.sides[side].machine.phase == Phase::idle) {
            branch(out, world, who + " recovers", [&](Model& m) {
                m.feed(side, Recover{});
                return true;
            });
            branch(out, world, who + " syncs", [&](Model& m) { return m.sync(side); });
            return;
        }
        branch(out, world, who + " " + std::string(name(kind)), [&](Model& m) {
            m.perform(side);
            return true;
        });
        const bool talks = kind == ActionKind::check || kind == ActionKind::drain ||
                           kind == ActionKind::ask_peer || kind == ActionKind::ask_to_promote;
        if (!talks || world.left.network == 0) return;
        branch(out, world, who + " is not answered", [&](Model& m) {
            --m.w.left.network;
            m.feed(side, Failed{});
            return true;
        });
        if (kind == ActionKind::drain || kind == ActionKind::check) {
            branch(out, world, who + ": the answer to its sync is lost", [&](Model& m) {
                --m.w.left.network;
                if (!m.idle(1 - side) || !m.sync(side)) return false;
                m.feed(side, Failed{});
                return true;
            });
        }
        if (kind != ActionKind::ask_to_promote) return;
        branch(out, world, who + ": the promotion is done, its answer lost", [&](Model& m) {
            --m.w.left.network;
            if (!m.idle(1 - side)) return false;
            m.promote(1 - side, m.stored(side).epoch, m.w.sides[side].base);
            m.feed(side, Failed{});
            return true;
        });
        if (world.late.there) return;
        branch(out, world, who + ": its promotion is delayed", [&](Model& m) {
            --m.w.left.network;
            m.w.late = {true, 1 - side, m.stored(side).epoch, m.w.sides[side].base};
            m.feed(side, Failed{});
            return true;
        });
    }

    void world_steps(std::vector<Branch>& out, const World& world, unsigned side) {
        const std::string who = side == 0 ? "A" : "B";
        if (world.left.writes > 0) {
            branch(out, world, who + " is written to", [&](Model& m) {
                --m.w.left.writes;
                return m.writes(side);
            });
        }
        for (const bool landed : {false, true}) {
            const bool storing = world.sides[side].under_way == ActionKind::store;
            const bool calm = world.sides[side].machine.phase == Phase::idle;
            if (world.left.cuts == 0 || calm || (landed && !storing)) continue;
            branch(
                out, world, who + (landed ? " is cut after the store" : " is cut"), [&](Model& m) {
                    --m.w.left.cuts;
                    m.cut(side, landed);
                    return true;
                });
        }
        if (world.late.there && world.late.to == side) {
            branch(out, world, "a late promotion reaches " + who, [&](Model& m) {
                if (!m.idle(side)) return false;
                const LatePromote late = m.w.late;
                m.w.late = {};
                m.promote(side, late.epoch, late.base);
                return true;
            });
            branch(out, world, "a late promotion reaches " + who + ", and again", [&](Model& m) {
                if (!m.idle(side)) return false;
                m.promote(side, m.w.late.epoch, m.w.late.base);
                return true;
            });
        }
        const bool free = world.sides[side].machine.phase == Phase::idle;
        if (world.left.commands == 0 || !free) return;
        for (const Command command : {Command::failover,
                                      Command::failover_local,
                                      Command::takeover_local,
                                      Command::keep_here,
                                      Command::keep_peer}) {
            branch(out, world, who + ": " + std::string(name(command)), [&](Model& m) {
                --m.w.left.commands;
                if (command != Command::failover) m.w.forced = true;
                // The driver looks first (Roles::carry_out).
                const bool split = m.stored(0).master && m.stored(1).master &&
                                   m.stored(0).epoch == m.stored(1).epoch;
                const bool resolve = command == Command::keep_here || command == Command::keep_peer;
                if (resolve && !split) return false;
                m.feed(side, Asked{command});
                return !m.idle(side);
            });
        }
    }

    std::vector<Branch> branches(const World& world) {
        std::vector<Branch> out;
        for (const unsigned side : {0U, 1U}) {
            daemon_steps(out, world, side);
            world_steps(out, world, side);
        }
        return out;
    }

    const Step& step_;
    World first_;
    std::vector<Seen> seen_;
    std::unordered_map<std::string, std::size_t> known_;
    std::size_t at_ = 0;
    ModelResult result_;
};

}  // namespace

ModelResult explore(const Step& step, Limits limits, const std::function<void(World&)>& begin) {
    Explorer explorer(step, limits);
    if (begin) begin(explorer.first());
    return explorer.go();
}

}  // namespace zrepd::test
