// SPDX-License-Identifier: BSD-2-Clause
// How fresh a copy is, as each side knows it: by what was seen here, not by the other host's clock.
#include <gtest/gtest.h>

#include "daemon/clock.hpp"
#include "daemon/sync/bookkeeping.hpp"
#include "tests/fakes/two_hosts.hpp"

namespace zrepd {
namespace {

using namespace std::chrono_literals;

constexpr UnixSeconds kDay = 86'400;

class Freshness : public test::TwoHosts {
  protected:
    static std::optional<std::chrono::seconds> lag(test::TestHost& host, const DatasetName& name) {
        const Versions* versions = host.inventory.versions(name);
        const Snapshot* acked = versions == nullptr ? nullptr : sync::last_acked(*versions);
        return host.runs.lag(name, acked, unix_now());
    }
    std::optional<std::chrono::seconds> lag_of_copy() { return lag(*beta, target_fs); }
    /// As if so much time had passed since.
    void age(std::chrono::seconds by) {
        alpha->runs.memory(fs).fresh->at -= by;
        beta->runs.memory(target_fs).fresh->at -= by;
    }
    /// What the master's clock says when it acknowledges.
    void stamp(UnixSeconds sent) {
        for (auto* host : {&*alpha, &*beta}) {
            const DatasetName& name = host == &*alpha ? fs : target_fs;
            host->zfs.at(name.str()).snapshots.back().sent = sent;
            const auto seen =
                test::run_task(io, host->inventory.refresh_one(name, sync::Freshness::listed));
            ASSERT_TRUE(seen.has_value());
        }
    }
    void look_only() { (void)test::run_task(io, alpha->engine.describe_sync({fs}, 60s)); }
};

TEST_F(Freshness, ATargetHearsOfASyncThatHadNothingToSend) {
    ASSERT_EQ(init().outcome, "done");
    age(1'000s);
    EXPECT_GE(lag_of_copy().value(), 1'000s);
    ASSERT_EQ(sync().outcome, "unchanged");
    EXPECT_LT(lag_of_copy().value(), 60s);
    EXPECT_LT(lag(*alpha, fs).value(), 60s);
}

TEST_F(Freshness, ATargetIsNotFreshWhileItsMasterHasMore) {
    ASSERT_EQ(init().outcome, "done");
    age(1'000s);
    alpha->zfs.write("tank/fs", 5'000);
    look_only();
    EXPECT_GE(lag_of_copy().value(), 1'000s);
    // In a snapshot that was not sent, with nothing written after it.
    alpha->zfs.take("tank/fs@mine");
    look_only();
    EXPECT_GE(lag_of_copy().value(), 1'000s);
    ASSERT_EQ(sync().outcome, "done");
    EXPECT_LT(lag_of_copy().value(), 60s);
}

TEST_F(Freshness, ATargetThatWasWrittenToIsNotWhatItsMasterHas) {
    ASSERT_EQ(init().outcome, "done");
    age(1'000s);
    beta->zfs.write("backup/fs", 5'000);
    look_only();
    EXPECT_GE(lag_of_copy().value(), 1'000s);
}

TEST_F(Freshness, NoClockThatIsSetMakesACopyOlderOrFresher) {
    ASSERT_EQ(init().outcome, "done");
    age(1'000s);
    for (const UnixSeconds off : {-kDay, kDay}) {
        stamp(unix_now() + off);
        for (auto* host : {&*alpha, &*beta}) {
            const auto found = lag(*host, host == &*alpha ? fs : target_fs);
            EXPECT_GE(found.value(), 1'000s);
            EXPECT_LT(found.value(), 2'000s);
        }
    }
}

TEST_F(Freshness, AfterARestartTheStampIsWhatIsKnown) {
    ASSERT_EQ(init().outcome, "done");
    stamp(unix_now() - 5'000);
    beta->runs.forget(target_fs);
    EXPECT_GE(lag_of_copy().value(), 5'000s);
    // Another snapshot than the one that was fresh then.
    alpha->runs.memory(fs).fresh->guid = Guid{1};
    EXPECT_GE(lag(*alpha, fs).value(), 5'000s);
    EXPECT_FALSE(alpha->runs.lag(fs, nullptr, unix_now())) << "never acknowledged";
}

TEST_F(Freshness, ATreeIsAsFreshAsAllOfIt) {
    alpha->zfs.create("tank/fs/a");
    alpha->zfs.write("tank/fs/a", 3'000);
    sync::InitRequest request{.dataset = fs, .host = beta->config.host, .target = target_fs};
    request.recursive = true;
    ASSERT_EQ(ended(test::run_task(io, alpha->engine.start_init(std::move(request)))).outcome,
              "done");
    EXPECT_LT(lag_of_copy().value(), 60s);
    age(1'000s);
    alpha->zfs.write("tank/fs/a", 3'000);
    look_only();
    EXPECT_GE(lag_of_copy().value(), 1'000s) << "a member has more";
    ASSERT_EQ(sync().outcome, "done");
    EXPECT_LT(lag_of_copy().value(), 60s);
    age(1'000s);
    ASSERT_EQ(sync().outcome, "unchanged");
    EXPECT_LT(lag_of_copy().value(), 60s);
}

}  // namespace
}  // namespace zrepd
