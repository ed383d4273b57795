// SPDX-License-Identifier: BSD-2-Clause
// What the fuzzers found worth keeping, and what they begin with, given to the same harnesses.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "daemon/peer/methods.hpp"
#include "tests/fuzz/harness.hpp"
#include "tests/fuzz/peer_frames.hpp"

namespace zrepd::fuzz {
namespace {

namespace fs = std::filesystem;

const std::string kData = ZREPD_SOURCE_DIR "/tests/data";

void run(const Harness& harness, const std::string& bytes, const std::string& where) {
    try {
        harness.run(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    } catch (const std::exception& e) {
        ADD_FAILURE() << where << ": " << e.what();
    }
}

class FuzzReplay : public testing::TestWithParam<Harness> {};

TEST_P(FuzzReplay, SeedsKeepThePromises) {
    const auto seeds = GetParam().seeds(kData);
    EXPECT_GE(seeds.size(), 4U);
    for (const std::string& seed : seeds) run(GetParam(), seed, "seed " + seed.substr(0, 60));
    EXPECT_FALSE(GetParam().words().empty());
}

TEST_P(FuzzReplay, KeptOnesKeepThePromises) {
    const fs::path folder = fs::path(kData) / "fuzz" / GetParam().name;
    std::size_t files = 0;
    std::uintmax_t bytes = 0;
    for (const auto& entry : fs::directory_iterator(folder)) {
        run(GetParam(), file_text(entry.path()), entry.path());
        ++files;
        bytes += entry.file_size();
    }
    EXPECT_GE(files, 4U) << "nothing kept: tests/fuzz/run --keep";
    EXPECT_LE(files, 200U) << "more than a test should take: tests/fuzz/run --keep";
    EXPECT_LE(bytes, 200U << 10) << "more than a tree should hold";
}

/// Cut anywhere, as a connection or a disk may.
TEST_P(FuzzReplay, CutSeedsKeepThePromises) {
    for (const std::string& seed : GetParam().seeds(kData)) {
        const std::size_t step = std::max<std::size_t>(seed.size() / 40, 1);
        for (std::size_t end = 0; end < seed.size(); end += step) {
            run(GetParam(), seed.substr(0, end), "seed " + seed.substr(0, end));
        }
    }
}

INSTANTIATE_TEST_SUITE_P(All,
                         FuzzReplay,
                         testing::ValuesIn(harnesses().begin(), harnesses().end()),
                         [](const auto& harness) { return std::string(harness.param.name); });

TEST(Fuzz, KnowsEveryMessageBetweenPeers) {
    std::set<std::string_view> known;
    for (const PeerFrame& frame : peer_frames()) known.insert(frame.name);
    std::set<std::string_view> spoken;
    for (const peer::PeerMethod& method : peer::peer_methods()) spoken.insert(method.name);
    EXPECT_EQ(known, spoken);
}

TEST(Fuzz, ABrokenPromiseIsNoticed) {
    EXPECT_THROW(expect(false, "a promise"), Broken);
    EXPECT_NO_THROW(expect(true, "a promise"));
    EXPECT_THROW(expect_no_option("-o"), Broken);
    EXPECT_THROW(expect_no_option(""), Broken);
    EXPECT_THROW(expect_error({.code = Code::busy, .message = ""}), Broken);
    EXPECT_THROW(expect_error({.code = Code::busy, .message = "two\nlines"}), Broken);
    EXPECT_THROW(expect_error({.code = Code::busy, .message = "\x1b[31m"}), Broken);
    EXPECT_THROW(expect_error({.code = Code::busy, .message = "m", .remedy = "\xff"}), Broken);
    EXPECT_THROW(expect_error({.code = Code::internal, .message = "m"}), Broken);
    EXPECT_NO_THROW(expect_error({.code = Code::busy, .message = "m", .remedy = "r"}));
}

}  // namespace
}  // namespace zrepd::fuzz
