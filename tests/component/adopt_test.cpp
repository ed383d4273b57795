// SPDX-License-Identifier: BSD-2-Clause
// init --adopt between two daemons in one process: a copy that something else made becomes a
// target.
#include <gtest/gtest.h>

#include "tests/fakes/served_host.hpp"

namespace zrepd {
namespace {

class Adopt : public test::TwoHosts {
  protected:
    /// As other programs leave it: the same snapshot on both sides, and nothing of ours.
    Adopt() {
        std::vector<SnapshotName> names{*SnapshotName::parse("tank/fs@daily")};
        EXPECT_TRUE(test::run_task(io, alpha->zfs.snapshot(std::move(names))).at(0));
        beta->zfs.create("backup/fs");
        auto& copy = beta->zfs.at("backup/fs");
        copy.snapshots = alpha->zfs.at("tank/fs").snapshots;
        copy.content = copy.snapshots.back().content;
        alpha->zfs.forget_calls();
        beta->zfs.forget_calls();
    }
    sync::InitRequest request() {
        return {.dataset = fs, .host = beta->config.host, .target = target_fs, .adopt = true};
    }
    rpc::RunResult adopt() {
        return ended(test::run_task(io, alpha->engine.start_init(request())));
    }
    std::string stored(test::TestHost& host, std::string_view dataset, std::string_view key) {
        const auto& props = host.zfs.at(dataset).props;
        const auto found = props.find(key);
        return found == props.end() ? "" : found->second.value;
    }
};

TEST_F(Adopt, MakesAPairAndSendsNothing) {
    const auto made = adopt();
    ASSERT_EQ(made.outcome, "done") << made.text << (made.error ? made.error->message : "");
    EXPECT_EQ(alpha->zfs.count("send"), 0U);
    EXPECT_EQ(alpha->zfs.count("snapshot"), 0U);
    EXPECT_NE(made.text.find("both have tank/fs@daily"), std::string::npos) << made.text;
    EXPECT_EQ(stored(*alpha, "tank/fs", prop::kMaster), "yes");
    EXPECT_EQ(stored(*beta, "backup/fs", prop::kSrcFs), "tank/fs");
    EXPECT_EQ(stored(*beta, "backup/fs", "readonly"), "on");
    EXPECT_EQ(stored(*beta, "backup/fs", "canmount"), "noauto");
    EXPECT_FALSE(beta->zfs.at("backup/fs").mounted);
    EXPECT_TRUE(alpha->zfs.at("tank/fs").snapshots.back().held);
    EXPECT_TRUE(beta->zfs.at("backup/fs").snapshots.back().held);
    alpha->zfs.write("tank/fs", 5'000);
    const auto synced = sync();
    ASSERT_EQ(synced.outcome, "done") << synced.text;
    EXPECT_LT(synced.bytes, 50'000U);
    EXPECT_EQ(alpha->zfs.content("tank/fs"), beta->zfs.content("backup/fs"));
}

TEST_F(Adopt, IsGoneOnWithAfterACut) {
    beta->zfs.fail_next("acknowledge", {.code = Code::timed_out, .message = "too slow"});
    ASSERT_EQ(adopt().outcome, "failed");
    EXPECT_EQ(adopt().outcome, "done");
}

/// Nobody is told to destroy a copy that is worth adopting.
TEST_F(Adopt, AnInitThatFindsOneCutOffNamesIt) {
    beta->zfs.fail_next("acknowledge", {.code = Code::timed_out, .message = "too slow"});
    ASSERT_EQ(adopt().outcome, "failed");
    sync::InitRequest plain = request();
    plain.adopt = false;
    const auto dry =
        test::run_task(io, alpha->engine.describe_init(plain, std::chrono::seconds(10)));
    ASSERT_FALSE(dry);
    EXPECT_EQ(dry.error().code, Code::conflict);
    const auto refused = ended(test::run_task(io, alpha->engine.start_init(plain)));
    ASSERT_TRUE(refused.error) << refused.text;
    EXPECT_EQ(refused.error->kind, "conflict");
    EXPECT_NE(refused.error->message.find("@daily, which both sides have"), std::string::npos)
        << refused.error->message;
    EXPECT_EQ(refused.error->remedy,
              "go on with that: zrepctl init --adopt 'tank/fs' beta 'backup/fs'");
    EXPECT_EQ(adopt().outcome, "done");
}

TEST_F(Adopt, IsRefusedAndChangesNothing) {
    struct Case {
        const char* what;
        std::function<void()> spoil;
        const char* kind;
    };
    auto& copy = beta->zfs.at("backup/fs");
    const auto good = copy;
    const Case table[] = {
        {"written to", [&] { copy.written = 7; }, "conflict"},
        {"no common snapshot", [&] { copy.snapshots.back().guid = Guid{77}; }, "conflict"},
        {"another's target",
         [&] {
             copy.props[std::string(prop::kSrcHost)] = {"gamma", Source::local};
         },
         "already_configured"},
        {"a volume", [&] { copy.kind = Kind::volume; }, "conflict"},
        {"not accepted",
         [&] {
             beta->zfs.at("backup").props[std::string(prop::kAccept)] = {"gamma", Source::local};
         },
         "not_accepted"}};
    for (const Case& c : table) {
        copy = good;
        c.spoil();
        const auto result = adopt();
        ASSERT_TRUE(result.error) << c.what;
        EXPECT_EQ(result.error->kind, c.kind) << c.what << ": " << result.error->message;
        EXPECT_EQ(alpha->zfs.count("set "), 0U) << c.what;
        EXPECT_EQ(beta->zfs.count("set "), 0U) << c.what;
    }
}

/// As after another pair: ten of zrep's on both sides, older than what both have.
class AdoptOld : public Adopt {
  protected:
    AdoptOld() {
        auto& here = alpha->zfs.at("tank/fs").snapshots;
        for (int i = 0; i < 10; ++i) {
            alpha->zfs.take("tank/fs@" + zrep_snapshot_name(static_cast<unsigned>(i)));
            here.back().created -= (10 - i) * 86'400;
        }
        alpha->zfs.take("tank/fs@daily2");
        beta->zfs.at("backup/fs").snapshots = here;
        beta->zfs.at("backup/fs").content = here.back().content;
    }
    void keep(std::string_view value) {
        alpha->zfs.at("tank").props[std::string(prop::kKeep)] = {std::string(value), Source::local};
        beta->zfs.at("backup").props[std::string(prop::kKeep)] = {std::string(value),
                                                                  Source::local};
    }
    std::vector<std::string> steps() {
        const auto found =
            test::run_task(io, alpha->engine.describe_init(request(), std::chrono::seconds(10)));
        EXPECT_TRUE(found) << found.error().text();
        return found ? *found : std::vector<std::string>{};
    }
};

TEST_F(AdoptOld, WhatIsToBeKeptIsKept) {
    for (const char* value : {"52w:1h", "what is this"}) {
        keep(value);
        EXPECT_EQ(steps().size(), 2U) << value;
    }
    ASSERT_EQ(adopt().outcome, "done");
    EXPECT_EQ(alpha->zfs.at("tank/fs").snapshots.size(), 12U);
    EXPECT_EQ(beta->zfs.at("backup/fs").snapshots.size(), 12U);
}

TEST_F(AdoptOld, WhatExpiresIsNamedBeforehand) {
    const auto all = steps();
    std::size_t here = 0;
    std::size_t there = 0;
    for (const auto& step : all) {
        if (!step.starts_with("destroy ")) continue;
        if (step.ends_with(" on beta"))
            ++there;
        else
            ++here;
    }
    EXPECT_EQ(here, 5U);
    EXPECT_EQ(there, 5U);
    ASSERT_EQ(adopt().outcome, "done");
    EXPECT_EQ(alpha->zfs.at("tank/fs").snapshots.size(), 7U);
    EXPECT_EQ(beta->zfs.at("backup/fs").snapshots.size(), 7U);
}

TEST_F(Adopt, TheFirstSyncLetsGoOfTheForeignBase) {
    ASSERT_EQ(adopt().outcome, "done");
    alpha->zfs.write("tank/fs", 5'000);
    ASSERT_EQ(sync().outcome, "done");
    for (auto* host : {&*alpha, &*beta}) {
        const auto dataset = host == &*alpha ? fs : target_fs;
        EXPECT_FALSE(host->zfs.at(dataset.str()).snapshots.front().held) << dataset.str();
        std::vector<std::string> daily{"daily"};
        EXPECT_TRUE(test::run_task(io, host->zfs.destroy_snapshots(dataset, std::move(daily))));
    }
}

TEST_F(Adopt, AClearLetsGoOfTheForeignBase) {
    ASSERT_EQ(adopt().outcome, "done");
    for (auto* host : {&*alpha, &*beta}) {
        const auto dataset = host == &*alpha ? fs : target_fs;
        ASSERT_TRUE(test::run_task(io, host->inventory.discover()));
        test::ServedHost served(*host);
        rpc::ClearIn in;
        in.dataset = dataset.str();
        ASSERT_TRUE(test::run_task(io, served.service.clear(in, control::Caller{})));
        std::vector<std::string> daily{"daily"};
        EXPECT_TRUE(test::run_task(io, host->zfs.destroy_snapshots(dataset, std::move(daily))));
    }
}

/// What an earlier copy had acknowledged says nothing of how fresh this one is.
TEST_F(Adopt, WhatAnotherCopyAcknowledgedAfterTheBaseIsForgotten) {
    alpha->zfs.take("tank/fs@zrep_000009");
    alpha->zfs.at("tank/fs").snapshots.back().sent = 1'700'000'000;
    alpha->zfs.take("tank/fs@weekly");
    alpha->zfs.at("tank/fs").snapshots.back().sent = 1'700'000'001;
    alpha->zfs.at("tank/fs").snapshots.back().held = true;
    ASSERT_TRUE(test::run_task(io, alpha->inventory.discover()));
    ASSERT_EQ(adopt().outcome, "done");
    const auto& snapshots = alpha->zfs.at("tank/fs").snapshots;
    EXPECT_FALSE(snapshots.back().sent);
    EXPECT_FALSE(snapshots.back().held) << "nobody would know whose the hold is";
    EXPECT_EQ(sync::last_acked(*alpha->inventory.versions(fs))->name, "daily");
}

TEST_F(Adopt, DryRunSaysWhatItWouldDo) {
    const auto steps =
        test::run_task(io, alpha->engine.describe_init(request(), std::chrono::seconds(10)));
    ASSERT_TRUE(steps) << steps.error().text();
    ASSERT_EQ(steps->size(), 2U);
    EXPECT_NE(steps->at(0).find("make backup/fs on beta readonly"), std::string::npos);
    EXPECT_EQ(beta->zfs.count("set "), 0U);
}

}  // namespace
}  // namespace zrepd
