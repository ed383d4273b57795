// SPDX-License-Identifier: BSD-2-Clause
// When the inventory wants another look at the pools, and when a run of ours makes that wait.
#include "daemon/sync/inventory.hpp"

#include <gtest/gtest.h>

#include "common/props.hpp"
#include "tests/fakes/fake_zfs.hpp"
#include "tests/fakes/run_task.hpp"

namespace zrepd::sync {
namespace {

DatasetName name(std::string_view text) {
    return *DatasetName::parse(text);
}

class InventoryTest : public ::testing::Test {
  protected:
    InventoryTest() {
        zfs.create("tank").create("tank/a").create("tank/b");
        look();
    }
    void look() {
        const Result<void> seen = test::run_task(io, inventory.discover());
        EXPECT_TRUE(seen.has_value());
    }
    Task<> discover_whatever_comes() {
        auto seen = co_await inventory.discover();
        if (!seen) failed = seen.error().code;
    }
    std::optional<Code> failed;
    Task<> discover_and_forget() {
        auto seen = co_await inventory.discover();
        EXPECT_TRUE(seen.has_value());
    }
    Task<> look_for_peer(bool* found) {
        auto seen = co_await inventory.discover_for_peer();
        EXPECT_TRUE(seen.has_value());
        *found = inventory.find(name("tank/new")) != nullptr;
    }
    Task<> refresh_and_forget() {
        auto seen = co_await inventory.refresh_one(name("tank/a"), Freshness::listed);
        EXPECT_TRUE(seen.has_value());
    }
    bool wants_look_while_a_is_busy() const {
        return inventory.needs_discovery([](const DatasetName& n) { return n == name("tank/a"); });
    }

    asio::io_context io;
    test::FakeZfs zfs{io.get_executor()};
    Inventory inventory{io.get_executor(), zfs, {.host = *HostName::parse("alpha")}};
};

TEST_F(InventoryTest, WantsALookAtFirstOnly) {
    Inventory fresh{io.get_executor(), zfs, {.host = *HostName::parse("alpha")}};
    EXPECT_TRUE(fresh.needs_discovery());
    EXPECT_FALSE(inventory.needs_discovery());
}

/// Where nothing changes nobody else would ask for the snapshots of its pairs.
TEST_F(InventoryTest, WantsAnotherLookWhenTheSnapshotsCouldNotBeListed) {
    for (const auto& [key, value] : std::initializer_list<std::pair<std::string_view, const char*>>{
             {prop::kSrcHost, "alpha"},
             {prop::kSrcFs, "tank/a"},
             {prop::kDestHost, "beta"},
             {prop::kDestFs, "backup/a"},
             {prop::kMaster, "yes"},
             {prop::kEpoch, "1"}})
        zfs.at("tank/a").props[std::string(key)] = {value, Source::local};
    Inventory fresh{io.get_executor(), zfs, {.host = *HostName::parse("alpha")}};
    zfs.fail_next("versions", {.code = Code::timed_out, .message = "too slow"});
    EXPECT_FALSE(test::run_task(io, fresh.discover()));
    ASSERT_TRUE(fresh.pair(name("tank/a")));
    EXPECT_TRUE(fresh.lacks_versions());
    EXPECT_FALSE(fresh.needs_discovery()) << "the datasets are known";
    EXPECT_TRUE(test::run_task(io, fresh.discover()));
    EXPECT_FALSE(fresh.lacks_versions());
    EXPECT_NE(fresh.versions(name("tank/a")), nullptr);
}

TEST_F(InventoryTest, WantsNoneForASnapshot) {
    inventory.note({.dataset = name("tank/a"), .versions_only = true});
    EXPECT_FALSE(inventory.needs_discovery());
}

TEST_F(InventoryTest, LetsAChangeOfABusyDatasetWait) {
    inventory.note({.dataset = name("tank/a")});
    EXPECT_TRUE(inventory.needs_discovery());
    EXPECT_FALSE(wants_look_while_a_is_busy());
    inventory.note({.dataset = name("tank/b")});
    EXPECT_TRUE(wants_look_while_a_is_busy());
}

TEST_F(InventoryTest, KeepsWhatIsInASuspendedPoolAndLooksAgainWhenItIsBack) {
    zfs.create("dozer").create("dozer/c");
    look();
    zfs.set_pool_trouble("tank", "SUSPENDED");
    look();
    EXPECT_NE(inventory.find(name("tank/a")), nullptr);
    inventory.look_for_returned_pools();
    EXPECT_FALSE(inventory.needs_discovery());
    zfs.set_pool_trouble("tank", "");
    inventory.look_for_returned_pools();
    EXPECT_TRUE(inventory.needs_discovery());
    look();
    inventory.look_for_returned_pools();
    EXPECT_FALSE(inventory.needs_discovery());
}

TEST_F(InventoryTest, ASlowDiscoveryDoesNotReplaceWhatWasSeenSince) {
    zfs.delay_next_datasets();
    TaskGroup group(io.get_executor());
    group.spawn("discovery", discover_and_forget());
    test::run_ready(io);
    zfs.write("tank/a", 4096);
    zfs.create("tank/new");
    const std::vector<DatasetName> both{name("tank/a"), name("tank/new")};
    EXPECT_TRUE(test::run_task(io, inventory.refresh(both, Freshness::listed)).has_value());
    zfs.let_answer();
    test::run_until(io, [&] { return group.size() == 0; });
    EXPECT_EQ(inventory.find(name("tank/a"))->written_bytes, 4096U);
    EXPECT_NE(inventory.find(name("tank/new")), nullptr);
    EXPECT_NE(inventory.find(name("tank/b")), nullptr);
}

TEST_F(InventoryTest, WhoAsksDuringADiscoveryGetsTheNextOne) {
    zfs.forget_calls();
    zfs.delay_next_datasets();
    TaskGroup group(io.get_executor());
    group.spawn("discovery", discover_and_forget());
    test::run_ready(io);
    zfs.at("tank/a").written = 4096;
    zfs.create("tank/new");
    for (int i = 0; i < 100; ++i) group.spawn("discovery", discover_and_forget());
    test::run_ready(io);
    EXPECT_EQ(zfs.count("datasets"), 1U);
    zfs.let_answer();
    test::run_until(io, [&] { return group.size() == 0; });
    EXPECT_EQ(zfs.count("datasets"), 2U) << "one for all who waited";
    EXPECT_EQ(inventory.find(name("tank/a"))->written_bytes, 4096U);
    EXPECT_NE(inventory.find(name("tank/new")), nullptr);
}

/// What it asks about may be just what that discovery finds.
TEST_F(InventoryTest, APeersQuestionWaitsForTheLookThatRuns) {
    zfs.create("tank/new");
    zfs.delay_next_datasets();
    TaskGroup group(io.get_executor());
    group.spawn("discovery", discover_and_forget());
    test::run_ready(io);
    bool found = false;
    group.spawn("question", look_for_peer(&found));
    test::run_ready(io);
    EXPECT_EQ(group.size(), 2U);
    zfs.let_answer();
    test::run_until(io, [&] { return group.size() == 0; });
    EXPECT_TRUE(found);
}

TEST_F(InventoryTest, ACancelOfOneDiscoveryIsNoAnswerForTheOthers) {
    zfs.delay_next_datasets();
    TaskGroup running(io.get_executor());
    running.spawn("discovery", discover_and_forget());
    test::run_ready(io);
    TaskGroup cancelled(io.get_executor());
    cancelled.spawn("discovery", discover_whatever_comes());
    test::run_ready(io);
    zfs.delay_next_datasets();
    zfs.let_answer();
    test::run_until(io, [&] { return running.size() == 0; });
    // It carries out the second one now, for itself and for who asked with it.
    TaskGroup waiting(io.get_executor());
    waiting.spawn("discovery", discover_and_forget());
    test::run_ready(io);
    cancelled.cancel();
    zfs.let_answer();
    test::run_until(io, [&] { return cancelled.size() == 0 && waiting.size() == 0; });
}

TEST_F(InventoryTest, ASlowRefreshDoesNotReplaceALaterDiscovery) {
    zfs.delay_next_datasets();
    TaskGroup group(io.get_executor());
    group.spawn("refresh", refresh_and_forget());
    test::run_ready(io);
    zfs.at("tank/a").written = 4096;
    look();
    zfs.let_answer();
    test::run_until(io, [&] { return group.size() == 0; });
    EXPECT_EQ(inventory.find(name("tank/a"))->written_bytes, 4096U);
}

TEST_F(InventoryTest, APoolThatComesBackDuringADiscoveryIsNotForgotten) {
    zfs.set_pool_trouble("tank", "SUSPENDED");
    zfs.delay_next_datasets();
    TaskGroup group(io.get_executor());
    group.spawn("discovery", discover_and_forget());
    test::run_ready(io);
    zfs.set_pool_trouble("tank", "");
    zfs.fail_next("datasets", {.code = Code::timed_out, .message = "too slow"});
    group.spawn("failing", discover_whatever_comes());
    test::run_ready(io);
    zfs.let_answer();
    test::run_until(io, [&] { return group.size() == 0; });
    EXPECT_NE(inventory.find(name("tank/a")), nullptr);
    EXPECT_TRUE(inventory.needs_discovery());
}

TEST_F(InventoryTest, APoolThatIsSuspendedMeanwhileCostsTheOthersNothing) {
    zfs.create("dozer").create("dozer/c");
    look();
    zfs.write("tank/a", 4096);
    zfs.suspend_at_next_datasets("dozer");
    const std::vector<DatasetName> both{name("dozer/c"), name("tank/a")};
    const auto seen = test::run_task(io, inventory.refresh(both, Freshness::listed));
    ASSERT_TRUE(seen.has_value());
    ASSERT_EQ(seen->size(), 1U);
    EXPECT_EQ(seen->begin()->first, name("dozer/c"));
    EXPECT_EQ(seen->begin()->second.code, Code::pool_unavailable);
    EXPECT_EQ(inventory.find(name("tank/a"))->written_bytes, 4096U);
}

/// It hangs, but is not suspended: nobody knows which of them it is.
TEST_F(InventoryTest, APoolThatDoesNotAnswerCostsTheOthersNoAnswer) {
    zfs.create("dozer").create("dozer/c");
    look();
    zfs.write("tank/a", 4096);
    const Error late{.code = Code::timed_out, .message = "did not end"};
    zfs.fail_at("datasets dozer/c tank/a", late);
    zfs.fail_at("datasets dozer/c", late);
    const std::vector<DatasetName> both{name("dozer/c"), name("tank/a")};
    auto seen = test::run_task(io, inventory.refresh(both, Freshness::listed));
    ASSERT_TRUE(seen.has_value());
    ASSERT_EQ(seen->size(), 1U);
    EXPECT_EQ(seen->begin()->first, name("dozer/c"));
    EXPECT_EQ(seen->begin()->second.code, Code::timed_out);
    EXPECT_EQ(inventory.find(name("tank/a"))->written_bytes, 4096U);
    EXPECT_NE(inventory.find(name("dozer/c")), nullptr);
    zfs.fail_at("versions dozer/c tank/a", late);
    zfs.fail_at("versions dozer/c", late);
    seen = test::run_task(io, inventory.refresh(both, Freshness::listed));
    ASSERT_TRUE(seen.has_value());
    ASSERT_EQ(seen->size(), 1U);
    EXPECT_EQ(seen->begin()->first, name("dozer/c"));
    // One process does while all is well.
    zfs.forget_calls();
    EXPECT_TRUE(test::run_task(io, inventory.refresh(both, Freshness::listed)).has_value());
    EXPECT_EQ(zfs.count("datasets"), 1U);
    EXPECT_EQ(zfs.count("versions"), 1U);
}

TEST_F(InventoryTest, ALookTellsWhatThePoolHasFreeWhateverTheQuotaIs) {
    zfs.at("tank/a").available = 5;
    zfs.set_available(4096);
    zfs.forget_calls();
    const auto seen = test::run_task(io, inventory.refresh_one(name("tank/a"), Freshness::cached));
    ASSERT_TRUE(seen.has_value());
    EXPECT_EQ(inventory.find(name("tank/a"))->available_bytes, 5U);
    EXPECT_EQ(inventory.pool_free(name("tank/a")), 4096U);
    EXPECT_EQ(zfs.count("datasets"), 1U) << "in the same process";
    EXPECT_EQ(zfs.calls().back(), "versions tank/a") << "nobody asked for more of the pool's own";
}

TEST_F(InventoryTest, OneSnapshotOfOursDoesNotMakeAList) {
    zfs.take("tank/a@zrep_000000");
    Snapshot ours;
    ours.name = "zrep_000001";
    ours.guid = Guid{7};
    inventory.add_snapshot(name("tank/a"), ours);
    EXPECT_EQ(inventory.versions(name("tank/a")), nullptr);
}

TEST_F(InventoryTest, ADatasetThatWasMadeAnewUnderItsNameIsListedAnew) {
    for (const bool by_discovery : {false, true}) {
        zfs.take("tank/a@old");
        test::run_task(io, refresh_and_forget());
        ASSERT_EQ(inventory.versions(name("tank/a"))->snapshots.size(), 1U);
        zfs.forget("tank/a");
        zfs.create("tank/a");
        if (by_discovery) look();
        const auto seen =
            test::run_task(io, inventory.refresh_one(name("tank/a"), Freshness::cached));
        ASSERT_TRUE(seen.has_value());
        EXPECT_TRUE(inventory.versions(name("tank/a"))->snapshots.empty()) << by_discovery;
    }
}

TEST_F(InventoryTest, NeverLetsAChangeOfAnythingWait) {
    inventory.note({});
    EXPECT_TRUE(wants_look_while_a_is_busy());
    look();
    EXPECT_FALSE(inventory.needs_discovery());
}

}  // namespace
}  // namespace zrepd::sync
