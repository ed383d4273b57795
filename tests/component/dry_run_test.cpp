// SPDX-License-Identifier: BSD-2-Clause
// What dry runs say of each dataset, and how long they take when peers do not answer.
#include <gtest/gtest.h>

#include "tests/fakes/fake_target.hpp"
#include "tests/fakes/two_hosts.hpp"

namespace zrepd {
namespace {

class DryRuns : public test::TwoHosts {
  protected:
    sync::DryRun describe(std::vector<DatasetName> datasets) {
        const auto found = test::run_task(
            io, alpha->engine.describe_sync(std::move(datasets), std::chrono::seconds(4)));
        EXPECT_TRUE(found);
        return found ? *found : sync::DryRun();
    }
    void store_master(const std::string& dataset, const std::string& host) {
        alpha->zfs.create(dataset);
        auto& props = alpha->zfs.at(dataset).props;
        const auto store = [&](std::string_view key, std::string value) {
            props[std::string(key)] = {std::move(value), Source::local};
        };
        store(prop::kSrcHost, "alpha");
        store(prop::kSrcFs, dataset);
        store(prop::kDestHost, host);
        store(prop::kDestFs, "backup/" + host);
        store(prop::kEpoch, "1");
        store(prop::kMaster, "yes");
    }
};

TEST_F(DryRuns, AConflictIsAnErrorWithItsRemedyAndNoStep) {
    ASSERT_EQ(init().outcome, "done");
    alpha->zfs.write("tank/fs", 5'000);
    beta->zfs.take("backup/fs@mine");
    const auto found = describe({fs});
    EXPECT_TRUE(found.steps.empty()) << found.steps.front();
    ASSERT_EQ(found.results.size(), 1U);
    EXPECT_EQ(found.results[0].outcome, "failed");
    ASSERT_TRUE(found.results[0].error);
    EXPECT_EQ(found.results[0].error->kind, "conflict");
    EXPECT_NE(found.results[0].error->remedy, "");
}

TEST_F(DryRuns, UnchangedIsNoStepAndWhatIsNoPairKeepsNoOtherFromItsSteps) {
    ASSERT_EQ(init().outcome, "done");
    const auto unchanged = describe({fs});
    EXPECT_TRUE(unchanged.steps.empty());
    ASSERT_EQ(unchanged.results.size(), 1U);
    EXPECT_EQ(unchanged.results[0].outcome, "unchanged");
    EXPECT_FALSE(unchanged.results[0].error);
    alpha->zfs.write("tank/fs", 5'000);
    const auto mixed = describe({*DatasetName::parse("tank/nope"), fs});
    EXPECT_EQ(mixed.steps.size(), 3U);
    ASSERT_EQ(mixed.results.size(), 1U);
    EXPECT_EQ(mixed.results[0].dataset, "tank/nope");
    EXPECT_EQ(mixed.results[0].error.value().kind, "not_found");
}

TEST_F(DryRuns, WhatCannotBeExpiredIsNoStep) {
    ASSERT_EQ(init().outcome, "done");
    std::vector<DatasetName> named{fs, *DatasetName::parse("tank")};
    const auto found =
        test::run_task(io,
                       alpha->engine.describe_expire(
                           std::move(named), /*local_only=*/true, std::chrono::seconds(4)));
    ASSERT_TRUE(found);
    EXPECT_TRUE(found->steps.empty());
    ASSERT_EQ(found->results.size(), 1U);
    EXPECT_EQ(found->results[0].error.value().kind, "not_configured");
}

/// The dry run of an expire of these, whose copies are with this peer.
class ExpiresThere : public DryRuns {
  protected:
    ExpiresThere() { EXPECT_TRUE(server.listen(directory / "there.sock")); }
    ~ExpiresThere() override {
        test::run_task(io, engine.stop());
        test::run_task(io, peers.stop());
        test::run_task(io, server.stop());
    }
    sync::DryRun expire(std::size_t pairs) {
        std::vector<DatasetName> datasets;
        for (std::size_t i = 0; i < pairs; ++i) {
            const std::string name = "tank/" + std::to_string(i);
            store_master(name, "there");
            datasets.push_back(*DatasetName::parse(name));
        }
        auto found = test::run_task(io,
                                    engine.describe_expire(std::move(datasets),
                                                           /*local_only=*/false,
                                                           std::chrono::seconds(20)));
        EXPECT_TRUE(found);
        return std::move(*found);
    }

    test::FakeTarget target{io.get_executor()};
    peer::Server server{io.get_executor(), target};
    test::RelayTransport relay{directory / "there.sock"};
    peer::Peers peers{io.get_executor(), relay, nullptr};
    sync::Engine engine{alpha->sync, peers};
};

TEST_F(ExpiresThere, AskForSoManyPairsAtATime) {
    EXPECT_TRUE(expire(2 * sync::kMaxPerRequest + 1).results.empty());
    EXPECT_EQ(target.calls.size(), 3U);
}

TEST_F(ExpiresThere, AnOlderPeerDoesNotSay) {
    // What a peer says that does not know the key.
    auto words = rpc::decode_as<rpc::Empty>(Json{{"dry_run", true}}, rpc::Strictness::request);
    ASSERT_FALSE(words);
    target.refuse_expire = words.error();
    const auto found = expire(1);
    ASSERT_EQ(found.results.size(), 1U);
    EXPECT_EQ(found.results[0].outcome, "unchanged");
    EXPECT_NE(found.results[0].text.find("its zrepd is older"), std::string::npos);
}

TEST_F(ExpiresThere, AnotherMistakeIsNotTakenForItsAge) {
    target.refuse_expire = {.code = Code::invalid_params, .message = "pairs: too many"};
    const auto found = expire(1);
    ASSERT_EQ(found.results.size(), 1U);
    EXPECT_EQ(found.results[0].error.value().kind, "invalid_params");
}

TEST_F(DryRuns, SeveralDeadPeersTakeNoLongerThanOne) {
    std::vector<DatasetName> datasets;
    for (const char* host : {"gamma", "delta", "epsilon"}) {
        const std::string name = std::string("tank/") + host;
        store_master(name, host);
        datasets.push_back(*DatasetName::parse(name));
    }
    test::ScriptedTransport silent(io.get_executor(), {});
    peer::Peers peers(io.get_executor(), silent, nullptr);
    sync::Engine engine(alpha->sync, peers);
    const auto begin = std::chrono::steady_clock::now();
    const auto found =
        test::run_task(io, engine.describe_sync(std::move(datasets), std::chrono::seconds(1)));
    const auto taken = std::chrono::steady_clock::now() - begin;
    ASSERT_TRUE(found);
    ASSERT_EQ(found->results.size(), 3U);
    for (const auto& result : found->results) {
        EXPECT_EQ(result.error.value().kind, "timed_out") << result.text;
    }
    EXPECT_LT(taken, std::chrono::milliseconds(2'500));
    test::run_task(io, engine.stop());
    test::run_task(io, peers.stop());
    silent.tasks.cancel();
    test::run_task(io, silent.tasks.join());
}

TEST_F(DryRuns, ManyPairsOfASlowPeerTakeNoLongerThanFew) {
    std::vector<DatasetName> datasets;
    for (std::size_t i = 0; i < 2 * sync::kMaxPerRequest + 1; ++i) {
        const std::string name = "tank/" + std::to_string(i);
        store_master(name, "slow");
        datasets.push_back(*DatasetName::parse(name));
    }
    test::FakeTarget target(io.get_executor());
    target.look_takes = std::chrono::milliseconds(3'000);
    peer::Server server(io.get_executor(), target);
    ASSERT_TRUE(server.listen(directory / "slow.sock"));
    test::RelayTransport relay(directory / "slow.sock");
    peer::Peers peers(io.get_executor(), relay, nullptr);
    sync::Engine engine(alpha->sync, peers);
    const auto begin = std::chrono::steady_clock::now();
    const auto found = test::run_task(io, engine.describe_sync(datasets, std::chrono::seconds(5)));
    const auto taken = std::chrono::steady_clock::now() - begin;
    ASSERT_TRUE(found);
    ASSERT_EQ(found->results.size(), datasets.size());
    EXPECT_EQ(found->results.back().error.value().kind, "timed_out");
    EXPECT_NE(found->results.back().error->message.find("500 of 1001"), std::string::npos)
        << found->results.back().error->message;
    EXPECT_NE(found->results.back().error->remedy, "");
    // One after the other they would take nine seconds.
    EXPECT_LT(taken, std::chrono::seconds(8));
    EXPECT_EQ(target.calls.size(), 2U);
    test::run_task(io, engine.stop());
    test::run_task(io, peers.stop());
    test::run_task(io, server.stop());
}

}  // namespace
}  // namespace zrepd
