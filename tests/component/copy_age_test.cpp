// SPDX-License-Identifier: BSD-2-Clause
// How fresh a copy is, as each side knows it: by what was seen here, not by the other host's clock.
#include <gtest/gtest.h>

#include <limits>

#include "daemon/clock.hpp"
#include "daemon/sync/bookkeeping.hpp"
#include "tests/fakes/two_hosts.hpp"

namespace zrepd {
namespace {

using namespace std::chrono_literals;

constexpr UnixSeconds kDay = 86'400;

class CopyAge : public test::TwoHosts {
  protected:
    static std::optional<std::chrono::seconds> lag(test::TestHost& host,
                                                   const DatasetName& name,
                                                   UnixSeconds now = unix_now()) {
        const Versions* versions = host.inventory.versions(name);
        const Snapshot* acked = versions == nullptr ? nullptr : sync::last_acked(*versions);
        return host.runs.lag(name, acked, now);
    }
    std::optional<std::chrono::seconds> lag_of_copy() { return lag(*beta, target_fs); }
    void expect_lag_of_both(std::chrono::seconds at_least, std::chrono::seconds below) {
        for (const auto& found : {lag(*alpha, fs), lag_of_copy()}) {
            ASSERT_TRUE(found);
            EXPECT_GE(*found, at_least);
            EXPECT_LT(*found, below);
        }
    }
    /// As if so much time had passed since, on every clock.
    void age(std::chrono::seconds by) {
        for (auto* fresh : {&alpha->runs.memory(fs).fresh, &beta->runs.memory(target_fs).fresh}) {
            ASSERT_TRUE(*fresh);
            (*fresh)->at -= by;
            (*fresh)->wall -= by.count();
        }
    }
    /// What the newest snapshots say of themselves.
    void stamp(UnixSeconds created, UnixSeconds sent) {
        for (auto* host : {&*alpha, &*beta}) {
            const DatasetName& name = host == &*alpha ? fs : target_fs;
            auto& newest = host->zfs.at(name.str()).snapshots.back();
            newest.created = created;
            newest.sent = sent;
            const auto seen =
                test::run_task(io, host->inventory.refresh_one(name, sync::Freshness::listed));
            ASSERT_TRUE(seen.has_value());
        }
    }
    void look_only() { (void)test::run_task(io, alpha->engine.describe_sync({fs}, 60s)); }
    void init_tree() {
        alpha->zfs.create("tank/fs/a");
        alpha->zfs.write("tank/fs/a", 3'000);
        sync::InitRequest request{.dataset = fs, .host = beta->config.host, .target = target_fs};
        request.recursive = true;
        const auto made = ended(test::run_task(io, alpha->engine.start_init(std::move(request))));
        ASSERT_EQ(made.outcome, "done") << made.text;
    }
};

TEST_F(CopyAge, ATargetHearsOfASyncThatHadNothingToSend) {
    ASSERT_EQ(init().outcome, "done");
    age(1'000s);
    EXPECT_GE(lag_of_copy().value(), 1'000s);
    ASSERT_EQ(sync().outcome, "unchanged");
    EXPECT_LT(lag_of_copy().value(), 60s);
    EXPECT_LT(lag(*alpha, fs).value(), 60s);
}

TEST_F(CopyAge, ATargetIsNotFreshWhileItsMasterHasMore) {
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

TEST_F(CopyAge, ATargetThatWasWrittenToIsNotWhatItsMasterHas) {
    ASSERT_EQ(init().outcome, "done");
    age(1'000s);
    beta->zfs.write("backup/fs", 5'000);
    look_only();
    EXPECT_GE(lag_of_copy().value(), 1'000s);
}

TEST_F(CopyAge, WhateverTheOtherHostsClockSaysIsNoAge) {
    ASSERT_EQ(init().outcome, "done");
    age(1'000s);
    for (const UnixSeconds off : {-kDay, kDay}) {
        stamp(unix_now() + off, unix_now() + off);
        expect_lag_of_both(1'000s, 2'000s);
    }
}

TEST_F(CopyAge, AClockThatIsPutBackMakesNoCopyFresh) {
    ASSERT_EQ(init().outcome, "done");
    age(1'000s);
    EXPECT_GE(lag(*beta, target_fs, unix_now() - kDay).value(), 1'000s);
    // A clock that goes ahead may be one that stood still while this machine was paused.
    EXPECT_GE(lag(*beta, target_fs, unix_now() + kDay).value(), 1'000s + kDay * 1s);
}

TEST_F(CopyAge, AnAcknowledgementDoesNotMakeOldDataNew) {
    ASSERT_EQ(init().outcome, "done");
    alpha->zfs.write("tank/fs", 5'000);
    // Taken ten hours ago, and every stream of it was cut until now; nothing newer can be sent.
    alpha->zfs.take("tank/fs@zrep_000001");
    alpha->zfs.at("tank/fs").snapshots.back().created -= 36'000;
    alpha->zfs.write("tank/fs", 5'000);
    alpha->zfs.on_call([this](const std::string& call) {
        if (call.starts_with("snapshot "))
            alpha->zfs.fail_next("snapshot", {.code = Code::no_space, .message = "full"});
    });
    EXPECT_EQ(sync().outcome, "failed");
    ASSERT_TRUE(beta->zfs.at("backup/fs").snapshots.back().sent);
    EXPECT_EQ(beta->zfs.at("backup/fs").snapshots.back().name, "zrep_000001");
    expect_lag_of_both(36'000s, 37'000s);
}

TEST_F(CopyAge, AfterARestartTheSnapshotsOwnTimeIsWhatIsKnown) {
    ASSERT_EQ(init().outcome, "done");
    stamp(unix_now() - 5'000, unix_now() - 3'000);
    beta->runs.forget(target_fs);
    EXPECT_GE(lag_of_copy().value(), 5'000s);
    // Another snapshot than the one that was fresh then.
    alpha->runs.memory(fs).fresh->guid = Guid{1};
    EXPECT_GE(lag(*alpha, fs).value(), 5'000s);
}

TEST_F(CopyAge, WhileNoSnapshotsAreListedWhatWasSeenCounts) {
    ASSERT_EQ(init().outcome, "done");
    age(1'000s);
    EXPECT_GE(alpha->runs.lag(fs, nullptr, unix_now()).value(), 1'000s);
    alpha->runs.forget(fs);
    EXPECT_FALSE(alpha->runs.lag(fs, nullptr, unix_now()));
}

TEST_F(CopyAge, APeersAgeIsNoTimeToCome) {
    ASSERT_EQ(init().outcome, "done");
    const Guid newest = beta->zfs.at("backup/fs").snapshots.back().guid;
    rpc::LookIn in;
    in.pairs.push_back({"tank/fs", "backup/fs", {}, newest, -kDay});
    ASSERT_TRUE(test::run_task(io, beta->target.look("alpha", in)));
    EXPECT_LT(lag_of_copy().value(), 60s);
    EXPECT_GE(lag_of_copy().value(), 0s);
    in.pairs.front().age = 5'000;
    ASSERT_TRUE(test::run_task(io, beta->target.look("alpha", in)));
    EXPECT_GE(lag_of_copy().value(), 5'000s);
}

TEST_F(CopyAge, ATreeIsAsFreshAsAllOfIt) {
    init_tree();
    expect_lag_of_both(0s, 60s);
    age(1'000s);
    alpha->zfs.write("tank/fs/a", 3'000);
    look_only();
    EXPECT_GE(lag_of_copy().value(), 1'000s) << "a member has more";
    ASSERT_EQ(sync().outcome, "done");
    expect_lag_of_both(0s, 60s);
    age(1'000s);
    ASSERT_EQ(sync().outcome, "unchanged");
    expect_lag_of_both(0s, 60s);
}

TEST_F(CopyAge, ATreeOneOfWhoseCopiesIsAnotherIsNotFresh) {
    init_tree();
    age(1'000s);
    beta->zfs.take("backup/fs/a@theirs");
    EXPECT_EQ(sync().outcome, "failed");
    EXPECT_GE(lag_of_copy().value(), 1'000s);
    beta->zfs.forget("backup/fs/a");
    look_only();
    EXPECT_GE(lag_of_copy().value(), 1'000s);
}

TEST_F(CopyAge, WhateverAPeerSaysIsAnAge) {
    ASSERT_EQ(init().outcome, "done");
    const Guid newest = beta->zfs.at("backup/fs").snapshots.back().guid;
    for (const auto& [said, at_least] :
         {std::pair(std::numeric_limits<std::int64_t>::max(), kDay),
          std::pair(std::numeric_limits<std::int64_t>::min(), UnixSeconds{0})}) {
        rpc::LookIn in;
        in.pairs.push_back({"tank/fs", "backup/fs", {}, newest, said});
        ASSERT_TRUE(test::run_task(io, beta->target.look("alpha", in)));
        EXPECT_GE(lag_of_copy().value().count(), at_least);
    }
    EXPECT_LT(lag_of_copy().value(), 60s);
}

}  // namespace
}  // namespace zrepd
