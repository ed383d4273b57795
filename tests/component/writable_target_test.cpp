// SPDX-License-Identifier: BSD-2-Clause
// A target that somebody mounted read-write, as the mount table shows it.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <map>

#include "common/platform.hpp"
#include "tests/fakes/roles_test.hpp"
#include "tests/fakes/served_host.hpp"
#include "tests/fakes/temp_folder.hpp"

namespace zrepd {
namespace {

class WritableTargetTest : public test::RolesTest {
  protected:
    WritableTargetTest() {
        mount("ro", "ro");
        table_ = ::open(file_.c_str(), O_RDONLY | O_CLOEXEC);
        platform::read_mount_table_from(table_);
        subscription_ = beta->events.subscribe([this](const rpc::EventOut& event) {
            if (!event.progress) ++told_[event.event];
            return true;
        });
    }
    ~WritableTargetTest() override {
        platform::read_mount_table_from(-1);
        ::close(table_);
    }
    WritableTargetTest(const WritableTargetTest&) = delete;
    WritableTargetTest& operator=(const WritableTargetTest&) = delete;

    /// What the mount at its place says, and what the filesystem does.
    void mount(const std::string& here, const std::string& everywhere) {
        std::ofstream(file_) << "36 25 0:33 / /srv/copy " << here << ",relatime shared:1 - zfs "
                             << "backup/fs " << everywhere << ",xattr,noacl\n";
    }
    void look_until(const std::function<bool()>& done) {
        beta->roles.look_again();
        test::run_until(io, done);
    }
    /// Looks of its own that nothing comes of.
    void look_for_a_while() {
        const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
        look_until([&] { return std::chrono::steady_clock::now() > until; });
    }
    rpc::PairStatus status() { return served.service.status({})->pairs.at(0); }

    test::ServedHost served{*beta};
    test::TempFolder temp;
    std::string file_ = (temp.path / "mountinfo").string();
    int table_ = -1;
    std::map<std::string, unsigned> told_;
    std::shared_ptr<void> subscription_;
};

TEST_F(WritableTargetTest, IsToldOfOnceAndOfItsEndAndStopsNoSync) {
    start_loops();
    look_for_a_while();
    EXPECT_FALSE(status().warning);
    mount("rw", "rw");
    look_until([&] { return told_["target_writable"] != 0; });
    look_for_a_while();
    EXPECT_EQ(told_["target_writable"], 1U);
    const auto seen = status();
    ASSERT_TRUE(seen.warning);
    EXPECT_EQ(seen.warning->kind, "writable");
    EXPECT_EQ(
        seen.warning->message,
        "backup/fs is a target and is mounted writable on /srv/copy: the next sync rolls back "
        "what is written there");
    EXPECT_FALSE(seen.last_error);
    EXPECT_EQ(seen.health, "ok");
    alpha->zfs.write("tank/fs", 1'000);
    EXPECT_EQ(sync().outcome, "done");
    mount("rw", "ro");
    look_until([&] { return told_["target_writable_over"] != 0; });
    EXPECT_FALSE(status().warning);
    EXPECT_EQ(told_["target_writable"], 1U);
}

TEST_F(WritableTargetTest, NamesTheReadonlyThatSomebodySet) {
    give(*beta, "backup/fs", "readonly", "off");
    discover();
    mount("rw", "rw");
    start_loops();
    look_until([&] { return told_["target_writable"] != 0; });
    EXPECT_EQ(status().warning.value().remedy, "zfs set readonly=on 'backup/fs'");
}

TEST_F(WritableTargetTest, IsNotJudgedInTheMiddleOfARoleChange) {
    const auto run = beta->runs.start("promote", {target_fs});
    mount("rw", "rw");
    start_loops();
    look_for_a_while();
    EXPECT_EQ(told_["target_writable"], 0U);
    beta->runs.succeed(*run, target_fs, {});
    look_until([&] { return told_["target_writable"] != 0; });
    ASSERT_EQ(change(*beta, test::Ask::takeover_local, target_fs).outcome, "done");
    look_until([&] { return told_["target_writable_over"] != 0; });
    EXPECT_FALSE(status().warning) << "it is the master now";
}

}  // namespace
}  // namespace zrepd
