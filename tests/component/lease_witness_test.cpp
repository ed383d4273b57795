// SPDX-License-Identifier: BSD-2-Clause
// zrep:fence=lease with a witness: a folder that both hosts see.
#include <gtest/gtest.h>

#include "tests/fakes/lease_test.hpp"

namespace zrepd {
namespace {

using failover::Ask;
using namespace std::chrono_literals;

using test::kLeaseTime;

class WitnessTest : public test::LeaseTest {
  protected:
    WitnessTest() {
        std::filesystem::create_directories(witness);
        for (auto* host : {&*alpha, &*beta}) host->config.witness = witness;
    }
    /// Both sides have written there, and the target knows that it has to ask.
    void begin_with_witness() {
        begin();
        EXPECT_EQ(prop_of(*beta, "backup/fs", prop::kLease),
                  "wait=12500ms witness=" + witness.string());
        test::run_until(io, [&] { return records() == 2; });
        run_for(kLeaseTime);
    }
    std::ptrdiff_t records() const {
        return std::distance(std::filesystem::directory_iterator(witness), {});
    }
    /// What the old one could be: a mount that is missing.
    void unmount(test::TestHost& host) {
        std::filesystem::create_directories(directory / "empty");
        host.config.witness = directory / "empty";
    }
    rpc::RunResult take_over() { return change(*beta, Ask::takeover_local, target_fs); }

    std::filesystem::path witness = directory / "witness";
};

TEST_F(WitnessTest, AMasterThatReachesItStaysWritableAndIsNotTakenOver) {
    begin_with_witness();
    cut_link();
    run_for(3 * kLeaseTime);
    EXPECT_TRUE(is_writable());
    const auto result = take_over();
    ASSERT_TRUE(result.error) << result.text;
    EXPECT_EQ(result.error->kind, "refused");
    EXPECT_NE(result.error->message.find("still holds its lease at the witness"), std::string::npos)
        << result.error->message;
    EXPECT_TRUE(is_writable());
    EXPECT_NE(prop_of(*beta, "backup/fs", prop::kMaster), "yes");
}

TEST_F(WitnessTest, AMasterThatReachesNobodyIsTakenOverAndSeesItThere) {
    begin_with_witness();
    cut_link();
    // It comes back to the witness after the takeover, and hears nothing but that.
    const auto folder = witness;
    unmount(*alpha);
    test::run_until(io, [&] { return is_closed(); });
    const auto result = take_over();
    EXPECT_EQ(result.outcome, "done") << result.text;
    EXPECT_TRUE(is_closed());
    alpha->config.witness = folder;
    run_for(3 * kLeaseTime);
    EXPECT_TRUE(is_closed()) << "the other side holds it there";
    heal_link();
    test::run_until(io, [&] { return is_target(*alpha, "tank/fs"); });
}

TEST_F(WitnessTest, AFolderThatTheOtherSideDoesNotSeeConfirmsNothing) {
    begin_with_witness();
    cut_link();
    unmount(*alpha);
    test::run_until(io, [&] { return is_closed(); });
}

TEST_F(WitnessTest, ItConfirmsAMasterThatWasReadonly) {
    begin_with_witness();
    const auto folder = witness;
    cut_link();
    unmount(*alpha);
    test::run_until(io, [&] { return is_closed(); });
    alpha->config.witness = folder;
    test::run_until(io, [&] { return is_writable(); });
}

TEST_F(WitnessTest, ATakeoverLooksAtNoOtherFolderThanTheMaster) {
    begin_with_witness();
    const auto other = directory / "other";
    std::filesystem::create_directories(other);
    for (const auto& entry : std::filesystem::directory_iterator(witness))
        std::filesystem::copy(entry.path(), other / entry.path().filename());
    cut_link();
    for (const std::string& ours : {other.string(), std::string()}) {
        beta->config.witness = ours;
        const auto result = take_over();
        ASSERT_TRUE(result.error) << ours;
        EXPECT_EQ(result.error->kind, "refused");
        EXPECT_NE(result.error->message.find("alpha counts on the witness " + witness.string()),
                  std::string::npos)
            << result.error->message;
        EXPECT_NE(result.error->remedy.find("set witness = " + witness.string()), std::string::npos)
            << result.error->remedy;
        EXPECT_TRUE(is_target(*beta, "backup/fs"));
    }
}

TEST_F(WitnessTest, WithoutItATakeoverNeedsAnOperatorsWord) {
    begin_with_witness();
    unmount(*beta);
    cut_link();
    const auto result = take_over();
    ASSERT_TRUE(result.error);
    EXPECT_EQ(result.error->kind, "refused");
    EXPECT_NE(result.error->remedy.find("--master-is-off 'backup/fs'"), std::string::npos)
        << result.error->remedy;
}

}  // namespace
}  // namespace zrepd
