// SPDX-License-Identifier: BSD-2-Clause
// A role change that is not finished for long, and a split brain: what is told of it, and how
// often.
#include <gtest/gtest.h>

#include <csignal>
#include <map>
#include <utility>

#include "tests/fakes/roles_test.hpp"

namespace zrepd {
namespace {

using failover::Ask;
using namespace std::chrono_literals;

class UnfinishedRolesTest : public test::RolesTest {
  protected:
    UnfinishedRolesTest() {
        subscription_ = alpha->events.subscribe([this](const rpc::EventOut& event) {
            if (!event.progress) ++told_[event.event];
            return true;
        });
        alpha->runs.on_part_end([this](const sync::PartEnd& end) {
            if (end.operation == "rejoin") ++tries_;
        });
    }
    void for_a_while(std::chrono::milliseconds how_long) {
        const auto until = std::chrono::steady_clock::now() + how_long;
        test::run_until(io, [&] { return std::chrono::steady_clock::now() > until; });
    }
    void be_a_target_by_hand() {
        for (const auto& [key, value] :
             std::initializer_list<std::pair<std::string_view, const char*>>{
                 {prop::kMaster, "no"},
                 {"readonly", "on"},
                 {prop::kSrcHost, "beta"},
                 {prop::kSrcFs, "backup/fs"},
                 {prop::kDestHost, "alpha"},
                 {prop::kDestFs, "tank/fs"}})
            give(*alpha, "tank/fs", key, value);
    }
    /// As a session with beta that opens does.
    void end_the_pause() { alpha->events.hint("peer_up", "beta"); }
    void lose_beta() {
        for (const pid_t child : alpha->relay.children) ::kill(child, SIGKILL);
        alpha->relay.away["beta"] = Code::peer_unreachable;
    }
    /// How long a stop of alpha's role changes takes, once this one sends.
    std::chrono::steady_clock::duration stop_in_its_stream(const Result<rpc::RunStarted>& started) {
        EXPECT_TRUE(started);
        test::run_until(io, [&] { return alpha->zfs.count("send") == 1; });
        const auto began = std::chrono::steady_clock::now();
        test::run_task(io, alpha->roles.stop());
        return std::chrono::steady_clock::now() - began;
    }
    static std::size_t errors_in(const std::string& log) {
        const std::string what = "[error] dataset_failed";
        std::size_t count = 0;
        for (auto at = log.find(what); at != log.npos; at = log.find(what, at + 1)) ++count;
        return count;
    }

    std::map<std::string, unsigned> told_;
    unsigned tries_ = 0;
    std::shared_ptr<void> subscription_;
};

TEST_F(UnfinishedRolesTest, TheSameFailureIsToldOfOnceAndAgainAfterSixty) {
    alpha->zfs.write("tank/fs", 5'000);
    alpha->zfs.on_call([this](const std::string& call) {
        if (call.starts_with("flush")) alpha->zfs.write("tank/fs", 100);
    });
    ASSERT_EQ(change(*beta, Ask::takeover_local, target_fs).outcome, "done");
    told_.clear();
    ::testing::internal::CaptureStdout();
    start_loops();
    for (unsigned i = 1; i <= 61; ++i) {
        end_the_pause();
        test::run_until(io, [&] { return tries_ >= i; });
        if (i != 60) continue;
        EXPECT_EQ(told_["run_started"], 1U);
        EXPECT_EQ(told_["run_finished"], 1U);
    }
    const std::string log = ::testing::internal::GetCapturedStdout();
    EXPECT_EQ(errors_in(log), 2U);
    EXPECT_EQ(told_["run_started"], 2U);
    EXPECT_EQ(told_["run_finished"], 2U);
    // What is done is told, of course.
    alpha->zfs.on_call({});
    end_the_pause();
    test::run_until(io, [&] { return is_target(*alpha, "tank/fs"); });
    test::run_until(io, [&] { return told_["run_finished"] == 3; });
}

TEST_F(UnfinishedRolesTest, OneThatWaitsForItsPeerIsNotTriedBeforeThatIsBackAndThenAtOnce) {
    lose_beta();
    change(*alpha, Ask::failover_local, fs);
    EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kMaster), "no");
    told_.clear();
    ::testing::internal::CaptureStdout();
    loops.spawn("alpha's roles", alpha->roles.run());
    for (unsigned i = 0; i < 12; ++i) {
        end_the_pause();
        for_a_while(250ms);
    }
    const std::string log = ::testing::internal::GetCapturedStdout();
    EXPECT_LE(tries_, 2U);
    EXPECT_LE(errors_in(log), 2U);
    EXPECT_LE(told_["run_started"] + told_["run_finished"], 4U);
    loops.spawn("beta's roles", beta->roles.run());
    alpha->relay.away.clear();
    const auto since = std::chrono::steady_clock::now();
    test::run_until(io,
                    [&] { return is_target(*alpha, "tank/fs") && is_master(*beta, "backup/fs"); });
    EXPECT_LT(std::chrono::steady_clock::now() - since, 5s);
}

TEST_F(UnfinishedRolesTest, ASplitBrainThatNoSyncFoundIsToldOfOnceAndItsEndToo) {
    split();
    start_loops();
    test::run_until(io, [&] { return told_["split_brain"] != 0; });
    EXPECT_TRUE(test::run_task(io, alpha->roles.roles("beta", {})));
    for_a_while(1s);
    EXPECT_EQ(told_["split_brain"], 1U);
    EXPECT_EQ(told_["split_brain_over"], 0U);
    ASSERT_EQ(change(*alpha, Ask::keep_here, fs).outcome, "done");
    test::run_until(io, [&] { return told_["split_brain_over"] != 0; });
    for_a_while(500ms);
    EXPECT_EQ(told_["split_brain"], 1U);
    EXPECT_EQ(told_["split_brain_over"], 1U);
}

TEST_F(UnfinishedRolesTest, AnEpochThatNoRoleChangeMadeIsNotFollowed) {
    split();
    give(*beta, "backup/fs", prop::kEpoch, "18446744073709551600");
    discover();
    start_loops();
    test::run_until(io, [&] {
        const auto trouble = alpha->roles.trouble_of(fs);
        return trouble && trouble->code == Code::peer_protocol;
    });
    EXPECT_NE(alpha->roles.trouble_of(fs)->message.find("epoch 18446744073709551600"),
              std::string::npos);
    EXPECT_TRUE(is_master(*alpha, "tank/fs"));
    EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kEpoch), "1");
}

TEST_F(UnfinishedRolesTest, TwoTargetsAtRestAreToldOfUntilOneIsTheMaster) {
    be_a_target_by_hand();
    discover();
    start_loops();
    test::run_until(io, [&] {
        return alpha->roles.trouble_of(fs).has_value() &&
               beta->roles.trouble_of(target_fs).has_value();
    });
    const Error trouble = *alpha->roles.trouble_of(fs);
    EXPECT_EQ(trouble.code, Code::conflict);
    EXPECT_NE(trouble.message.find("neither side is the master"), std::string::npos);
    EXPECT_NE(trouble.remedy.find("zrepctl takeover -L 'tank/fs', or on beta zrepctl takeover -L "
                                  "'backup/fs'"),
              std::string::npos)
        << trouble.remedy;
    // They do not go on calling each other.
    alpha->zfs.forget_calls();
    beta->zfs.forget_calls();
    for_a_while(1'500ms);
    EXPECT_LE(alpha->zfs.calls().size() + beta->zfs.calls().size(), 4U);
    EXPECT_EQ(change(*alpha, Ask::takeover_local, fs).outcome, "done");
    EXPECT_TRUE(is_master(*alpha, "tank/fs"));
    EXPECT_FALSE(alpha->roles.trouble_of(fs));
}

TEST_F(UnfinishedRolesTest, OneThatHandedOverAndCannotTellItsEpochWaitsForSomebody) {
    const Guid base = alpha->zfs.at("tank/fs").snapshots.back().guid;
    const std::string journal = "handed_over base=" + base.str();
    be_a_target_by_hand();
    give(*alpha, "tank/fs", prop::kInprogress, journal);
    give(*alpha, "tank/fs", prop::kEpoch, "eight");
    discover();
    start_loops();
    test::run_until(io, [&] {
        const auto trouble = alpha->roles.trouble_of(fs);
        return trouble && trouble->message.find("is no number") != std::string::npos;
    });
    for_a_while(500ms);
    EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kInprogress), journal);
    give(*alpha, "tank/fs", prop::kEpoch, "2");
    discover();
    end_the_pause();
    test::run_until(io, [&] { return is_master(*beta, "backup/fs"); });
    test::run_until(io, [&] { return is_target(*alpha, "tank/fs"); });
    expect_roles(false, "2");
}

// Of all that a stop does (app.cpp).
constexpr auto kStopLimit = 5s;

TEST_F(UnfinishedRolesTest, AStopEndsTheStreamOfAFailoversFirstSync) {
    alpha->zfs.write("tank/fs", 5'000);
    alpha->zfs.stall_next_send(1'000);
    const auto started = alpha->roles.start(Ask::failover, {fs});
    EXPECT_LT(stop_in_its_stream(started), kStopLimit);
    EXPECT_TRUE(alpha->runs.find(started->run_id)->finished());
    EXPECT_TRUE(is_master(*alpha, "tank/fs"));
}

/// It is recovered at the next start: a stop makes nothing writable, and runs no hook.
TEST_F(UnfinishedRolesTest, AStopEndsTheStreamOfAFailoversLastSync) {
    bool wrote = false;
    alpha->zfs.on_call([&](const std::string& call) {
        const bool freezes =
            call.starts_with("set tank/fs") && call.find("readonly=on") != call.npos;
        if (!freezes || std::exchange(wrote, true)) return;
        alpha->zfs.write("tank/fs", 5'000);
        alpha->zfs.stall_next_send(1'000);
    });
    const auto started = alpha->roles.start(Ask::failover, {fs});
    EXPECT_LT(stop_in_its_stream(started), kStopLimit);
    EXPECT_EQ(prop_of(*alpha, "tank/fs", "readonly"), "on");
    EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kInprogress).substr(0, 8), "freezing");
    const auto result = alpha->runs.find(started->run_id)->out().results.at(0);
    EXPECT_NE(result.text.find("zrepd is stopping in the middle of it"), std::string::npos)
        << result.text;
    alpha->zfs.on_call({});
}

}  // namespace
}  // namespace zrepd
