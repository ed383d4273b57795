// SPDX-License-Identifier: BSD-2-Clause
// How much a host with a key may found here: no more than zfs can list, for everybody, in time.
#include <gtest/gtest.h>

#include "tests/fakes/two_hosts.hpp"

namespace zrepd {
namespace {

class Foundings : public test::TwoHosts {
  protected:
    void own(const std::string& dataset, std::string_view key, std::string value) {
        beta->zfs.at(dataset).props[std::string(key)] = {std::move(value), Source::local};
    }
    /// A target of alpha's, as an init of tank/NAME left it.
    void make_target(const std::string& name) {
        beta->zfs.create("backup/" + name);
        own("backup/" + name, prop::kSrcHost, "alpha");
        own("backup/" + name, prop::kSrcFs, "tank/" + name);
        own("backup/" + name, prop::kDestHost, "beta");
        own("backup/" + name, prop::kDestFs, "backup/" + name);
    }
    /// A tree of alpha's with so many members, its root included.
    void make_tree(const std::string& name, unsigned members) {
        make_target(name);
        own("backup/" + name, prop::kTree, "on");
        for (unsigned i = 1; i < members; ++i)
            beta->zfs.create("backup/" + name + "/m" + std::to_string(i));
    }
    void discover() { EXPECT_TRUE(test::run_task(io, beta->inventory.discover())); }
    static void expect_in(const std::string& text, std::string_view part) {
        EXPECT_NE(text.find(part), text.npos) << "'" << part << "' is not in: " << text;
    }
};

TEST_F(Foundings, OneHostFoundsNoMoreThanZfsCanList) {
    for (int i = 0; i < 9; ++i) make_tree("tree" + std::to_string(i), 2'000);
    make_tree("last", 1'999);
    make_target("one");
    const rpc::RunResult refused = init();
    ASSERT_TRUE(refused.error) << refused.text;
    EXPECT_EQ(refused.error->kind, "refused");
    expect_in(refused.error->message, "beta has 20000 filesystems and volumes of alpha's");
    expect_in(refused.error->remedy, "on beta: zrepctl list -L");
    EXPECT_TRUE(alpha->zfs.at("tank/fs").snapshots.empty());
    // Not by a stream either, which nobody asked about first.
    rpc::ReceiveIn in;
    in.source = "tank/fs";
    in.target = "backup/fs";
    in.snapshot = "zrep_000000";
    in.mode = "full";
    in.settings = {{"zrep:src-host", "alpha"},
                   {"zrep:src-fs", "tank/fs"},
                   {"zrep:dest-host", "beta"},
                   {"zrep:dest-fs", "backup/fs"}};
    const auto stream = test::run_task(io, beta->target.open_receive("alpha", in));
    ASSERT_FALSE(stream);
    EXPECT_EQ(stream.error().code, Code::refused) << stream.error().text();
    beta->zfs.forget("backup/one");
    EXPECT_EQ(init().outcome, "done");
}

/// What is another's, or nobody's, is not held against it.
TEST_F(Foundings, WhatIsOthersDoesNotCount) {
    make_tree("tree", 2'000);
    own("backup/tree", prop::kSrcHost, "gamma");
    for (int i = 0; i < 18'001; ++i) beta->zfs.create("backup/local" + std::to_string(i));
    EXPECT_EQ(init().outcome, "done");
}

TEST_F(Foundings, ATreeGrowsNoFurtherThanTwiceWhatItMayHave) {
    make_tree("tree", 4'000);
    discover();
    rpc::ReceiveIn in;
    in.source = "tank/tree/new";
    in.target = "backup/tree/new";
    in.snapshot = "zrep_000001";
    in.mode = "full";
    const auto refused = test::run_task(io, beta->target.open_receive("alpha", in));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::refused) << refused.error().text();
    expect_in(refused.error().message, "backup/tree on beta has 4000 members");
    beta->zfs.forget("backup/tree/m7");
    discover();
    EXPECT_TRUE(test::run_task(io, beta->target.open_receive("alpha", in)));
}

}  // namespace
}  // namespace zrepd
