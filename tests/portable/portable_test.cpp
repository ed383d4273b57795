// SPDX-License-Identifier: BSD-2-Clause
// Holds what tests/CMakeLists.txt links: in this binary the platform layer needs POSIX alone.
#include <gtest/gtest.h>

#include "common/platform.hpp"

namespace zrepd {
namespace {

TEST(Portable, ThisBinaryHasThePortableLayer) {
    EXPECT_EQ(platform::kind(), "portable");
    EXPECT_FALSE(platform::can_splice());
}

}  // namespace
}  // namespace zrepd
