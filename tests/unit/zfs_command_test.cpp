// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/zfs/command.hpp"
#include "daemon/zfs/snapshot_program.hpp"

#include <gtest/gtest.h>

#include "common/text.hpp"
#include "daemon/zfs/ack_program.hpp"

namespace zrepd {
namespace {

using command::Argv;

DatasetName dataset(std::string_view name) {
    return DatasetName::parse(name).value();
}
SnapshotName snap(std::string_view name) {
    return SnapshotName::parse(name).value();
}
std::string text(const Argv& argv) {
    return join(argv, "|");
}

TEST(ZfsCommand, IsAboutOnePoolWhenItNamesThatAndNoOther) {
    struct Case {
        const char* words;
        bool tank_only;
    };
    const std::vector<std::string> pools{"dozer", "tank"};
    for (const Case& c : {Case{"zfs get -Hp guid tank/a tank/b", true},
                          Case{"zfs get -Hp guid dozer/a tank/b", false},
                          Case{"zfs get -r -Hp guid dozer tank", false},
                          Case{"zfs get -Hp guid", false},
                          Case{"zfs destroy tank/a#x", true},
                          Case{"zfs set tank:x=1 dozer/a", false},
                          Case{"zfs snapshot tankard/a@x", false},
                          Case{"zpool sync tank", true},
                          Case{"zfs receive -u -s -o readonly=on tank/a@x", true},
                          Case{"ssh -x tank zrepctl peer", false}}) {
        Argv argv;
        for (const auto word : split(c.words, ' ')) argv.emplace_back(word);
        EXPECT_EQ(command::is_about_only(argv, "tank", pools), c.tank_only) << c.words;
    }
}

TEST(ZfsCommand, AsksForAllOrForTheDatasetsNamed) {
    const Argv all = command::get_datasets({}).at(0);
    EXPECT_TRUE(text(all).starts_with(
        "zfs|get|-Hp|-t|filesystem,volume|-o|name,property,value,source|type,guid,written,"));
    EXPECT_NE(all.back().find(",zrep:src-host,"), std::string::npos);
    const Argv two = command::get_datasets({dataset("tank/a b"), dataset("tank/c")}).at(0);
    EXPECT_EQ(two.size(), all.size() + 2);
    EXPECT_EQ(two.at(two.size() - 2), "tank/a b");
}

TEST(ZfsCommand, AsksForVersionsWithoutInheritedValues) {
    EXPECT_EQ(text(command::get_versions({dataset("tank/a")}).at(0)),
              "zfs|get|-Hp|-d|1|-t|snapshot,bookmark|-s|local,none|-o|name,property,value|"
              "guid,createtxg,creation,written,userrefs,numclones,zrep:sent|tank/a");
}

TEST(ZfsCommand, SnapshotsTogether) {
    EXPECT_EQ(text(command::snapshot({snap("tank/a@x"), snap("tank/b@x")}).at(0)),
              "zfs|snapshot|tank/a@x|tank/b@x");
}

TEST(ZfsCommand, SetsEverythingInOneCommand) {
    const auto argv =
        command::set(dataset("tank/a"), {{"readonly", "on"}, {"zrep:src-fs", "tank/a b=c"}});
    ASSERT_TRUE(argv.has_value());
    EXPECT_EQ(text(*argv), "zfs|set|readonly=on|zrep:src-fs=tank/a b=c|tank/a");
}

TEST(ZfsCommand, RefusesPropertiesThatZfsWouldReadAsSomethingElse) {
    for (const std::string name : {"-u", "", "a b", "A:x", "x=y", "zrep:\n"}) {
        EXPECT_FALSE(command::set(dataset("tank/a"), {{name, "1"}}).has_value()) << quote(name);
        EXPECT_FALSE(command::inherit(dataset("tank/a"), name).has_value()) << quote(name);
    }
    for (const std::string& value :
         {std::string("a\nb"), std::string("a\tb"), std::string(8192, 'x')}) {
        EXPECT_FALSE(command::set(dataset("tank/a"), {{"zrep:x", value}}).has_value());
    }
    EXPECT_FALSE(command::set(dataset("tank/a"), {}).has_value());
}

TEST(ZfsCommand, DestroysOneDatasetsSnapshotsAndNothingElse) {
    const auto argv = command::destroy_snapshots(dataset("tank/a"), {"x", "y z"});
    ASSERT_TRUE(argv.has_value());
    EXPECT_EQ(text(argv->at(0)), "zfs|destroy|tank/a@x,y z");
    for (const std::string name : {"x,y", "x%y", "x%", "%", "", "a@b", "a/b"}) {
        EXPECT_FALSE(command::destroy_snapshots(dataset("tank/a"), {name}).has_value()) << name;
        EXPECT_FALSE(command::destroy_bookmark(dataset("tank/a"), name).has_value()) << name;
    }
    EXPECT_EQ(text(command::destroy_bookmark(dataset("tank/a"), "zrep_7").value()),
              "zfs|destroy|tank/a#zrep_7");
}

TEST(ZfsCommand, SplitsALongDestroyBelowTheLimitOfOneArgument) {
    const std::vector<std::string> names(5000, std::string(40, 'x'));
    const auto argvs = command::destroy_snapshots(dataset("tank/a"), names);
    ASSERT_TRUE(argvs.has_value());
    EXPECT_GT(argvs->size(), 1U);
    for (const Argv& argv : *argvs) EXPECT_LT(argv.at(2).size(), 128U * 1024);
}

struct SendCase {
    std::string name;
    SendSpec spec;
    std::string expected;  ///< empty: refused
};

TEST(ZfsCommand, SendsWithTheFlagsOfTheDesign) {
    const SnapshotName b = snap("tank/a@b");
    const SendCase cases[] = {
        {"full", {.snapshot = b}, "zfs|send|-L|-c|-e|tank/a@b"},
        {"incremental", {.snapshot = b, .base = "@a"}, "zfs|send|-L|-c|-e|-i|@a|tank/a@b"},
        {"from a bookmark", {.snapshot = b, .base = "#m"}, "zfs|send|-L|-c|-e|-i|#m|tank/a@b"},
        {"raw is without -e", {.snapshot = b, .raw = true}, "zfs|send|-L|-c|-w|tank/a@b"},
        {"token", {.token = "1-a0-ff"}, "zfs|send|-L|-c|-e|-t|1-a0-ff"},
        {"raw token", {.token = "1-a0-ff", .raw = true}, "zfs|send|-L|-c|-w|-t|1-a0-ff"},
        {"nothing", {}, ""},
        {"base without a mark", {.snapshot = b, .base = "a"}, ""},
        {"base of another dataset", {.snapshot = b, .base = "@x@y"}, ""},
        {"token that is an option", {.token = "-1"}, ""},
        {"token with a space", {.token = "1 2"}, ""},
    };
    for (const SendCase& one : cases) {
        const auto argv = command::send(one.spec);
        EXPECT_EQ(argv.has_value() ? text(*argv) : "", one.expected) << one.name;
    }
}

TEST(ZfsCommand, IsAboutTheLastThatItNames) {
    const std::pair<command::Argv, std::string> cases[] = {
        {{"zfs", "set", "a:b=c", "readonly=on", "tank/fs"}, "tank/fs"},
        {{"zfs", "hold", "zrep_base", "tank/fs@zrep_000001"}, "tank/fs"},
        {{"zfs", "send", "-w", "-i", "@zrep_000000", "--", "tank/a b@zrep_000001"}, "tank/a b"},
        {{"zpool", "get", "-H", "-o", "value", "readonly", "tank"}, "tank"},
        {{"zfs", "bookmark", "tank/fs@x", "tank/fs#y"}, "tank/fs"},
        {{"zpool", "list", "-H", "-o", "name"}, ""},
        {{"zfs", "version"}, ""}};
    for (const auto& [argv, subject] : cases) EXPECT_EQ(command::subject(argv), subject) << argv[1];
}

TEST(ZfsCommand, ReceivesUnmountedResumableAndNeverForced) {
    const auto argv = command::receive(
        {.snapshot = snap("backup/a@b"), .properties = {{"readonly", "on"}, {"zrep:epoch", "1"}}});
    ASSERT_TRUE(argv.has_value());
    EXPECT_EQ(text(*argv), "zfs|receive|-u|-s|-o|readonly=on|-o|zrep:epoch=1|backup/a@b");
    // What zfs would take for its option is no property.
    EXPECT_FALSE(command::receive({.snapshot = snap("backup/a@b"), .properties = {{"-F", "1"}}})
                     .has_value());
}

TEST(ZfsCommand, BuildsTheSmallOnes) {
    const SnapshotName s = snap("tank/a@x");
    EXPECT_EQ(text(command::hold({s}).at(0)), "zfs|hold|zrep_base|tank/a@x");
    EXPECT_EQ(text(command::holds({s}).at(0)), "zfs|holds|-H|tank/a@x");
    EXPECT_EQ(text(command::release({s}).at(0)), "zfs|release|zrep_base|tank/a@x");
    EXPECT_EQ(text(command::rollback(s)), "zfs|rollback|tank/a@x");
    EXPECT_EQ(text(command::bookmark(s, "zrep_7")), "zfs|bookmark|tank/a@x|tank/a#zrep_7");
    EXPECT_EQ(text(command::abort_receive(dataset("tank/a"))), "zfs|receive|-A|tank/a");
    EXPECT_EQ(text(command::token_info("1-a").value()), "zfs|send|-nvP|-t|1-a");
    EXPECT_EQ(text(command::set_sent({s}, 99).at(0)), "zfs|set|zrep:sent=99|tank/a@x");
    EXPECT_EQ(text(command::inherit_sent({s, s}).at(0)), "zfs|inherit|zrep:sent|tank/a@x|tank/a@x");
    EXPECT_EQ(text(command::program("tank", {"1"})), "zfs|program|-j|--|tank|-|1");
    EXPECT_EQ(text(command::events()), "zpool|events|-f|-v|-H");
    EXPECT_EQ(text(command::list_names("")), "zfs|list|-H|-o|name|-t|filesystem,volume");
    EXPECT_EQ(text(command::list_names("tank")),
              "zfs|list|-H|-o|name|-t|filesystem,volume|-r|tank");
}

TEST(ZfsCommand, CutsLongListsBelowTheLimitAndLosesNothing) {
    EXPECT_TRUE(command::chunks({}).empty());
    const Argv items(1000, std::string(255, 'a'));
    std::size_t count = 0;
    for (const Argv& group : command::chunks(items, 10'000)) {
        std::size_t bytes = 0;
        for (const std::string& item : group) bytes += item.size() + 1 + sizeof(char*);
        EXPECT_LE(bytes, 10'000U);
        count += group.size();
    }
    EXPECT_EQ(count, items.size());
    EXPECT_EQ(command::chunks({std::string(100, 'a')}, 10).size(), 1U);
}

AckItem full_item() {
    return {.snapshot = snap("tank/a@zrep_000002"),
            .guid = Guid{11250957956063174366U},
            .bookmark = true,
            .destroy = {"x", "y"}};
}

TEST(AckProgram, PassesGuidsAsTheSignedNumbersOfLua) {
    EXPECT_EQ(text(ack_program::arguments(99, {full_item()})),
              "99|tank/a@zrep_000002|-7195786117646377250|1|tank/a#zrep_11250957956063174366|"
              "2|tank/a@x|tank/a@y");
}

TEST(AckProgram, ReadsEachItemsOutcome) {
    const auto outcomes =
        ack_program::outcomes(R"({"return":{"1":{"state":"ok","sent":0,"bookmark":17,)"
                              R"("destroy":{"1":0,"2":17}},"2":{"state":"missing","destroy":{}},)"
                              R"("3":{"state":"unset","sent":28}}})",
                              {full_item(), full_item(), full_item()});
    ASSERT_TRUE(outcomes.has_value());
    EXPECT_TRUE(outcomes->at(0).acknowledged.has_value());
    EXPECT_TRUE(outcomes->at(0).bookmarked);
    EXPECT_EQ(outcomes->at(0).destroyed, std::vector<std::string>{"x"});
    EXPECT_EQ(outcomes->at(0).failed,
              std::vector<std::string>{"destroy tank/a@y: it has dependent clones"});
    EXPECT_EQ(outcomes->at(1).acknowledged.error().code, Code::not_found);
    EXPECT_EQ(outcomes->at(2).acknowledged.error().code, Code::no_space);
}

TEST(AckProgram, ToleratesAnyAnswer) {
    for (const char* answer : {"",
                               "{",
                               "[]",
                               "{\"return\":1}",
                               "{\"return\":{}}",
                               "{\"return\":{\"1\":[]}}",
                               "{\"return\":{\"1\":{\"state\":\"ok\",\"bookmark\":\"x\"}}}",
                               // Cut down to 32 bits it would be 0: all went well.
                               "{\"return\":{\"1\":{\"state\":\"ok\",\"bookmark\":4294967296}}}",
                               "{\"return\":{\"1\":{\"state\":\"ok\",\"destroy\":[1]}}}"}) {
        EXPECT_FALSE(ack_program::outcomes(answer, {full_item()}).has_value()) << answer;
    }
}

TEST(AckProgram, RefusesToDestroyWhatItAcknowledges) {
    AckItem item = full_item();
    EXPECT_TRUE(ack_program::check(item).has_value());
    item.destroy = {"zrep_000002"};
    EXPECT_FALSE(ack_program::check(item).has_value());
    item = full_item();
    item.destroy = {"a%b"};
    EXPECT_FALSE(ack_program::check(item).has_value());
    item = full_item();
    item.guid = Guid{};
    EXPECT_FALSE(ack_program::check(item).has_value());
}

TEST(AckProgram, FitsIntoAPipe) {
    EXPECT_LE(ack_program::text().size(), 4096U);
}

TEST(SnapshotProgram, ReadsEachSnapshotsOutcome) {
    const std::vector<SnapshotName> names{snap("tank/a@x"), snap("tank/b@x"), snap("tank/c@x")};
    const auto outcomes = snapshot_program::outcomes(
        R"({"return":{"1":{"err":0,"guid":"-1","createtxg":"65","written":"512"},)"
        R"("2":{"err":17},"3":{"err":2}}})",
        names);
    ASSERT_TRUE(outcomes.has_value());
    EXPECT_EQ(outcomes->at(0)->guid, Guid{18446744073709551615U});
    EXPECT_EQ(outcomes->at(0)->createtxg, 65U);
    EXPECT_EQ(outcomes->at(1).error().code, Code::already_exists);
    EXPECT_EQ(outcomes->at(2).error().code, Code::not_found);
}

TEST(SnapshotProgram, ToleratesAnyAnswer) {
    for (const char* answer : {"",
                               "[]",
                               "{\"return\":{}}",
                               "{\"return\":{\"1\":[]}}",
                               "{\"return\":{\"1\":{\"err\":\"0\"}}}",
                               "{\"return\":{\"1\":{\"err\":4294967296,\"guid\":\"7\","
                               "\"createtxg\":\"8\",\"written\":\"9\"}}}",
                               "{\"return\":{\"1\":{\"err\":0,\"guid\":7}}}"}) {
        EXPECT_FALSE(snapshot_program::outcomes(answer, {snap("tank/a@x")}).has_value()) << answer;
    }
}

TEST(SnapshotProgram, FitsIntoAPipe) {
    EXPECT_LE(snapshot_program::text().size(), 4096U);
}

}  // namespace
}  // namespace zrepd
