// SPDX-License-Identifier: BSD-2-Clause
// Samples in tests/data/zfs and below were captured from OpenZFS 2.3.2.
#include "daemon/zfs/parse.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <sstream>

namespace zrepd {
namespace {

using parse::Complaint;

std::string sample(const std::string& name) {
    std::ifstream file(std::string(ZREPD_SOURCE_DIR) + "/tests/data/zfs/" + name);
    std::stringstream text;
    text << file.rdbuf();
    EXPECT_FALSE(text.str().empty()) << name;
    return text.str();
}

const Dataset& named(const std::vector<Dataset>& all, std::string_view name) {
    const auto found = std::find_if(
        all.begin(), all.end(), [&](const Dataset& d) { return d.name.str() == name; });
    if (found == all.end()) throw std::out_of_range(std::string(name));
    return *found;
}

TEST(ZfsParse, ReadsDatasets) {
    const auto all = parse::datasets(sample("datasets.txt"));
    ASSERT_TRUE(all.has_value());
    EXPECT_EQ(all->size(), 6U);
    const Dataset& pool = named(*all, "tank");
    EXPECT_EQ(pool.guid, Guid{16229767579358029141U});
    EXPECT_EQ(pool.kind, Kind::filesystem);
    EXPECT_TRUE(pool.mounted);
    EXPECT_FALSE(pool.encrypted);
    EXPECT_GT(pool.available_bytes, 0U);
    EXPECT_EQ(pool.local("zrep:interval"), "1m");
    const Dataset& spaced = named(*all, "tank/a b");
    EXPECT_EQ(spaced.effective("zrep:interval"), "1m");
    EXPECT_EQ(spaced.own("zrep:interval"), std::nullopt);
    EXPECT_EQ(spaced.effective("zrep:master"), std::nullopt);
}

TEST(ZfsParse, ReadsVolumesEncryptionAndTokens) {
    const auto all = parse::datasets(sample("datasets.txt"));
    ASSERT_TRUE(all.has_value());
    const Dataset& volume = named(*all, "tank/vol");
    EXPECT_EQ(volume.kind, Kind::volume);
    EXPECT_EQ(volume.volsize_bytes, 67108864U);
    EXPECT_FALSE(volume.mounted);
    EXPECT_TRUE(named(*all, "tank/enc").encrypted);
    EXPECT_TRUE(named(*all, "tank/bk/slow").resume_token.starts_with("1-9ce825824-b8-789c"));
    EXPECT_EQ(volume.resume_token, "");
    EXPECT_TRUE(named(*all, "tank/i").readonly);
}

TEST(ZfsParse, LeavesOutAValueWithALineBreakAndReadsOn) {
    const auto all = parse::datasets(sample("datasets.txt"));
    ASSERT_TRUE(all.has_value());
    const Dataset& broken = named(*all, "tank/i");
    EXPECT_EQ(broken.effective("zrep:paused"), std::nullopt);
    EXPECT_EQ(broken.local("zrep:src-host"), "alpha");
    EXPECT_EQ(broken.local("zrep:epoch"), "8");
}

TEST(ZfsParse, BelievesNoLineInsideAValueAboutAnotherDataset) {
    const auto all = parse::datasets(
        "tank/a\ttype\tfilesystem\t-\ntank/a\tguid\t1\t-\n"
        "tank/b\ttype\tfilesystem\t-\ntank/b\tguid\t2\t-\n"
        "tank/b\tzrep:paused\tx\n"
        "tank/a\tzrep:master\tyes\tlocal\n");
    ASSERT_TRUE(all.has_value());
    EXPECT_EQ(named(*all, "tank/a").local("zrep:master"), std::nullopt);
    // And a dataset that appears twice is a listing nobody can trust.
    EXPECT_FALSE(parse::datasets("tank/a\ttype\tfilesystem\t-\ntank/a\tguid\t1\t-\n"
                                 "tank/a\ttype\tfilesystem\t-\ntank/a\tguid\t1\t-\n")
                     .has_value());
}

TEST(ZfsParse, KeepsWhereAValueComesFrom) {
    const auto all = parse::datasets(
        "tank/a\ttype\tvolume\t-\ntank/a\tguid\t1\t-\ntank/a\tzrep:epoch\t3\treceived\n"
        "tank/a\tzrep:limit\t-\tlocal\ntank/a\tzrep:accept\t-\t-\n");
    ASSERT_TRUE(all.has_value());
    EXPECT_EQ(all->at(0).own("zrep:epoch"), "3");
    EXPECT_EQ(all->at(0).local("zrep:epoch"), std::nullopt);
    EXPECT_EQ(all->at(0).local("zrep:limit"), "-") << "a dash that somebody set";
    EXPECT_FALSE(all->at(0).props.contains("zrep:accept"));
}

TEST(ZfsParse, RefusesNumbersThatAreNone) {
    EXPECT_FALSE(parse::datasets("tank\ttype\tfilesystem\t-\ntank\tguid\tx\t-\n").has_value());
    EXPECT_FALSE(parse::datasets("tank\ttype\tmoon\t-\n").has_value());
    EXPECT_FALSE(parse::datasets("tank\ttype\tfilesystem\t-\n").has_value()) << "no guid";
    EXPECT_FALSE(parse::versions("tank@a\tguid\t-1\n").has_value());
    EXPECT_FALSE(parse::versions("tank@a\tcreatetxg\t1\n").has_value());
}

/// As seconds before 1970 it would overflow the ages by which snapshots are kept.
TEST(ZfsParse, ACreationThatIsNoTimeIsNotKnown) {
    const auto created = [](const std::string& number) {
        auto all = parse::versions("tank@a\tguid\t1\ntank@a\tcreation\t" + number + "\n");
        return all ? all->begin()->second.snapshots.at(0).created : -1;
    };
    EXPECT_EQ(created("1700000000"), 1700000000);
    EXPECT_EQ(created("9223372036854775808"), 0);
    EXPECT_EQ(created("18446744073709551615"), 0);
}

TEST(ZfsParse, ReadsSnapshotsAndBookmarksOldestFirst) {
    const auto all = parse::versions(sample("versions.txt"));
    ASSERT_TRUE(all.has_value());
    const Versions& g = all->at(DatasetName::parse("tank/g").value());
    ASSERT_EQ(g.snapshots.size(), 2U);
    EXPECT_EQ(g.snapshots[0].name, "1");
    EXPECT_EQ(g.snapshots[0].guid, Guid{11250957956063174366U});
    EXPECT_EQ(g.snapshots[0].createtxg, 66U);
    EXPECT_EQ(g.snapshots[0].written_bytes, 98304U);
    EXPECT_EQ(g.snapshots[0].sent, 77);
    EXPECT_EQ(g.snapshots[1].sent, 5);
    EXPECT_FALSE(g.snapshots[0].held);
    ASSERT_EQ(g.bookmarks.size(), 3U);
    EXPECT_EQ(g.bookmarks[1].name, "q:x");
    EXPECT_EQ(g.bookmarks[1].guid, g.snapshots[0].guid);
    EXPECT_TRUE(all->contains(DatasetName::parse("tank/a b").value()));
}

TEST(ZfsParse, OrdersByTransactionGroupNotByName) {
    const auto all = parse::versions(
        "t@z\tguid\t1\nt@z\tcreatetxg\t5\nt@a\tguid\t2\nt@a\tcreatetxg\t9\n"
        "t@m\tguid\t3\nt@m\tcreatetxg\t7\nt@m\tuserrefs\t2\nt@m\tnumclones\t1\n");
    ASSERT_TRUE(all.has_value());
    const auto& snapshots = all->at(DatasetName::parse("t").value()).snapshots;
    EXPECT_EQ(snapshots[0].name, "z");
    EXPECT_EQ(snapshots[1].name, "m");
    EXPECT_EQ(snapshots[2].name, "a");
    EXPECT_TRUE(snapshots[1].held);
    EXPECT_TRUE(snapshots[1].cloned);
    EXPECT_EQ(snapshots[1].sent, std::nullopt);
}

TEST(ZfsParse, ASentThatIsNoNumberIsUnset) {
    const auto all = parse::versions("t@a\tguid\t2\nt@a\tzrep:sent\tyesterday\nor\tso\n");
    ASSERT_TRUE(all.has_value());
    EXPECT_EQ(all->at(DatasetName::parse("t").value()).snapshots[0].sent, std::nullopt);
}

constexpr std::string_view kToken =
    "resume token contents:\nnvlist version: 0\n\tfromguid = 0x7ee65fc40aeb5e77\n\tobject = 0x3\n"
    "\toffset = 0x860000\n\tbytes = 0x885cc8\n\ttoguid = 0xdbd213b6c32be4c0\n"
    "\ttoname = tank/s b@b\n\tembedok = 1\n\tcompressok = 1\n\trawok = 1\n"
    "incremental\ttank/s@a\ttank/s b@b\t16310184\nsize\t16310184\n";

TEST(ZfsParse, ReadsATokensContents) {
    const auto token = parse::token(kToken);
    ASSERT_TRUE(token.has_value());
    EXPECT_EQ(token->snapshot->str(), "tank/s b@b");
    EXPECT_EQ(token->guid, Guid{0xdbd213b6c32be4c0U});
    EXPECT_EQ(token->base, Guid{0x7ee65fc40aeb5e77U});
    EXPECT_EQ(token->bytes_done, 0x885cc8U);
    EXPECT_TRUE(token->raw);
    const auto full = parse::token("\ttoguid = 0x5\n\ttoname = t@a\n");
    ASSERT_TRUE(full.has_value());
    EXPECT_FALSE(full->base.known());
    EXPECT_FALSE(full->raw);
    EXPECT_FALSE(parse::token("\ttoguid = 0x5\n").has_value());
    // zfs goes by the guid that it reads itself: the second one is part of a forged name.
    EXPECT_FALSE(parse::token("\ttoguid = 0x6\n\ttoname = t@a\n\ttoguid = 0x5\n").has_value());
    EXPECT_FALSE(parse::token("\ttoguid = five\n\ttoname = t@a\n").has_value());
}

TEST(ZfsParse, ReadsVersionsOfZfs) {
    EXPECT_EQ(parse::version("2.3.2-2~bpo12+2\n"), "2.3.2");
    EXPECT_EQ(parse::version("zfs-2.1.11-1+deb12u1\nzfs-kmod-2.1.11-1\n"), "2.1.11");
    EXPECT_EQ(parse::version(""), "");
}

TEST(ZfsParse, KnowsAPoolInTrouble) {
    EXPECT_EQ(parse::pool_trouble("ONLINE\n"), std::nullopt);
    EXPECT_EQ(parse::pool_trouble("DEGRADED\n"), std::nullopt);
    EXPECT_EQ(parse::pool_trouble(""), std::nullopt);
    EXPECT_EQ(parse::pool_trouble("SUSPENDED\n"), "SUSPENDED");
}

struct ErrorCase {
    std::string err;
    Complaint complaint;
    Code code;
};

TEST(ZfsErrors, EverySampleHasItsMeaning) {
    std::ifstream file(std::string(ZREPD_SOURCE_DIR) + "/tests/data/zfs/stderr.txt");
    // "== complaint code" and then what zfs printed, until the next such line.
    std::string line;
    std::string expected;
    std::string err;
    std::size_t count = 0;
    const auto check = [&] {
        if (expected.empty()) return;
        const Error error = parse::failure(err, "exit status 1");
        const std::string found = std::to_string(static_cast<int>(parse::classify(err))) + " " +
                                  std::string(info(error.code).name);
        EXPECT_EQ(found, expected) << err;
        EXPECT_EQ(error.message.find("usage"), std::string::npos) << error.message;
        EXPECT_EQ(error.message.find('\n'), std::string::npos) << error.message;
        ++count;
    };
    const std::pair<std::string_view, Complaint> names[] = {
        {"unknown", Complaint::unknown},
        {"dataset_missing", Complaint::dataset_missing},
        {"already_exists", Complaint::already_exists},
        {"hold_exists", Complaint::hold_exists},
        {"hold_missing", Complaint::hold_missing},
        {"no_resume_state", Complaint::no_resume_state},
        {"no_snapshots", Complaint::no_snapshots},
        {"bookmark_exists", Complaint::bookmark_exists},
        {"bookmark_missing", Complaint::bookmark_missing},
        {"held", Complaint::held},
        {"cloned", Complaint::cloned},
        {"busy", Complaint::busy},
        {"no_space", Complaint::no_space},
        {"pool_unavailable", Complaint::pool_unavailable},
        {"permission", Complaint::permission},
        {"key_not_loaded", Complaint::key_not_loaded},
        {"key_wrong", Complaint::key_wrong},
        {"key_loaded", Complaint::key_loaded},
        {"already_mounted", Complaint::already_mounted},
        {"not_mounted", Complaint::not_mounted},
        {"mountpoint_used", Complaint::mountpoint_used},
        {"not_mountable", Complaint::not_mountable},
        {"has_children", Complaint::has_children},
        {"target_modified", Complaint::target_modified},
        {"base_mismatch", Complaint::base_mismatch},
        {"newer_exist", Complaint::newer_exist},
        {"partial_state", Complaint::partial_state},
        {"token_dead", Complaint::token_dead},
        {"stream_broken", Complaint::stream_broken},
        {"programs_refused", Complaint::programs_refused},
        {"unsupported", Complaint::unsupported},
        {"invalid_value", Complaint::invalid_value},
        {"no_zfs", Complaint::no_zfs}};
    while (std::getline(file, line)) {
        if (!line.starts_with("== ")) {
            err += line + "\n";
            continue;
        }
        check();
        err.clear();
        const std::size_t space = line.find(' ', 3);
        const std::string name = line.substr(3, space - 3);
        const auto* found = std::find_if(
            std::begin(names), std::end(names), [&](const auto& n) { return n.first == name; });
        ASSERT_NE(found, std::end(names)) << name;
        expected = std::to_string(static_cast<int>(found->second)) + line.substr(space);
    }
    check();
    EXPECT_GE(count, 50U);
}

TEST(ZfsErrors, KeepsUnknownWords) {
    const Error error =
        parse::failure("cannot frobnicate 'tank': the moon is full\n", "exit status 1");
    EXPECT_EQ(error.code, Code::zfs_failed);
    EXPECT_EQ(error.message, "cannot frobnicate 'tank': the moon is full");
    EXPECT_EQ(parse::failure("", "killed by signal 9").message, "no message, killed by signal 9");
}

TEST(ZfsErrors, SayNothingThatSteersATerminal) {
    const Error error = parse::failure(
        "cannot mount '/a\xe2\x80\xae"
        "b\xc2\x9b"
        "c\x1b"
        "d': directory is not empty\n",
        "exit status 1");
    EXPECT_EQ(error.message, "cannot mount '/a b c d': directory is not empty");
}

TEST(ZfsErrors, SaysHowToCompareSidesWithoutACommonBase) {
    for (const char* said :
         {"cannot receive incremental stream: most recent snapshot of backup/fs does not\n"
          "match incremental source\n",
          "cannot receive: most recent snapshot does not match incremental source\n"}) {
        const Error error = parse::failure(said, "exit status 1");
        EXPECT_EQ(error.code, Code::conflict);
        EXPECT_NE(error.remedy.find("zrepctl sync"), std::string::npos) << error.remedy;
        EXPECT_NE(error.remedy.find("zfs list -t snapshot -o name,guid"), std::string::npos);
    }
}

TEST(ZfsErrors, NameWhatTheCommandWasAbout) {
    const auto next = [](std::string_view said, std::string_view subject) {
        return parse::failure(said, "exit status 1", subject).remedy;
    };
    EXPECT_EQ(next("cannot set property for 'tank/fs': pool is read-only", "tank/fs"),
              "import the pool again where it is, without readonly=on: zpool export 'tank', zpool "
              "import 'tank'");
    EXPECT_EQ(next("cannot open 'tank': pool I/O is currently suspended", "tank"),
              "look at zpool status 'tank'; zpool clear 'tank' resumes a suspended pool");
    EXPECT_NE(next("cannot mount 'tank/a b': encryption key not loaded", "tank/a b")
                  .find("zfs get encryptionroot 'tank/a b' names"),
              std::string::npos);
    EXPECT_EQ(next("no words", "").find('{'), std::string::npos);
}

TEST(ZfsErrors, JoinsALineThatZfsBroke) {
    EXPECT_EQ(
        parse::failure("cannot receive incremental stream: destination a/b has been modified\n"
                       "since most recent snapshot\n",
                       "")
            .message,
        "cannot receive incremental stream: destination a/b has been modified since most "
        "recent snapshot");
}

TEST(ZfsErrors, SplitsComplaintsAndDropsHints) {
    const auto said = parse::complaints(
        "cannot destroy 'tank/a@s0': snapshot has dependent clones\n"
        "use '-R' to destroy the following datasets:\ntank/cl\n"
        "cannot open 'x': dataset does not exist\nusage:\n\tdestroy\n");
    EXPECT_EQ(said,
              (std::vector<std::string>{"cannot destroy 'tank/a@s0': snapshot has dependent clones",
                                        "cannot open 'x': dataset does not exist"}));
}

TEST(ZfsErrors, ADeadTokensErrorNamesTheSnapshotThatIsGone) {
    const auto gone = [](std::string_view err) {
        const auto name = parse::gone_snapshot(err);
        return name ? name->str() : std::string("-");
    };
    EXPECT_EQ(gone("cannot resume send: 'tank/d@x' used in the initial send no longer exists\n"),
              "tank/d@x");
    EXPECT_EQ(gone("cannot resume send: 'tank/d@x' is no longer the same snapshot used in the "
                   "initial send\n"),
              "tank/d@x");
    EXPECT_EQ(gone("cannot resume send: resume token is corrupt (incorrect checksum)\n"), "-");
    EXPECT_EQ(gone("cannot resume send: incremental source 0x5ce41908c3d73a29 no longer exists\n"),
              "-");
    EXPECT_EQ(gone("cannot open 'tank/d@x': dataset does not exist\n"), "-");
    // Whoever made the token chose that name.
    EXPECT_EQ(gone("cannot resume send: 'a@b' or 'tank/d@x' used in the initial send no longer "
                   "exists\n"),
              "-");
}

TEST(ZfsErrors, OnlyMissingMeansNothingElse) {
    EXPECT_TRUE(parse::only_missing("cannot open 'a': dataset does not exist\n"));
    EXPECT_FALSE(parse::only_missing(""));
    EXPECT_FALSE(
        parse::only_missing("cannot open 'a': dataset does not exist\n"
                            "cannot open 'b': I/O error\n"));
}

std::vector<std::string> read_events(std::string_view text, std::size_t piece) {
    parse::EventReader reader;
    std::vector<std::string> result;
    for (std::size_t at = 0; at < text.size(); at += piece) {
        for (const Change& change : reader.feed(text.substr(at, piece))) {
            result.push_back((change.dataset ? change.dataset->str() : "*") +
                             (change.versions_only ? " versions" : ""));
        }
    }
    return result;
}

TEST(ZfsEvents, NamesWhatChanged) {
    const std::vector<std::string> expected{
        "*",                   // pool created
        "tank/a",              // property set; the pool's own properties before it are none of ours
        "tank/s versions",     // snapshot
        "tank/bk/s versions",  // receive into tank/bk/s/%recv: no reason to look at all datasets
        "tank/a versions",     // bookmark removed
        "*",                   // dataset renamed: names known before are worth nothing
        "tank/s versions",     // snapshot renamed
        "tank/a versions",     // hold
        "*"};                  // pool exported
    const std::string text = sample("events.txt");
    EXPECT_EQ(read_events(text, text.size()), expected);
    EXPECT_EQ(read_events(text, 1), expected) << "in pieces";
    EXPECT_EQ(read_events(text, 7), expected) << "in pieces";
}

TEST(ZfsEvents, SkipsLinesOverTheLimit) {
    std::string text =
        "now\tsysevent\n        class = \"sysevent.fs.zfs.history_event\"\n        x = \"";
    text +=
        std::string(parse::kMaxEventLine + 10, 'y') + "\"\n        history_dsname = \"tank/a\"\n\n";
    EXPECT_EQ(read_events(text, 4096), std::vector<std::string>{"tank/a"});
}

TEST(ZfsEvents, IgnoresDisksAndScrubs) {
    EXPECT_TRUE(read_events("t\tx\n    class = \"ereport.fs.zfs.checksum\"\n\n", 99).empty());
    EXPECT_TRUE(read_events("t\tx\n    class = \"sysevent.fs.zfs.scrub_start\"\n\n", 99).empty());
    EXPECT_EQ(read_events("t\tx\n    class = \"sysevent.fs.zfs.moon\"\n\n", 99),
              std::vector<std::string>{"*"});
}

TEST(ZfsEvents, APoolThatWasClearedIsLookedAt) {
    EXPECT_EQ(read_events("t\tx\n    class = \"sysevent.fs.zfs.vdev_clear\"\n\n", 99),
              std::vector<std::string>{"*"});
}

TEST(ZfsEvents, WhereSomeWereLostAnythingMayHaveChanged) {
    const std::string event =
        "t\tsysevent.fs.zfs.history_event\n"
        "        class = \"sysevent.fs.zfs.history_event\"\n"
        "        history_dsname = \"tank/a\"\n"
        "        history_internal_name = \"set\"\n\n";
    const std::string one = "t\tx\n    class = \"ereport.fs.zfs.checksum\"\n\n";
    struct Case {
        std::string text;
        std::vector<std::string> changes;
    };
    const Case cases[] = {
        {"dropped 12 events\n", {"*"}},
        {"dropped 12 events\n" + event, {"*", "tank/a"}},
        {event + "dropped 1 events\n" + event, {"tank/a", "*", "tank/a"}},
        {one + "dropped 2147483647 events\n" + one, {"*"}},
        {"dropped 12 eve", {}},
        {"        dropped 12 events\n\n", {}},
    };
    for (const Case& c : cases) {
        for (const std::size_t piece : {c.text.size(), std::size_t{1}, std::size_t{5}})
            EXPECT_EQ(read_events(c.text, piece), c.changes) << c.text << "in pieces of " << piece;
    }
}

/// Changes bytes at random places; the seed is fixed, so a failure can be repeated.
TEST(ZfsParse, SurvivesDamagedOutput) {
    std::mt19937 random(7);
    for (const char* name : {"datasets.txt", "versions.txt", "events.txt", "stderr.txt"}) {
        const std::string good = sample(name).substr(0, 6000);
        for (int round = 0; round < 300; ++round) {
            std::string bad = good.substr(random() % good.size() / 2);
            for (int i = 0; i < 8; ++i) bad[random() % bad.size()] = static_cast<char>(random());
            (void)parse::datasets(bad);
            (void)parse::versions(bad);
            (void)parse::guids(bad);
            (void)parse::token(bad);
            (void)parse::version(bad);
            (void)parse::failure(bad, "");
            (void)parse::only_missing(bad);
            (void)read_events(bad, 100);
        }
    }
}

TEST(Parse, ToldOfHoldsNamesThoseThatAreNotOurs) {
    const auto found = parse::foreign_holds(
        "tank/a@zrep_000001\tzrep_base\tSat Nov 28 10:00 2026\n"
        "tank/a@zrep_000002\tzrep_base\tSat Nov 28 10:00 2026\n"
        "tank/a@zrep_000002\tmy backup\tSat Nov 28 10:01 2026\n"
        "tank/a@mine\tkeep\tSat Nov 28 10:01 2026\n");
    std::vector<std::string> names;
    for (const auto& name : found) names.push_back(name.str());
    EXPECT_EQ(names, (std::vector<std::string>{"tank/a@mine", "tank/a@zrep_000002"}));
    EXPECT_TRUE(parse::foreign_holds("").empty());
}

}  // namespace
}  // namespace zrepd
