// SPDX-License-Identifier: BSD-2-Clause
// ZfsCli against a scripted `zfs`: what a program in its place prints is what OpenZFS 2.3.2 prints.
#include "daemon/zfs/zfs_cli.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "daemon/async/signal.hpp"
#include "tests/fakes/run_task.hpp"
#include "tests/fakes/temp_folder.hpp"

namespace zrepd {
namespace {

using test::run_task;

DatasetName dataset(std::string_view name) {
    return DatasetName::parse(name).value();
}
SnapshotName snap(std::string_view name) {
    return SnapshotName::parse(name).value();
}

class ZfsCliTest : public ::testing::Test {
  protected:
    ZfsCliTest() {
        processes.emplace(io.get_executor(), folder_.string() + ":/usr/bin:/bin");
        zfs.emplace(*processes,
                    ZfsPaths{.kstat = folder_ / "kstat", .module_version = folder_ / "version"});
    }

    /// What stands in for zfs: shell lines that see the arguments as "$*"; each call is noted.
    void script(const std::string& program, const std::string& body) {
        const std::filesystem::path path = folder_ / program;
        std::ofstream(path) << "#!/bin/sh\nprintf '%s\\n' \"$*\" >> "
                            << (folder_ / "calls").string() << "\n"
                            << body << "\n";
        ::chmod(path.c_str(), 0755);
    }
    std::vector<std::string> calls() const {
        std::vector<std::string> result;
        std::ifstream file(folder_ / "calls");
        for (std::string line; std::getline(file, line);) result.push_back(line);
        return result;
    }
    void file(const std::string& name, const std::string& text) {
        std::filesystem::create_directories((folder_ / name).parent_path());
        std::ofstream(folder_ / name) << text;
    }

    asio::io_context io{1};
    std::optional<Processes> processes;
    std::optional<ZfsCli> zfs;
    test::TempFolder temp_;
    std::filesystem::path folder_ = temp_.path;
};

TEST_F(ZfsCliTest, SnapshotsOfOnePoolTakeOneProcess) {
    script("zfs",
           "grep -q zfs.sync.snapshot || exit 9\n"
           "one='{\"err\":0,\"guid\":\"-5\",\"createtxg\":\"9\",\"written\":\"512\"}'\n"
           "printf '{\"return\":{\"1\":%s,\"2\":{\"err\":28}}}' \"$one\"");
    std::vector<SnapshotName> names{snap("tank/a@x"), snap("dozer/d@x"), snap("tank/b c@x")};
    const std::vector<Result<Snapshot>> taken = run_task(io, zfs->snapshot(names));
    ASSERT_EQ(taken.size(), 3U);
    ASSERT_TRUE(taken[0].has_value());
    EXPECT_EQ(taken[0]->name, "x");
    EXPECT_EQ(taken[0]->guid, Guid{18446744073709551611U});
    EXPECT_EQ(taken[0]->createtxg, 9U);
    EXPECT_EQ(taken[0]->written_bytes, 512U);
    EXPECT_TRUE(taken[1].has_value());
    ASSERT_FALSE(taken[2].has_value());
    EXPECT_EQ(taken[2].error().code, Code::no_space);
    EXPECT_EQ(calls(),
              (std::vector<std::string>{"program -j -- dozer - dozer/d@x",
                                        "program -j -- tank - tank/a@x tank/b c@x"}));
}

/// The last of them alone has 70 MB to say, more than a listing of several may.
TEST_F(ZfsCliTest, ListsSnapshotsInPartsWhereThereAreTooManyAndMoreOfOneAlone) {
    script("zfs",
           "case \"$*\" in *'tank/a tank/b'*) yes | head -c 80000000; exit 0;; esac\n"
           "for name in $(printf '%s\\n' \"$@\" | grep ^tank/); do awk -v n=$name 'BEGIN { "
           "p = sprintf(\"%150s\", \"\"); gsub(/ /, \"x\", p); "
           "for (i = 1; i <= (n == \"tank/d\" ? 200000 : 3); i++) { "
           "printf \"%s@%s%d\\tguid\\t%d\\n%s@%s%d\\tcreatetxg\\t%d\\n\", "
           "n, p, i, i, n, p, i, i } }'; done");
    std::vector<DatasetName> which;
    for (const char* name : {"tank/a", "tank/b", "tank/c", "tank/d"})
        which.push_back(dataset(name));
    const auto found = run_task(io, zfs->versions(which));
    ASSERT_TRUE(found) << found.error().text();
    EXPECT_EQ(found->size(), 4U);
    EXPECT_EQ(found->at(dataset("tank/a")).snapshots.size(), 3U);
    EXPECT_EQ(found->at(dataset("tank/d")).snapshots.size(), 200'000U);
    EXPECT_GE(calls().size(), 5U) << "all, then in halves";
    EXPECT_LE(calls().size(), 7U);
}

TEST_F(ZfsCliTest, TakesATreesSnapshotsWithOneCommandAndReadsThemWithAnother) {
    script("zfs",
           "case \"$1\" in get) for n in a b; do printf "
           "'tank/%s@x\\tguid\\t7\\ntank/%s@x\\tcreatetxg\\t8\\n' $n $n; done;; esac");
    const auto taken = run_task(io, zfs->snapshot_together({snap("tank/a@x"), snap("tank/b@x")}));
    ASSERT_TRUE(taken) << taken.error().text();
    ASSERT_EQ(taken->size(), 2U);
    EXPECT_EQ(taken->at(1).createtxg, 8U);
    ASSERT_EQ(calls().size(), 2U);
    EXPECT_EQ(calls()[0], "snapshot tank/a@x tank/b@x");
}

TEST_F(ZfsCliTest, TakesNoneOfATreesSnapshotsWhenOneFails) {
    script("zfs", "echo \"cannot create snapshot 'tank/b@x': out of space\" >&2; exit 1");
    const auto taken = run_task(io, zfs->snapshot_together({snap("tank/a@x"), snap("tank/b@x")}));
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, Code::no_space);
    EXPECT_EQ(calls().size(), 1U);
}

TEST_F(ZfsCliTest, SnapshotsPlainlyWhereProgramsAreRefusedAndOneByOneAfterAFailure) {
    script(
        "zfs",
        "case \"$1\" in\n"
        "program) printf 'Channel program execution failed:\\nPermission denied. Channel programs "
        "must be run as root.\\n' >&2; exit 1;;\n"
        "snapshot) case \"$*\" in *tank/b*) echo \"cannot create snapshot 'tank/b@x': out of space\" "
        ">&2; exit 1;; esac;;\n"
        "get) printf 'tank/a@x\\tguid\\t7\\ntank/a@x\\tcreatetxg\\t8\\ntank/a@x\\twritten\\t9\\n';;\n"
        "esac");
    const std::vector<Result<Snapshot>> taken =
        run_task(io, zfs->snapshot({snap("tank/a@x"), snap("tank/b@x")}));
    ASSERT_TRUE(taken.at(0).has_value());
    EXPECT_EQ(taken[0]->guid, Guid{7});
    ASSERT_FALSE(taken.at(1).has_value());
    EXPECT_EQ(taken[1].error().code, Code::no_space);
    EXPECT_EQ(calls().at(1), "snapshot tank/a@x tank/b@x");
    EXPECT_EQ(calls().at(2), "snapshot tank/a@x");
}

TEST_F(ZfsCliTest, FlushesPoolsInOneProcessButNoSuspendedOne) {
    script("zpool", "exit 0");
    file("kstat/dozer/state", "SUSPENDED\n");
    EXPECT_TRUE(run_task(io, zfs->flush({"dozer", "home", "tank"})).has_value());
    EXPECT_EQ(calls(), (std::vector<std::string>{"sync home tank"}));
    EXPECT_TRUE(run_task(io, zfs->flush({"dozer"})).has_value());
    EXPECT_EQ(calls().size(), 1U);
}

TEST_F(ZfsCliTest, APoolThatWasImportedReadonlyIsFoundWithoutAWrite) {
    script("zpool", "case \"$*\" in *tank) echo on;; *) echo off;; esac");
    EXPECT_TRUE(run_task(io, zfs->check_writable("home")).has_value());
    const Result<void> found = run_task(io, zfs->check_writable("tank"));
    ASSERT_FALSE(found.has_value());
    EXPECT_EQ(found.error().code, Code::pool_unavailable);
    EXPECT_EQ(found.error().text(), "pool tank: pool is read-only");
    EXPECT_NE(found.error().remedy.find("zpool export"), std::string::npos);
    EXPECT_EQ(calls().at(1), "get -H -o value readonly tank");
}

TEST_F(ZfsCliTest, FailureCarriesCodeWordsAndPlace) {
    script("zfs", "echo \"cannot hold snapshots : out of space\" >&2; exit 1");
    const Result<void> made = run_task(io, zfs->hold({snap("tank/a@x")}));
    ASSERT_FALSE(made.has_value());
    EXPECT_EQ(made.error().code, Code::no_space);
    EXPECT_EQ(made.error().text(), "zfs hold: cannot hold snapshots : out of space");
    EXPECT_NE(made.error().remedy, "");
}

TEST_F(ZfsCliTest, TouchesNoSuspendedPool) {
    script("zfs", "exit 0");
    file("kstat/tank/state", "SUSPENDED\n");
    const DatasetName fs = dataset("tank/a");
    const auto taken = run_task(io, zfs->snapshot({snap("tank/a@x")}));
    EXPECT_EQ(taken.at(0).error().code, Code::pool_unavailable);
    std::vector<Result<void>> all{run_task(io, zfs->set(fs, {{"zrep:epoch", "1"}})),
                                  run_task(io, zfs->inherit(fs, {"zrep:epoch"})),
                                  run_task(io, zfs->hold({snap("tank/a@x")})),
                                  run_task(io, zfs->release({snap("tank/a@x")})),
                                  run_task(io, zfs->destroy_snapshots(fs, {"x"})),
                                  run_task(io, zfs->destroy_bookmark(fs, "x")),
                                  run_task(io, zfs->rollback(snap("tank/a@x"))),
                                  run_task(io, zfs->abort_receive(fs))};
    for (const Result<void>& one : all) {
        ASSERT_FALSE(one.has_value());
        EXPECT_EQ(one.error().code, Code::pool_unavailable);
    }
    AckBatch batch{.sent = 1, .items = {{.snapshot = snap("tank/a@x"), .guid = Guid{5}}}};
    EXPECT_FALSE(run_task(io, zfs->acknowledge(batch)).at(0).acknowledged.has_value());
    EXPECT_FALSE(run_task(io, zfs->datasets({fs})).has_value());
    EXPECT_FALSE(run_task(io, zfs->versions({fs})).has_value());
    EXPECT_FALSE(zfs->send({.snapshot = snap("tank/a@x")}, Fd()).has_value());
    EXPECT_FALSE(zfs->receive({.snapshot = snap("tank/a@x")}, Fd()).has_value());
    EXPECT_EQ(calls().size(), 0U);
}

/// A process in uninterruptible sleep takes no signal; one that left the group that is killed takes
/// none of ours either.
TEST_F(ZfsCliTest, StartsNothingMoreOnAPoolThatHangsUntilThatEnds) {
    script("zfs",
           "case \"$*\" in *tank/a) exec python3 -c 'import os, time; "
           "os.setpgid(0, os.getpgid(os.getppid())); time.sleep(600)';; esac");
    file("kstat/tank/state", "ONLINE\n");
    file("kstat/dozer/state", "ONLINE\n");
    auto child = processes->start({.argv = {"zfs", "get", "-Hp", "all", "tank/a"}});
    ASSERT_TRUE(child.has_value());
    const pid_t pid = child->pid();
    test::run_until(io, [&] { return ::getpgid(pid) == ::getpgid(0); });
    child->kill();
    EXPECT_TRUE(run_task(io, child->wait()).abandoned);
    for (int i = 0; i < 50; ++i) {
        const auto found = run_task(io, zfs->datasets({dataset("tank/b")}));
        ASSERT_FALSE(found.has_value());
        EXPECT_EQ(found.error().code, Code::pool_unavailable);
        EXPECT_NE(found.error().message.find("process " + std::to_string(pid)), std::string::npos)
            << found.error().message;
    }
    EXPECT_EQ(processes->running().size(), 1U);
    EXPECT_EQ(calls().size(), 1U);
    EXPECT_EQ(zfs->unavailable_pools(), (std::vector<std::string>{"tank"}));
    EXPECT_TRUE(run_task(io, zfs->datasets({dataset("dozer/c")})).has_value());
    // A lease that ran out is closed all the same: the other side counts on that.
    EXPECT_FALSE(run_task(io, zfs->set(dataset("tank/b"), {{"zrep:lease", "x"}})).has_value());
    EXPECT_TRUE(run_task(io, zfs->set(dataset("tank/b"), {{"readonly", "on"}})).has_value());
    ::kill(pid, SIGKILL);
    test::run_until(io, [this] { return processes->running().empty(); });
    EXPECT_TRUE(zfs->check_pool("tank").has_value());
}

TEST_F(ZfsCliTest, ListsTheOtherPoolsWhenOneIsSuspended) {
    script("zfs", "exit 0");
    file("kstat/tank/state", "SUSPENDED\n");
    file("kstat/dozer/state", "ONLINE\n");
    file("kstat/arcstats", "");
    EXPECT_TRUE(run_task(io, zfs->datasets({})).has_value());
    ASSERT_EQ(calls().size(), 1U);
    EXPECT_TRUE(calls()[0].starts_with("get -r -Hp"));
    EXPECT_TRUE(calls()[0].ends_with(" dozer"));
}

TEST_F(ZfsCliTest, ListsNothingWhenEveryPoolIsSuspended) {
    script("zfs", "exit 0");
    file("kstat/tank/state", "SUSPENDED\n");
    const auto seen = run_task(io, zfs->datasets({}));
    ASSERT_TRUE(seen.has_value());
    EXPECT_TRUE(seen->empty());
    EXPECT_EQ(calls().size(), 0U);
}

TEST_F(ZfsCliTest, HoldsInTheOtherPoolsWhenOneIsSuspended) {
    script("zfs", "exit 0");
    file("kstat/dozer/state", "SUSPENDED\n");
    const auto held = run_task(io, zfs->hold({snap("dozer/d@x"), snap("tank/a@x")}));
    ASSERT_FALSE(held.has_value());
    EXPECT_EQ(held.error().code, Code::pool_unavailable);
    ASSERT_EQ(calls().size(), 1U);
    EXPECT_NE(calls()[0].find("tank/a@x"), std::string::npos);
}

/// Each name takes a transaction group of its own within one process.
TEST_F(ZfsCliTest, HoldsManyInSeveralProcessesAtOnce) {
    // Ends well only beside two others.
    script("zfs",
           "touch \"$0.$$\"; for try in $(seq 200); do "
           "[ \"$(ls \"$0\".* | wc -l)\" -ge 3 ] && exit 0; sleep 0.05; done; exit 1");
    std::vector<SnapshotName> names;
    for (int i = 0; i < 40; ++i) names.push_back(snap("tank/f" + std::to_string(i) + "@x"));
    const auto held = run_task(io, zfs->hold(names));
    ASSERT_TRUE(held.has_value()) << held.error().text();
    std::string all;
    for (const auto& call : calls()) all += call + " ";
    EXPECT_EQ(calls().size(), 3U);
    for (const auto& name : names)
        EXPECT_NE(all.find(name.str() + " "), std::string::npos) << name.str();
}

TEST_F(ZfsCliTest, LeavesOutDatasetsThatDoNotExist) {
    script("zfs",
           "printf 'tank/a\\ttype\\tfilesystem\\t-\\ntank/a\\tguid\\t7\\t-\\n'\n"
           "echo \"cannot open 'tank/nope': dataset does not exist\" >&2; exit 1");
    const auto found = run_task(io, zfs->datasets({dataset("tank/a"), dataset("tank/nope")}));
    ASSERT_TRUE(found.has_value());
    ASSERT_EQ(found->size(), 1U);
    EXPECT_EQ(found->at(0).name.str(), "tank/a");
}

TEST_F(ZfsCliTest, FailsAListingThatIsIncompleteForAnotherReason) {
    script("zfs",
           "printf 'tank/a\\ttype\\tfilesystem\\t-\\ntank/a\\tguid\\t7\\t-\\n'\n"
           "echo \"cannot open 'tank/nope': dataset does not exist\" >&2\n"
           "echo \"cannot open 'tank/b': I/O error\" >&2; exit 1");
    const auto found = run_task(io, zfs->datasets({dataset("tank/a"), dataset("tank/b")}));
    ASSERT_FALSE(found.has_value());
    EXPECT_EQ(found.error().code, Code::pool_unavailable);
}

TEST_F(ZfsCliTest, TellsADatasetWithoutSnapshotsFromOneThatIsMissing) {
    script("zfs", "echo \"cannot open 'tank/nope': dataset does not exist\" >&2; exit 1");
    const auto found = run_task(io, zfs->versions({dataset("tank/empty"), dataset("tank/nope")}));
    ASSERT_TRUE(found.has_value());
    EXPECT_TRUE(found->contains(dataset("tank/empty")));
    EXPECT_FALSE(found->contains(dataset("tank/nope")));
}

TEST_F(ZfsCliTest, OfADeadTokenItTellsWhoseItWas) {
    script("zfs",
           "echo \"cannot resume send: 'tank/a@zrep_000001' used in the initial send no longer "
           "exists\" >&2; exit 1");
    const auto dead = run_task(io, zfs->token_info("1-abc"));
    ASSERT_TRUE(dead.has_value());
    EXPECT_TRUE(dead->gone);
    EXPECT_EQ(dead->snapshot->str(), "tank/a@zrep_000001");
    script("zfs", "echo 'cannot resume send: resume token is corrupt (bad magic)' >&2; exit 1");
    const auto corrupt = run_task(io, zfs->token_info("1-abc"));
    ASSERT_FALSE(corrupt.has_value());
    EXPECT_EQ(corrupt.error().code, Code::not_found);
}

TEST_F(ZfsCliTest, AHoldThatIsThereIsNoError) {
    script(
        "zfs",
        "echo \"cannot hold snapshot 'tank/a@x': tag already exists on this dataset\" >&2; exit 1");
    EXPECT_TRUE(run_task(io, zfs->hold({snap("tank/a@x")})).has_value());
}

TEST_F(ZfsCliTest, AHoldOnAMissingSnapshotIsAnError) {
    script("zfs",
           "echo \"cannot hold snapshot 'tank/a@x': tag already exists on this dataset\" >&2\n"
           "echo \"cannot hold snapshot 'tank/b@x': dataset does not exist\" >&2; exit 1");
    EXPECT_FALSE(run_task(io, zfs->hold({snap("tank/a@x"), snap("tank/b@x")})).has_value());
}

TEST_F(ZfsCliTest, AHoldThatIsGoneIsNoErrorToRelease) {
    script(
        "zfs",
        "echo \"cannot release hold from snapshot 'tank/a@x': no such tag on this dataset\" >&2\n"
        "exit 1");
    EXPECT_TRUE(run_task(io, zfs->release({snap("tank/a@x")})).has_value());
}

TEST_F(ZfsCliTest, OneHeldSnapshotDoesNotKeepTheOthers) {
    script("zfs",
           "case \"$*\" in *b*) echo \"cannot destroy snapshot tank/a@b: it's being held. Run 'zfs "
           "holds -r tank/a@b' to see holders.\" >&2; exit 1;; esac");
    const auto done = run_task(io, zfs->destroy_snapshots(dataset("tank/a"), {"x", "b", "y"}));
    ASSERT_FALSE(done.has_value());
    EXPECT_EQ(done.error().code, Code::busy);
    EXPECT_NE(done.error().message.find("tank/a@b"), std::string::npos);
    EXPECT_EQ(done.error().message.find("tank/a@x"), std::string::npos);
    EXPECT_EQ(done.error().remedy,
              "zfs holds 'tank/a@b' shows by whom: zfs release TAG 'tank/a@b'");
    EXPECT_EQ(
        calls(),
        (std::vector<std::string>{
            "destroy tank/a@x,b,y", "destroy tank/a@x", "destroy tank/a@b", "destroy tank/a@y"}));
}

TEST_F(ZfsCliTest, NothingLeftToAbortOrDestroyIsNoError) {
    script("zfs",
           "case \"$1\" in\n"
           "receive) echo \"'tank/a' does not have any resumable receive state to abort\" >&2;;\n"
           "*) case \"$2\" in\n"
           "*#*) echo \"bookmark 'tank/a#x' does not exist.\" >&2;;\n"
           "*) echo 'could not find any snapshots to destroy; check snapshot names.' >&2;; esac;;\n"
           "esac; exit 1");
    EXPECT_TRUE(run_task(io, zfs->abort_receive(dataset("tank/a"))).has_value());
    EXPECT_TRUE(run_task(io, zfs->destroy_bookmark(dataset("tank/a"), "x")).has_value());
    EXPECT_TRUE(run_task(io, zfs->destroy_snapshots(dataset("tank/a"), {"x"})).has_value());
}

AckBatch two_items() {
    AckItem first{.snapshot = snap("tank/a@zrep_000002"),
                  .guid = Guid{7},
                  .bookmark = true,
                  .destroy = {"zrep_000001"}};
    AckItem second{.snapshot = snap("tank/b@zrep_000002"), .guid = Guid{8}};
    return {.sent = 99, .items = {first, second}};
}

TEST_F(ZfsCliTest, AcknowledgesManyInOneProcess) {
    script("zfs",
           "grep -q zfs.sync.set_prop || exit 9\n"
           "printf '%s' '{\"return\":{\"1\":{\"state\":\"ok\",\"sent\":0,\"bookmark\":0,"
           "\"destroy\":{\"1\":16}},\"2\":{\"state\":\"guid\","
           "\"destroy\":{}}}}'");
    const std::vector<AckOutcome> outcomes = run_task(io, zfs->acknowledge(two_items()));
    ASSERT_EQ(outcomes.size(), 2U);
    EXPECT_TRUE(outcomes[0].acknowledged.has_value());
    EXPECT_EQ(outcomes[0].failed,
              (std::vector<std::string>{"destroy tank/a@zrep_000001: it is held or in use"}));
    ASSERT_FALSE(outcomes[1].acknowledged.has_value());
    EXPECT_EQ(outcomes[1].acknowledged.error().code, Code::conflict);
    EXPECT_EQ(calls().size(), 1U);
}

TEST_F(ZfsCliTest, UsesPlainCommandsWhereProgramsAreRefused) {
    script(
        "zfs",
        "case \"$1\" in\n"
        "program) printf 'Channel program execution failed:\\nPermission denied. Channel programs "
        "must be run as root.\\n' >&2; exit 1;;\n"
        "get) printf 'tank/a@zrep_000002\\t7\\ntank/b@zrep_000002\\t6\\n';;\n"
        "esac");
    const std::vector<AckOutcome> outcomes = run_task(io, zfs->acknowledge(two_items()));
    ASSERT_EQ(outcomes.size(), 2U);
    EXPECT_TRUE(outcomes[0].acknowledged.has_value());
    EXPECT_EQ(outcomes[0].destroyed, (std::vector<std::string>{"zrep_000001"}));
    EXPECT_FALSE(outcomes[1].acknowledged.has_value());
    const std::vector<std::string> made = calls();
    ASSERT_EQ(made.size(), 5U);
    EXPECT_TRUE(made[0].starts_with("program -j -- tank - 99 "));
    EXPECT_EQ(made[2], "set zrep:sent=99 tank/a@zrep_000002");
    EXPECT_EQ(made[3], "bookmark tank/a@zrep_000002 tank/a#zrep_7");
    EXPECT_EQ(made[4], "destroy tank/a@zrep_000001");
    // And it does not ask again.
    (void)run_task(io, zfs->acknowledge(two_items()));
    EXPECT_TRUE(calls().at(5).starts_with("get "));
}

TEST_F(ZfsCliTest, NeverDestroysTheSnapshotItAcknowledges) {
    script("zfs", "exit 0");
    AckItem item{.snapshot = snap("tank/a@x"), .guid = Guid{7}, .destroy = {"x"}};
    const auto outcomes = run_task(io, zfs->acknowledge({.sent = 1, .items = {item}}));
    EXPECT_FALSE(outcomes.at(0).acknowledged.has_value());
    EXPECT_EQ(calls().size(), 0U);
}

TEST_F(ZfsCliTest, SendWritesToTheDescriptorAndEnds) {
    script("zfs", "printf data");
    Result<Pipe> pipe = make_pipe();
    ASSERT_TRUE(pipe.has_value());
    auto stream = zfs->send({.snapshot = snap("tank/a@b"), .base = "@a"}, std::move(pipe->write));
    ASSERT_TRUE(stream.has_value());
    char buffer[16];
    EXPECT_EQ(::read(pipe->read.get(), buffer, sizeof buffer), 4);
    EXPECT_EQ(::read(pipe->read.get(), buffer, sizeof buffer), 0) << "we keep the pipe open";
    EXPECT_TRUE(run_task(io, (*stream)->wait()).has_value());
    EXPECT_EQ(calls(), (std::vector<std::string>{"send -L -c -e -i @a tank/a@b"}));
}

TEST_F(ZfsCliTest, SendToNobodyIsAStreamFailure) {
    script("zfs", "while :; do printf aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done");
    Result<Pipe> pipe = make_pipe();
    ASSERT_TRUE(pipe.has_value());
    auto stream = zfs->send({.snapshot = snap("tank/a@b")}, std::move(pipe->write));
    ASSERT_TRUE(stream.has_value());
    pipe->read.reset();
    const Result<void> end = run_task(io, (*stream)->wait());
    ASSERT_FALSE(end.has_value());
    EXPECT_EQ(end.error().code, Code::stream_failed);
}

TEST_F(ZfsCliTest, ReceiveFailureIsAConflictWithAReason) {
    script("zfs",
           "cat >/dev/null\n"
           "echo 'cannot receive incremental stream: destination backup/a has been modified' >&2\n"
           "echo 'since most recent snapshot' >&2; exit 1");
    auto stream =
        zfs->receive({.snapshot = snap("backup/a@b"), .properties = {{"readonly", "on"}}}, Fd());
    ASSERT_TRUE(stream.has_value());
    const Result<void> end = run_task(io, (*stream)->wait());
    ASSERT_FALSE(end.has_value());
    EXPECT_EQ(end.error().code, Code::conflict);
    EXPECT_EQ(end.error().text(),
              "zfs receive backup/a@b: cannot receive incremental stream: destination backup/a has "
              "been modified since most recent snapshot");
    EXPECT_EQ(calls(), (std::vector<std::string>{"receive -u -s -o readonly=on backup/a@b"}));
}

TEST_F(ZfsCliTest, KilledStreamSaysThatItWasStopped) {
    script("zfs", "exec sleep 600");
    auto stream = zfs->receive({.snapshot = snap("backup/a@b")}, Fd());
    ASSERT_TRUE(stream.has_value());
    (*stream)->kill();
    const Result<void> end = run_task(io, (*stream)->wait());
    ASSERT_FALSE(end.has_value());
    EXPECT_EQ(end.error().code, Code::cancelled);
}

TEST_F(ZfsCliTest, ReadsTheModulesVersion) {
    EXPECT_EQ(zfs->version(), "");
    file("version", "2.3.2-2~bpo12+2\n");
    EXPECT_EQ(zfs->version(), "2.3.2");
}

Task<> stop_after(TaskGroup& group, std::vector<Change>& changes, std::size_t count) {
    while (changes.size() < count) co_await sleep_for(std::chrono::milliseconds(10));
    group.cancel();
}

TEST_F(ZfsCliTest, FollowsEventsAndSaysAnythingAfterARestart) {
    script("zpool",
           "printf 'now\\tsysevent.fs.zfs.history_event\\n        class = "
           "\"sysevent.fs.zfs.history_event\"\\n        history_dsname = \"tank/a@x\"\\n        "
           "history_internal_name = \"snapshot\"\\n\\n'");
    std::vector<Change> changes;
    TaskGroup group(io.get_executor());
    TaskGroup others(io.get_executor());
    group.spawn("watch", zfs->watch([&](Change change) { changes.push_back(std::move(change)); }));
    others.spawn("stop", stop_after(group, changes, 3));
    test::run_until(io, [&] { return group.size() + others.size() == 0; });
    ASSERT_GE(changes.size(), 3U);
    EXPECT_EQ(changes[0].dataset, dataset("tank/a"));
    EXPECT_TRUE(changes[0].versions_only);
    EXPECT_FALSE(changes[1].dataset.has_value());
    EXPECT_EQ(changes[2].dataset, dataset("tank/a"));
    EXPECT_TRUE(processes->running().empty());
}

}  // namespace
}  // namespace zrepd
