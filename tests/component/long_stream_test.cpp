// SPDX-License-Identifier: BSD-2-Clause
// A stream that runs for hours, and what does not wait for its end.
#include <gtest/gtest.h>

#include <functional>

#include "tests/fakes/two_hosts.hpp"

namespace zrepd {
namespace {

using namespace std::chrono_literals;
using sync::Freshness;

/// Two pairs: of tank/fs every stream from now on stalls when stall_fs() was called.
class LongStream : public test::TwoHosts {
  protected:
    LongStream() {
        EXPECT_EQ(init().outcome, "done");
        EXPECT_EQ(ended(start_init("second", "beta")).outcome, "done");
    }
    /// tank/NAME, which is made for it, to backup/NAME there.
    Result<rpc::RunStarted> start_init(const std::string& name, const char* host) {
        alpha->zfs.create("tank/" + name);
        alpha->zfs.write("tank/" + name, 50'000);
        sync::InitRequest request{.dataset = *DatasetName::parse("tank/" + name),
                                  .host = *HostName::parse(host),
                                  .target = *DatasetName::parse("backup/" + name)};
        return test::run_task(io, alpha->engine.start_init(std::move(request)));
    }
    void stall_fs() {
        alpha->sync.ack_wait = 50ms;
        alpha->zfs.write("tank/fs", 50'000);
        stall([](const std::string& send) { return send.find("tank/fs@") != send.npos; });
    }
    /// From now on the streams of which this is true begin and never end.
    void stall(std::function<bool(const std::string& send)> which) {
        alpha->zfs.on_call([this, which = std::move(which)](const std::string& call) {
            if (call.starts_with("send ") && which(call)) alpha->zfs.stall_next_send(1'000);
        });
    }
    /// A sync of these whose answer from the other side gets lost, and what is written after it.
    void lose_acknowledgements(const std::vector<DatasetName>& datasets) {
        for (const auto& name : datasets) alpha->zfs.write(name.str(), 5'000);
        alpha->zfs.fail_next("acknowledge", {.code = Code::timed_out, .message = "too slow"});
        EXPECT_EQ(ended(alpha->engine.start_sync(datasets, Freshness::listed)).outcome, "failed");
        for (const auto& name : datasets) alpha->zfs.write(name.str(), 7'000);
        alpha->zfs.forget_calls();
    }
    /// The end of tank/second's part in a sync of both, in which tank/fs has none.
    rpc::RunResult sync_beside_fs() {
        const auto started = alpha->engine.start_sync({fs, second}, Freshness::listed);
        const sync::RunPtr run = alpha->runs.find(started->run_id);
        test::run_until(io, [&] { return !run->pending(second); });
        EXPECT_TRUE(run->pending(fs));
        return run->out().results.at(1);
    }
    static void expect_in(const std::string& text, std::string_view part) {
        EXPECT_NE(text.find(part), text.npos) << "'" << part << "' is not in: " << text;
    }

    const DatasetName second = *DatasetName::parse("tank/second");
};

Task<> tell_of_place(sync::StreamPlaces* places,
                     plan::Stream stream,
                     DatasetName dataset,
                     std::vector<std::string>* told) {
    const auto place = co_await places->acquire(std::move(stream), std::move(dataset));
    told->push_back(place ? "has one" : place.error().message);
}

TEST_F(LongStream, WhatWasRecordedLateGoesOnWithoutWaitingForIt) {
    lose_acknowledgements({second});
    stall_fs();
    const auto result = sync_beside_fs();
    ASSERT_EQ(result.outcome, "done") << result.text;
    expect_in(result.text, "recorded tank/second@zrep_000001");
    expect_in(result.text, "sent tank/second@zrep_000002");
    EXPECT_EQ(alpha->zfs.content("tank/second"), beta->zfs.content("backup/second"));
}

TEST_F(LongStream, WhatWaitedBehindAnInterruptedStreamGoesOnWithoutWaitingForIt) {
    alpha->zfs.write("tank/second", 50'000);
    beta->zfs.cut_next_receive(20'000);
    ASSERT_EQ(ended(alpha->engine.start_sync({second}, Freshness::listed)).outcome, "failed");
    alpha->zfs.write("tank/second", 7'000);
    stall_fs();
    const auto result = sync_beside_fs();
    ASSERT_EQ(result.outcome, "done") << result.text;
    EXPECT_TRUE(result.resumed);
    expect_in(result.text, "resumed tank/second@zrep_000001");
    expect_in(result.text, "sent tank/second@zrep_000002");
    EXPECT_EQ(alpha->zfs.content("tank/second"), beta->zfs.content("backup/second"));
}

TEST_F(LongStream, WhatEndsTogetherGoesOnTogether) {
    lose_acknowledgements({fs, second});
    const auto started = alpha->engine.start_sync({fs, second}, Freshness::listed);
    EXPECT_EQ(ended(started).outcome, "done");
    EXPECT_EQ(alpha->zfs.count("send"), 2U);
    EXPECT_EQ(alpha->zfs.count("snapshot"), 1U) << "one process for both";
    EXPECT_EQ(alpha->zfs.content("tank/second"), beta->zfs.content("backup/second"));
}

TEST_F(LongStream, ThoseToOneHostLeaveAPlaceToAnother) {
    test::TestHost gamma(io, "gamma", directory, directory / "alpha.sock");
    const std::string socket = directory / "gamma.sock";
    EXPECT_TRUE(gamma.server.listen(socket));
    alpha->relay.sockets["gamma"] = socket;
    gamma.zfs.create("backup");
    gamma.zfs.at("backup").props[std::string(prop::kAccept)] = {"alpha", Source::local};
    ASSERT_EQ(ended(start_init("other", "gamma")).outcome, "done");
    std::vector<DatasetName> to_beta{fs, second};
    for (const auto* name : {"third", "fourth"}) {
        ASSERT_EQ(ended(start_init(name, "beta")).outcome, "done");
        to_beta.push_back(*DatasetName::parse(std::string("tank/") + name));
    }
    for (const auto& name : to_beta) alpha->zfs.write(name.str(), 50'000);
    stall([](const std::string& send) { return send.find("tank/other@") == send.npos; });
    alpha->zfs.forget_calls();
    const auto slow = alpha->engine.start_sync(to_beta, Freshness::listed);
    test::run_until(io, [&] { return alpha->zfs.count("send") == 3; });
    alpha->zfs.write("tank/other", 5'000);
    const DatasetName other = *DatasetName::parse("tank/other");
    const auto result = ended(alpha->engine.start_sync({other}, Freshness::listed));
    EXPECT_EQ(result.outcome, "done") << result.text;
    for (const auto& name : to_beta)
        EXPECT_TRUE(alpha->runs.find(slow->run_id)->pending(name)) << name.str();
    test::run_task(io, gamma.stop());
}

TEST_F(LongStream, FirstOnesLeaveAPlaceToSyncs) {
    stall([](const std::string& send) { return send.find("tank/second@") == send.npos; });
    alpha->zfs.forget_calls();
    std::vector<std::string> inits;
    for (const auto* name : {"a", "b", "c", "d"}) inits.push_back(start_init(name, "beta")->run_id);
    test::run_until(io, [&] { return alpha->zfs.count("send") == 3; });
    alpha->zfs.write("tank/second", 5'000);
    const auto result = ended(alpha->engine.start_sync({second}, Freshness::listed));
    EXPECT_EQ(result.outcome, "done") << result.text;
    for (const auto& id : inits) EXPECT_FALSE(alpha->runs.find(id)->finished());
}

TEST_F(LongStream, AWaitForAPlaceThatIsCancelledTakesNone) {
    sync::StreamPlaces places(io.get_executor(), 1, alpha->sync.sends);
    const plan::Stream stream{.peer = beta->config.host};
    auto held = test::run_task(io, places.acquire(stream, fs));
    TaskGroup waiting(io.get_executor());
    std::vector<std::string> told;
    waiting.spawn("cancelled", tell_of_place(&places, stream, second, &told));
    test::run_ready(io);
    waiting.cancel();
    test::run_task(io, waiting.join());
    EXPECT_EQ(told, std::vector<std::string>{"zrepd is stopping"});
    held = Error{};
    EXPECT_TRUE(test::run_task(io, places.acquire(stream, fs)));
}

/// As a stream is ended that holds up the opening of its filesystem.
TEST_F(LongStream, AWaitForAPlaceIsEndedAsAStreamIs) {
    sync::StreamPlaces places(io.get_executor(), 1, alpha->sync.sends);
    const plan::Stream stream{.peer = beta->config.host};
    auto held = test::run_task(io, places.acquire(stream, fs));
    TaskGroup waiting(io.get_executor());
    std::vector<std::string> told;
    waiting.spawn("ended", tell_of_place(&places, stream, second, &told));
    test::run_ready(io);
    alpha->sync.sends.end(second);
    test::run_ready(io);
    ASSERT_EQ(told.size(), 1U);
    expect_in(told[0], "opened again first");
    // An urgent one has a place beside all that are taken.
    const plan::Stream urgent{.peer = beta->config.host, .urgent = true};
    EXPECT_TRUE(test::run_task(io, places.acquire(urgent, second)));
    test::run_task(io, waiting.join());
}

}  // namespace
}  // namespace zrepd
