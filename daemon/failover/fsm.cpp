// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/failover/fsm.hpp"

#include <array>

namespace zrepd::failover {
namespace {

Transition rest(State state) {
    state.phase = Phase::idle;
    state.take = 0;
    return {state, {}};
}
Transition refuse(const State& state, std::string_view why) {
    return {state, {.kind = ActionKind::refuse, .why = why}};
}
Transition act(State state, Phase phase, ActionKind kind) {
    state.phase = phase;
    return {state, {.kind = kind}};
}
Transition store(State state, Phase phase, Stored goal) {
    state.phase = phase;
    state.goal = goal;
    return {state, {.kind = ActionKind::store, .store = goal}};
}

Transition thaw(const State& s) {
    return store(s, Phase::thawing, {.master = true, .writable = true, .epoch = s.stored.epoch});
}
Transition settle(const State& s) {
    Stored goal = s.stored;
    goal.journal = Journal::none;
    return store(s, Phase::settling, goal);
}
Transition demote(const State& s, std::uint64_t epoch, Journal journal) {
    return store(s,
                 Phase::demoting,
                 {.master = false, .writable = false, .epoch = epoch, .journal = journal});
}
Transition take_over(const State& s, std::uint64_t epoch) {
    return store(s,
                 Phase::taking_over,
                 {.master = true, .writable = true, .epoch = epoch, .journal = Journal::promoted});
}
Transition raise(const State& s, std::uint64_t epoch) {
    return store(s, Phase::raising, {.master = true, .writable = true, .epoch = epoch});
}

/// Back to the base before it is the master of `epoch`. Until then it stays of the epoch that it
/// is: cut off, it is a plain target, and nobody else was told anything.
Transition go_back(const State& s, std::uint64_t epoch) {
    Transition out = demote(s, s.stored.epoch, Journal::rejoining);
    out.state.take = epoch;
    return out;
}

/// An operator vouches for it that the peer did not take over.
Transition unfence(const State& s) {
    if (!s.stored.master) return refuse(s, "not_master");
    if (!s.must_hear_peer) return refuse(s, "not_fenced");
    if (s.stored.journal == Journal::freezing) return thaw(s);
    return act(s, Phase::mounting, ActionKind::mount);
}

Transition asked(const State& s, Command command) {
    if (command == Command::unfence) return unfence(s);
    const bool settled = s.stored.journal == Journal::none;
    if (command == Command::takeover_local) {
        if (s.stored.master) return refuse(s, settled ? "is_master" : "unfinished");
        return take_over(s, s.stored.epoch + 1);
    }
    // Whatever it waits for, behind a fence for the other side: it is to be the other side's.
    if (!settled && command == Command::keep_peer && s.stored.master)
        return demote(s, s.stored.epoch + 1, Journal::stepping_down);
    if (!settled) return refuse(s, "unfinished");
    if (command == Command::takeover_back) {
        return s.stored.master ? refuse(s, "is_master") : go_back(s, s.stored.epoch + 1);
    }
    if (!s.stored.master) return refuse(s, "not_master");
    switch (command) {
        case Command::failover:
            return act(s, Phase::checking, ActionKind::check);
        case Command::failover_local:
        case Command::keep_peer:
            return demote(s, s.stored.epoch + 1, Journal::stepping_down);
        case Command::keep_here:
            // By two: with steps of one, the masters of one side keep one parity for ever, and two
            // masters of one epoch cannot come from our own commands.
            return raise(s, s.stored.epoch + 2);
        case Command::failover_back:
            return act(s, Phase::checking_back, ActionKind::check);
        case Command::takeover_local:
        case Command::takeover_back:
        case Command::unfence:
            break;
    }
    return rest(s);
}

Transition recover(const State& s) {
    switch (s.stored.journal) {
        case Journal::none:
        case Journal::freezing:
            return act(s, Phase::asking, ActionKind::ask_peer);
        case Journal::stepping_down:
        case Journal::rejoining:
            return act(s, Phase::rescuing, ActionKind::rescue);
        case Journal::handed_over:
            return act(s, Phase::asking_to_promote, ActionKind::ask_to_promote);
        case Journal::promoted:
            // After a reboot the other side may have taken the role back meanwhile.
            if (s.must_hear_peer) return act(s, Phase::asking, ActionKind::ask_peer);
            return act(s, Phase::mounting, ActionKind::mount);
    }
    return rest(s);
}

Transition promote(const State& s, const Promote& wish) {
    const Journal journal = s.stored.journal;
    if (s.stored.master && s.stored.epoch >= wish.epoch) return rest(s);
    if (s.stored.epoch >= wish.epoch) return refuse(s, "stale");
    const bool free = journal == Journal::none || journal == Journal::handed_over;
    if (!free) return refuse(s, "unfinished");
    if (!wish.base_here) return refuse(s, "no_base");
    // The peer went back to what this side has, and somebody made this side the master meanwhile:
    // the data here stands.
    if (s.stored.master) return raise(s, wish.epoch);
    if (wish.ahead) return go_back(s, wish.epoch);
    return take_over(s, wish.epoch);
}

/// As a failover that froze and was cut off: behind a fence only the peer's word thaws that, or an
/// operator's.
Transition lapsed(const State& s) {
    if (!s.stored.master || s.stored.journal != Journal::none) return rest(s);
    return store(
        s,
        Phase::settling,
        {.master = true, .writable = false, .epoch = s.stored.epoch, .journal = Journal::freezing});
}

/// idle: what arrives from outside.
Transition begin(const State& s, const Event& event) {
    if (const auto* ask = std::get_if<Asked>(&event)) return asked(s, ask->command);
    if (std::holds_alternative<Recover>(event)) return recover(s);
    if (const auto* wish = std::get_if<Promote>(&event)) return promote(s, *wish);
    if (std::holds_alternative<Lapsed>(event)) return lapsed(s);
    return rest(s);
}

/// The answer to `asking`; nullptr: there was none.
Transition heard(const State& s, const PeerIs* peer) {
    const bool followed = peer != nullptr && peer->master;
    const bool overtaken = s.stored.master && followed && peer->epoch > s.stored.epoch;
    // A target with what its master gave up, or never had: no stream fits on that.
    const bool ahead =
        !s.stored.master && followed && peer->epoch >= s.stored.epoch && !peer->has_ours;
    if (overtaken || ahead) return demote(s, peer->epoch, Journal::rejoining);
    const bool fenced = s.must_hear_peer && s.stored.master;
    const bool split = followed && peer->epoch == s.stored.epoch;
    if (fenced && (peer == nullptr || split)) return rest(s);
    if (s.stored.journal == Journal::freezing) return thaw(s);
    return fenced ? act(s, Phase::mounting, ActionKind::mount) : rest(s);
}

Transition stored_it(State s) {
    s.stored = s.goal;
    switch (s.phase) {
        case Phase::freezing:
            return act(s, Phase::draining, ActionKind::drain);
        case Phase::handing_over:
            return act(s, Phase::asking_to_promote, ActionKind::ask_to_promote);
        case Phase::taking_over:
            return act(s, Phase::mounting, ActionKind::mount);
        case Phase::demoting:
            return act(s, Phase::rescuing, ActionKind::rescue);
        case Phase::thawing:
            if (s.must_hear_peer) return act(s, Phase::mounting, ActionKind::mount);
            break;
        case Phase::settling:
        case Phase::raising:
        case Phase::idle:
        case Phase::checking:
        case Phase::draining:
        case Phase::asking_to_promote:
        case Phase::asking:
        case Phase::mounting:
        case Phase::rescuing:
        case Phase::checking_back:
            break;
    }
    return rest(s);
}

Transition rescued(const State& s) {
    if (s.take != 0) return take_over(s, s.take);
    if (s.stored.journal == Journal::rejoining) return settle(s);
    Stored goal = s.stored;
    goal.journal = Journal::handed_over;
    return store(s, Phase::handing_over, goal);
}

/// The action under way did what it should.
Transition done(const State& s) {
    switch (s.phase) {
        case Phase::checking:
            return store(s,
                         Phase::freezing,
                         {.master = true,
                          .writable = false,
                          .epoch = s.stored.epoch,
                          .journal = Journal::freezing});
        case Phase::draining:
            return store(s,
                         Phase::handing_over,
                         {.master = false,
                          .writable = false,
                          .epoch = s.stored.epoch + 1,
                          .journal = Journal::handed_over});
        case Phase::checking_back:
            return demote(s, s.stored.epoch + 1, Journal::stepping_down);
        case Phase::rescuing:
            return rescued(s);
        case Phase::mounting:
            return settle(s);
        case Phase::freezing:
        case Phase::handing_over:
        case Phase::taking_over:
        case Phase::demoting:
        case Phase::thawing:
        case Phase::settling:
        case Phase::raising:
            return stored_it(s);
        case Phase::idle:
        case Phase::asking:
        case Phase::asking_to_promote:
            break;
    }
    return rest(s);
}

/// It did not; what was stored before stands.
Transition failed(const State& s) {
    switch (s.phase) {
        case Phase::draining:
        case Phase::handing_over:
            // After a rescue there is nothing to thaw: the journal goes on from there. Behind a
            // fence the peer is asked first.
            return s.stored.master && !s.must_hear_peer ? thaw(s) : rest(s);
        case Phase::mounting:
            return settle(s);
        case Phase::asking:
            return heard(s, nullptr);
        case Phase::idle:
        case Phase::checking:
        case Phase::freezing:
        case Phase::asking_to_promote:
        case Phase::thawing:
        case Phase::taking_over:
        case Phase::settling:
        case Phase::demoting:
        case Phase::rescuing:
        case Phase::raising:
        case Phase::checking_back:
            break;
    }
    return rest(s);
}

Transition answered(const State& s, const PeerIs& peer) {
    if (s.phase == Phase::asking) return heard(s, &peer);
    const bool taken = peer.epoch > s.stored.epoch || (peer.master && peer.epoch == s.stored.epoch);
    return taken ? settle(s) : rest(s);
}

/// What an action under way can end in. NoBase: the peer cannot take what this side has, and never
/// will; asked again and again, nobody would be master for good.
bool waits_for(Phase phase, const Event& event) {
    if (std::holds_alternative<Failed>(event)) return true;
    const bool asks = phase == Phase::asking || phase == Phase::asking_to_promote;
    if (std::holds_alternative<PeerIs>(event)) return asks;
    if (std::holds_alternative<NoBase>(event)) return phase == Phase::asking_to_promote;
    return std::holds_alternative<Done>(event) && !asks;
}

constexpr std::array<std::string_view, 6> kJournals{
    "none", "freezing", "stepping_down", "handed_over", "promoted", "rejoining"};

}  // namespace

Transition step(const State& state, const Event& event) {
    if (state.phase == Phase::idle) return begin(state, event);
    if (!waits_for(state.phase, event)) return refuse(state, "busy");
    if (std::holds_alternative<Done>(event)) return done(state);
    if (std::holds_alternative<NoBase>(event)) return take_over(state, state.stored.epoch + 1);
    if (const auto* peer = std::get_if<PeerIs>(&event)) return answered(state, *peer);
    return failed(state);
}

std::string_view name(Journal journal) {
    return kJournals.at(static_cast<std::size_t>(journal));
}

std::optional<Journal> journal_from_name(std::string_view text) {
    for (std::size_t i = 0; i < kJournals.size(); ++i) {
        if (kJournals.at(i) == text) return static_cast<Journal>(i);
    }
    return std::nullopt;
}

std::string_view name(Phase phase) {
    constexpr std::array<std::string_view, 15> kNames{"idle",
                                                      "checking",
                                                      "freezing",
                                                      "draining",
                                                      "handing_over",
                                                      "asking_to_promote",
                                                      "asking",
                                                      "thawing",
                                                      "taking_over",
                                                      "mounting",
                                                      "settling",
                                                      "demoting",
                                                      "rescuing",
                                                      "raising",
                                                      "checking_back"};
    return kNames.at(static_cast<std::size_t>(phase));
}

std::string_view name(Command command) {
    constexpr std::array<std::string_view, 8> kNames{"failover",
                                                     "failover_local",
                                                     "takeover_local",
                                                     "keep_here",
                                                     "keep_peer",
                                                     "failover_back",
                                                     "takeover_back",
                                                     "unfence"};
    return kNames.at(static_cast<std::size_t>(command));
}

std::string_view name(ActionKind kind) {
    constexpr std::array<std::string_view, 9> kNames{"none",
                                                     "check",
                                                     "store",
                                                     "drain",
                                                     "ask_peer",
                                                     "ask_to_promote",
                                                     "mount",
                                                     "rescue",
                                                     "refuse"};
    return kNames.at(static_cast<std::size_t>(kind));
}

}  // namespace zrepd::failover
