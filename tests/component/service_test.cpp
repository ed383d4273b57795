// SPDX-License-Identifier: BSD-2-Clause
// What the daemon answers about pairs, on pools in memory.
#include "daemon/service.hpp"

#include <gtest/gtest.h>

#include "tests/fakes/two_hosts.hpp"

namespace zrepd {
namespace {

using Source = zrepd::Source;

class ServiceTest : public test::TwoHosts {
  protected:
    Result<rpc::StatusOut> status(std::vector<std::string> names = {}) {
        return service.status({.datasets = std::move(names)});
    }
    void look() {
        const Result<void> seen = test::run_task(io, alpha->inventory.discover());
        EXPECT_TRUE(seen.has_value());
    }
    Task<> discover_and_forget() {
        auto seen = co_await alpha->inventory.discover();
        EXPECT_TRUE(seen.has_value());
    }
    Result<rpc::RunStarted> sync_all() {
        rpc::SyncIn all;
        all.all = true;
        return test::run_task(io, service.sync(std::move(all), control::Caller{}));
    }
    void set(std::string_view dataset, std::string_view key, std::string value) {
        alpha->zfs.at(dataset).props[std::string(key)] = {std::move(value), Source::local};
    }
    /// A dataset of alpha's as one side of a pair with beta, as its properties have it.
    void store_pair(const std::string& dataset, bool target) {
        const std::string other = "other/" + dataset.substr(dataset.find('/') + 1);
        set(dataset, prop::kSrcHost, target ? "beta" : "alpha");
        set(dataset, prop::kSrcFs, target ? other : dataset);
        set(dataset, prop::kDestHost, target ? "alpha" : "beta");
        set(dataset, prop::kDestFs, target ? dataset : other);
        set(dataset, prop::kEpoch, "1");
        if (!target) set(dataset, prop::kMaster, "yes");
    }

    sched::Scheduler scheduler{alpha->sync, alpha->engine};
    DaemonService service{alpha->sync, alpha->engine, scheduler, alpha->peers, "2.3.2"};
};

TEST_F(ServiceTest, StatusDoesNotCallAHostEmptyBeforeItLooked) {
    const auto early = status();
    ASSERT_TRUE(early);
    ASSERT_TRUE(early->problem);
    EXPECT_EQ(early->problem->kind, "busy");
    EXPECT_FALSE(status({"tank/fs"}));
    look();
    EXPECT_FALSE(status()->problem);
}

TEST_F(ServiceTest, StatusSaysWhyNothingIsKnown) {
    alpha->zfs.fail_next("datasets", {.code = Code::unsupported, .message = "no module"});
    EXPECT_FALSE(test::run_task(io, alpha->inventory.discover()));
    const auto blind = status();
    ASSERT_TRUE(blind);
    ASSERT_TRUE(blind->problem);
    EXPECT_EQ(blind->problem->message, "no module");
    const auto named = status({"tank/fs"});
    ASSERT_FALSE(named);
    EXPECT_EQ(named.error().code, Code::unsupported);
}

TEST_F(ServiceTest, StatusShowsTheTargetInASuspendedPool) {
    alpha->zfs.create("tank/copy");
    store_pair("tank/copy", /*target=*/true);
    look();
    EXPECT_EQ(status()->pairs.at(0).health, "ok");
    alpha->zfs.set_pool_trouble("tank", "SUSPENDED");
    look();
    const auto seen = status();
    ASSERT_EQ(seen->pairs.size(), 1U);
    EXPECT_EQ(seen->pairs[0].health, "failing");
    EXPECT_EQ(seen->pairs[0].last_error.value().kind, "pool_unavailable");
}

TEST_F(ServiceTest, StatusTellsOfAPoolWhosePairsItMayNotKnow) {
    alpha->zfs.set_pool_trouble("tank", "SUSPENDED");
    look();
    const auto seen = status();
    ASSERT_TRUE(seen);
    ASSERT_TRUE(seen->problem);
    EXPECT_EQ(seen->problem->kind, "pool_unavailable");
    EXPECT_EQ(status({"tank/fs"}).error().code, Code::pool_unavailable);
    EXPECT_EQ(sync_all()->note,
              "no pair to work on; pool tank not readable (zpool status tank); zrepctl list shows "
              "them");
}

TEST_F(ServiceTest, SyncAllWaitsForTheFirstLook) {
    store_pair("tank/fs", /*target=*/true);
    alpha->zfs.delay_next_datasets();
    TaskGroup group(io.get_executor());
    group.spawn("discovery", discover_and_forget());
    test::run_ready(io);
    EXPECT_NE(sync_all()->note.value_or("").find("1 the target here"), std::string::npos);
    alpha->zfs.let_answer();
    test::run_until(io, [&] { return group.size() == 0; });
}

TEST_F(ServiceTest, StatusOfAHundredPairsAsksZfsNothing) {
    for (int i = 0; i < 100; ++i) {
        const std::string name = "tank/d" + std::to_string(i);
        alpha->zfs.create(name);
        store_pair(name, /*target=*/false);
    }
    look();
    alpha->zfs.forget_calls();
    const auto seen = status();
    ASSERT_TRUE(seen);
    EXPECT_EQ(seen->pairs.size(), 100U);
    EXPECT_TRUE(alpha->zfs.calls().empty());
}

TEST_F(ServiceTest, SettingsOfASuspendedPoolAreRefusedWithItsName) {
    look();
    alpha->zfs.set_pool_trouble("tank", "SUSPENDED");
    rpc::SetIn in;
    in.dataset = "tank/fs";
    in.settings = {{"zrep:savecount", "3"}};
    const auto refused = test::run_task(io, service.set(std::move(in), control::Caller{}));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::pool_unavailable);
    EXPECT_NE(refused.error().message.find("pool tank"), std::string::npos);
}

TEST_F(ServiceTest, SyncAllOfNothingSaysWhatThereIsInstead) {
    look();
    EXPECT_EQ(sync_all()->note, "no pairs here; zrepctl init makes one");
    alpha->zfs.create("tank/copy");
    store_pair("tank/copy", /*target=*/true);
    store_pair("tank/fs", /*target=*/false);
    set("tank/fs", prop::kPaused, "yes");
    look();
    const auto nothing = sync_all();
    ASSERT_TRUE(nothing);
    EXPECT_EQ(nothing->note,
              "no pair to work on; 1 paused, 1 the target here, whose masters are on other hosts; "
              "zrepctl list shows them");
    EXPECT_TRUE(nothing->run_id.empty());
}

}  // namespace
}  // namespace zrepd
