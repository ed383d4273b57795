// SPDX-License-Identifier: BSD-2-Clause
// As many snapshots as other programs need half an hour for (zrepl#480): what is decided, and the
// time it took, which is printed and asserted nowhere.
#include <chrono>
#include <cstdio>
#include <vector>

#include "common/ids.hpp"
#include "daemon/plan/prune.hpp"
#include "tests/fakes/plan_steps.hpp"

namespace zrepd::plan {
namespace {

using namespace zrepd::test;  // NOLINT(google-build-using-namespace)

constexpr std::uint64_t kMany = 65'000;

/// Numbers 1 to kMany, all acknowledged; a guid is its number and `apart`.
std::vector<Snapshot> many(std::uint64_t apart) {
    std::vector<Snapshot> out(kMany);
    for (std::uint64_t i = 0; i < kMany; ++i) {
        out[i].name = zrep_snapshot_name(i + 1);
        out[i].guid = Guid{i + 1 + apart};
        out[i].createtxg = i + 1;
        out[i].sent = static_cast<std::int64_t>(i + 1);
    }
    return out;
}

template <class Work>
auto timed(const char* what, Work work) {
    const auto begin = std::chrono::steady_clock::now();
    auto out = work();
    const auto took = std::chrono::steady_clock::now() - begin;
    std::fprintf(stderr,
                 "%s: %lld ms\n",
                 what,
                 static_cast<long long>(
                     std::chrono::duration_cast<std::chrono::milliseconds>(took).count()));
    return out;
}

TEST(PlanMany, OneIncrementFromTheNewestOfSixtyFiveThousandOnEachSide) {
    const Versions here{many(0), {}};
    TargetView there = target("");
    there.snapshots = many(0);
    const Dataset dataset = master(9);
    const Step step = timed("in step", [&] { return plan_sync({&dataset, &here}, there); });
    const auto next = expect_incremental(step);
    EXPECT_EQ(next.base, "@" + zrep_snapshot_name(kMany));
    EXPECT_EQ(next.take, zrep_snapshot_name(kMany + 1));
}

TEST(PlanMany, NothingInCommonIsFoundOut) {
    const Versions here{many(0), {}};
    TargetView there = target("");
    there.snapshots = many(kMany);
    const Dataset dataset = master(9);
    const Step step = timed("apart", [&] { return plan_sync({&dataset, &here}, there); });
    expect_conflict(step, Code::conflict);
}

TEST(PlanMany, ExpiryLeavesWhatIsToBeKept) {
    const Versions here{many(0), {}};
    const auto verdicts =
        timed("expiry", [&] { return prune(here, Guid{kMany}, {.savecount = 10}); });
    EXPECT_EQ(to_destroy(verdicts).size(), kMany - 10);
}

}  // namespace
}  // namespace zrepd::plan
