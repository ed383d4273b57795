// SPDX-License-Identifier: BSD-2-Clause
// What keeps a target from becoming the master: each thing alone is found, said, and has its
// remedy.
#include "daemon/failover/check.hpp"
#include "daemon/failover/mount_place.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "common/platform.hpp"
#include "common/props.hpp"
#include "daemon/zfs/parse_mounts.hpp"
#include "tests/fakes/builders.hpp"
#include "tests/fakes/temp_folder.hpp"

namespace zrepd::failover {
namespace {

class FailoverCheck : public ::testing::Test {
  protected:
    FailoverCheck() {
        dataset.props[std::string(prop::kMaster)] = {"no", Source::local};
        facts.dataset = &dataset;
        facts.versions = &versions;
        facts.pair = &pair;
        facts.master_epoch = 1;
        facts.base = Guid{2};
    }
    /// What is mounted where the test runs; nothing of it is of a pair, or hangs.
    static Mounted mounted() {
        const auto no = [](const std::string&) { return false; };
        return {.table = platform::mount_table(), .of_a_pair = no, .hangs = no};
    }
    std::optional<Error> look(const Serve& serve) const {
        return mountpoint_problem(serve, dataset, mounted());
    }
    /// The only problem there is.
    Error only() const {
        const auto found = problems_of_target(facts, self);
        EXPECT_EQ(found.size(), 1U);
        return found.empty() ? Error{} : found.front();
    }
    void expect(const std::string& message, const std::string& remedy) const {
        const Error error = only();
        EXPECT_EQ(error.code, Code::refused);
        EXPECT_EQ(info(error.code).exit_status, 5);
        EXPECT_NE(error.message.find(message), std::string::npos) << error.message;
        EXPECT_NE(error.remedy.find(remedy), std::string::npos) << error.remedy;
    }

    plan::Self self{*HostName::parse("beta")};
    Dataset dataset = test::master(0);
    Versions versions = test::snaps("@zrep_000001:1+s @zrep_000002:2+s");
    plan::Pair pair{.dataset = test::dataset_name("tank/fs"),
                    .role = plan::Role::target,
                    .peer = *HostName::parse("alpha"),
                    .peer_dataset = test::dataset_name("tank/fs"),
                    .epoch = 1,
                    .settings = {}};
    TargetFacts facts;
};

TEST_F(FailoverCheck, AnUntouchedTargetIsReady) {
    EXPECT_TRUE(problems_of_target(facts, self).empty());
}

TEST_F(FailoverCheck, FindsWhatWasWrittenOrTakenThere) {
    dataset.written_bytes = 4096;
    expect("was touched since @zrep_000002: 4.0 KiB", "zrepctl sync");
    dataset.written_bytes = 0;
    versions = test::snaps("@zrep_000001:1+s @zrep_000002:2+s @mine:3");
    expect("in 1 newer snapshots", "zrepctl sync");
    versions = test::snaps("@zrep_000001:1+s");
    expect("lacks the newest acknowledged snapshot", "zrepctl sync");
}

TEST_F(FailoverCheck, FindsAStateThatIsNotSettled) {
    facts.master_epoch = 3;
    expect("the epochs disagree: 1 on beta, 3 on the master", "zrepctl sync");
    facts.master_epoch = 1;
    facts.paused = true;
    expect("is paused", "on beta: zrepctl unpause 'tank/fs'");
    facts.paused = false;
    facts.busy = "receive from alpha";
    expect("is in use: receive from alpha", "zrepctl status 'tank/fs' on beta");
    facts.busy = "";
    dataset.props[std::string(prop::kInprogress)] = {"promoted", Source::local};
    expect("is not finished (promoted)", "zrepctl status");
}

TEST_F(FailoverCheck, PassesOnWhatTheSystemSays) {
    const Error said{.code = Code::refused, .message = "said", .remedy = "do"};
    for (auto* place : {&facts.key, &facts.writing, &facts.way_back, &facts.mountpoint}) {
        *place = said;
        expect("said", "do");
        place->reset();
    }
}

TEST_F(FailoverCheck, OneErrorTellsAllThatIsWrongThere) {
    const std::vector<rpc::ItemError> problems{{"refused", "first", "do this"},
                                               {"refused", "second", "do that"}};
    const Error error = refused_by(*HostName::parse("beta"), problems);
    EXPECT_EQ(error.code, Code::refused);
    EXPECT_NE(error.message.find("first; second; nothing was changed"), std::string::npos);
    EXPECT_EQ(error.remedy, "do this; do that");
}

TEST_F(FailoverCheck, ALeaseThatRanOutIsNotBlamedOnSomebody) {
    Dataset master = test::master(0);
    EXPECT_FALSE(made_readonly(master));
    master.readonly = true;
    EXPECT_NE(made_readonly(master)->message.find("inherits that from above"), std::string::npos);
    EXPECT_TRUE(made_readonly(master)->remedy.starts_with("zfs set readonly=off 'tank/fs'"));
    master.readonly_here = true;
    EXPECT_NE(made_readonly(master)->message.find("somebody else made it so"), std::string::npos);
    EXPECT_NE(made_readonly(master)->remedy.find("zfs inherit readonly"), std::string::npos);
    const auto expect_lease = [&master] {
        const auto error = made_readonly(master);
        ASSERT_TRUE(error);
        EXPECT_EQ(error->message.find("somebody"), std::string::npos) << error->message;
        EXPECT_NE(error->message.find("its lease ran out"), std::string::npos) << error->message;
        EXPECT_NE(error->remedy.find("as soon as beta answers"), std::string::npos);
        EXPECT_NE(error->remedy.find("zrepctl unfence 'tank/fs'"), std::string::npos);
        EXPECT_EQ(error->remedy.find("zfs inherit"), std::string::npos) << "it would be undone";
    };
    for (const char* note : {"out", "out readonly=here"}) {
        master.props[std::string(prop::kLease)] = {note, Source::local};
        expect_lease();
    }
    master.props.erase(std::string(prop::kLease));
    const Entry closed{.journal = Journal::freezing, .lease = true};
    master.props[std::string(prop::kInprogress)] = {to_text(closed), Source::local};
    expect_lease();
}

TEST(FilesOf, AreWhereItIsMounted) {
    Dataset one(*DatasetName::parse("tank/fs"));
    const std::string table = "36 25 0:33 / /srv/fs rw,relatime - zfs tank/fs rw,xattr\n";
    one.mountpoint = "/tank/fs";
    EXPECT_EQ(files_of(one, table), "") << "it is not mounted";
    one.mounted = true;
    EXPECT_EQ(files_of(one, table), "/tank/fs");
    one.mountpoint = "legacy";
    EXPECT_EQ(files_of(one, table), "/srv/fs");
    EXPECT_EQ(files_of(one, ""), "");
}

/// zfs remounts the dataset that is set readonly=off, not what inherits from it.
TEST(MountedReadonly, IsWhatTheMountSaysAtItsOwnPlace) {
    Dataset one(*DatasetName::parse("tank/fs/a b"));
    one.mountpoint = "/srv/a b";
    const auto line = [](const std::string& place, const std::string& options) {
        return "36 25 0:33 / " + place + " " + options + " - zfs tank/fs/a\\040b rw,xattr\n";
    };
    EXPECT_TRUE(is_mounted_readonly(line("/srv/a\\040b", "ro,relatime"), one));
    EXPECT_FALSE(is_mounted_readonly(line("/srv/a\\040b", "rw,relatime"), one));
    EXPECT_FALSE(is_mounted_readonly(line("/run/zrepd/look", "ro,nosuid"), one));
    EXPECT_FALSE(is_mounted_readonly("36 25 0:33 / /srv/a\\040b ro - zfs tank/other rw\n", one));
    EXPECT_FALSE(is_mounted_readonly("", one));
}

TEST_F(FailoverCheck, AWishForAnotherMountpointIsRefusedWithTheWayToGrantIt) {
    const HostName beta = HostName::parse("beta").value();
    dataset.mountpoint = "/backup/fs";
    Serve serve{.canmount = "on", .mounted = true, .wished = "/srv/data"};
    const auto found = wish_problem(serve, dataset, beta);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->code, Code::refused);
    EXPECT_NE(found->message.find("would be mounted at /backup/fs"), std::string::npos);
    const std::string name = "'" + dataset.name.str() + "'";
    EXPECT_EQ(found->remedy,
              "choose it on beta: zfs set mountpoint='/srv/data' " + name +
                  " as there, or zfs set mountpoint='/backup/fs' " + name + " as here");
    dataset.mountpoint = "none";
    EXPECT_NE(wish_problem(serve, dataset, beta)->message.find("would not be mounted"),
              std::string::npos);
    dataset.mountpoint = "/backup/fs";
    serve.mounted = false;
    EXPECT_FALSE(wish_problem(serve, dataset, beta)) << "it will not be mounted";
    serve.mounted = true;
    dataset.mountpoint = "/srv/data";
    EXPECT_FALSE(wish_problem(serve, dataset, beta)) << "it would be there anyway";
    dataset.mountpoint = "/elsewhere";
    dataset.mountpoint_here = true;
    EXPECT_FALSE(wish_problem(serve, dataset, beta)) << "somebody here chose it";
    EXPECT_FALSE(wish_problem({.mounted = true}, dataset, beta));
}

TEST_F(FailoverCheck, FollowsNoLinkThatCameWithAFilesystemOfAPair) {
    namespace fs = std::filesystem;
    const test::TempFolder temp("/dev/shm");
    const test::TempFolder elsewhere(fs::current_path());
    std::string source;
    for (const parse::Mount& mount : parse::mounts(platform::mount_table()))
        if (mount.place == "/dev/shm") source = mount.source;
    ASSERT_NE(source, "") << "a filesystem of its own, which stands for one that was received";
    const Mounted none = mounted();
    Mounted received = none;
    received.of_a_pair = [&](const std::string& name) { return name == source; };
    fs::create_directories(temp.path / "real/hooks.d");
    fs::create_directory_symlink(temp.path / "real", temp.path / "d");
    const std::string through = temp.path / "d/hooks.d";
    const auto found = link_problem(through, dataset, received);
    ASSERT_TRUE(found);
    EXPECT_NE(found->message.find((temp.path / "d").string() + ", on the way"), std::string::npos);
    EXPECT_NE(found->message.find("came with " + source), std::string::npos);
    EXPECT_FALSE(link_problem(through, dataset, none)) << "links of this host's own may lead on";
    EXPECT_FALSE(link_problem(temp.path / "real/hooks.d", dataset, received));
    EXPECT_FALSE(link_problem(temp.path / "new/below", dataset, received)) << "zfs makes folders";
    fs::create_directory_symlink(temp.path / "real/hooks.d", temp.path / "last");
    EXPECT_TRUE(link_problem(temp.path / "last", dataset, received));
    fs::create_directory_symlink(temp.path / "nowhere", temp.path / "dangling");
    EXPECT_TRUE(link_problem(temp.path / "dangling/x", dataset, received));
    // One of this host's own in front of it hides nothing.
    fs::create_directory_symlink(temp.path, elsewhere.path / "own");
    EXPECT_TRUE(link_problem(elsewhere.path / "own/d/hooks.d", dataset, received));
    EXPECT_FALSE(link_problem(elsewhere.path / "own/real/hooks.d", dataset, received));
    for (const char* place : {"none", "legacy", "-", ""})
        EXPECT_FALSE(link_problem(place, dataset, received)) << place;
}

TEST_F(FailoverCheck, ABootMountsNothingBehindALink) {
    PropertyList ways{{"readonly", "off"}, {"canmount", "on"}, {"zrep:canmount", "on"}};
    keep_from_boot(ways);
    EXPECT_EQ(ways[1].second, "noauto");
    EXPECT_EQ(ways[2].second, "on");
}

TEST_F(FailoverCheck, LooksAtTheMountpoint) {
    const test::TempFolder temp;
    Serve serve{.canmount = "on", .mounted = true, .mountpoint = temp.path};
    EXPECT_FALSE(look(serve)) << "an empty folder";
    std::filesystem::create_directories(temp.path / "child/below");
    EXPECT_FALSE(look(serve)) << "what a child's mount left";
    std::ofstream(temp.path / "file") << "x";
    auto found = look(serve);
    ASSERT_TRUE(found);
    EXPECT_NE(found->message.find("a directory with files in it"), std::string::npos);
    serve.mounted = false;
    EXPECT_FALSE(look(serve)) << "it will not be mounted";
    serve = {.canmount = "on", .mounted = true, .mountpoint = "/proc"};
    found = look(serve);
    ASSERT_TRUE(found);
    EXPECT_NE(found->message.find("is the mount point of 'proc'"), std::string::npos);
    // What was set on this side counts, not what the master has.
    dataset.mountpoint_here = true;
    dataset.mountpoint = "/nowhere/at/all";
    EXPECT_FALSE(look(serve));
}

/// A table in which the folder "pool" of `top` is a filesystem of the pool dozer.
class MountInASuspendedPool : public FailoverCheck {
  protected:
    MountInASuspendedPool() {
        std::filesystem::create_directories(top / "pool/full");
        std::filesystem::create_directories(top / "pool/hooks.d");
        std::filesystem::create_directories(top / "holds/child");
        std::filesystem::create_directory_symlink(top / "pool", top / "own");
        std::filesystem::create_directory_symlink(top / "pool/hooks.d", top / "pool/link");
        std::filesystem::create_directory_symlink("../own/./link", top / "holds/far");
        std::ofstream(top / "pool/full/file") << "x";
        std::ofstream(top / "holds/child/file") << "x";
        seen.table = "1 0 0:1 / / rw - tmpfs tmpfs rw\n" + line("pool") + line("holds/child");
        seen.of_a_pair = [](const std::string& name) { return name == "dozer/fs"; };
        hung = seen;
        hung.hangs = [](const std::string& name) { return name == "dozer/fs"; };
    }
    std::string line(const char* where) const {
        return "2 1 0:2 / " + (top / where).string() + " rw - zfs dozer/fs rw\n";
    }
    std::optional<Error> files_at(const char* where, const Mounted& what) const {
        return mountpoint_problem(
            {.canmount = "on", .mounted = true, .mountpoint = top / where}, dataset, what);
    }

    test::TempFolder temp;
    std::filesystem::path top = std::filesystem::canonical(temp.path);
    Mounted seen = mounted();
    Mounted hung;
};

TEST_F(MountInASuspendedPool, NoLinkInItIsLookedAtHoweverOneComesThere) {
    for (const char* where : {"pool/link", "own/link", "holds/far", "holds/far/below"}) {
        const auto found = link_problem(top / where, dataset, seen);
        ASSERT_TRUE(found) << where;
        EXPECT_NE(found->message.find("is a link"), std::string::npos) << found->message;
        const auto unknown = link_problem(top / where, dataset, hung);
        ASSERT_TRUE(unknown) << where;
        EXPECT_NE(unknown->message.find("does not answer"), std::string::npos) << unknown->message;
    }
    EXPECT_FALSE(link_problem(top / "pool", dataset, hung)) << "over the master, on one host";
    hung.of_a_pair = [](const std::string&) { return false; };
    EXPECT_FALSE(link_problem(top / "own/link", dataset, hung)) << "its links may lead on";
}

TEST_F(MountInASuspendedPool, NoFolderInItIsLookedAtHoweverOneComesThere) {
    for (const char* where : {"pool/full", "own/full", "own", "holds"}) {
        EXPECT_TRUE(files_at(where, seen)) << where;
        EXPECT_FALSE(files_at(where, hung)) << where;
    }
    EXPECT_TRUE(files_at("pool", hung)) << "that something is mounted there says the table";
}

TEST_F(FailoverCheck, LinksInACircleAreAnEnd) {
    const test::TempFolder temp;
    std::filesystem::create_directory_symlink("b", temp.path / "a");
    std::filesystem::create_directory_symlink("a", temp.path / "b");
    EXPECT_FALSE(link_problem(temp.path / "a/below", dataset, mounted()));
    EXPECT_FALSE(look({.canmount = "on", .mounted = true, .mountpoint = temp.path / "a"}));
}

/// The second link came with the pair, though the first did not.
TEST_F(MountInASuspendedPool, ALinkBehindOneOfThisHostsOwnCountsToo) {
    std::filesystem::create_directory_symlink(top / "pool/link", top / "direct");
    const auto found = link_problem(top / "direct/x", dataset, seen);
    ASSERT_TRUE(found);
    EXPECT_NE(found->message.find((top / "pool/link").string()), std::string::npos);
}

TEST_F(FailoverCheck, AnEpochGrowsByOneOrIsNotTooLate) {
    constexpr std::uint64_t kLast = ~std::uint64_t{0};
    const std::tuple<std::uint64_t, std::uint64_t, bool> table[] = {
        {1, 2, true},
        {1, 900, true},
        {1, kMaxEpoch, true},
        {1, kMaxEpoch + 1, false},
        {1, kLast, false},
        {kMaxEpoch, kMaxEpoch + 1, true},
        {kMaxEpoch, kMaxEpoch + 2, false},
        {kLast, kLast, true},
        {kLast, 3, true}};
    for (const auto& [ours, theirs, fine] : table) {
        pair.epoch = ours;
        const auto problem = epoch_problem(pair, theirs);
        EXPECT_EQ(!problem, fine) << ours << " " << theirs;
        if (!problem) continue;
        EXPECT_NE(problem->remedy.find("zfs set zrep:epoch=" + std::to_string(ours) + " '"),
                  std::string::npos)
            << problem->remedy;
    }
}

}  // namespace
}  // namespace zrepd::failover
