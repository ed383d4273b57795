// SPDX-License-Identifier: BSD-2-Clause
#include "tests/fakes/failover_model.hpp"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "tests/fakes/failover_packed.hpp"

namespace zrepd::test {
namespace {

using namespace failover;

// Both sides up, no operator: so many steps of the daemons must be enough.
constexpr unsigned kMaxSettling = 80;
// Turns that a sync waits for the lock on the other side.
constexpr unsigned kMaxWait = 6;

/// Where only an operator can say whose data counts: both masters of one epoch, or, after commands
/// on both sides of such a pair that contradict each other, none of them. Made by hand, or it is a
/// violation.
bool needs_operator(const World& w) {
    const Stored& a = w.sides[0].disk;
    const Stored& b = w.sides[1].disk;
    const bool gave_up = a.journal == Journal::handed_over && b.journal == Journal::handed_over;
    return w.by_hand && a.epoch == b.epoch && ((a.master && b.master) || gave_up);
}

/// Both up, the link good, the operator and the users silent.
class Settling {
  public:
    Settling(const Step& step, const Rules& rules, World world)
        : m_(step, rules, std::move(world)), fenced_(rules.fence_boot) {}

    /// Steps until all is in order, or the most.
    unsigned go() {
        for (const unsigned side : {0U, 1U}) {
            if (m_.w.sides[side].asked) m_.fail(side);
        }
        for (unsigned n = 0; n < kMaxSettling; ++n) {
            const bool served = !fenced_ || is_served(m_.w);
            if ((is_settled(m_.w) && served) || needs_operator(m_.w)) return n;
            move(n % 2);
        }
        return kMaxSettling;
    }

    std::string text() const { return text_of(m_.w); }

  private:
    void move(unsigned side) {
        ModelSide& s = m_.w.sides[side];
        if (s.machine.phase != Phase::idle) return work(side);
        if (s.sync != Sync::none) return sync(side);
        // Out of step, or each would always find the other one busy.
        const bool recovers = turns_[side]++ % (3 + side) == 0;
        const bool begun = recovers && m_.begin(side, Recover{});
        if (!begun) attempt([&] { return m_.receive(side); });
    }
    void work(unsigned side) {
        const ModelSide& s = m_.w.sides[side];
        if (s.under_way == ActionKind::store) {
            m_.store(side, Model::Set::landed);
        } else if (s.under_way == ActionKind::rescue) {
            m_.rescue(side, /*copied=*/true, /*rolled_back=*/true);
        } else if (s.under_way == ActionKind::ask_peer ||
                   s.under_way == ActionKind::ask_to_promote) {
            if (!s.asked) m_.ask(side);
            for (std::size_t i = 0; i < m_.w.messages.size(); ++i) m_.deliver(i);
        } else if (!attempt([&] { return m_.succeed(side); })) {
            m_.fail(side);
        }
    }
    void sync(unsigned side) {
        if (m_.w.sides[side].sync == Sync::committed) return m_.acknowledge(side);
        // It waits for the lock there, but not for ever: the other side may wait for ours.
        const bool wait = !m_.idle(1 - side) && ++waited_ % kMaxWait != 0;
        if (!wait && !m_.commit(side)) {
            m_.w.sides[side].sync = Sync::none;
            m_.w.sides[side].syncing = 0;
        }
    }
    template <class F>
    bool attempt(F&& change) {
        const World before = m_.w;
        const bool good = change();
        if (!good) m_.w = before;
        return good;
    }

    Model m_;
    bool fenced_;
    std::array<unsigned, 2> turns_{};
    unsigned waited_ = 0;
};

class Explorer {
  public:
    Explorer(const Step& step, const Exploration& what)
        : step_(step), rules_(what.rules), settling_(what.settling) {
        first_.left = what.limits;
        first_.sides[0].disk = {.master = true, .writable = true, .epoch = 1};
        first_.sides[1].disk = {.master = false, .writable = false, .epoch = 1};
        first_.acked = first_.written = 1;
        for (ModelSide& side : first_.sides) side.data = side.sent = 1;
        first_.sides[0].served = rules_.fence_boot;
        if (what.begin) what.begin(first_);
        for (ModelSide& side : first_.sides) side.machine.stored = side.disk;
    }

    ModelResult go() {
        add(first_, 0);
        for (; at_ < seen_.size() && result_.violation.empty(); ++at_) {
            const World world = unpacked(seen_[at_].world);
            judge(world);
            if (!result_.violation.empty()) break;
            each(world, [&](const World& next, unsigned, const char*) { add(next, at_); });
        }
        result_.states = seen_.size();
        return std::move(result_);
    }

  private:
    struct Seen {
        Packed world{};
        std::uint32_t before = 0;
    };
    struct SameHash {
        const std::vector<Seen>* seen;
        std::size_t operator()(std::uint32_t i) const { return PackedHash{}((*seen)[i].world); }
    };
    struct Same {
        const std::vector<Seen>* seen;
        bool operator()(std::uint32_t a, std::uint32_t b) const {
            return (*seen)[a].world == (*seen)[b].world;
        }
    };

    void add(const World& world, std::size_t before) {
        seen_.push_back({packed(world), static_cast<std::uint32_t>(before)});
        const bool fresh = known_.insert(static_cast<std::uint32_t>(seen_.size() - 1)).second;
        if (!fresh) seen_.pop_back();
    }

    void judge(const World& world) {
        std::string wrong = broken_promise(world);
        if (wrong.empty() && settling_ && !settles(world)) wrong = "it never settles";
        if (wrong.empty()) return;
        result_.violation = std::move(wrong);
        std::vector<std::size_t> way{at_};
        while (way.back() != 0) way.push_back(seen_[way.back()].before);
        std::reverse(way.begin(), way.end());
        result_.way.push_back(text_of(first_));
        for (std::size_t i = 1; i < way.size(); ++i) tell(way[i - 1], way[i]);
    }

    void tell(std::size_t from, std::size_t to) {
        bool told = false;
        each(unpacked(seen_[from].world), [&](const World& next, unsigned side, const char* what) {
            if (told || packed(next) != seen_[to].world) return;
            told = true;
            result_.way.push_back((side == 0 ? "A " : "B ") + std::string(what) + text_of(next));
        });
    }

    /// What is left to happen, and what is on its way, plays no part in it: most are known already.
    bool settles(World world) {
        world.left = {};
        for (Message& message : world.messages) message = {};
        if (!calm_.insert(packed(world)).second) return true;
        const unsigned steps = Settling(step_, rules_, world).go();
        result_.longest = std::max(result_.longest, steps);
        return steps < kMaxSettling;
    }

    template <class Use>
    void each(const World& world, Use&& use) {
        const auto branch = [&](unsigned side, const char* what, auto&& change) {
            Model m(step_, rules_, world);
            if (change(m)) use(m.w, side, what);
        };
        for (const unsigned side : {0U, 1U}) {
            const ModelSide& s = world.sides[side];
            if (s.sync != Sync::none)
                syncing(world, side, branch);
            else if (s.machine.phase == Phase::idle)
                idle(world, side, branch);
            else
                working(world, side, branch);
            outside(world, side, branch);
        }
        for (std::size_t i = 0; i < world.messages.size(); ++i) message(world, i, branch);
    }

    template <class Branch>
    void idle(const World& world, unsigned side, Branch&& branch) {
        branch(side, "recovers", [&](Model& m) { return m.begin(side, Recover{}); });
        branch(side, "sends a stream", [&](Model& m) { return m.receive(side); });
        if (rules_.lapses && world.left.faults > 0) lapses(side, branch);
        if (world.left.commands == 0) return;
        const auto command = [&](Command which, const char* what) {
            branch(side, what, [&](Model& m) {
                --m.w.left.commands;
                const bool harmless = which == Command::failover || which == Command::unfence;
                m.w.forced = m.w.forced || !harmless;
                const bool begun = m.begin(side, Asked{which});
                // Whoever gives such a command vouches for the other side.
                if (begun && which != Command::failover) m.w.sides[side].unheard = false;
                return begun;
            });
        };
        command(Command::failover, "is asked: failover");
        command(Command::failover_local, "is asked: failover -L");
        command(Command::takeover_local, "is asked: takeover -L");
        command(Command::keep_here, "is asked: keep here");
        command(Command::keep_peer, "is asked: keep peer");
        if (rules_.fence_boot) command(Command::unfence, "is asked: unfence");
        if (world.left.backs > 0) backs(world, side, branch);
    }

    /// Nobody confirms its lease in time.
    template <class Branch>
    void lapses(unsigned side, Branch&& branch) {
        const auto lapse = [side](Model& m) {
            const ModelSide& s = m.w.sides[side];
            if (!s.disk.writable || !s.served) return false;
            --m.w.left.faults;
            return m.begin(side, Lapsed{});
        };
        branch(side, "is not confirmed any more", lapse);
        branch(side, "is made readonly, because it is not confirmed any more", [&](Model& m) {
            if (!lapse(m) || !m.store(side, Model::Set::landed)) return false;
            m.w.sides[side].unheard = true;
            return true;
        });
    }

    /// To each snapshot that the command would take there.
    template <class Branch>
    void backs(const World& world, unsigned side, Branch&& branch) {
        const ModelSide& s = world.sides[side];
        const auto command = [&](Command which, const char* what, Bits to) {
            branch(side, what, [&](Model& m) {
                --m.w.left.commands;
                --m.w.left.backs;
                m.w.forced = m.w.forced || which != Command::failover_back;
                m.w.went_back = true;
                return m.begin(side, Asked{which}, to);
            });
        };
        for (unsigned bits = 1; bits <= s.data; ++bits) {
            const auto to = static_cast<Bits>(bits);
            if (!is_prefix(to, s.data)) continue;
            command(Command::failover_back, "is asked: failover to a snapshot", to);
            if (is_prefix(to, s.sent)) {
                command(Command::failover_local, "is asked: failover -L to a snapshot", to);
            }
            command(Command::takeover_back, "is asked: takeover -L to a snapshot", to);
        }
    }

    template <class Branch>
    void syncing(const World& world, unsigned side, Branch&& branch) {
        if (world.sides[side].sync == Sync::committed) {
            branch(side, "acknowledges", [&](Model& m) {
                m.acknowledge(side);
                return true;
            });
        } else {
            branch(side, "has it recorded", [&](Model& m) { return m.commit(side); });
        }
        // Also when the other side is busy or has another role by now.
        branch(side, "gives up its sync", [&](Model& m) {
            Model probe(step_, rules_, world);
            if (world.sides[side].sync == Sync::committed || probe.commit(side)) {
                if (world.left.faults == 0) return false;
                --m.w.left.faults;
            }
            m.w.sides[side].sync = Sync::none;
            m.w.sides[side].syncing = 0;
            return true;
        });
    }

    template <class Branch>
    void working(const World& world, unsigned side, Branch&& branch) {
        const ModelSide& s = world.sides[side];
        const bool asks =
            s.under_way == ActionKind::ask_peer || s.under_way == ActionKind::ask_to_promote;
        const bool faults = world.left.faults > 0;
        branch(side, "has stored", [&](Model& m) { return m.store(side, Model::Set::landed); });
        branch(side, "does its work", [&](Model& m) { return m.succeed(side); });
        branch(side, "rescues", [&](Model& m) { return m.rescue(side, true, true); });
        branch(side, "asks", [&](Model& m) { return m.ask(side); });
        const bool moves = s.under_way == ActionKind::check || s.under_way == ActionKind::drain;
        const bool possible = moves && Model(step_, rules_, world).succeed(side);
        branch(side, "gets no answer", [&](Model& m) {
            const bool free = moves ? !possible : asks && m.unheard(side);
            if (!free && !faults) return false;
            if (!free) --m.w.left.faults;
            if (s.under_way == ActionKind::store) return m.store(side, Model::Set::not_landed);
            return m.fail(side);
        });
        if (!faults) return;
        branch(side, "has stored, and does not see it", [&](Model& m) {
            --m.w.left.faults;
            return m.store(side, Model::Set::landed_unseen);
        });
        branch(side, "copies, but does not roll back", [&](Model& m) {
            --m.w.left.faults;
            return m.rescue(side, true, false) && m.fail(side);
        });
        if (!moves) return;
        branch(side, "sends, and is not answered", [&](Model& m) {
            --m.w.left.faults;
            if (!m.receive(side)) return false;
            m.w.sides[side].sync = Sync::none;
            return m.fail(side);
        });
        branch(side, "has it recorded, and is not answered", [&](Model& m) {
            --m.w.left.faults;
            if (!m.receive(side) || !m.commit(side)) return false;
            m.w.sides[side].sync = Sync::none;
            return m.fail(side);
        });
    }

    template <class Branch>
    void outside(const World& world, unsigned side, Branch&& branch) {
        const ModelSide& s = world.sides[side];
        if (world.left.writes > 0) {
            branch(side, "is written to", [&](Model& m) {
                --m.w.left.writes;
                return m.write(side);
            });
        }
        const bool busy = s.machine.phase != Phase::idle || s.sync != Sync::none;
        if (world.left.cuts == 0 || !busy) return;
        branch(side, "is cut", [&](Model& m) {
            --m.w.left.cuts;
            m.cut(side);
            return true;
        });
        branch(side, "is cut after the store", [&](Model& m) {
            --m.w.left.cuts;
            if (!m.store(side, Model::Set::landed)) return false;
            m.cut(side);
            return true;
        });
        branch(side, "is cut after the copy", [&](Model& m) {
            --m.w.left.cuts;
            if (!m.rescue(side, true, false)) return false;
            m.cut(side);
            return true;
        });
        branch(side, "is cut after the rollback", [&](Model& m) {
            --m.w.left.cuts;
            if (!m.rescue(side, true, true)) return false;
            m.cut(side);
            return true;
        });
    }

    template <class Branch>
    void message(const World& world, std::size_t i, Branch&& branch) {
        const Message& message = world.messages[i];
        if (message.kind == Message::Kind::none) return;
        branch(message.to, "gets a message", [&](Model& m) { return m.deliver(i); });
        if (world.left.faults == 0) return;
        branch(message.to, "never gets a message", [&](Model& m) {
            --m.w.left.faults;
            if (message.kind == Message::Kind::serving) return false;
            m.w.messages[i] = {};
            return true;
        });
        branch(message.to, "gets a message that will come again", [&](Model& m) {
            --m.w.left.faults;
            Message& other = m.w.messages[1 - i];
            const bool request = message.kind == Message::Kind::promote;
            if (!request || other.kind != Message::Kind::none) return false;
            other = message;
            other.awaited = false;
            return m.deliver(i);
        });
    }

    const Step& step_;
    Rules rules_;
    bool settling_ = true;
    World first_;
    std::vector<Seen> seen_;
    std::unordered_set<std::uint32_t, SameHash, Same> known_{16, SameHash{&seen_}, Same{&seen_}};
    std::unordered_set<Packed, PackedHash> calm_;
    std::size_t at_ = 0;
    ModelResult result_;
};

}  // namespace

ModelResult explore(const Step& step, const Exploration& what) {
    return Explorer(step, what).go();
}

}  // namespace zrepd::test
