// SPDX-License-Identifier: BSD-2-Clause
// Every state of a master under a lease and its target: never are both writable.
#include "tests/fakes/lease_model.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "common/text.hpp"
#include "tests/fakes/witness_model.hpp"

namespace zrepd {
namespace {

using failover::BootTime;
using test::explore_leases;
using test::explore_witness;
using test::LeaseRules;
using test::LeaseSearch;
using test::WitnessRules;

/// 1234567 as docs/failover.md writes it: 1,234,567.
std::string grouped(std::size_t value) {
    std::string out = std::to_string(value);
    for (std::size_t at = out.size(); at > 3;) out.insert(at -= 3, ",");
    return out;
}

void expect_found(const LeaseRules& rules) {
    EXPECT_EQ(explore_leases(rules).violation, "both sides are writable");
}

void expect_documented(const LeaseSearch& result) {
    EXPECT_EQ(result.violation, "") << join(result.way, "\n");
    std::ifstream file(ZREPD_SOURCE_DIR "/docs/failover.md");
    const std::string page{std::istreambuf_iterator<char>(file), {}};
    const std::string text = grouped(result.states) + " states";
    EXPECT_NE(page.find(text), page.npos) << "docs/failover.md does not say: " << text;
}

TEST(LeaseModel, HoldsInEveryState) {
    expect_documented(explore_leases({}));
}

TEST(WitnessModel, HoldsInEveryState) {
    expect_documented(explore_witness({}));
}

TEST(WitnessModel, FindsWhoeverLeavesOutAPartOfIt) {
    const std::string both = "both sides are writable";
    EXPECT_EQ(explore_witness({.writes_first = false}).violation, both);
    EXPECT_EQ(explore_witness({.looks_again = false}).violation, both);
    const WitnessRules hasty{.wait = [](BootTime lease) { return lease; }};
    EXPECT_EQ(explore_witness(hasty).violation, both);
}

TEST(LeaseModel, FindsAWaitThatIsNoLongerThanTheLease) {
    expect_found({.wait = [](BootTime lease) { return lease; }});
}

TEST(LeaseModel, FindsAWaitWithoutRoomForTheSet) {
    expect_found({.wait = [](BootTime lease) { return lease * 5 / 4; }});
}

TEST(LeaseModel, FindsAWaitWithoutRoomForTheClocks) {
    expect_found({.wait = [](BootTime lease) { return lease + failover::kSetTime; }});
}

TEST(LeaseModel, FindsAMasterThatCountsFromTheAnswer) {
    expect_found({.counts_from_sending = false});
}

TEST(LeaseModel, FindsATargetThatConfirmsAfterItDecided) {
    expect_found({.stops_confirming = false});
}

TEST(LeaseModel, FindsATargetThatForgetsTheWaitWithARestart) {
    expect_found({.waits_after_start = false});
}

TEST(LeaseModel, FindsATargetThatAnswersBeforeItsNoteLiesOnDisk) {
    expect_found({.notes_before_answer = false});
}

TEST(LeaseModel, FindsATargetThatTakesAnOpenNoteForABoundOne) {
    expect_found({.heeds_open_note = false});
}

TEST(LeaseModel, FindsAMasterThatSaysItIsBoundBeforeItIs) {
    expect_found({.says_open = false});
}

TEST(LeaseModel, FindsARestartThatProlongsTheLease) {
    expect_found({.restart_prolongs_nothing = false});
}

}  // namespace
}  // namespace zrepd
