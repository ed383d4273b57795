// SPDX-License-Identifier: BSD-2-Clause
// What the man pages repeat from the programs is made from them (tests/fakes/man_blocks.hpp); what
// is written by hand has every name that there is, and no other. documents_test.cpp looks at what
// all documents name.
#include <gtest/gtest.h>

#include <boost/program_options/cmdline.hpp>
#include <boost/program_options/options_description.hpp>
#include <fstream>
#include <map>
#include <regex>
#include <string>

#include "common/error.hpp"
#include "common/props.hpp"
#include "common/text.hpp"
#include "ctl/command.hpp"
#include "daemon/config/config.hpp"
#include "daemon/config/options.hpp"
#include "daemon/control/api_docs.hpp"
#include "daemon/failover/fsm.hpp"
#include "daemon/plan/pair.hpp"
#include "tests/fakes/documents.hpp"
#include "tests/fakes/man_blocks.hpp"
#include "tests/fakes/temp_folder.hpp"

namespace zrepd {
namespace {

using documents::Names;

/// A page's text, with the hyphens and options as one types them.
std::string page(const std::string& name) {
    const std::string text = documents::text_of("docs/" + name);
    EXPECT_FALSE(text.empty()) << name;
    return documents::typed(text);
}

/// One section of a page, with its macros.
std::string section(const std::string& name, const std::string& heading) {
    std::string out = documents::section(documents::text_of("docs/" + name), heading);
    EXPECT_FALSE(out.empty()) << name << ": " << heading;
    return out;
}

/// First of all, so that the others see the new pages when they are being written.
TEST(ManPages, WhatTheyRepeatIsMadeFromThePrograms) {
    for (const auto& path : documents::man_pages()) {
        const auto filled = mdoc::filled(documents::text_of(path), man_blocks::blocks_of(path));
        ASSERT_EQ(filled.problem, "")
            << path << ": put .\\\" begin generated: NAME and .\\\" end generated where it belongs";
        documents::expect_generated(path, filled.page, "ManPages.*");
    }
}

/// What is made for one command stands where nobody looks, unless its prose is between the two.
TEST(ManPages, EachCommandsPartsStandTogether) {
    static const std::regex kPart("begin generated: (command|options) ([a-z]+)\n");
    const std::string text = section("zrepctl.8", "COMMANDS");
    std::string current;
    for (std::sregex_iterator it(text.begin(), text.end(), kPart), end; it != end; ++it) {
        if ((*it)[1] == "command") current = (*it)[2];
        EXPECT_EQ(current, (*it)[2]);
    }
}

/// Its own part of the page: from its heading to the next one that is no option's.
std::string part_of(const std::string& text, const std::string& command) {
    const std::regex heading("\n\\.It " + command + "\\b");
    const std::regex next("\n\\.It [a-z]");
    std::smatch found;
    if (!std::regex_search(text, found, heading)) return "";
    const std::string rest = found.suffix();
    return std::regex_search(rest, found, next) ? found.prefix().str() : rest;
}

TEST(ManPages, EveryOptionStandsInItsCommandsUsageLine) {
    for (const ctl::Command* command : ctl::commands()) {
        boost::program_options::options_description options;
        command->add_options(options);
        const std::string usage = command->arguments;
        for (const auto& option : options.options()) {
            // "-L" for "local,L".
            const auto prefix = boost::program_options::command_line_style::allow_dash_for_short;
            const std::string spelled = option->canonical_display_name(prefix);
            const bool used = usage.find("--" + option->long_name()) != std::string::npos ||
                              usage.find(spelled) != std::string::npos;
            EXPECT_TRUE(used) << command->name << " lacks " << spelled << " in its usage line";
        }
    }
}

/// No hand wrote another one in between.
TEST(ManPages, ZrepctlHasNoOtherCommand) {
    Names commands{"help"};
    for (const ctl::Command* command : ctl::commands()) commands.insert(command->name);
    EXPECT_EQ(documents::found(section("zrepctl.8", "COMMANDS"), "\n\\.It Cm ([a-z]+)"), commands);
}

TEST(ManPages, WhatChangesSomethingHasADryRunInItsHelpAndInItsPart) {
    const std::string text = page("zrepctl.8");
    for (const ctl::Command* command : {&ctl::kInit,
                                        &ctl::kSync,
                                        &ctl::kRefresh,
                                        &ctl::kExpire,
                                        &ctl::kFailover,
                                        &ctl::kTakeover,
                                        &ctl::kResolve,
                                        &ctl::kUnfence,
                                        &ctl::kRescue,
                                        &ctl::kDrill,
                                        &ctl::kPause,
                                        &ctl::kUnpause,
                                        &ctl::kClear,
                                        &ctl::kChangeconfig,
                                        &ctl::kSet,
                                        &ctl::kAuthorize}) {
        boost::program_options::options_description options;
        command->add_options(options);
        EXPECT_NE(options.find_nothrow("dry-run", /*approx=*/false), nullptr) << command->name;
        EXPECT_NE(part_of(text, command->name).find("--dry-run"), std::string::npos)
            << command->name;
        EXPECT_NE(std::string(command->arguments).find("--dry-run"), std::string::npos)
            << command->name << ": its usage line";
    }
}

/// Scripts of zrep's users have them.
TEST(ManPages, ShortSpellingsAreTheSeeds) {
    const std::pair<const ctl::Command*, const char*> seed[] = {{&ctl::kInit, "-i"},
                                                                {&ctl::kSync, "-S"},
                                                                {&ctl::kChangeconfig, "-C"},
                                                                {&ctl::kList, "-l"},
                                                                {&ctl::kExpire, "-e"},
                                                                {&ctl::kPause, "-p"},
                                                                {&ctl::kUnpause, "-u"}};
    for (const auto& [command, letter] : seed) EXPECT_STREQ(command->letter, letter);
}

TEST(ManPages, ZrepdConfHasNoOtherSetting) {
    Names keys;
    const auto all = config::settings();
    for (const auto& option : all.options()) keys.insert(option->long_name());
    EXPECT_EQ(documents::items(section("zrepd.conf.5", "SETTINGS")), keys);
}

TEST(ManPages, TheExamplesOfZrepdConfAreTaken) {
    const test::TempFolder folder;
    const auto ssh = folder.path / "ssh_config";
    std::ofstream(ssh) << "";
    unsigned examples = 0;
    for (const auto& line : documents::code_in("docs/zrepd.conf.5")) {
        if (!line.starts_with('#') && line.find(" = ") == line.npos) continue;
        const auto file = folder.path / "zrepd.conf";
        std::ofstream(file) << std::regex_replace(
            line, std::regex("/etc/zrepd/ssh_config"), ssh.string());
        const auto taken = config::read({"--config", file.string()}, "alpha");
        EXPECT_TRUE(taken.has_value()) << line << ": " << (taken ? "" : taken.error().text());
        ++examples;
    }
    EXPECT_GE(examples, 7U);
}

Names settings_of_pairs() {
    return {prop::kSettings.begin(), prop::kSettings.end()};
}

TEST(ManPages, ZrepPropertiesTellsWhatIsSetFromWhatZrepdWritesAndLeavesNoneOut) {
    EXPECT_EQ(documents::items(section("zrep-properties.7", "SETTINGS")), settings_of_pairs());
    Names state{std::string(prop::kSent)};
    for (const auto name : prop::kOnDataset) {
        if (!settings_of_pairs().contains(std::string(name))) state.emplace(name);
    }
    EXPECT_EQ(documents::items(section("zrep-properties.7", "STATE")), state);
}

/// The pages have them from `zrepctl help set`, which is text.
TEST(ManPages, TheHelpOfSetHasEverySettingAndTheDefaultThatCounts) {
    const plan::Settings none;
    const auto number = [](std::uint64_t count) {
        return count == 0 ? std::string("none") : std::to_string(count);
    };
    const std::map<std::string_view, std::string> defaults{
        {prop::kSavecount, number(none.retention.savecount)},
        {prop::kKeep, plan::to_text(none.retention.keep)},
        {prop::kInterval, none.interval ? "set" : "none"},
        {prop::kPaused, none.paused.empty() ? "no" : none.paused},
        {prop::kAccept, "nobody"},
        {prop::kLimit, number(none.limit_bytes_per_second)},
        {prop::kMinfree, number(none.minfree_bytes)},
        {prop::kMaxsnaps, number(none.maxsnaps)},
        {prop::kFence, std::string(plan::fence_name(none.fence))}};
    Names told;
    for (const auto& [key, text] : man_blocks::keyed_lines(ctl::kSet.description)) {
        const std::string name = "zrep:" + key;
        told.insert(name);
        ASSERT_TRUE(defaults.contains(name)) << name << ": teach this test its default";
        EXPECT_EQ(mdoc::without_default(text).second, defaults.at(name)) << name;
    }
    EXPECT_EQ(told, settings_of_pairs());
}

TEST(ManPages, ZrepdFailoverHasEveryRoleJournalAndHealthAndNoOther) {
    const auto has = [](const char* heading) {
        return documents::items(section("zrepd-failover.7", heading));
    };
    Names roles;
    for (const auto role : {plan::Role::master, plan::Role::target, plan::Role::initializing}) {
        roles.emplace(plan::role_name(role));
    }
    EXPECT_EQ(has("ROLES AND EPOCHS"), roles);
    Names words{"init"};  // zrepctl init's, which is no role change
    for (int i = 1; i <= static_cast<int>(failover::Journal::rejoining); ++i) {
        words.emplace(failover::name(static_cast<failover::Journal>(i)));
    }
    EXPECT_EQ(has("JOURNAL"), words);
    Names fences;
    for (const auto fence : {plan::Fence::off, plan::Fence::boot, plan::Fence::lease}) {
        fences.emplace(plan::fence_name(fence));
    }
    EXPECT_EQ(has("FENCES"), fences);
    const Json pair = control::status_schema()["properties"]["pairs"]["items"]["properties"];
    EXPECT_EQ(has("HEALTH"), pair["health"]["enum"].get<Names>());
    for (const auto& kind : has("REFUSALS")) {
        const auto code = code_from_name(kind);
        ASSERT_TRUE(code.has_value()) << kind;
        EXPECT_EQ(info(*code).exit_status, ctl::kRefused) << kind;
    }
}

TEST(ManPages, EachNamesTheOthers) {
    const auto pages = documents::man_pages();
    EXPECT_GE(pages.size(), 5U);
    for (const auto& path : pages) {
        const std::string also = documents::section(documents::text_of(path), "SEE ALSO");
        for (const auto& other : pages) {
            if (other == path) continue;
            const std::string file = other.substr(other.find('/') + 1);
            const std::string name = file.substr(0, file.rfind('.'));
            const std::string number = file.substr(file.rfind('.') + 1);
            EXPECT_NE(also.find(join({".Xr", name, number}, " ")), also.npos)
                << path << " does not name " << other;
        }
    }
}

}  // namespace
}  // namespace zrepd
