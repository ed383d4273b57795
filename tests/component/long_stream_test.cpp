// SPDX-License-Identifier: BSD-2-Clause
// A stream that runs for hours, and what does not wait for its end.
#include <gtest/gtest.h>

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
        alpha->zfs.create("tank/second");
        alpha->zfs.write("tank/second", 5'000);
        sync::InitRequest request{.dataset = second,
                                  .host = beta->config.host,
                                  .target = *DatasetName::parse("backup/second")};
        EXPECT_EQ(ended(test::run_task(io, alpha->engine.start_init(std::move(request)))).outcome,
                  "done");
    }
    void stall_fs() {
        alpha->sync.ack_wait = 50ms;
        alpha->zfs.write("tank/fs", 50'000);
        alpha->zfs.on_call([this](const std::string& call) {
            const bool of_fs = call.starts_with("send ") && call.find("tank/fs@") != call.npos;
            if (of_fs) alpha->zfs.stall_next_send(1'000);
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

}  // namespace
}  // namespace zrepd
