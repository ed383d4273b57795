// SPDX-License-Identifier: BSD-2-Clause
// Which files of a folder are run as hooks, and what they are told.
#include "daemon/failover/hook_files.hpp"

#include <gtest/gtest.h>

#include "common/json.hpp"
#include "common/text.hpp"
#include "daemon/failover/hooks.hpp"

namespace zrepd::failover {
namespace {

using Kind = FolderEntry::Kind;

FolderEntry file(std::string name, std::uint32_t mode = 0755, std::uint32_t owner = 0) {
    return {.name = std::move(name), .kind = Kind::file, .owner = owner, .mode = mode};
}

FolderEntry folder(std::string path, std::uint32_t mode = 0755, std::uint32_t owner = 0) {
    return {.name = std::move(path), .kind = Kind::folder, .owner = owner, .mode = mode};
}

std::vector<std::string> names(const HookPrograms& programs) {
    std::vector<std::string> out;
    for (const auto& path : programs.run) out.push_back(path.filename());
    return out;
}

/// Why this one alone is not run; empty when it is.
std::string complaint(const FolderEntry& entry) {
    const HookPrograms programs = choose("/h/pre-demote.d", {entry});
    EXPECT_EQ(programs.run.size() + programs.unusable.size(), 1U);
    if (programs.unusable.empty()) return "";
    EXPECT_EQ(programs.unusable[0].code, Code::refused_by_hook);
    EXPECT_NE(programs.unusable[0].message.find("/h/pre-demote.d/" + entry.name),
              std::string::npos);
    EXPECT_FALSE(programs.unusable[0].remedy.empty());
    return programs.unusable[0].message;
}

TEST(HookFiles, RunInTheOrderOfTheirBytes) {
    const HookPrograms programs =
        choose("/h", {file("b"), file("9"), file("10-x"), file("a"), file("B")});
    EXPECT_EQ(names(programs), (std::vector<std::string>{"10-x", "9", "B", "a", "b"}));
    EXPECT_EQ(programs.run[0], "/h/10-x");
    EXPECT_TRUE(programs.unusable.empty());
}

TEST(HookFiles, LeavesAloneWhatEditorsAndPackagesLeave) {
    for (const char* name : {".x", ".x.swp", "x~", "x.bak", "x.dpkg-old", "x.dpkg-dist"}) {
        const HookPrograms programs = choose("/h", {file(name, 0644, 1000)});
        EXPECT_TRUE(programs.run.empty()) << name;
        EXPECT_TRUE(programs.unusable.empty()) << name;
    }
}

TEST(HookFiles, NamesThatOnlyLookLikeLeftoversCount) {
    for (const char* name : {"x.dpkg-old.sh", "bak", "dpkg-old", "x.bak2", "README", "10 x"}) {
        EXPECT_EQ(names(choose("/h", {file(name)})), std::vector<std::string>{name});
    }
}

TEST(HookFiles, SaysWhyAFileIsNotRun) {
    EXPECT_EQ(complaint(file("x")), "");
    EXPECT_EQ(complaint(file("x", 0700)), "");
    EXPECT_NE(complaint(file("x", 0644)).find("is not executable"), std::string::npos);
    EXPECT_NE(complaint(file("x", 0655)).find("is not executable"), std::string::npos);
    EXPECT_NE(complaint(file("x", 0775)).find("others than root may write"), std::string::npos);
    EXPECT_NE(complaint(file("x", 0757)).find("others than root may write"), std::string::npos);
    EXPECT_NE(complaint(file("x", 0755, 1000)).find("uid 1000"), std::string::npos);
    for (const Kind kind : {Kind::folder, Kind::link, Kind::other}) {
        EXPECT_NE(complaint({.name = "x", .kind = kind, .mode = 0755}).find("is not run: it is "),
                  std::string::npos);
    }
}

TEST(HookFiles, OneThatCannotRunHidesNoOther) {
    const HookPrograms programs = choose("/h", {file("a"), file("b", 0644), file("c")});
    EXPECT_EQ(names(programs), (std::vector<std::string>{"a", "c"}));
    EXPECT_EQ(programs.unusable.size(), 1U);
}

TEST(HookFiles, TooManyAreNotRunAtAll) {
    std::vector<FolderEntry> entries;
    for (std::size_t i = 0; i < kMaxHookPrograms; ++i) entries.push_back(file(std::to_string(i)));
    EXPECT_EQ(choose("/h", entries).run.size(), kMaxHookPrograms);
    entries.push_back(file("one more"));
    const HookPrograms programs = choose("/h", entries);
    EXPECT_TRUE(programs.run.empty());
    EXPECT_EQ(programs.unusable.size(), 1U);
}

TEST(HookFiles, FoldersMustBeRootsAlone) {
    const FolderEntry root = folder("/");
    EXPECT_TRUE(check_folders({folder("/h/d"), folder("/h"), root}));
    EXPECT_FALSE(check_folders({folder("/h/d", 0775), folder("/h"), root}));
    EXPECT_FALSE(check_folders({folder("/h/d"), folder("/h", 0757), root}));
    EXPECT_FALSE(check_folders({folder("/h/d"), folder("/h", 0755, 1000), root}));
    EXPECT_FALSE(check_folders({file("/h/d"), folder("/h"), root}));
}

TEST(HookFiles, AStickyFolderIsFineAboveButNotForTheProgramsThemselves) {
    EXPECT_TRUE(check_folders({folder("/tmp/d"), folder("/tmp", 01777)}));
    EXPECT_FALSE(check_folders({folder("/tmp/d", 01777), folder("/tmp")}));
}

TEST(HookFiles, OnlyWhatRunsBeforeTheChangeMayRefuse) {
    std::vector<std::string> refusing;
    for (const Hook hook : kHooks) {
        if (may_refuse(hook)) refusing.emplace_back(hook_name(hook));
    }
    EXPECT_EQ(refusing, (std::vector<std::string>{"pre-demote", "pre-promote"}));
}

TEST(HookWords, TheLastLineIsTheReason) {
    EXPECT_EQ(last_line(""), "");
    EXPECT_EQ(last_line(" \n\n"), "");
    EXPECT_EQ(last_line("one"), "one");
    EXPECT_EQ(last_line("one\ntwo words \r\n\n"), "two words");
}

HookContext told(std::string mountpoint) {
    return {.dataset = *DatasetName::parse("tank/a b"),
            .peer = *HostName::parse("beta"),
            .peer_dataset = *DatasetName::parse("backup/fs"),
            .epoch = 8,
            .operation = "takeover",
            .kind = "filesystem",
            .mountpoint = std::move(mountpoint),
            .planned = true,
            .run_id = "r-1"};
}

TEST(HookInput, IsOneLineWithAllThatIsKnown) {
    const auto line = hook_input(Hook::post_promote, *HostName::parse("alpha"), told("/a \"b\"\n"));
    ASSERT_TRUE(line);
    EXPECT_EQ(line->find('\n'), line->size() - 1);
    EXPECT_EQ(*line,
              R"({"version":1,"hook":"post-promote","operation":"takeover","planned":true,)"
              R"("host":"alpha","dataset":"tank/a b","kind":"filesystem",)"
              R"("mountpoint":"/a \"b\"\n","peer":"beta","peer_dataset":"backup/fs","epoch":8,)"
              R"("run_id":"r-1"})"
              "\n");
}

TEST(HookInput, NeverNamesAnotherMountpointThanTheRealOne) {
    const HostName host = *HostName::parse("alpha");
    EXPECT_FALSE(hook_input(Hook::pre_demote, host, told("/caf\xe9")));
    EXPECT_FALSE(hook_input(Hook::pre_demote, host, told("/" + std::string(4096, 'x'))));
    EXPECT_TRUE(hook_input(Hook::pre_demote, host, told("/" + std::string(2048, 'x'))));
    EXPECT_TRUE(hook_input(Hook::pre_demote, host, told("")));
}

}  // namespace
}  // namespace zrepd::failover
