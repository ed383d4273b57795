// SPDX-License-Identifier: BSD-2-Clause
// init and sync between two daemons: the decisions around streams that break, wait or are refused.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <thread>

#include "daemon/sync/receiver.hpp"
#include "tests/fakes/two_hosts.hpp"

namespace zrepd {
namespace {

class Sync : public test::TwoHosts {
  protected:
    void init_second(const DatasetName& dataset, std::string_view target = "backup/second") {
        alpha->zfs.create(dataset.str());
        alpha->zfs.write(dataset.str(), 5'000);
        sync::InitRequest request{
            .dataset = dataset, .host = beta->config.host, .target = *DatasetName::parse(target)};
        const auto made = ended(test::run_task(io, alpha->engine.start_init(std::move(request))));
        EXPECT_EQ(made.outcome, "done") << made.text;
    }
    /// Not directly; the receiver and its lock are gone afterwards.
    static Task<> receive_into(std::unique_ptr<peer::TargetService::Receiver> receiver,
                               Fd in,
                               std::optional<rpc::Received>* out) {
        Task<rpc::Received> work = receiver->receive(std::move(in), /*direct=*/false, "");
        *out = co_await std::move(work);
    }
    static Task<> receive_into(peer::TargetService::Receiver* receiver,
                               Fd in,
                               std::optional<rpc::Received>* out) {
        Task<rpc::Received> work = receiver->receive(std::move(in), /*direct=*/true, "");
        *out = co_await std::move(work);
    }
    /// What is left on beta of alpha's last stream when alpha loses its power: it waits for more,
    /// and nobody ever says that there is none.
    struct Stream {
        explicit Stream(Sync& hosts) : group(hosts.io.get_executor()) {
            rpc::ReceiveIn in;
            in.source = "tank/fs";
            in.target = "backup/fs";
            in.snapshot = "zrep_000009";
            in.mode = "incremental";
            in.base = Guid{1};
            auto receiver = test::run_task(hosts.io, hosts.beta->target.open_receive("alpha", in));
            int ends[2];
            const bool made = ::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0;
            if (!receiver || !made) {
                ADD_FAILURE() << "no stream: " << (receiver ? "" : receiver.error().text());
                return;
            }
            sender = Fd(ends[1]);
            group.spawn("receive", receive_into(std::move(*receiver), Fd(ends[0]), &received));
            test::run_ready(hosts.io);
        }
        Fd sender;
        TaskGroup group;
        std::optional<rpc::Received> received;
    };
    /// One run of tank/fs and this one; their results.
    std::vector<rpc::RunResult> sync_both(const DatasetName& second) {
        const auto started = alpha->engine.start_sync({fs, second}, sync::Freshness::listed);
        ended(started);
        return alpha->runs.find(started->run_id)->out().results;
    }
};

Error busy() {
    return {.code = Code::busy, .message = "an earlier receive is about to end"};
}

TEST_F(Sync, InitAndSyncLeaveEqualContent) {
    const rpc::RunResult made = init();
    ASSERT_EQ(made.outcome, "done") << made.text;
    EXPECT_EQ(alpha->zfs.content("tank/fs"), beta->zfs.content("backup/fs"));
    EXPECT_FALSE(alpha->zfs.at("tank/fs").props.contains(prop::kInprogress));
    alpha->zfs.write("tank/fs", 5'000);
    const rpc::RunResult synced = sync();
    ASSERT_EQ(synced.outcome, "done") << synced.text;
    EXPECT_EQ(alpha->zfs.content("tank/fs"), beta->zfs.content("backup/fs"));
    EXPECT_EQ(alpha->zfs.at("tank/fs").snapshots.back().sent,
              beta->zfs.at("backup/fs").snapshots.back().sent);
}

TEST_F(Sync, AnUnchangedFilesystemCostsNoSnapshotAndNoStream) {
    ASSERT_EQ(init().outcome, "done");
    alpha->zfs.forget_calls();
    EXPECT_EQ(sync().outcome, "unchanged");
    EXPECT_EQ(alpha->zfs.count("snapshot"), 0U);
    EXPECT_EQ(alpha->zfs.count("send"), 0U);
}

TEST_F(Sync, ResumesAStreamThatWasCut) {
    ASSERT_EQ(init().outcome, "done");
    alpha->zfs.write("tank/fs", 50'000);
    beta->zfs.cut_next_receive(20'000);
    const rpc::RunResult cut = sync();
    ASSERT_EQ(cut.outcome, "failed");
    EXPECT_TRUE(beta->zfs.at("backup/fs").partial);
    const rpc::RunResult resumed = sync();
    ASSERT_EQ(resumed.outcome, "done") << resumed.text;
    EXPECT_TRUE(resumed.resumed);
    EXPECT_LT(resumed.bytes, 50'000U);
    EXPECT_EQ(alpha->zfs.content("tank/fs"), beta->zfs.content("backup/fs"));
}

TEST_F(Sync, ResumesAnInitThatWasCut) {
    beta->zfs.cut_next_receive(20'000);
    ASSERT_EQ(init().outcome, "failed");
    const rpc::RunResult resumed = init();
    ASSERT_EQ(resumed.outcome, "done") << resumed.text;
    EXPECT_TRUE(resumed.resumed);
    EXPECT_EQ(alpha->zfs.at("tank/fs").snapshots.size(), 1U);
    EXPECT_EQ(alpha->zfs.content("tank/fs"), beta->zfs.content("backup/fs"));
}

TEST_F(Sync, APlainFilesystemIsNotPutBelowAnEncryptedParent) {
    beta->zfs.at("backup").encrypted = true;
    const rpc::RunResult made = init();
    ASSERT_TRUE(made.error);
    EXPECT_EQ(made.error->kind, "invalid_params");
    EXPECT_NE(made.error->message.find("backup on beta is: a copy below it would be"),
              std::string::npos)
        << made.error->message;
    EXPECT_TRUE(alpha->zfs.at("tank/fs").snapshots.empty());
    EXPECT_TRUE(alpha->zfs.at("tank/fs").props.empty());
}

TEST_F(Sync, WaitsForATargetThatIsBusyForAMoment) {
    ASSERT_EQ(init().outcome, "done");
    alpha->zfs.write("tank/fs", 5'000);
    beta->zfs.fail_next("receive", busy());
    const rpc::RunResult synced = sync();
    ASSERT_EQ(synced.outcome, "done") << synced.text;
    EXPECT_EQ(beta->zfs.count("receive"), 3U);  // init's, the refused one, and the good one
    EXPECT_EQ(alpha->zfs.content("tank/fs"), beta->zfs.content("backup/fs"));
}

TEST_F(Sync, InitWaitsForATargetThatIsBusyForAMoment) {
    beta->zfs.fail_next("receive", busy());
    const rpc::RunResult made = init();
    ASSERT_EQ(made.outcome, "done") << made.text;
    EXPECT_EQ(alpha->zfs.at("tank/fs").snapshots.size(), 1U);
    EXPECT_EQ(alpha->zfs.content("tank/fs"), beta->zfs.content("backup/fs"));
}

TEST_F(Sync, SecondSyncOfOneFilesystemIsToldTheRunUnderWay) {
    ASSERT_EQ(init().outcome, "done");
    alpha->zfs.write("tank/fs", 5'000);
    const auto first = alpha->engine.start_sync({fs}, sync::Freshness::listed);
    ASSERT_TRUE(first);
    const auto second = alpha->engine.start_sync({fs}, sync::Freshness::listed);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Code::already_running);
    EXPECT_EQ(second.error().run_id, first->run_id);
    EXPECT_EQ(ended(first).outcome, "done");
    EXPECT_EQ(alpha->zfs.count("send"), 2U);
}

TEST_F(Sync, AFilesystemIsFreeAgainWhenItsOwnPartOfTheRunIsOver) {
    ASSERT_EQ(init().outcome, "done");
    const DatasetName second = *DatasetName::parse("tank/second");
    init_second(second);
    alpha->zfs.write("tank/fs", 50'000);
    alpha->zfs.stall_next_send(1'000);
    alpha->zfs.forget_calls();
    const auto slow = alpha->engine.start_sync({fs, second}, sync::Freshness::listed);
    ASSERT_TRUE(slow);
    const sync::RunPtr run = alpha->runs.find(slow->run_id);
    // The send that stalls is to be this run's, not the next one's.
    const auto sends = [this] {
        const auto& calls = alpha->zfs.calls();
        return std::any_of(calls.begin(), calls.end(), [](const std::string& call) {
            return call.starts_with("send ");
        });
    };
    test::run_until(io, [&] { return !run->pending(second) && sends(); });
    alpha->zfs.write("tank/second", 5'000);
    const auto again = ended(alpha->engine.start_sync({second}, sync::Freshness::listed));
    EXPECT_EQ(again.outcome, "done") << again.text;
    EXPECT_TRUE(run->pending(fs));
}

TEST_F(Sync, AFilesystemThatWaitsForItsLockKeepsNoOtherFromItsSync) {
    ASSERT_EQ(init().outcome, "done");
    const DatasetName second = *DatasetName::parse("tank/second");
    init_second(second);
    alpha->zfs.write("tank/second", 5'000);
    auto guard = alpha->locks.try_lock(fs, lock::Scope::node, "something slow");
    const auto started = alpha->engine.start_sync({fs, second}, sync::Freshness::listed);
    ASSERT_TRUE(started);
    const sync::RunPtr run = alpha->runs.find(started->run_id);
    test::run_until(io, [&] { return !run->pending(second); });
    EXPECT_TRUE(run->pending(fs));
    EXPECT_EQ(alpha->zfs.content("tank/second"), beta->zfs.content("backup/second"));
    *guard = {};
    EXPECT_EQ(ended(started).outcome, "unchanged");
}

TEST_F(Sync, ASuspendedPoolKeepsNoOtherFromItsSync) {
    ASSERT_EQ(init().outcome, "done");
    const DatasetName second = *DatasetName::parse("dozer/second");
    alpha->zfs.create("dozer");
    init_second(second);
    alpha->zfs.write("tank/fs", 5'000);
    alpha->zfs.set_pool_trouble("dozer", "SUSPENDED");
    const auto results = sync_both(second);
    EXPECT_EQ(results.at(0).outcome, "done") << results.at(0).text;
    ASSERT_TRUE(results.at(1).error);
    EXPECT_EQ(results.at(1).error->kind, "pool_unavailable");
}

TEST_F(Sync, ASuspendedPoolOfTheTargetKeepsNoOtherFromItsSync) {
    ASSERT_EQ(init().outcome, "done");
    const DatasetName second = *DatasetName::parse("tank/second");
    beta->zfs.create("spare");
    beta->zfs.at("spare").props[std::string(prop::kAccept)] = {"alpha", Source::local};
    init_second(second, "spare/second");
    alpha->zfs.write("tank/fs", 5'000);
    alpha->zfs.write("tank/second", 5'000);
    beta->zfs.set_pool_trouble("spare", "SUSPENDED");
    const auto results = sync_both(second);
    EXPECT_EQ(results.at(0).outcome, "done") << results.at(0).text;
    ASSERT_TRUE(results.at(1).error);
    EXPECT_EQ(results.at(1).error->kind, "pool_unavailable");
    EXPECT_NE(results.at(1).text.find("beta"), std::string::npos) << results.at(1).text;
}

TEST_F(Sync, InitUnderAnotherNameOfThePeerIsRefusedBeforeAnythingIsStored) {
    sync::InitRequest request{
        .dataset = fs, .host = *HostName::parse("10.0.0.2"), .target = target_fs};
    const auto refused = ended(test::run_task(io, alpha->engine.start_init(std::move(request))));
    ASSERT_TRUE(refused.error);
    EXPECT_EQ(refused.error->kind, "invalid_params");
    EXPECT_NE(refused.text.find("calls itself beta"), std::string::npos) << refused.text;
    EXPECT_TRUE(alpha->zfs.at("tank/fs").props.empty());
    EXPECT_TRUE(alpha->zfs.at("tank/fs").snapshots.empty());
}

TEST_F(Sync, InitGoesOnAfterSomethingElseTookASnapshotOfTheCopy) {
    beta->zfs.fail_next("acknowledge", {.code = Code::timed_out, .message = "too slow"});
    ASSERT_EQ(init().outcome, "failed");
    beta->zfs.take("backup/fs@daily");
    const auto again = init();
    EXPECT_EQ(again.outcome, "done") << again.text;
}

TEST_F(Sync, InitThatWasCutOffInEveryPhaseGoesOn) {
    beta->zfs.cut_next_receive(20'000);
    ASSERT_EQ(init().outcome, "failed");
    // A look in the middle of the first stream, whose list must not be believed later.
    EXPECT_TRUE(test::run_task(io, beta->inventory.discover()).has_value());
    beta->zfs.fail_next("acknowledge", {.code = Code::timed_out, .message = "too slow"});
    ASSERT_EQ(init().outcome, "failed");
    const auto again = init();
    EXPECT_EQ(again.outcome, "done") << again.text;
}

TEST_F(Sync, ALocalReceiveThatHangsIsKilledOnceItsSenderIsGone) {
    ASSERT_EQ(init().outcome, "done");
    beta->config.stall_timeout = std::chrono::seconds(1);
    beta->zfs.hang_next_receive();
    auto guard = beta->locks.try_lock(target_fs, lock::Scope::node, "receive");
    const auto name = SnapshotName::make(target_fs, "zrep_000009");
    auto receiver = sync::make_receiver(beta->sync, {.snapshot = *name}, std::move(*guard));
    auto pipe = make_pipe();
    TaskGroup group(io.get_executor());
    std::optional<rpc::Received> received;
    group.spawn("receive", receive_into(receiver.get(), std::move(pipe->read), &received));
    test::run_ready(io);
    pipe->write.reset();
    receiver->sender_gone();
    test::run_until(io, [&] { return group.size() == 0; });
    EXPECT_TRUE(received.value().error);
}

TEST_F(Sync, AStreamWhoseSenderIsGoneMakesWayForTheNext) {
    ASSERT_EQ(init().outcome, "done");
    alpha->zfs.write("tank/fs", 5'000);
    Stream stream(*this);
    // Who only looks ends nothing.
    rpc::LookIn look;
    look.pairs.push_back({"tank/fs", "backup/fs"});
    EXPECT_TRUE(test::run_task(io, beta->target.look("alpha", look))->targets.at(0).receiving);
    look.sends = true;
    EXPECT_FALSE(test::run_task(io, beta->target.look("gamma", look))->targets.at(0).receiving);
    EXPECT_FALSE(stream.received);
    const rpc::RunResult next = sync();
    EXPECT_EQ(next.outcome, "done") << next.text;
    test::run_until(io, [&] { return stream.group.size() == 0; });
    ASSERT_TRUE(stream.received && stream.received->error);
    EXPECT_EQ(stream.received->error->kind, "cancelled");
}

TEST_F(Sync, AStreamThatIsGivenUpAndThatNoKillEndsSaysWhatItWaitsFor) {
    ASSERT_EQ(init().outcome, "done");
    beta->zfs.hang_next_receive({.code = Code::timed_out,
                                 .message = "the process did not end even when killed",
                                 .remedy = "look at zpool status"});
    Stream stream(*this);
    beta->sync.receives.end(target_fs);
    test::run_until(io, [&] { return stream.group.size() == 0; });
    ASSERT_TRUE(stream.received && stream.received->error);
    EXPECT_EQ(stream.received->error->kind, "timed_out");
    EXPECT_NE(stream.received->error->message.find("even when killed"), std::string::npos);
    EXPECT_EQ(stream.received->error->remedy, "look at zpool status");
}

TEST_F(Sync, AStreamOfAHostThatStartedAnewIsOver) {
    ASSERT_EQ(init().outcome, "done");
    Stream stream(*this);
    rpc::RolesIn in;
    in.sides.push_back({"tank/fs", "backup/fs", true, 1, /*idle=*/true});
    // It may have been opened since alpha said so.
    EXPECT_TRUE(test::run_task(io, beta->roles.roles("alpha", in)));
    test::run_ready(io);
    EXPECT_FALSE(stream.received);
    std::this_thread::sleep_for(std::chrono::milliseconds(2'100));
    in.sides[0].idle = false;
    EXPECT_TRUE(test::run_task(io, beta->roles.roles("alpha", in)));
    test::run_ready(io);
    EXPECT_FALSE(stream.received);
    in.sides[0].idle = true;
    EXPECT_TRUE(test::run_task(io, beta->roles.roles("alpha", in)));
    test::run_until(io, [&] { return stream.group.size() == 0; });
    ASSERT_TRUE(stream.received && stream.received->error);
}

TEST_F(Sync, AReceiveThatHangsIsKilled) {
    ASSERT_EQ(init().outcome, "done");
    beta->config.stall_timeout = std::chrono::seconds(1);
    alpha->zfs.write("tank/fs", 5'000);
    beta->zfs.hang_next_receive();
    const auto hung = sync();
    ASSERT_TRUE(hung.error);
    EXPECT_EQ(hung.error->kind, "timed_out") << hung.text;
}

TEST_F(Sync, APeerThatDoesNotAcceptUsGetsNothing) {
    beta->zfs.at("backup").props.clear();
    const rpc::RunResult refused = init();
    ASSERT_EQ(refused.outcome, "failed");
    ASSERT_TRUE(refused.error);
    EXPECT_EQ(refused.error->kind, "not_accepted");
    EXPECT_FALSE(beta->zfs.exists("backup/fs"));
    EXPECT_TRUE(alpha->zfs.at("tank/fs").snapshots.empty());
}

TEST_F(Sync, AFullTargetLosesNothingAndGoesOnLater) {
    ASSERT_EQ(init().outcome, "done");
    alpha->zfs.write("tank/fs", 5'000);
    beta->zfs.fail_next("receive", {.code = Code::no_space, .message = "out of space"});
    const rpc::RunResult full = sync();
    ASSERT_EQ(full.outcome, "failed");
    EXPECT_EQ(full.error->kind, "no_space");
    ASSERT_EQ(sync().outcome, "done");
    EXPECT_EQ(alpha->zfs.content("tank/fs"), beta->zfs.content("backup/fs"));
    EXPECT_EQ(alpha->zfs.at("tank/fs").snapshots.size(), 2U);
}

TEST_F(Sync, ABaseWhoseAcknowledgementGotLostIsRecordedAndHeldBeforeItIsSentFrom) {
    ASSERT_EQ(init().outcome, "done");
    alpha->zfs.write("tank/fs", 5'000);
    beta->zfs.fail_next("acknowledge", {.code = Code::timed_out, .message = "too slow"});
    ASSERT_EQ(sync().outcome, "failed");
    alpha->zfs.write("tank/fs", 5'000);
    alpha->zfs.stall_next_send(1'000);
    const auto started = alpha->engine.start_sync({fs}, sync::Freshness::listed);
    ASSERT_TRUE(started);
    test::run_until(io, [&] { return alpha->zfs.count("send") == 3; });
    const auto& base = alpha->zfs.at("tank/fs").snapshots.at(1);
    EXPECT_TRUE(base.sent);
    EXPECT_TRUE(base.held);
    EXPECT_TRUE(beta->zfs.at("backup/fs").snapshots.at(1).held);
}

TEST_F(Sync, ATargetThatBecameMasterWhileTheStreamWaitedIsNotRolledBack) {
    ASSERT_EQ(init().outcome, "done");
    rpc::ReceiveIn in;
    in.source = "tank/fs";
    in.target = "backup/fs";
    in.snapshot = "zrep_000001";
    in.mode = "incremental";
    in.base = beta->zfs.at("backup/fs").snapshots.back().guid;
    in.rollback = true;
    // By hand, a moment ago: no event has said so yet.
    beta->zfs.at("backup/fs").props[std::string(prop::kSrcFs)] = {"backup/fs", Source::local};
    beta->zfs.at("backup/fs").props[std::string(prop::kSrcHost)] = {"beta", Source::local};
    beta->zfs.at("backup/fs").props[std::string(prop::kDestFs)] = {"tank/fs", Source::local};
    beta->zfs.at("backup/fs").props[std::string(prop::kDestHost)] = {"alpha", Source::local};
    beta->zfs.at("backup/fs").props[std::string(prop::kMaster)] = {"yes", Source::local};
    beta->zfs.write("backup/fs", 5'000);
    const auto refused = test::run_task(io, beta->target.open_receive("alpha", in));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::not_accepted);
    EXPECT_EQ(beta->zfs.count("rollback"), 0U);
}

TEST_F(Sync, AnUnknownErrorAboutATokenThrowsNothingAway) {
    ASSERT_EQ(init().outcome, "done");
    alpha->zfs.write("tank/fs", 50'000);
    beta->zfs.cut_next_receive(20'000);
    ASSERT_EQ(sync().outcome, "failed");
    alpha->zfs.fail_next("token_info", {.code = Code::zfs_failed, .message = "never seen before"});
    const auto unknown = sync();
    ASSERT_TRUE(unknown.error);
    EXPECT_NE(unknown.error->remedy.find("zfs receive -A"), std::string::npos);
    EXPECT_TRUE(beta->zfs.at("backup/fs").partial);
    EXPECT_TRUE(sync().resumed);
}

TEST_F(Sync, ADeadPeerFailsWhatWaitsForAStreamAtOnce) {
    std::vector<DatasetName> all;
    const std::size_t streams = alpha->config.streams;
    for (std::size_t i = 0; i < streams + 2; ++i) {
        all.push_back(*DatasetName::parse("tank/n" + std::to_string(i)));
        init_second(all.back(), "backup/n" + std::to_string(i));
        alpha->zfs.write(all.back().str(), 5'000);
    }
    alpha->zfs.forget_calls();
    beta->zfs.fail_next("receive", {.code = Code::peer_unreachable, .message = "gone"});
    const auto started = alpha->engine.start_sync(all, sync::Freshness::listed);
    ended(started);
    EXPECT_EQ(alpha->zfs.count("send"), streams);
    std::size_t failed = 0;
    for (const auto& result : alpha->runs.find(started->run_id)->out().results) {
        if (result.error && result.error->kind == "peer_unreachable") ++failed;
    }
    EXPECT_EQ(failed, 3U);  // the one, and the two that waited
}

TEST_F(Sync, AnAcknowledgementWithAWrongGuidReleasesNoHold) {
    ASSERT_EQ(init().outcome, "done");
    rpc::CommitIn in;
    in.sent = 1'700'000'000;
    in.items.push_back({"tank/fs", "backup/fs", "zrep_000009", Guid{12345}});
    const auto out = test::run_task(io, beta->target.commit("alpha", in));
    ASSERT_TRUE(out);
    EXPECT_TRUE(out->items.at(0).error);
    EXPECT_TRUE(beta->zfs.at("backup/fs").snapshots.at(0).held);
}

TEST_F(Sync, APeerFoundsNoPairInSomebodyElsesName) {
    EXPECT_TRUE(test::run_task(io, beta->inventory.discover()));
    rpc::ReceiveIn in;
    in.source = "tank/fs";
    in.target = "backup/fs";
    in.snapshot = "zrep_000000";
    in.mode = "full";
    in.kind = "filesystem";
    in.settings = {{"zrep:src-host", "gamma"},
                   {"zrep:src-fs", "tank/fs"},
                   {"zrep:dest-host", "beta"},
                   {"zrep:dest-fs", "backup/fs"}};
    const auto refused = test::run_task(io, beta->target.open_receive("alpha", in));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::invalid_params);
    in.settings["zrep:src-host"] = "alpha";
    const auto good = test::run_task(io, beta->target.open_receive("alpha", in));
    EXPECT_TRUE(good) << good.error().text();
}

TEST_F(Sync, AnOldMasterMarkDoesNotMakeAnInterruptedInitComplete) {
    alpha->zfs.at("tank/fs").props[std::string(prop::kMaster)] = {"yes", Source::local};
    beta->zfs.cut_next_receive(20'000);
    ASSERT_EQ(init().outcome, "failed");
    const rpc::RunResult resumed = init();
    ASSERT_EQ(resumed.outcome, "done") << resumed.text;
    EXPECT_TRUE(resumed.resumed);
}

TEST_F(Sync, AFailedAcknowledgementIsMadeUpForWithoutAStream) {
    ASSERT_EQ(init().outcome, "done");
    alpha->zfs.write("tank/fs", 5'000);
    alpha->zfs.fail_next("acknowledge", {.code = Code::timed_out, .message = "too slow"});
    ASSERT_EQ(sync().outcome, "failed");
    alpha->zfs.forget_calls();
    const rpc::RunResult again = sync();
    ASSERT_EQ(again.outcome, "done") << again.text;
    EXPECT_EQ(alpha->zfs.count("send"), 0U);
    EXPECT_TRUE(alpha->zfs.at("tank/fs").snapshots.back().sent);
}

TEST_F(Sync, WhatIsSetDuringAStreamSaysWhatExpiresAtItsEnd) {
    ASSERT_EQ(init().outcome, "done");
    const std::string savecount(prop::kSavecount);
    const auto keep = [&](const char* count) {
        alpha->zfs.at("tank/fs").props[savecount] = {count, Source::local};
        alpha->inventory.note_set(fs, {{savecount, count}});
    };
    keep("2");
    alpha->zfs.write("tank/fs", 5'000);
    ASSERT_EQ(sync().outcome, "done");
    ASSERT_EQ(alpha->zfs.at("tank/fs").snapshots.size(), 2U);
    // As `zrepctl set` does it, while the stream runs for hours.
    alpha->zfs.on_call([&](const std::string& call) {
        if (call.starts_with("send")) keep("9");
    });
    alpha->zfs.write("tank/fs", 5'000);
    ASSERT_EQ(sync().outcome, "done");
    alpha->zfs.on_call(nullptr);
    EXPECT_EQ(alpha->zfs.at("tank/fs").snapshots.size(), 3U);
}

}  // namespace
}  // namespace zrepd
