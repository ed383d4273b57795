// SPDX-License-Identifier: BSD-2-Clause
// zrep:fence=lease of a master that is no pair of its host's any more: what its target counts on
// runs out all the same (daemon/failover/leases_hidden.cpp).
#include <gtest/gtest.h>

#include <fstream>

#include "daemon/failover/lease.hpp"
#include "daemon/sync/target.hpp"
#include "tests/fakes/lease_test.hpp"

namespace zrepd {
namespace {

using namespace std::chrono_literals;

using test::kLeaseTime;
using LeaseTest = test::LeaseTest;

/// The target counts on it all the same, and takes over when it has waited.
TEST_F(LeaseTest, AMasterThatWasRenamedIsReadonlyInTimeAndGoesOnUnderItsName) {
    begin();
    alpha->zfs.forget_calls();
    give(*alpha, "tank/fs", prop::kSrcFs, "tank/before");
    discover();
    alpha->roles.look_again();
    const auto renamed_at = boot_now();
    ASSERT_FALSE(alpha->inventory.pair(fs));
    test::run_until(io, [&] { return !is_writable(); });
    EXPECT_LT(boot_now() - renamed_at, kLeaseTime + 1s);
    EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kLease), "out");
    EXPECT_TRUE(saw("lease_lost"));
    EXPECT_EQ(alpha->zfs.count("sync_files /tank/fs"), 1U) << "while it can be written";
    run_for(2s);
    EXPECT_EQ(alpha->zfs.count("set tank/fs"), 1U);
    // Mended, it is one whose lease ran out, and its peer confirms it.
    give(*alpha, "tank/fs", prop::kSrcFs, "tank/fs");
    discover();
    alpha->roles.look_again();
    test::run_until(io, [&] { return is_writable(); });
    EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kLease), "");
    EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kInprogress), "");
}

/// It counts on no fence that is set now: it left the place from which it had that.
TEST_F(LeaseTest, AMasterThatWasRenamedOutOfItsFenceIsReadonlyInTime) {
    begin();
    give(*alpha, "tank/fs", prop::kSrcFs, "tank/before");
    give(*alpha, "tank/fs", prop::kFence, "off");
    discover();
    alpha->roles.look_again();
    test::run_until(io, [&] { return !is_writable(); });
    EXPECT_EQ(prop_of(*alpha, "tank/fs", prop::kLease), "out");
}

/// What is left of a lease that a zrepd before this one counted under `name`, of a master that is
/// no pair by the time this one starts.
class RenamedBeforeTheStart : public LeaseTest, public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(All, RenamedBeforeTheStart, testing::Values("tank/before", "tank/fs"));

TEST_P(RenamedBeforeTheStart, GoesOnWithItsLease) {
    give(*alpha, "tank/fs", prop::kSrcFs, "tank/before");
    give(*alpha, "tank/fs", prop::kFence, "lease");
    const auto began = boot_now();
    const failover::LeaseList left{
        {*DatasetName::parse(GetParam()),
         {.epoch = 1,
          .until = began + 500ms,
          .witness = {},
          .guid = alpha->zfs.at("tank/fs").guid}},
        {*DatasetName::parse("tank/other"),
         {.epoch = 1, .until = began + 10s, .witness = {}, .guid = Guid{77}}}};
    std::ofstream(alpha->config.runtime_dir / "leases") << failover::to_text(left, sync::boot_id());
    discover();
    start_loops();
    test::run_until(io, [&] { return !is_writable(); });
    EXPECT_LT(boot_now() - began, kLeaseTime) << "a start gives it no time";
}

/// The lease is another's, which has the name now that this one had.
TEST_F(LeaseTest, AFormerMasterOfALeasedNameIsLeftAlone) {
    begin();
    alpha->zfs.create("tank/fs_old");
    for (const auto& [key, value] : alpha->zfs.at("tank/fs").props)
        if (key != prop::kFence) alpha->zfs.at("tank/fs_old").props[key] = value;
    discover();
    alpha->roles.look_again();
    run_for(kLeaseTime + 1s);
    EXPECT_NE(prop_of(*alpha, "tank/fs_old", "readonly"), "on");
    EXPECT_TRUE(is_writable());
}

/// It has no lease: what it inherits counts for the pairs beside it.
TEST_F(LeaseTest, ARenamedTreeStaysAsItIs) {
    give(*alpha, "tank/fs", prop::kSrcFs, "tank/before");
    give(*alpha, "tank/fs", prop::kFence, "lease");
    give(*alpha, "tank/fs", prop::kTree, "on");
    discover();
    start_loops();
    run_for(kLeaseTime + 1s);
    EXPECT_TRUE(is_writable());
}

}  // namespace
}  // namespace zrepd
