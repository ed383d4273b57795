// SPDX-License-Identifier: BSD-2-Clause
// docs/failover.md has the whole transition table: every row is what step() does, and every
// transition that changes something is a row. ZREPD_UPDATE_DOCS=1 writes it anew.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>

#include "common/text.hpp"
#include "daemon/failover/fsm.hpp"

namespace zrepd::failover {
namespace {

constexpr std::uint64_t kEpoch = 5;
constexpr std::string_view kBegin = "<!-- transitions -->\n";
constexpr std::string_view kEnd = "<!-- end -->\n";

Stored stored(bool master, Journal journal) {
    const bool writable = master && journal != Journal::freezing;
    return {.master = master, .writable = writable, .epoch = kEpoch, .journal = journal};
}

/// What lies on disk, in words: "master", "target, handed_over".
std::string standing(const Stored& s) {
    std::string out = s.master ? "master" : "target";
    if (s.journal != Journal::none) out += ", " + std::string(name(s.journal));
    return out;
}

std::string epoch_text(std::uint64_t epoch) {
    if (epoch == kEpoch) return "E";
    return "E+" + std::to_string(epoch - kEpoch);
}

std::string action_text(const Action& action) {
    std::string out(name(action.kind));
    if (action.kind == ActionKind::refuse) return out + ": " + std::string(action.why);
    if (action.kind != ActionKind::store) return out;
    const Stored& s = action.store;
    out += ": " + std::string(s.master ? "master" : "target") + ", ";
    out += std::string(s.writable ? "writable" : "readonly") + ", " + epoch_text(s.epoch);
    return out + ", journal " + std::string(name(s.journal));
}

struct Named {
    std::string name;
    Event event;
};

std::vector<Named> events_of_idle() {
    std::vector<Named> out;
    for (const Command c : {Command::failover,
                            Command::failover_local,
                            Command::takeover_local,
                            Command::keep_here,
                            Command::keep_peer,
                            Command::failover_back,
                            Command::takeover_back,
                            Command::unfence}) {
        out.push_back({"asked " + std::string(name(c)), Asked{c}});
    }
    out.push_back({"recover", Recover{}});
    out.push_back({"promote, later epoch, base here", Promote{kEpoch + 1, true}});
    out.push_back({"promote, later epoch, ahead of the base", Promote{kEpoch + 1, true, true}});
    out.push_back({"promote, later epoch, no base", Promote{kEpoch + 1, false}});
    out.push_back({"promote, epoch not later", Promote{kEpoch, true}});
    out.push_back({"lease ran out", Lapsed{}});
    return out;
}

std::vector<Named> events_of_asking() {
    return {{"peer is master, later epoch", PeerIs{true, kEpoch + 1}},
            {"peer is master, same epoch", PeerIs{true, kEpoch}},
            {"peer is master, earlier epoch", PeerIs{true, kEpoch - 1}},
            {"peer is master, later epoch, lacks ours", PeerIs{true, kEpoch + 1, false}},
            {"peer is master, same epoch, lacks ours", PeerIs{true, kEpoch, false}},
            {"peer is target, later epoch", PeerIs{false, kEpoch + 1}},
            {"peer is target, epoch not later", PeerIs{false, kEpoch}},
            {"failed", Failed{}}};
}

std::vector<Named> events_of_work() {
    return {{"done", Done{}}, {"failed", Failed{}}};
}

std::vector<Named> events_of(Phase phase) {
    if (phase == Phase::idle) return events_of_idle();
    auto out = events_of_asking();
    if (phase == Phase::asking_to_promote) out.push_back({"no base", NoBase{}});
    const bool asks = phase == Phase::asking || phase == Phase::asking_to_promote;
    return asks ? out : events_of_work();
}

/// Every event there is, once.
std::vector<Named> all_events() {
    auto out = events_of_idle();
    for (const Named& event : events_of(Phase::asking_to_promote)) out.push_back(event);
    out.push_back({"done", Done{}});
    return out;
}

/// A master that is not served until the peer was heard.
State fenced(Journal journal, Phase phase) {
    return {.stored = stored(true, journal), .phase = phase, .must_hear_peer = true};
}

std::vector<State> idle_states() {
    std::vector<State> out;
    for (const Journal j : {Journal::none, Journal::freezing, Journal::promoted}) {
        out.push_back({.stored = stored(true, j)});
    }
    for (const Journal j :
         {Journal::none, Journal::handed_over, Journal::stepping_down, Journal::rejoining}) {
        out.push_back({.stored = stored(false, j)});
    }
    return out;
}

/// Only what a fence changes.
std::vector<State> fenced_states() {
    std::vector<State> out;
    for (const Journal j : {Journal::none, Journal::freezing, Journal::promoted}) {
        out.push_back(fenced(j, Phase::idle));
    }
    return out;
}

/// Each phase with what lies on disk in it, and the goal that its store has there.
std::vector<State> working_states() {
    const Stored master = stored(true, Journal::none);
    const Stored frozen = stored(true, Journal::freezing);
    const Stored promoted = stored(true, Journal::promoted);
    const Stored rejoining = stored(false, Journal::rejoining);
    const Stored stepping_down = stored(false, Journal::stepping_down);
    const Stored handed_over = stored(false, Journal::handed_over);
    const Stored target = stored(false, Journal::none);
    const auto later = [](Stored s) {
        ++s.epoch;
        return s;
    };
    const auto at = [](Stored s, Phase phase, Stored goal = {}) {
        return State{.stored = s, .phase = phase, .goal = goal};
    };
    std::vector<State> out{at(master, Phase::checking),
                           at(master, Phase::freezing, frozen),
                           at(frozen, Phase::draining),
                           at(frozen, Phase::handing_over, later(handed_over)),
                           at(stepping_down, Phase::handing_over, handed_over),
                           at(frozen, Phase::thawing, master),
                           at(promoted, Phase::mounting),
                           at(promoted, Phase::settling, master),
                           at(handed_over, Phase::settling, target),
                           at(rejoining, Phase::settling, target),
                           at(rejoining, Phase::rescuing),
                           at(stepping_down, Phase::rescuing),
                           at(master, Phase::checking_back),
                           at(master, Phase::raising, later(master))};
    for (const Stored& from : {target, handed_over, stepping_down, rejoining}) {
        out.push_back(at(from, Phase::taking_over, later(promoted)));
    }
    State thawing = at(frozen, Phase::thawing, master);
    thawing.must_hear_peer = true;
    out.push_back(thawing);
    for (const Stored& from : {master, frozen, promoted, target}) {
        out.push_back(at(from, Phase::demoting, later(rejoining)));
    }
    State back = at(rejoining, Phase::rescuing);
    back.take = kEpoch + 1;
    out.push_back(back);
    return out;
}

std::vector<State> asking_states() {
    return {{.stored = stored(true, Journal::none), .phase = Phase::asking},
            {.stored = stored(false, Journal::none), .phase = Phase::asking},
            {.stored = stored(true, Journal::freezing), .phase = Phase::asking},
            fenced(Journal::none, Phase::asking),
            fenced(Journal::freezing, Phase::asking),
            fenced(Journal::promoted, Phase::asking),
            {.stored = stored(false, Journal::handed_over), .phase = Phase::asking_to_promote}};
}

std::string row(const State& state, const Named& event) {
    const Transition next = step(state, event.event);
    std::string from(name(state.phase));
    if (state.must_hear_peer) from += ", fenced";
    if (state.take != 0) from += ", to take over";
    return "| " + from + " | " + standing(state.stored) + " | " + event.name + " | " +
           std::string(name(next.state.phase)) + " | " + action_text(next.action) + " |\n";
}

std::string table() {
    std::string out = "| phase | on disk | event | next phase | action |\n|---|---|---|---|---|\n";
    for (const State& state : idle_states()) {
        for (const Named& event : events_of_idle()) out += row(state, event);
    }
    for (const State& state : fenced_states()) {
        for (const Named& event : events_of_idle()) {
            State open = state;
            open.must_hear_peer = false;
            const Action action = step(state, event.event).action;
            const Action usual = step(open, event.event).action;
            if (action.kind != usual.kind || action.why != usual.why) out += row(state, event);
        }
    }
    for (const State& state : asking_states()) {
        for (const Named& event : events_of(state.phase)) out += row(state, event);
    }
    for (const State& state : working_states()) {
        for (const Named& event : events_of_work()) out += row(state, event);
    }
    return out;
}

TEST(FailoverFsm, DoesWhatTheDocumentedTableSays) {
    const std::string path = std::string(ZREPD_SOURCE_DIR) + "/docs/failover.md";
    std::ifstream file(path);
    const std::string page{std::istreambuf_iterator<char>(file), {}};
    const auto begin = page.find(kBegin);
    const auto end = page.find(kEnd);
    ASSERT_NE(begin, page.npos);
    ASSERT_NE(end, page.npos);
    const auto from = begin + kBegin.size();
    if (std::getenv("ZREPD_UPDATE_DOCS") != nullptr) {
        std::ofstream out(path, std::ios::trunc);
        out << page.substr(0, from) << table() << page.substr(end);
        ASSERT_TRUE(out.flush().good());
        return;
    }
    EXPECT_EQ(page.substr(from, end - from), table());
}

/// What the table leaves out must be nothing: an answer that nobody waits for, a command in the
/// middle of another. In all phases, whatever lies on disk.
TEST(FailoverFsm, ChangesNothingByAnEventThatThePhaseDoesNotWaitFor) {
    constexpr std::size_t kPhases = 15;
    constexpr std::size_t kJournals = 6;
    for (std::size_t n = 0; n < kPhases * kJournals * 2; ++n) {
        State state;
        state.phase = static_cast<Phase>(n / kJournals / 2);
        state.stored = stored(n % 2 == 1, static_cast<Journal>(n / 2 % kJournals));
        for (const Named& event : all_events()) {
            const auto awaited = events_of(state.phase);
            const bool waits = std::any_of(awaited.begin(), awaited.end(), [&](const Named& one) {
                return one.name == event.name;
            });
            if (waits) continue;
            const Transition next = step(state, event.event);
            const auto nothing = state.phase == Phase::idle ? ActionKind::none : ActionKind::refuse;
            EXPECT_EQ(next.state, state) << row(state, event);
            EXPECT_EQ(next.action.kind, nothing) << row(state, event);
        }
    }
}

TEST(FailoverFsm, EveryStoreThatChangesTheRoleRaisesTheEpoch) {
    auto states = working_states();
    for (const State& state : asking_states()) states.push_back(state);
    for (const State& state : idle_states()) states.push_back(state);
    for (const State& state : states) {
        for (const Named& event : all_events()) {
            const Action action = step(state, event.event).action;
            if (action.kind != ActionKind::store) continue;
            const bool same = action.store.master == state.stored.master;
            EXPECT_TRUE(same || action.store.epoch > state.stored.epoch) << row(state, event);
            EXPECT_TRUE(action.store.master || !action.store.writable) << row(state, event);
        }
    }
}

TEST(FailoverFsm, NamesOfJournalsAreReadBack) {
    for (const Journal j : {Journal::none,
                            Journal::freezing,
                            Journal::stepping_down,
                            Journal::handed_over,
                            Journal::promoted,
                            Journal::rejoining}) {
        EXPECT_EQ(journal_from_name(name(j)), j);
    }
    EXPECT_FALSE(journal_from_name("init"));
}

}  // namespace
}  // namespace zrepd::failover
