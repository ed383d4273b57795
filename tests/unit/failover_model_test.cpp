// SPDX-License-Identifier: BSD-2-Clause
// Every state that two sides, an operator, users, a bad network and power cuts can reach.
#include <gtest/gtest.h>

#include "common/text.hpp"
#include "tests/fakes/failover_model.hpp"

namespace zrepd::failover {
namespace {

using test::explore;
using test::Limits;
using test::ModelResult;
using test::World;

std::string told(const ModelResult& result) {
    return result.violation + "\n" + join(result.way, "\n");
}

TEST(FailoverModel, HoldsInEveryState) {
    const ModelResult result = explore(step, Limits{});
    EXPECT_EQ(result.violation, "") << told(result);
    // Fewer means that something can no longer happen in the model.
    EXPECT_GT(result.states, 100'000u);
    EXPECT_LT(result.longest, 40u);
    RecordProperty("states", std::to_string(result.states));
    RecordProperty("longest", static_cast<int>(result.longest));
    std::printf("%zu states, settled within %u steps from each\n", result.states, result.longest);
}

TEST(FailoverModel, PlannedChangesAloneNeverMakeTwoMasters) {
    // More of everything, but no -L.
    const auto planned = [](const State& state, const Event& event) {
        const auto* asked = std::get_if<Asked>(&event);
        if (asked != nullptr && asked->command != Command::failover) return Transition{state, {}};
        return step(state, event);
    };
    const ModelResult result =
        explore(planned, Limits{.commands = 4, .cuts = 4, .writes = 3, .network = 4});
    EXPECT_EQ(result.violation, "") << told(result);
    EXPECT_GT(result.states, 10'000u);
    std::printf("%zu states\n", result.states);
}

TEST(FailoverModel, ASplitMadeByHandIsResolved) {
    const auto split = [](World& world) {
        world.by_hand = true;
        for (auto& side : world.sides) {
            side.machine.stored = {.master = true, .writable = true, .epoch = 1};
        }
        world.sides[0].data = 3;
        world.sides[1].data = 5;
        world.next_bit = 3;
    };
    const ModelResult result = explore(step, Limits{.commands = 2}, split);
    EXPECT_EQ(result.violation, "") << told(result);
}

/// What the search says when the machine is wrong: it must find each of these.
ModelResult with_fault(const std::function<void(Transition&, const State&)>& spoil) {
    const auto wrong = [&](const State& state, const Event& event) {
        Transition next = step(state, event);
        spoil(next, state);
        return next;
    };
    return explore(wrong, Limits{});
}

TEST(FailoverModel, FindsATakeoverWithoutANewEpoch) {
    const auto result = with_fault([](Transition& next, const State& state) {
        if (next.state.phase != Phase::taking_over) return;
        next.action.store.epoch = state.stored.epoch;
        next.state.goal.epoch = state.stored.epoch;
    });
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
        if (next.state.phase == Phase::demoting && state.phase == Phase::asking) {
            next = {.state = state, .action = {}};
            next.state.phase = Phase::idle;
        }
    });
    EXPECT_EQ(result.violation, "it never settles");
}

TEST(FailoverModel, FindsAStepDownThatForgetsToHandOver) {
    const auto result = with_fault([](Transition& next, const State& state) {
        if (state.phase == Phase::rescuing && next.state.phase == Phase::handing_over) {
            next.action.store.journal = Journal::none;
            next.state.goal = next.action.store;
        }
    });
    EXPECT_NE(result.violation, "");
}

}  // namespace
}  // namespace zrepd::failover
