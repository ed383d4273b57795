// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/plan/prune.hpp"

#include <gtest/gtest.h>

#include "tests/fakes/builders.hpp"

namespace zrepd::plan {
namespace {

struct Case {
    const char* name;
    const char* history;
    std::uint64_t base;
    unsigned savecount;
    std::vector<std::string> destroyed;
};

class Prune : public ::testing::TestWithParam<Case> {};

TEST_P(Prune, ChoosesExactlyTheseForDestruction) {
    const Case& c = GetParam();
    EXPECT_EQ(to_destroy(prune(test::snaps(c.history), Guid{c.base}, {.savecount = c.savecount})),
              c.destroyed);
}

INSTANTIATE_TEST_SUITE_P(
    Tables,
    Prune,
    ::testing::Values(
        Case{"KeepsTheNewest",
             "@zrep_000001:1 @zrep_000002:2 @zrep_000003:3 @zrep_000004:4",
             4,
             2,
             {"zrep_000001", "zrep_000002"}},
        Case{"KeepsAllWhenFew", "@zrep_000001:1 @zrep_000002:2", 2, 5, {}},
        Case{"KeepsTheBaseHoweverOld",
             "@zrep_000001:1 @zrep_000002:2 @zrep_000003:3 @zrep_000004:4",
             1,
             2,
             {}},
        Case{"KeepsEverythingNewerThanTheBase",
             "@zrep_000001:1 @zrep_000002:2 @zrep_000003:3 @zrep_000004:4",
             2,
             2,
             {"zrep_000001"}},
        Case{"KeepsHeldAndCloned",
             "@zrep_000001:1+h @zrep_000002:2+c @zrep_000003:3 @zrep_000004:4 @zrep_000005:5",
             5,
             2,
             {"zrep_000003"}},
        Case{"KeepsForeignOnesAndDoesNotCountThem",
             "@zrep_000001:1 @a:2 @zrep_000003:3 @b:4 @zrep_000005:5 @c:6",
             5,
             2,
             {"zrep_000001"}},
        Case{"CountsAndDestroysUnsentOnes",
             "@zrep_000001_unsent:1 @zrep_000002:2 @zrep_000003_unsent:3 @zrep_000004:4",
             4,
             2,
             {"zrep_000001_unsent", "zrep_000002"}},
        Case{"GoesByAgeNotByNumber",
             "@zrep_000009:9 @zrep_000001:1 @zrep_000002:2 @zrep_000003:3",
             3,
             2,
             {"zrep_000009", "zrep_000001"}},
        Case{"KeepsDivergedOnes",
             "@zrep_diverged_7:1 @zrep_000001:2 @zrep_000002:3",
             3,
             1,
             {"zrep_000001"}},
        Case{"DestroysNothingWithoutABase",
             "@zrep_000001:1 @zrep_000002:2 @zrep_000003:3",
             0,
             1,
             {}},
        Case{"DestroysNothingWhenTheBaseIsNotHere",
             "@zrep_000001:1 @zrep_000002:2 @zrep_000003:3",
             99,
             1,
             {}},
        Case{"KeepsTheBaseWithASavecountOfNone",
             "@zrep_000001:1 @zrep_000002:2",
             2,
             0,
             {"zrep_000001"}},
        Case{"TakesAnEmptyHistory", "", 1, 5, {}}),
    [](const auto& one) { return std::string(one.param.name); });

TEST(PruneReasons, SayWhyEachIsKept) {
    const auto verdicts = prune(test::snaps("@zrep_000000:9 @a:1 @zrep_000001:2+h @zrep_000002:3+c "
                                            "@zrep_000003:4 @zrep_000004:5 @zrep_000005:6"),
                                Guid{5},
                                {.savecount = 3});
    std::vector<std::string> reasons;
    reasons.reserve(verdicts.size());
    for (const auto& verdict : verdicts) reasons.push_back(verdict.reason);
    EXPECT_EQ(
        reasons,
        (std::vector<std::string>{
            "expired", "not ours", "held", "cloned", "newest 3", "base", "newer than the base"}));
}

}  // namespace
}  // namespace zrepd::plan
