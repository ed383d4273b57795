// SPDX-License-Identifier: BSD-2-Clause
// A master puts its target back to an acknowledged snapshot, between two daemons in one process:
// it waits there, paused, nothing is lost that the master has not, and it can be cut off anywhere.
#include <gtest/gtest.h>

#include <csignal>

#include "daemon/service.hpp"
#include "tests/fakes/roles_test.hpp"
#include "tests/fakes/served_host.hpp"

namespace zrepd {
namespace {

class PutBack : public test::RolesTest {
  protected:
    PutBack() {
        first = alpha->zfs.content("tank/fs");
        alpha->zfs.write("tank/fs", 5'000);
        EXPECT_EQ(sync().outcome, "done");
        alpha->zfs.write("tank/fs", 6'000);
        EXPECT_EQ(sync().outcome, "done");
        newest = alpha->zfs.content("tank/fs");
        alpha->zfs.forget_calls();
        beta->zfs.forget_calls();
    }
    rpc::RunResult back(const std::string& snapshot = "zrep_000000") {
        return ended(alpha->engine.start_put_back({fs, snapshot}));
    }
    sync::DryRun described(const std::string& snapshot = "zrep_000000") {
        return test::run_task(
            io, alpha->engine.describe_put_back({fs, snapshot}, std::chrono::seconds(10)));
    }
    static std::vector<std::string> names(test::TestHost& host, const char* dataset) {
        std::vector<std::string> out;
        for (const auto& s : host.zfs.at(dataset).snapshots) {
            out.push_back(s.name + (s.sent ? "+s" : "") + (s.held ? "+h" : ""));
        }
        return out;
    }
    /// What changes something: no look.
    static std::vector<std::string> changes(const test::TestHost& host) {
        std::vector<std::string> out;
        for (const auto& call : host.zfs.calls()) {
            const std::string method = call.substr(0, call.find(' '));
            const bool look = method == "datasets" || method == "versions" || method == "flush" ||
                              method == "holds" || method == "token_info";
            if (!look) out.push_back(call);
        }
        return out;
    }
    void expect_back() {
        EXPECT_EQ(beta->zfs.content("backup/fs"), first);
        EXPECT_EQ(beta->zfs.at("backup/fs").written, 0U);
        EXPECT_EQ(names(*beta, "backup/fs"), std::vector<std::string>{"zrep_000000+s+h"});
        EXPECT_EQ(alpha->zfs.content("tank/fs"), newest);
        EXPECT_EQ(names(*alpha, "tank/fs"),
                  (std::vector<std::string>{"zrep_000000+s+h", "zrep_000001", "zrep_000002+h"}));
        EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kPaused), "yes");
    }
    /// And it goes on from there by increments.
    void expect_forward() {
        alpha->zfs.write("tank/fs", 700);
        alpha->zfs.forget_calls();
        const auto next = sync();
        ASSERT_EQ(next.outcome, "done") << next.text;
        EXPECT_EQ(alpha->zfs.content("tank/fs"), beta->zfs.content("backup/fs"));
        EXPECT_EQ(alpha->zfs.at("tank/fs").snapshots.back().guid,
                  beta->zfs.at("backup/fs").snapshots.back().guid);
    }
    rpc::PairStatus status() { return service.status({.datasets = {"tank/fs"}})->pairs.at(0); }
    Result<rpc::RunStarted> call(const std::string& snapshot, bool dry_run) {
        rpc::PutBackIn in;
        in.dataset = "tank/fs";
        in.snapshot = snapshot;
        in.dry_run = dry_run;
        return test::run_task(io, service.put_back(std::move(in), control::Caller{}));
    }
    void expect_untouched(const rpc::RunResult& result, const char* kind) {
        EXPECT_EQ(result.outcome, "failed");
        ASSERT_TRUE(result.error) << result.text;
        EXPECT_EQ(result.error->kind, kind);
        EXPECT_NE(result.error->remedy, "");
        EXPECT_EQ(changes(*alpha), std::vector<std::string>{}) << result.text;
        EXPECT_EQ(changes(*beta), std::vector<std::string>{}) << result.text;
    }

    std::uint64_t first = 0;
    std::uint64_t newest = 0;
    test::ServedHost served{*alpha};
    DaemonService& service = served.service;
};

TEST_F(PutBack, AQuestionWithAKeyWaitsForASlowPeerAsTheRealThingDoes) {
    const pid_t link = alpha->relay.children.front();  // the session's
    ::kill(link, SIGSTOP);
    asio::steady_timer later(io, std::chrono::seconds(5));
    later.async_wait([link](const auto&) { ::kill(link, SIGCONT); });
    rpc::PutBackIn in;
    in.dataset = "tank/fs";
    in.snapshot = "zrep_000000";
    in.dry_run = true;
    in.request_key = "k";
    const auto dry = test::run_task(io, service.put_back(std::move(in), control::Caller{}));
    ASSERT_TRUE(dry) << dry.error().text();
    EXPECT_EQ(dry->steps.size(), 7U);
}

TEST_F(PutBack, StatusSaysSoUntilItIsBroughtForward) {
    EXPECT_FALSE(status().put_back);
    const auto dry = call("zrep_000000", /*dry_run=*/true);
    ASSERT_TRUE(dry);
    EXPECT_EQ(dry->steps.size(), 7U);
    ASSERT_EQ(ended(call("zrep_000000", /*dry_run=*/false)).outcome, "done");
    EXPECT_EQ(status().put_back, "tank/fs@zrep_000000");
    EXPECT_TRUE(status().paused);
    EXPECT_EQ(status().backlog_bytes, 11'000U);
    EXPECT_EQ(status().health, "ok");
    EXPECT_EQ(status().pending_snapshots, 2U);
    EXPECT_EQ(call("a/b", /*dry_run=*/false).error().code, Code::invalid_params);
    // By name, it is brought forward though it is paused.
    ASSERT_EQ(sync().outcome, "done");
    EXPECT_FALSE(status().put_back);
    rpc::UnpauseIn in;
    in.datasets = {"tank/fs"};
    const auto done = test::run_task(io, service.unpause(std::move(in), control::Caller{}));
    ASSERT_TRUE(done);
    EXPECT_EQ(done->steps,
              (std::vector<std::string>{"zfs inherit zrep:paused 'tank/fs'",
                                        "zfs inherit zrep:back 'tank/fs'"}));
    EXPECT_FALSE(status().paused);
    EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kBack), "");
}

TEST_F(PutBack, ItIsThereAndWaits) {
    const auto result = back();
    ASSERT_EQ(result.outcome, "done") << result.text;
    EXPECT_NE(result.text.find("backup/fs on beta is at @zrep_000000: 2 newer snapshots"),
              std::string::npos)
        << result.text;
    EXPECT_NE(result.text.find("zrepctl unpause 'tank/fs', then zrepctl sync 'tank/fs'"),
              std::string::npos)
        << result.text;
    expect_back();
    EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kBack),
              alpha->zfs.at("tank/fs").snapshots.front().guid.str());
    expect_forward();
}

TEST_F(PutBack, WithNothingNewOnTheMasterOneIncrementBringsItForward) {
    ASSERT_EQ(back().outcome, "done");
    alpha->zfs.forget_calls();
    const auto next = sync();
    ASSERT_EQ(next.outcome, "done") << next.text;
    EXPECT_EQ(alpha->zfs.count("send "), 1U);
    EXPECT_EQ(alpha->zfs.count("snapshot "), 0U);
    EXPECT_EQ(beta->zfs.content("backup/fs"), newest);
    EXPECT_EQ(names(*beta, "backup/fs"),
              (std::vector<std::string>{"zrep_000000+s", "zrep_000002+s+h"}));
}

TEST_F(PutBack, TheDryRunSaysTheStepsThatAreTaken) {
    beta->zfs.write("backup/fs", 12);
    const auto found = described();
    EXPECT_TRUE(found.results.empty()) << found.results.front().text;
    EXPECT_EQ(changes(*alpha), std::vector<std::string>{});
    EXPECT_EQ(changes(*beta), std::vector<std::string>{});
    const std::vector<std::string> steps{
        "pause tank/fs",
        "hold and bookmark tank/fs@zrep_000000",
        "hold backup/fs@zrep_000000 on beta",
        "release zrepd's hold on backup/fs@zrep_000002 on beta",
        "destroy backup/fs@zrep_000001, @zrep_000002 on beta (10.7 KiB; alpha has the same)",
        "roll backup/fs on beta back to @zrep_000000, and lose 12 B that were written there after "
        "@zrep_000002",
        "take tank/fs@zrep_000001, @zrep_000002 for not acknowledged any more; they stay here"};
    EXPECT_EQ(found.steps, steps);
    ASSERT_EQ(back().outcome, "done");
    const auto here = changes(*alpha);
    ASSERT_EQ(here.size(), 4U);
    EXPECT_EQ(here[0].find("set tank/fs zrep:paused=yes"), 0U) << here[0];
    EXPECT_EQ(here[1], "hold tank/fs@zrep_000000");
    EXPECT_EQ(here[2], "acknowledge tank/fs@zrep_000000");
    EXPECT_EQ(here[3], "forget_sent tank/fs@zrep_000001 tank/fs@zrep_000002");
    EXPECT_EQ(changes(*beta),
              (std::vector<std::string>{"hold backup/fs@zrep_000000",
                                        "release backup/fs@zrep_000002",
                                        "destroy_snapshots backup/fs@zrep_000001,zrep_000002",
                                        "rollback backup/fs@zrep_000000"}));
    expect_back();
}

TEST_F(PutBack, ToTheNewestIsAPause) {
    const auto result = back("zrep_000002");
    ASSERT_EQ(result.outcome, "done") << result.text;
    EXPECT_EQ(beta->zfs.count("destroy"), 0U);
    EXPECT_EQ(beta->zfs.count("rollback"), 0U);
    EXPECT_EQ(alpha->zfs.count("forget_sent"), 0U);
    EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kPaused), "yes");
}

TEST_F(PutBack, FurtherBackAndNotForthAgain) {
    ASSERT_EQ(back("zrep_000001").outcome, "done");
    // It has never been acknowledged since.
    alpha->zfs.forget_calls();
    beta->zfs.forget_calls();
    expect_untouched(back("zrep_000002"), "refused");
    ASSERT_EQ(back("zrep_000000").outcome, "done");
    EXPECT_EQ(beta->zfs.content("backup/fs"), first);
    expect_forward();
    // The holds of all that are over by the next acknowledgement.
    for (auto& [host, dataset] : {std::pair(&*alpha, "tank/fs"), std::pair(&*beta, "backup/fs")}) {
        std::size_t held = 0;
        for (const auto& s : host->zfs.at(dataset).snapshots) held += s.held ? 1U : 0U;
        EXPECT_EQ(held, 1U) << dataset;
        EXPECT_TRUE(host->zfs.at(dataset).snapshots.back().held) << dataset;
    }
}

TEST_F(PutBack, ExpiryOfThePausedMasterTakesNothingOfIt) {
    ASSERT_EQ(back().outcome, "done");
    give(*alpha, "tank/fs", prop::kSavecount, "2");
    discover();
    const auto expired = ended(alpha->engine.start_expire({fs}, /*local_only=*/false));
    EXPECT_EQ(expired.outcome, "done") << expired.text;
    expect_back();
}

TEST_F(PutBack, WhatTheMasterHasNotIsNotDestroyed) {
    auto& target = beta->zfs.at("backup/fs");
    const auto refused = [&](const char* kind, const char* said) {
        discover();
        alpha->zfs.forget_calls();
        beta->zfs.forget_calls();
        const auto dry = described();
        ASSERT_EQ(dry.results.size(), 1U);
        EXPECT_TRUE(dry.steps.empty());
        const auto result = back();
        expect_untouched(result, kind);
        EXPECT_EQ(dry.results[0].text, result.text);
        EXPECT_NE(result.text.find(said), std::string::npos) << result.text;
        EXPECT_NE(result.text.find("beta"), std::string::npos) << result.text;
    };
    beta->zfs.take("backup/fs@mine");
    refused("conflict", "@mine");
    target.snapshots.pop_back();
    beta->zfs.take("backup/fs@zrep_000003");
    refused("conflict", "@zrep_000003, which alpha has not got");
    target.snapshots.pop_back();
    target.snapshots.back().foreign_hold = true;
    refused("refused", "others hold");
    target.snapshots.back().foreign_hold = false;
    target.snapshots.back().cloned = true;
    refused("refused", "clones of @zrep_000002");
    target.snapshots.back().cloned = false;
    target.bookmarks.push_back({.name = "mine",
                                .guid = target.snapshots.back().guid,
                                .createtxg = target.snapshots.back().createtxg});
    refused("conflict", "#mine");
    target.bookmarks.clear();
    give(*beta, "backup/fs", prop::kInprogress, "rejoining");
    refused("busy", "rejoining");
    give(*beta, "backup/fs", prop::kInprogress, "");
    give(*beta, "backup/fs", prop::kEpoch, "3");
    refused("conflict", "epoch 3");
    give(*beta, "backup/fs", prop::kEpoch, "1");
    ASSERT_EQ(back().outcome, "done");
    expect_back();
}

TEST_F(PutBack, WhatCannotBeIsSaidBeforeThePeerIsAsked) {
    expect_untouched(back("zrep_000009"), "not_found");
    alpha->zfs.take("tank/fs@mine");
    discover();
    expect_untouched(back("mine"), "refused");
    give(*alpha, "tank/fs", prop::kInprogress, "freezing");
    discover();
    expect_untouched(back(), "busy");
}

TEST_F(PutBack, OnTheTargetItSaysWhereItIsDone) {
    const auto started = beta->engine.start_put_back({target_fs, "zrep_000000"});
    ASSERT_TRUE(started);
    const sync::RunPtr run = beta->runs.find(started->run_id);
    test::run_until(io, [&run] { return run->finished(); });
    const auto& error = run->out().results.at(0).error;
    ASSERT_TRUE(error);
    EXPECT_EQ(error->kind, "wrong_role");
    EXPECT_EQ(error->remedy, "run zrepctl sync 'tank/fs@zrep_000000' on alpha");
}

TEST_F(PutBack, IsRefusedWhileASyncRunsAndJoinsItself) {
    const auto started = alpha->engine.start_sync({fs}, sync::Freshness::listed);
    ASSERT_TRUE(started);
    const auto refused = alpha->engine.start_put_back({fs, "zrep_000000"});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::busy);
    EXPECT_EQ(described().results.at(0).error->kind, "busy");
    EXPECT_NE(ended(started).outcome, "failed");
    const auto first_call = alpha->engine.start_put_back({fs, "zrep_000000"});
    ASSERT_TRUE(first_call);
    const auto second_call = alpha->engine.start_put_back({fs, "zrep_000000"});
    ASSERT_FALSE(second_call);
    EXPECT_EQ(second_call.error().code, Code::already_running);
    EXPECT_EQ(alpha->engine.start_put_back({fs, "zrep_000001"}).error().code, Code::busy);
    EXPECT_EQ(ended(first_call).outcome, "done");
}

TEST_F(PutBack, EachFailureOnTheWayLeavesAPairAndTheRepetitionSettlesIt) {
    struct Case {
        test::TestHost* host;
        const char* step;
    };
    const Case cases[] = {{&*alpha, "set"},
                          {&*alpha, "hold"},
                          {&*alpha, "acknowledge"},
                          {&*alpha, "forget_sent"},
                          {&*beta, "hold"},
                          {&*beta, "release"},
                          {&*beta, "destroy_snapshots"},
                          {&*beta, "rollback"}};
    for (const bool repeat : {true, false}) {
        for (const Case& c : cases) {
            SCOPED_TRACE(std::string(c.host == &*alpha ? "alpha " : "beta ") + c.step +
                         (repeat ? ", again" : ", sync"));
            const auto& all = alpha->zfs.at("tank/fs").snapshots;
            const std::string base = all.back().name;
            const auto content = alpha->zfs.content("tank/fs");
            alpha->zfs.write("tank/fs", 100);
            ASSERT_EQ(sync().outcome, "done");
            c.host->zfs.fail_next(c.step, broken());
            EXPECT_EQ(back(base).outcome, "failed");
            if (repeat) {
                const auto again = back(base);
                ASSERT_EQ(again.outcome, "done") << again.text;
                EXPECT_EQ(beta->zfs.content("backup/fs"), content);
                EXPECT_EQ(beta->zfs.at("backup/fs").written, 0U);
            }
            expect_forward();
        }
    }
}

TEST_F(PutBack, AnAnswerThatIsLostIsFoundOutByRepeating) {
    // The target does it all, and the connection breaks before it says so.
    beta->zfs.on_call([this](const std::string& call) {
        if (call.starts_with("rollback")) ::kill(alpha->relay.children.front(), SIGKILL);
    });
    EXPECT_EQ(back().outcome, "failed");
    beta->zfs.on_call(nullptr);
    test::run_until(io, [&] { return beta->zfs.content("backup/fs") == first; });
    const auto again = back();
    ASSERT_EQ(again.outcome, "done") << again.text;
    expect_back();
}

TEST_F(PutBack, AnOlderPeerIsTold) {
    rpc::Hello greeting;
    greeting.protocol = rpc::kProtocol;
    greeting.host = "beta";
    greeting.access = "peer";
    test::Script script{.first = rpc::notification_line("hello", rpc::encode(greeting))};
    script.answer = [](const std::string& line) {
        const auto asked = rpc::parse_request(line);
        return rpc::error_line(asked->id,
                               {.code = Code::method_not_found, .message = "no such method"});
    };
    test::ScriptedTransport older(io.get_executor(), std::move(script));
    peer::Peers peers(io.get_executor(), older, nullptr);
    sync::Engine engine(alpha->sync, peers);
    const auto result = ended(engine.start_put_back({fs, "zrep_000000"}));
    expect_untouched(result, "unsupported");
    EXPECT_NE(result.text.find("the zrepd on beta is older"), std::string::npos) << result.text;
    test::run_task(io, engine.stop());
    test::run_task(io, peers.stop());
    older.tasks.cancel();
    test::run_task(io, older.tasks.join());
}

TEST_F(PutBack, OfAPeerIsOnlyForWhatIsItsOwn) {
    const Guid base = beta->zfs.at("backup/fs").snapshots.front().guid;
    const std::tuple<const char*, const char*, const char*, Code> table[] = {
        {"gamma", "tank/fs", "backup/fs", Code::not_accepted},
        {"alpha", "tank/other", "backup/fs", Code::not_accepted},
        {"alpha", "tank/fs", "backup/none", Code::not_accepted},
        {"alpha", "tank/fs", "-F", Code::invalid_params}};
    for (const auto& [peer, source, target, code] : table) {
        rpc::RollBackIn in;
        in.source = source;
        in.target = target;
        in.epoch = 1;
        in.base = base;
        const auto out = test::run_task(io, beta->target.roll_back(peer, std::move(in)));
        ASSERT_FALSE(out) << peer << " " << target;
        EXPECT_EQ(out.error().code, code) << out.error().text();
    }
    EXPECT_EQ(changes(*beta), std::vector<std::string>{});
}

/// In a split brain the names and the epoch are those of a pair, and the data is nobody's copy.
TEST_F(PutBack, AMasterIsNotRolledBack) {
    const std::pair<std::string_view, const char*> master[] = {{prop::kMaster, "yes"},
                                                               {prop::kSrcHost, "beta"},
                                                               {prop::kSrcFs, "backup/fs"},
                                                               {prop::kDestHost, "alpha"},
                                                               {prop::kDestFs, "tank/fs"}};
    for (const auto& [key, value] : master)
        beta->zfs.at("backup/fs").props[std::string(key)] = {value, Source::local};
    ASSERT_TRUE(test::run_task(io, beta->inventory.discover()));
    rpc::RollBackIn in;
    // Nothing else is in the way.
    for (const auto& s : beta->zfs.at("backup/fs").snapshots) in.newer.push_back(s.guid);
    in.source = "tank/fs";
    in.target = "backup/fs";
    in.epoch = 1;
    in.base = beta->zfs.at("backup/fs").snapshots.front().guid;
    const auto out = test::run_task(io, beta->target.roll_back("alpha", std::move(in)));
    ASSERT_FALSE(out);
    EXPECT_EQ(out.error().code, Code::not_accepted) << out.error().text();
    EXPECT_EQ(changes(*beta), std::vector<std::string>{});
}

}  // namespace
}  // namespace zrepd
