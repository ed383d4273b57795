// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/stream/rate.hpp"

#include <gtest/gtest.h>

namespace zrepd::stream {
namespace {

constexpr std::size_t kAll = std::size_t{1} << 20;
const RateLimit::Clock::time_point kStart{};

/// Bytes let through in `seconds` when asked every 10 ms.
std::uint64_t passed(RateLimit& rate, int seconds) {
    std::uint64_t total = 0;
    for (int tick = 0; tick < seconds * 100; ++tick) {
        const auto now = kStart + std::chrono::milliseconds(10) * tick;
        const std::size_t allowed = rate.allowed(now, kAll);
        rate.spent(allowed);
        total += allowed;
    }
    return total;
}

TEST(RateLimit, LetsEverythingThroughWithoutALimit) {
    RateLimit rate(0, kStart);
    EXPECT_EQ(rate.allowed(kStart, kAll), kAll);
}
TEST(RateLimit, KeepsTheAverageForSmallAndLargeRates) {
    for (const std::uint64_t wanted : {std::uint64_t{100}, std::uint64_t{50} << 20}) {
        RateLimit rate(wanted, kStart);
        const auto total = static_cast<double>(passed(rate, 10));
        EXPECT_NEAR(total, static_cast<double>(wanted) * 10, static_cast<double>(wanted));
    }
}
TEST(RateLimit, MovesAtLeastAByteASecondAtTheSmallestRate) {
    RateLimit rate(1, kStart);
    EXPECT_EQ(rate.allowed(kStart + std::chrono::seconds(1), kAll), 1U);
}
TEST(RateLimit, GivesNoBacklogAfterAPause) {
    RateLimit rate(1'000'000, kStart);
    EXPECT_LE(rate.allowed(kStart + std::chrono::hours(1), kAll), 100'000U);
}
TEST(RateLimit, SaysHowLongToWaitForTheNextStep) {
    RateLimit rate(1'000'000, kStart);
    rate.spent(rate.allowed(kStart, kAll));
    ASSERT_EQ(rate.allowed(kStart, kAll), 0U);
    EXPECT_GT(rate.allowed(kStart + rate.wait(), kAll), 0U);
    EXPECT_LE(rate.wait(), std::chrono::milliseconds(100));
}

}  // namespace
}  // namespace zrepd::stream
