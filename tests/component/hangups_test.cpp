// SPDX-License-Identifier: BSD-2-Clause
// What SIGHUP does to zrepd: it ends nothing, and is told of once in a while.
#include "daemon/hangups.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <string>

#include "tests/fakes/run_task.hpp"

namespace zrepd {
namespace {

using namespace std::chrono_literals;

class HangupsTest : public ::testing::Test {
  protected:
    /// How many lines are printed when `signals` of them come, `times` times with a rest between.
    unsigned lines_of(unsigned signals, unsigned times, std::chrono::milliseconds pause) {
        Hangups hangups(io.get_executor(), pause);
        TaskGroup tasks(io.get_executor());
        tasks.spawn("hangups", hangups.run());
        ::testing::internal::CaptureStdout();
        for (unsigned i = 0; i < times; ++i) {
            for (unsigned k = 0; k < signals; ++k) ::raise(SIGHUP);
            rest();
        }
        log = ::testing::internal::GetCapturedStdout();
        tasks.cancel();
        test::run_task(io, tasks.join());
        unsigned count = 0;
        for (auto at = log.find("hangup_ignored"); at != log.npos;
             at = log.find("hangup_ignored", at + 1))
            ++count;
        return count;
    }
    void rest() {
        const auto until = std::chrono::steady_clock::now() + 200ms;
        test::run_until(io, [&] { return std::chrono::steady_clock::now() > until; });
        test::run_ready(io);
    }

    asio::io_context io{1};
    std::string log;
};

TEST_F(HangupsTest, OneEndsNothingAndIsToldOfWithWhatReadsTheSettings) {
    EXPECT_EQ(lines_of(1, 1, 1min), 1U);
    EXPECT_NE(log.find("[warning] hangup_ignored"), log.npos) << log;
    EXPECT_NE(log.find("systemctl restart zrepd"), log.npos) << log;
}

TEST_F(HangupsTest, AFloodIsOneLineAndTheNextAfterAPauseAnother) {
    EXPECT_EQ(lines_of(200, 2, 1min), 1U) << log;
    EXPECT_EQ(lines_of(1, 3, 100ms), 3U) << log;
}

}  // namespace
}  // namespace zrepd
