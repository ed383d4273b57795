// SPDX-License-Identifier: BSD-2-Clause
// Every state that two sides, an operator, users, a bad network and power cuts can reach.
#include "tests/fakes/failover_model.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "common/text.hpp"

namespace zrepd::failover {
namespace {

using test::Exploration;
using test::explore;
using test::Limits;
using test::ModelResult;
using test::Step;
using test::World;

std::string told(const ModelResult& result) {
    return result.violation + "\n" + join(result.way, "\n");
}

/// 1234567 as docs/failover.md writes it: 1,234,567.
std::string grouped(std::size_t value) {
    std::string out = std::to_string(value);
    for (std::size_t at = out.size(); at > 3;) out.insert(at -= 3, ",");
    return out;
}

void is_on_the_page(const std::string& text) {
    std::ifstream file(ZREPD_SOURCE_DIR "/docs/failover.md");
    const std::string page{std::istreambuf_iterator<char>(file), {}};
    EXPECT_NE(page.find(text), page.npos) << "docs/failover.md does not say: " << text;
}

/// The machine without -L and resolve.
Transition planned(const State& state, const Event& event) {
    const auto* asked = std::get_if<Asked>(&event);
    if (asked != nullptr && asked->command != Command::failover) return {state, {}};
    return step(state, event);
}

/// step(), and where it was asked from.
class Watched {
  public:
    Transition operator()(const State& state, const Event& event) {
        seen_[index(state.phase)][state.stored.master ? 1 : 0][index(state.stored.journal)] = true;
        return step(state, event);
    }

    /// The table's first two columns, of every standing that can be.
    std::vector<std::string> rows() const {
        std::vector<std::string> out;
        for (std::size_t phase = 0; phase < seen_.size(); ++phase) {
            for (const bool master : {false, true}) {
                for (std::size_t j = 0; j < kJournals; ++j) {
                    if (!seen_[phase][master ? 1 : 0][j]) continue;
                    std::string row = "\n| " + std::string(name(static_cast<Phase>(phase)));
                    row += master ? " | master" : " | target";
                    if (j != 0) row += ", " + std::string(name(static_cast<Journal>(j)));
                    out.push_back(row + " | ");
                }
            }
        }
        return out;
    }

  private:
    static constexpr std::size_t kPhases = 15;
    static constexpr std::size_t kJournals = 6;
    template <class T>
    static std::size_t index(T value) {
        return static_cast<std::size_t>(value);
    }

    std::array<std::array<std::array<bool, kJournals>, 2>, kPhases> seen_{};
};

TEST(FailoverModel, HoldsInEveryState) {
    Watched watched;
    const ModelResult result = explore(
        std::ref(watched), {.limits = {.commands = 3, .cuts = 1, .writes = 1, .faults = 1}});
    EXPECT_EQ(result.violation, "") << told(result);
    for (const std::string& row : watched.rows()) is_on_the_page(row);
    is_on_the_page(grouped(result.states) + " states");
    is_on_the_page("at most " + std::to_string(result.longest) + " steps");
}

TEST(FailoverModel, PlannedChangesAloneNeverMakeTwoMasters) {
    const ModelResult result =
        explore(planned, {.limits = {.commands = 3, .cuts = 1, .writes = 1, .faults = 2}});
    EXPECT_EQ(result.violation, "") << told(result);
    is_on_the_page(grouped(result.states) + " states");
}

TEST(FailoverModel, AFenceServesNoMasterThatDidNotHear) {
    const ModelResult result =
        explore(step,
                {.limits = {.commands = 2, .cuts = 1, .writes = 1, .faults = 1},
                 .rules = {.fence_boot = true}});
    EXPECT_EQ(result.violation, "") << told(result);
    is_on_the_page(grouped(result.states) + " states");
}

/// It is as if the peer had to be heard after a boot, but that it stays mounted, readonly.
TEST(FailoverModel, ALapsedLeaseIsServedAgainOnlyAfterTheOtherSideWasHeard) {
    const ModelResult result =
        explore(step,
                {.limits = {.commands = 2, .cuts = 1, .writes = 1, .faults = 1},
                 .rules = {.fence_boot = true, .lapses = true}});
    EXPECT_EQ(result.violation, "") << told(result);
    is_on_the_page(grouped(result.states) + " states");
}

TEST(FailoverModel, FindsALapsedLeaseThatThawsByItself) {
    const Step wrong = [](const State& state, const Event& event) {
        State open = state;
        open.must_hear_peer = false;
        return step(open, event);
    };
    const ModelResult result =
        explore(wrong,
                {.limits = {.commands = 1, .cuts = 0, .writes = 0, .faults = 2},
                 .rules = {.fence_boot = true, .lapses = true},
                 .settling = false});
    EXPECT_EQ(result.violation, "served before the peer was heard") << told(result);
}

/// A master that was promoted, lost its power in the middle, and was overtaken before it is back.
TEST(FailoverModel, FindsAMasterThatIsServedBeforeItHeard) {
    const Step wrong = [](const State& state, const Event& event) {
        State open = state;
        open.must_hear_peer = false;
        return step(open, event);
    };
    const ModelResult result =
        explore(wrong,
                {.limits = {.commands = 2, .cuts = 1, .writes = 0, .faults = 0},
                 .rules = {.fence_boot = true},
                 .settling = false});
    EXPECT_EQ(result.violation, "served before the peer was heard") << told(result);
}

// What is newer than the snapshot is kept on either side, wherever it is cut off.
TEST(FailoverModel, GoingBackToASnapshotKeepsThePromisesToo) {
    const Exploration what{
        .limits = {.commands = 2, .cuts = 1, .writes = 1, .faults = 1, .backs = 2}};
    const ModelResult result = explore(step, what);
    EXPECT_EQ(result.violation, "") << told(result);
    is_on_the_page(grouped(result.states) + " states");
}

TEST(FailoverModel, PlannedChangesToASnapshotNeverMakeTwoMasters) {
    const auto no_force = [](const State& state, const Event& event) -> Transition {
        const auto* asked = std::get_if<Asked>(&event);
        const bool force = asked != nullptr && asked->command != Command::failover &&
                           asked->command != Command::failover_back;
        return force ? Transition{state, {}} : step(state, event);
    };
    const ModelResult result = explore(
        no_force, {.limits = {.commands = 2, .cuts = 1, .writes = 2, .faults = 2, .backs = 2}});
    EXPECT_EQ(result.violation, "") << told(result);
}

TEST(FailoverModel, FindsANewMasterThatDoesNotGoBackFirst) {
    const Step wrong = [](const State& state, const Event& event) {
        Event other = event;
        if (auto* wish = std::get_if<Promote>(&other)) wish->ahead = false;
        return step(state, other);
    };
    const Exploration what{
        .limits = {.commands = 1, .cuts = 0, .writes = 1, .faults = 0, .backs = 1}};
    EXPECT_EQ(explore(wrong, what).violation, "a new master begins at another snapshot");
    EXPECT_EQ(explore(step, what).violation, "");
}

TEST(FailoverModel, ASplitMadeByHandIsResolved) {
    Exploration what{.limits = {.commands = 2, .cuts = 1, .writes = 0, .faults = 1}};
    what.begin = [](World& world) {
        world.by_hand = true;
        for (auto& side : world.sides) side.disk = {.master = true, .writable = true, .epoch = 1};
        world.sides[0].data = 3;
        world.sides[1].data = 5;
        world.written = 7;
    };
    const ModelResult result = explore(step, what);
    EXPECT_EQ(result.violation, "") << told(result);
}

/// What the search says when the machine is wrong: it must find each of these.
ModelResult with_fault(const std::function<void(Transition&, const State&)>& spoil,
                       bool settling = true) {
    const Step wrong = [&](const State& state, const Event& event) {
        Transition next = step(state, event);
        spoil(next, state);
        return next;
    };
    Exploration what;
    what.settling = settling;
    return explore(wrong, what);
}

TEST(FailoverModel, FindsATakeoverWithoutANewEpoch) {
    const auto old_epoch = [](Transition& next, const State& state) {
        if (next.state.phase != Phase::taking_over) return;
        next.action.store.epoch = state.stored.epoch;
        next.state.goal.epoch = state.stored.epoch;
    };
    const auto result = with_fault(old_epoch, /*settling=*/false);
    EXPECT_EQ(result.violation, "two writable masters of one epoch");
}

TEST(FailoverModel, FindsAMasterThatKeepsWritingWhileItHandsOver) {
    const auto result = with_fault([](Transition& next, const State&) {
        if (next.state.phase != Phase::handing_over) return;
        next.action.store.master = next.action.store.writable = true;
        next.state.goal = next.action.store;
    });
    EXPECT_NE(result.violation, "");
}

TEST(FailoverModel, FindsAThawAfterTheHandOver) {
    const auto result = with_fault([](Transition& next, const State& state) {
        const bool gave_up =
            state.phase == Phase::asking_to_promote && next.state.phase == Phase::idle;
        if (!gave_up) return;
        next.action = {.kind = ActionKind::store,
                       .store = {.master = true, .writable = true, .epoch = state.stored.epoch},
                       .why = {}};
        next.state.phase = Phase::thawing;
        next.state.goal = next.action.store;
    });
    EXPECT_NE(result.violation, "");
}

TEST(FailoverModel, FindsAnOldMasterThatNeverStepsDown) {
    const auto result = with_fault([](Transition& next, const State& state) {
        if (next.state.phase != Phase::demoting || state.phase != Phase::asking) return;
        next = {.state = state, .action = {}};
        next.state.phase = Phase::idle;
    });
    EXPECT_EQ(result.violation, "it never settles");
}

TEST(FailoverModel, FindsAStepDownThatForgetsToHandOver) {
    const auto result = with_fault([](Transition& next, const State& state) {
        if (state.phase != Phase::rescuing || next.state.phase != Phase::handing_over) return;
        next.action.store.journal = Journal::none;
        next.state.goal = next.action.store;
    });
    EXPECT_NE(result.violation, "");
}

// What the target has and the master gave up: without a step of its own nothing would ever be sent
// again.
TEST(FailoverModel, FindsATargetThatStaysAheadOfItsMaster) {
    const Step wrong = [](const State& state, const Event& event) {
        const bool asks = state.phase == Phase::idle && !state.stored.master &&
                          state.stored.journal == Journal::none &&
                          std::holds_alternative<Recover>(event);
        return asks ? Transition{state, {}} : step(state, event);
    };
    EXPECT_EQ(explore(wrong).violation, "it never settles");
}

// A bare "asked again later" of both sides that stepped down would never end.
TEST(FailoverModel, FindsAHandOverThatIsRefusedForGood) {
    const Step wrong = [](const State& state, const Event& event) {
        if (std::holds_alternative<NoBase>(event)) return step(state, Failed{});
        return step(state, event);
    };
    EXPECT_EQ(explore(wrong).violation, "it never settles");
}

// Between the power cut of a side that steps down and its rescue, a sync must not roll it back.
TEST(FailoverModel, FindsAStreamIntoWhatIsNotRescuedYet) {
    Exploration what;
    what.rules.receive_asks_journal = false;
    EXPECT_EQ(explore(step, what).violation, "data is gone");
}

TEST(FailoverModel, HistoriesBranchWhereTheyFirstDiffer) {
    EXPECT_EQ(test::common_of(0b0111, 0b1011), 0b0011);
    EXPECT_EQ(test::common_of(0b0111, 0b0011), 0b0011);
    EXPECT_TRUE(test::is_prefix(0b0011, 0b0111));
    EXPECT_FALSE(test::is_prefix(0b0101, 0b0111));
}

}  // namespace
}  // namespace zrepd::failover
