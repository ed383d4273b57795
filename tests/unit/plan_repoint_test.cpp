// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/plan/repoint.hpp"

#include <gtest/gtest.h>

#include "common/props.hpp"

namespace zrepd::plan {
namespace {

class Repoint : public ::testing::Test {
  protected:
    Repoint() {
        give(prop::kSrcHost, "oldname");
        give(prop::kSrcFs, "tank/was");
        give(prop::kDestHost, "beta");
        give(prop::kDestFs, "backup/fs");
        give(prop::kMaster, "yes");
    }
    void give(std::string_view key, std::string value) {
        dataset.props[std::string(key)] = {std::move(value), Source::local};
    }
    Code code(bool as_target) {
        const auto out = repoint(dataset, self, other, as_target);
        return out ? Code::internal : out.error().code;
    }
    Dataset dataset{*DatasetName::parse("tank/fs")};
    const Self self{*HostName::parse("alpha.example.org")};
    const OtherSide other{*HostName::parse("gamma.example.org"), *DatasetName::parse("vault/fs")};
};

TEST_F(Repoint, SetsBothEndsOfAMaster) {
    const auto out = repoint(dataset, self, other, /*as_target=*/false);
    ASSERT_TRUE(out) << out.error().text();
    EXPECT_EQ(*out,
              (PropertyList{{"zrep:src-host", "alpha"},
                            {"zrep:src-fs", "tank/fs"},
                            {"zrep:dest-host", "gamma"},
                            {"zrep:dest-fs", "vault/fs"}}));
}

TEST_F(Repoint, SetsBothEndsOfACopy) {
    give(prop::kMaster, "no");
    const auto out = repoint(dataset, self, other, /*as_target=*/true);
    ASSERT_TRUE(out) << out.error().text();
    EXPECT_EQ(*out,
              (PropertyList{{"zrep:src-host", "gamma"},
                            {"zrep:src-fs", "vault/fs"},
                            {"zrep:dest-host", "alpha"},
                            {"zrep:dest-fs", "tank/fs"}}));
}

TEST_F(Repoint, IsRefusedOnTheWrongSideAndInTheMiddleOfSomething) {
    EXPECT_EQ(code(/*as_target=*/true), Code::wrong_role);
    give(prop::kInprogress, "handed_over base=1");
    EXPECT_EQ(code(/*as_target=*/false), Code::busy);
    give(prop::kInprogress, "init");
    EXPECT_EQ(code(/*as_target=*/false), Code::busy);
    give(prop::kInprogress, "");
    give(prop::kMaster, "no");
    EXPECT_EQ(code(/*as_target=*/false), Code::wrong_role);
}

/// Its names are what keeps anybody from confirming the lease again.
TEST_F(Repoint, OfAFormerNameWhoseLeaseRanOutIsTheWayBack) {
    give(prop::kInprogress, "freezing lease=out");
    EXPECT_TRUE(repoint(dataset, self, other, /*as_target=*/false));
    give(prop::kSrcHost, "alpha");
    give(prop::kSrcFs, "tank/fs");
    EXPECT_EQ(code(/*as_target=*/false), Code::busy) << "its peer is asked";
    give(prop::kSrcFs, "tank/was");
    give(prop::kInprogress, "freezing");
    EXPECT_EQ(code(/*as_target=*/false), Code::busy);
}

TEST_F(Repoint, OfAnInheritedPairOrNoneIsRefused) {
    dataset.props[std::string(prop::kSrcHost)].source = Source::inherited;
    EXPECT_EQ(code(/*as_target=*/false), Code::not_configured);
    dataset.props.clear();
    EXPECT_EQ(code(/*as_target=*/true), Code::not_configured);
}

TEST_F(Repoint, ASideIsNotItsOwnOther) {
    const OtherSide same{*HostName::parse("localhost"), dataset.name};
    const auto out = repoint(dataset, self, same, /*as_target=*/false);
    ASSERT_FALSE(out);
    EXPECT_EQ(out.error().code, Code::invalid_params);
}

}  // namespace
}  // namespace zrepd::plan
