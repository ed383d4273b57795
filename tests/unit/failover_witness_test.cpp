// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/failover/witness.hpp"

#include <gtest/gtest.h>

#include <set>

namespace zrepd::failover {
namespace {

using namespace std::chrono_literals;

const Record kOurs{.side = "alpha:tank/my data", .epoch = 3, .holds = true, .count = 17};

TEST(Witness, ARecordIsReadBackWholeOrNotAtAll) {
    const std::string text = to_text(kOurs);
    EXPECT_EQ(parse_record(text), kOurs) << text;
    for (std::size_t i = 0; i < text.size(); ++i) {
        EXPECT_FALSE(parse_record(text.substr(0, i))) << i;
        std::string other = text;
        other[i] = static_cast<char>(other[i] ^ 1);
        EXPECT_FALSE(parse_record(other)) << i;
    }
    EXPECT_FALSE(parse_record(""));
    EXPECT_LT(text.size(), 512U);
}

TEST(Witness, EachSideOfEachPairHasAFileOfItsOwn) {
    std::set<std::string> names;
    for (const char* a : {"alpha:tank/fs", "beta:backup/fs", "beta:backup/fs2"}) {
        for (const char* b : {"alpha:tank/fs", "beta:backup/fs", "beta:backup/fs2"}) {
            names.insert(record_name(a, b));
        }
    }
    EXPECT_EQ(names.size(), 9U);
    for (const std::string& name : names) {
        EXPECT_EQ(name.find_first_not_of("0123456789abcdef.leas"), name.npos) << name;
    }
}

TEST(Witness, ConfirmsUntilTheOtherSideHoldsALaterEpoch) {
    EXPECT_EQ(holding(3, std::nullopt), Holding::unknown) << "an empty folder is anybody's";
    Record theirs{.side = "beta:backup/fs", .epoch = 3};
    EXPECT_EQ(holding(3, theirs), Holding::confirmed);
    theirs.epoch = 4;
    EXPECT_EQ(holding(3, theirs), Holding::confirmed) << "it gave that up";
    theirs.holds = true;
    EXPECT_EQ(holding(3, theirs), Holding::overtaken);
    EXPECT_EQ(holding(5, theirs), Holding::confirmed) << "of an earlier time";
}

TEST(Witness, IsFreeWhenNothingWasWrittenForTheWholeWait) {
    Watch watch;
    EXPECT_FALSE(is_free(watch, 1000s, 35s));
    observe(watch, kOurs, 100s);
    EXPECT_EQ(watch.changes, 0U);
    EXPECT_FALSE(is_free(watch, 134s, 35s));
    EXPECT_TRUE(is_free(watch, 135s, 35s));
    Record later = kOurs;
    ++later.count;
    observe(watch, later, 120s);
    observe(watch, later, 130s);
    EXPECT_EQ(watch.changes, 1U);
    EXPECT_FALSE(is_free(watch, 154s, 35s));
    EXPECT_TRUE(is_free(watch, 155s, 35s));
}

}  // namespace
}  // namespace zrepd::failover
