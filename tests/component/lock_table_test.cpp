// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/lock/lock_table.hpp"

#include <gtest/gtest.h>

#include "daemon/async/task_group.hpp"
#include "tests/fakes/run_task.hpp"

namespace zrepd::lock {
namespace {

using namespace std::chrono_literals;
using test::run_ready;
using test::run_task;
using test::run_until;

DatasetName name(const char* text) {
    return DatasetName::parse(text).value();
}

class Locks : public ::testing::Test {
  protected:
    asio::io_context io{1};
    LockTable table{io.get_executor()};
};

struct Case {
    const char* held;
    Scope held_scope;
    const char* wanted;
    Scope wanted_scope;
    bool free;
};

TEST_F(Locks, ExcludeWhatWouldTouchTheSameDataset) {
    const Case table_of_cases[] = {
        {"t/a", Scope::node, "t/a", Scope::node, false},
        {"t/a", Scope::tree, "t/a", Scope::node, false},
        {"t/a", Scope::node, "t/a/b", Scope::node, true},
        {"t/a/b", Scope::node, "t/a", Scope::node, true},
        {"t/a", Scope::tree, "t/a/b", Scope::node, false},
        {"t/a/b", Scope::tree, "t/a", Scope::node, false},
        {"t/a", Scope::node, "t/a/b", Scope::tree, false},
        {"t/a/b/c", Scope::node, "t/a", Scope::tree, false},
        {"t/a", Scope::tree, "t/ab", Scope::tree, true},
        {"t/a", Scope::tree, "t/b", Scope::tree, true},
        {"t", Scope::tree, "u", Scope::tree, true},
    };
    for (const Case& c : table_of_cases) {
        const auto held = table.try_lock(name(c.held), c.held_scope, "first");
        ASSERT_TRUE(held);
        EXPECT_EQ(table.try_lock(name(c.wanted), c.wanted_scope, "second").has_value(), c.free)
            << c.held << " then " << c.wanted;
    }
    EXPECT_TRUE(table.holders().empty()) << "a guard that goes lets go";
}

TEST_F(Locks, SayWhoHoldsWhatAndWhichRunItIs) {
    const auto held = table.try_lock(name("t/a"), Scope::tree, "rollback", "r-7");
    ASSERT_TRUE(held);
    const auto refused = table.try_lock(name("t/a/b"), Scope::node, "sync");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::busy);
    EXPECT_EQ(refused.error().run_id, "r-7");
    EXPECT_EQ(refused.error().message, "t/a/b is in use: rollback of t/a for 0 s");
    const auto holders = table.holders();
    ASSERT_EQ(holders.size(), 1u);
    EXPECT_EQ(holders[0].dataset.str(), "t/a");
    EXPECT_EQ(holders[0].reason, "rollback");
    EXPECT_EQ(table.conflicting(name("t"), Scope::node)->reason, "rollback");
    EXPECT_FALSE(table.conflicting(name("u"), Scope::tree));
}

TEST_F(Locks, MoveWithTheirGuard) {
    LockTable::Guard outer;
    {
        auto held = table.try_lock(name("t/a"), Scope::node, "sync");
        ASSERT_TRUE(held);
        outer = std::move(*held);
    }
    EXPECT_FALSE(table.try_lock(name("t/a"), Scope::node, "second"));
    outer = LockTable::Guard();
    EXPECT_TRUE(table.try_lock(name("t/a"), Scope::node, "third"));
}

TEST_F(Locks, LetGoOfTheOldOneAtOnceWhenAGuardTakesAnother) {
    auto a = table.try_lock(name("t/a"), Scope::node, "a");
    auto b = table.try_lock(name("t/b"), Scope::node, "b");
    ASSERT_TRUE(a && b);
    *a = std::move(*b);
    EXPECT_TRUE(table.try_lock(name("t/a"), Scope::node, "c"));
    EXPECT_FALSE(table.try_lock(name("t/b"), Scope::node, "c"));
}

struct Outcome {
    bool done = false;
    bool got = false;
    Code code = Code::internal;
};

Task<> take(LockTable* table, const char* dataset, Outcome* out, std::chrono::milliseconds limit) {
    const DatasetName wanted = name(dataset);
    const std::string reason = "waiter";
    const auto guard = co_await table->lock(wanted, Scope::node, reason, limit);
    out->done = true;
    out->got = guard.has_value();
    if (!guard) out->code = guard.error().code;
}

TEST_F(Locks, AreHandedToAWaiterWhenReleased) {
    TaskGroup group(io.get_executor());
    Outcome outcome;
    {
        const auto held = table.try_lock(name("t/a"), Scope::node, "sync");
        group.spawn("waiter", take(&table, "t/a", &outcome, 1h));
        run_ready(io);
        EXPECT_FALSE(outcome.done);
        EXPECT_EQ(table.holders()[0].waiting, 1u);
    }
    run_until(io, [&] { return group.size() == 0; });
    EXPECT_TRUE(outcome.got);
}

TEST_F(Locks, KeepTheirWaitersWhenSomethingElseIsReleased) {
    TaskGroup group(io.get_executor());
    Outcome outcome;
    const auto held = table.try_lock(name("t/a"), Scope::node, "sync");
    group.spawn("waiter", take(&table, "t/a", &outcome, 1h));
    run_ready(io);
    { const auto other = table.try_lock(name("t/b"), Scope::node, "other"); }
    run_ready(io);
    EXPECT_FALSE(outcome.done);
    EXPECT_EQ(table.holders()[0].waiting, 1u);
    group.cancel();
    run_until(io, [&] { return group.size() == 0; });
}

TEST_F(Locks, AreGivenToOneOfSeveralWaitersAtATime) {
    TaskGroup group(io.get_executor());
    std::vector<Outcome> outcomes(5);
    {
        const auto held = table.try_lock(name("t/a"), Scope::node, "sync");
        for (auto& outcome : outcomes) group.spawn("waiter", take(&table, "t/a", &outcome, 1h));
        run_ready(io);
        EXPECT_EQ(table.holders()[0].waiting, 5u);
    }
    run_until(io, [&] { return group.size() == 0; });
    for (const auto& outcome : outcomes) EXPECT_TRUE(outcome.got);
    EXPECT_TRUE(table.holders().empty());
}

TEST_F(Locks, AreRefusedAsBusyWhenTheLimitPasses) {
    const auto held = table.try_lock(name("t/a"), Scope::node, "sync");
    Outcome outcome;
    run_task(io, take(&table, "t/a", &outcome, 1ms));
    EXPECT_FALSE(outcome.got);
    EXPECT_EQ(outcome.code, Code::busy);
    EXPECT_EQ(table.holders()[0].waiting, 0u);
}

TEST_F(Locks, AreRefusedAsCancelledWhenTheTaskIs) {
    const auto held = table.try_lock(name("t/a"), Scope::node, "sync");
    TaskGroup group(io.get_executor());
    Outcome outcome;
    group.spawn("waiter", take(&table, "t/a", &outcome, 1h));
    run_ready(io);
    group.cancel();
    run_until(io, [&] { return group.size() == 0; });
    EXPECT_EQ(outcome.code, Code::cancelled);
    EXPECT_EQ(table.holders()[0].waiting, 0u);
}

}  // namespace
}  // namespace zrepd::lock
