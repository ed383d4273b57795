// SPDX-License-Identifier: BSD-2-Clause
// zrep:minfree is about the pool: what a quota leaves of it to the filesystem is another matter.
#include <gtest/gtest.h>

#include "tests/fakes/two_hosts.hpp"

namespace zrepd {
namespace {

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

/// The pool has 1 TiB free, of which tank/fs may use 1 GiB.
class Minfree : public test::TwoHosts {
  protected:
    Minfree() {
        alpha->zfs.at("tank/fs").props[std::string(prop::kMinfree)] = {"10G", Source::local};
        alpha->zfs.at("tank/fs").available = kGiB;
    }
};

TEST_F(Minfree, AQuotaKeepsNoSnapshotFromBeingTaken) {
    const rpc::RunResult made = init();
    ASSERT_EQ(made.outcome, "done") << made.text;
    alpha->zfs.write("tank/fs", 5'000);
    const rpc::RunResult synced = sync();
    ASSERT_EQ(synced.outcome, "done") << synced.text;
    EXPECT_EQ(alpha->zfs.content("tank/fs"), beta->zfs.content("backup/fs"));
}

TEST_F(Minfree, ThePoolIsLookedAtTogetherWithTheFilesystem) {
    ASSERT_EQ(init().outcome, "done");
    alpha->zfs.write("tank/fs", 5'000);
    alpha->zfs.set_available(5 * kGiB);
    alpha->zfs.forget_calls();
    const rpc::RunResult kept = sync();
    EXPECT_EQ(kept.outcome, "failed");
    EXPECT_NE(kept.text.find("pool tank has 5.0 GiB free, below zrep:minfree of 10.0 GiB"),
              kept.text.npos)
        << kept.text;
    EXPECT_EQ(alpha->zfs.count("snapshot"), 0U);
    EXPECT_GE(alpha->zfs.count("datasets tank tank/fs"), 1U) << "in the same process";
    alpha->zfs.set_available(1024 * kGiB);
    const rpc::RunResult synced = sync();
    EXPECT_EQ(synced.outcome, "done") << synced.text;
}

TEST_F(Minfree, AMembersQuotaKeepsNoTreeFromItsSnapshot) {
    alpha->zfs.at("tank/fs").available.reset();
    alpha->zfs.create("tank/fs/small").write("tank/fs/small", 1'000);
    alpha->zfs.at("tank/fs/small").available = kGiB;
    sync::InitRequest request{.dataset = fs, .host = beta->config.host, .target = target_fs};
    request.recursive = true;
    const auto made = ended(test::run_task(io, alpha->engine.start_init(std::move(request))));
    ASSERT_EQ(made.outcome, "done") << made.text;
    alpha->zfs.write("tank/fs/small", 1'000);
    const rpc::RunResult synced = sync();
    EXPECT_EQ(synced.outcome, "done") << synced.text;
}

}  // namespace
}  // namespace zrepd
