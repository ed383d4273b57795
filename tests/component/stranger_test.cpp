// SPDX-License-Identifier: BSD-2-Clause
// A host that names the targets of another: it may not even keep that one from them.
#include <gtest/gtest.h>

#include <map>

#include "tests/fakes/two_hosts.hpp"

namespace zrepd {
namespace {

class Stranger : public test::TwoHosts {
  protected:
    Stranger() {
        beta->zfs.create("backup/mallory");
        beta->zfs.at("backup/mallory").props[std::string(prop::kAccept)] = {"mallory",
                                                                            Source::local};
        EXPECT_EQ(init().outcome, "done");
        // Whoever has the lock, a stranger is told that it may not ask, and not that it is to wait:
        // it would have had the lock otherwise.
        auto held = beta->locks.try_lock(target_fs, lock::Scope::node, "receive from alpha");
        EXPECT_TRUE(held);
        guard.emplace(std::move(*held));
    }

    std::optional<lock::LockTable::Guard> guard;
};

TEST_F(Stranger, TakesNoLockWithAStream) {
    for (const char* mode : {"incremental", "resume", "full"}) {
        for (const char* source : {"tank/fs", "tank/evil"}) {
            rpc::ReceiveIn in;
            in.source = source;
            in.target = target_fs.str();
            in.snapshot = "zrep_000007";
            in.mode = mode;
            in.rollback = true;
            in.abort_partial = true;
            const auto member = test::run_task(io, beta->target.open_receive("mallory", in));
            ASSERT_FALSE(member);
            EXPECT_EQ(member.error().code, Code::not_accepted) << mode << member.error().text();
            in.settings = {{"zrep:src-host", "mallory"},
                           {"zrep:src-fs", source},
                           {"zrep:dest-host", "beta"},
                           {"zrep:dest-fs", in.target}};
            const auto founded = test::run_task(io, beta->target.open_receive("mallory", in));
            ASSERT_FALSE(founded);
            EXPECT_EQ(founded.error().code, Code::not_accepted) << mode << founded.error().text();
        }
    }
}

TEST_F(Stranger, TakesNoLockWithAnAdoption) {
    rpc::AdoptIn in;
    in.host = "beta";
    in.source = "tank/evil";
    in.target = target_fs.str();
    in.kind = "filesystem";
    const auto refused = test::run_task(io, beta->target.adopt("mallory", in));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::not_accepted) << refused.error().text();
}

TEST_F(Stranger, WaitsWhereTheTargetIsItsOwn) {
    guard.reset();
    auto held = beta->locks.try_lock(target_fs, lock::Scope::node, "expire");
    rpc::ReceiveIn in;
    in.source = "tank/fs";
    in.target = target_fs.str();
    in.snapshot = "zrep_000007";
    in.mode = "incremental";
    const auto busy = test::run_task(io, beta->target.open_receive("alpha", in));
    ASSERT_FALSE(busy);
    EXPECT_EQ(busy.error().code, Code::busy);
}

/// In the place of a member it would stop the tree, though it is accepted beside it.
TEST_F(Stranger, MakesNothingInTheTreeOfAnother) {
    beta->zfs.at("backup").props[std::string(prop::kAccept)] = {"alpha,mallory", Source::local};
    beta->zfs.at("backup/fs").props[std::string(prop::kTree)] = {"on", Source::local};
    EXPECT_TRUE(test::run_task(io, beta->inventory.discover()));
    rpc::PrepareIn in;
    in.host = "beta";
    in.source = "tank/evil";
    in.target = target_fs.str() + "/home";
    const auto refused = test::run_task(io, beta->target.prepare("mallory", in));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::nested_pair) << refused.error().text();
    EXPECT_TRUE(test::run_task(io, beta->target.prepare("alpha", in)));
}

/// It could ask for one after the other, of tens of thousands of datasets.
TEST_F(Stranger, CostsNoListing) {
    beta->zfs.at("backup/mallory").props.clear();
    EXPECT_TRUE(test::run_task(io, beta->inventory.discover()));
    beta->zfs.forget_calls();
    rpc::PrepareIn prepare;
    prepare.host = "beta";
    prepare.source = "tank/evil";
    prepare.target = "backup/evil";
    EXPECT_FALSE(test::run_task(io, beta->target.prepare("mallory", prepare)));
    rpc::AdoptIn adopt;
    adopt.host = "beta";
    adopt.source = "tank/evil";
    adopt.target = target_fs.str();
    adopt.kind = "filesystem";
    EXPECT_FALSE(test::run_task(io, beta->target.adopt("mallory", adopt)));
    EXPECT_EQ(beta->zfs.count("datasets"), 0U);
    EXPECT_TRUE(test::run_task(io, beta->target.prepare("alpha", prepare)));
    EXPECT_EQ(beta->zfs.count("datasets"), 1U) << "who may make something is looked for anew";
}

TEST_F(Stranger, StoresNoNonsenseWithAFirstStream) {
    EXPECT_TRUE(test::run_task(io, beta->inventory.discover()));
    rpc::ReceiveIn in;
    in.source = "tank/evil";
    in.target = "backup/mallory/x";
    in.snapshot = "zrep_000001";
    in.mode = "full";
    in.kind = "filesystem";
    const std::map<std::string, std::string> pair{{"zrep:src-host", "mallory"},
                                                  {"zrep:src-fs", "tank/evil"},
                                                  {"zrep:dest-host", "beta"},
                                                  {"zrep:dest-fs", in.target}};
    const std::vector<std::pair<std::string, std::string>> refused{
        {"zrep:savecount", ""},
        {"zrep:savecount", "many"},
        {"zrep:savecount", "0"},
        {"zrep:savecount", "99999999999999999999"},
        {"zrep:epoch", ""},
        {"zrep:epoch", "-1"},
        {"zrep:epoch", "1x"},
        {"zrep:epoch", "01"},
        {"zrep:epoch", "9223372036854775808"},
        {"zrep:epoch", "18446744073709551615"},
        {"zrep:master", "yes"},
        {"zrep:tree", "maybe"},
    };
    for (const auto& [key, value] : refused) {
        in.settings = pair;
        in.settings[key] = value;
        const auto opened = test::run_task(io, beta->target.open_receive("mallory", in));
        ASSERT_FALSE(opened) << key << "=" << value;
        EXPECT_EQ(opened.error().code, Code::invalid_params) << key << "=" << value;
    }
    in.settings = pair;
    in.settings["zrep:savecount"] = "7";
    in.settings["zrep:epoch"] = "9223372036854775807";
    EXPECT_TRUE(test::run_task(io, beta->target.open_receive("mallory", in)));
}

/// It would found something that is nobody's pair.
TEST_F(Stranger, FoundsNothingByGoingOnWithSomething) {
    guard.reset();
    rpc::ReceiveIn in;
    in.source = "tank/fs";
    in.target = target_fs.str();
    in.snapshot = "zrep_000007";
    in.mode = "incremental";
    const auto full = test::run_task(io, beta->target.open_receive("alpha", in));
    ASSERT_FALSE(full);
    EXPECT_EQ(full.error().code, Code::invalid_params);
    in.mode = "resume";
    in.abort_partial = true;
    const auto emptied = test::run_task(io, beta->target.open_receive("alpha", in));
    ASSERT_FALSE(emptied);
    EXPECT_EQ(emptied.error().code, Code::invalid_params);
}

}  // namespace
}  // namespace zrepd
