// SPDX-License-Identifier: BSD-2-Clause
// What a look at targets costs there: by the schedule, what changed, not what exists.
#include <gtest/gtest.h>

#include "tests/fakes/two_hosts.hpp"

namespace zrepd {
namespace {

using sync::Freshness;

/// Two pairs with a few snapshots, known to both sides as they are.
class LookCost : public test::TwoHosts {
  protected:
    LookCost() {
        EXPECT_EQ(init().outcome, "done");
        alpha->zfs.create("tank/second");
        alpha->zfs.write("tank/second", 5'000);
        sync::InitRequest request{.dataset = second,
                                  .host = beta->config.host,
                                  .target = *DatasetName::parse("backup/second")};
        EXPECT_EQ(ended(test::run_task(io, alpha->engine.start_init(std::move(request)))).outcome,
                  "done");
        for (int i = 0; i < 2; ++i) {
            write_both();
            scheduled();
        }
        scheduled();
        beta->zfs.forget_calls();
    }
    void write_both() {
        alpha->zfs.write("tank/fs", 5'000);
        alpha->zfs.write("tank/second", 5'000);
    }
    /// As the scheduler starts it.
    rpc::RunResult scheduled() {
        return ended(alpha->engine.start_sync({fs, second}, Freshness::cached));
    }
    /// What beta listed snapshots of since it was last asked.
    std::string listed() {
        std::string out;
        for (const std::string& call : beta->zfs.calls()) {
            if (call.starts_with("versions")) out += call + "\n";
        }
        beta->zfs.forget_calls();
        return out;
    }
    rpc::LookIn look_of(std::optional<Guid> current) const {
        rpc::LookIn in;
        in.pairs.push_back({"tank/fs", "backup/fs", {}, current});
        return in;
    }

    const DatasetName second = *DatasetName::parse("tank/second");
};

TEST_F(LookCost, ByTheScheduleWhatIsUnchangedIsNotListed) {
    EXPECT_EQ(scheduled().outcome, "unchanged");
    EXPECT_EQ(beta->zfs.count("datasets"), 1U);
    EXPECT_EQ(listed(), "");
    alpha->zfs.write("tank/fs", 5'000);
    EXPECT_EQ(scheduled().outcome, "done");
    EXPECT_EQ(listed(), "versions backup/fs\n") << "a stream is planned on what lies there now";
    EXPECT_EQ(scheduled().outcome, "unchanged");
    EXPECT_EQ(listed(), "versions backup/fs\n") << "it was received into";
    EXPECT_EQ(scheduled().outcome, "unchanged");
    EXPECT_EQ(listed(), "");
}

TEST_F(LookCost, WhoAsksForASyncHasAllOfThemListed) {
    EXPECT_EQ(ended(alpha->engine.start_sync({fs, second}, Freshness::listed)).outcome,
              "unchanged");
    EXPECT_EQ(listed(), "versions backup/fs backup/second\n");
}

TEST_F(LookCost, WhatAnEventSpokeAgainstIsListedByTheScheduleToo) {
    beta->zfs.take("backup/fs@theirs");
    beta->inventory.note({.dataset = target_fs, .versions_only = true});
    const auto result = scheduled();
    ASSERT_TRUE(result.error) << result.text;
    EXPECT_EQ(result.error->kind, "conflict");
    EXPECT_EQ(listed(), "versions backup/fs\n");
}

TEST_F(LookCost, WhatWasWrittenThereIsSeenByTheScheduleWithoutAnEvent) {
    beta->zfs.write("backup/fs", 5'000);
    const auto result = scheduled();
    EXPECT_EQ(result.outcome, "done") << result.text;
    EXPECT_EQ(beta->zfs.count("rollback backup/fs@"), 1U);
    EXPECT_EQ(alpha->zfs.content("tank/fs"), beta->zfs.content("backup/fs"));
}

TEST_F(LookCost, WhereBothHaveTheSameNewestOneItAloneIsNamed) {
    const auto names = [&](std::optional<Guid> current) {
        const auto out = test::run_task(io, beta->target.look("alpha", look_of(current)));
        return out ? out->targets.at(0).snapshots.size() : 0;
    };
    const auto& all = beta->zfs.at("backup/fs").snapshots;
    ASSERT_EQ(all.size(), 3U);
    EXPECT_EQ(names(std::nullopt), 3U);
    EXPECT_EQ(names(all.back().guid), 1U);
    EXPECT_EQ(names(all.front().guid), 3U) << "it is behind";
    beta->zfs.write("backup/fs", 5'000);
    EXPECT_EQ(names(all.back().guid), 3U) << "it is to be rolled back";
}

}  // namespace
}  // namespace zrepd
