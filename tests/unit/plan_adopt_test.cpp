// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/plan/adopt.hpp"

#include <gtest/gtest.h>

#include "common/props.hpp"

namespace zrepd::plan {
namespace {

class Adopt : public ::testing::Test {
  protected:
    Adopt() {
        for (std::uint64_t i = 1; i <= 3; ++i) {
            Snapshot s;
            s.name = "syncoid_" + std::to_string(i);
            s.guid = Guid{i};
            s.createtxg = i;
            versions.snapshots.push_back(s);
        }
    }
    Result<Snapshot> base(const std::vector<Guid>& source) {
        return adoptable_base(dataset, versions, source, "beta");
    }
    Dataset dataset{*DatasetName::parse("backup/fs")};
    Versions versions;
};

TEST_F(Adopt, BeginsAtTheNewestOfBoth) {
    const auto found = base({Guid{1}, Guid{3}, Guid{9}});
    ASSERT_TRUE(found) << found.error().text();
    EXPECT_EQ(found->name, "syncoid_3");
}

TEST_F(Adopt, TakesNothingThatAFirstSyncWouldRollBack) {
    const auto newer = base({Guid{1}});
    ASSERT_FALSE(newer);
    EXPECT_EQ(newer.error().code, Code::conflict);
    EXPECT_NE(newer.error().message.find("since @syncoid_1: @syncoid_2, @syncoid_3"),
              std::string::npos);
    EXPECT_NE(newer.error().remedy.find("zfs rollback -r 'backup/fs@syncoid_1'"),
              std::string::npos);
    dataset.written_bytes = 4096;
    const auto written = base({Guid{3}});
    ASSERT_FALSE(written);
    EXPECT_NE(written.error().remedy.find("zfs rollback 'backup/fs@syncoid_3'"), std::string::npos)
        << written.error().remedy;
}

TEST_F(Adopt, NeedsSomethingInCommonAndNoStreamUnderWay) {
    EXPECT_FALSE(base({}));
    EXPECT_FALSE(base({Guid{9}}));
    dataset.resume_token = "1-abc";
    const auto found = base({Guid{3}});
    ASSERT_FALSE(found);
    EXPECT_NE(found.error().remedy.find("zfs receive -A 'backup/fs'"), std::string::npos);
}

TEST_F(Adopt, WhatBelongsToSomethingIsNotFree) {
    EXPECT_TRUE(is_free(dataset));
    for (const auto key : {prop::kSrcHost, prop::kDestHost, prop::kRescue, prop::kDrill}) {
        Dataset taken = dataset;
        taken.props[std::string(key)] = {"x", Source::local};
        const auto found = is_free(taken);
        ASSERT_FALSE(found) << key;
        EXPECT_EQ(found.error().code, Code::already_configured);
        // What a dataset above has says nothing of this one.
        taken.props[std::string(key)].source = Source::inherited;
        EXPECT_TRUE(is_free(taken)) << key;
    }
}

}  // namespace
}  // namespace zrepd::plan
