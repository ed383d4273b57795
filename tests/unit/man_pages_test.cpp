// SPDX-License-Identifier: BSD-2-Clause
// The man pages name every command, option, setting and property that the programs have, with their
// defaults, and no other. documents_test.cpp looks at what all documents name.
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
#include "ctl/dispatch.hpp"
#include "daemon/config/config.hpp"
#include "daemon/failover/fsm.hpp"
#include "daemon/plan/pair.hpp"
#include "tests/fakes/documents.hpp"
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

void expect_options(const std::string& text, const std::string& help) {
    const std::regex option("--[a-z][a-z-]+");
    for (std::sregex_iterator it(help.begin(), help.end(), option), end; it != end; ++it) {
        EXPECT_NE(text.find(it->str()), std::string::npos) << it->str();
    }
}

/// Its own part of the page: from its heading to the next.
std::string part_of(const std::string& text, const std::string& command) {
    const std::regex heading("\n\\.It " + command + "\\b");
    std::smatch found;
    if (!std::regex_search(text, found, heading)) return "";
    const auto begin = static_cast<std::size_t>(found.position()) + 1;
    return text.substr(begin, text.find("\n.It ", begin) - begin);
}

TEST(ManPages, ZrepctlNamesEveryCommandAndOptionAndNoOtherCommand) {
    const std::string text = page("zrepctl.8");
    expect_options(text, ctl::help_text());
    Names commands{"help"};
    for (const ctl::Command* command : ctl::commands()) commands.insert(command->name);
    EXPECT_EQ(documents::found(section("zrepctl.8", "COMMANDS"), "\n\\.It Cm ([a-z]+)"), commands);
    for (const ctl::Command* command : ctl::commands()) {
        if (command->add_options == nullptr) continue;
        boost::program_options::options_description options;
        command->add_options(options);
        const std::string usage = command->arguments;
        for (const auto& option : options.options()) {
            const std::regex whole("--" + option->long_name() + "(?![a-z-])");
            EXPECT_TRUE(std::regex_search(part_of(text, command->name), whole))
                << command->name << " --" << option->long_name();
            // "-L" for "local,L".
            const auto prefix = boost::program_options::command_line_style::allow_dash_for_short;
            const std::string spelled = option->canonical_display_name(prefix);
            const bool used = usage.find("--" + option->long_name()) != std::string::npos ||
                              usage.find(spelled) != std::string::npos;
            EXPECT_TRUE(used) << command->name << " lacks " << spelled << " in its usage line";
        }
    }
    for (const auto& property : prop::kSettings) {
        EXPECT_NE(text.find(".It " + std::string(property) + "\n"), std::string::npos) << property;
    }
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

TEST(ManPages, ShortSpellingsStandInTheirParts) {
    const std::string text = page("zrepctl.8");
    const std::pair<const ctl::Command*, const char*> seed[] = {{&ctl::kInit, "-i"},
                                                                {&ctl::kSync, "-S"},
                                                                {&ctl::kChangeconfig, "-C"},
                                                                {&ctl::kList, "-l"},
                                                                {&ctl::kExpire, "-e"},
                                                                {&ctl::kPause, "-p"},
                                                                {&ctl::kUnpause, "-u"}};
    for (const auto& [command, letter] : seed) {
        EXPECT_STREQ(command->letter, letter);
        const std::string also = std::string("Also\n.") + letter + " .";
        EXPECT_NE(part_of(text, command->name).find(also), std::string::npos) << command->name;
    }
}

/// The daemon's settings as its help tells them: key, and what stands behind it.
std::map<std::string, std::string> settings() {
    const auto asked = config::read({"--help"});
    const std::string help = asked ? asked->help : "";
    const std::string part = help.substr(std::min(help.find("Settings ("), help.size()));
    static const std::regex kSetting("\n  --([a-z-]+) ((?:.|\n(?!  --))*)");
    std::map<std::string, std::string> out;
    for (std::sregex_iterator it(part.begin(), part.end(), kSetting), end; it != end; ++it) {
        out[(*it)[1]] = std::regex_replace((*it)[2].str(), std::regex("\\s+"), " ");
    }
    EXPECT_GE(out.size(), 11U) << "the help looks otherwise: teach settings() it";
    return out;
}

TEST(ManPages, ZrepdNamesEveryOption) {
    const auto asked = config::read({"--help"});
    ASSERT_TRUE(asked);
    const std::string actions = asked->help.substr(0, asked->help.find("Settings ("));
    ASSERT_NE(actions.find("--check-config"), std::string::npos);
    expect_options(page("zrepd.8"), actions);
}

TEST(ManPages, ZrepdConfHasEverySettingItsValueAndItsDefaultAndNoOther) {
    const std::string part = section("zrepd.conf.5", "SETTINGS");
    Names keys;
    for (const auto& [key, told] : settings()) {
        keys.insert(key);
        const std::string value = told.substr(0, told.find(' '));
        const std::string heading = join({"\n.It Cm", key, "Ar", value + "\n"}, " ");
        EXPECT_NE(part.find(heading), part.npos) << key;
        const std::size_t open = told.rfind('[');
        if (open == told.npos) continue;
        const std::string fallback = told.substr(open + 1, told.rfind(']') - open - 1);
        const std::string text = documents::item_text(part, key);
        EXPECT_NE(text.find("The default is " + fallback), text.npos)
            << key << ": " << fallback << " in: " << text;
    }
    EXPECT_EQ(documents::items(part), keys);
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

TEST(ManPages, ZrepPropertiesHasTheDefaultsThatCount) {
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
    const std::string part = section("zrep-properties.7", "SETTINGS");
    for (const auto& name : settings_of_pairs()) {
        ASSERT_TRUE(defaults.contains(name)) << name << ": teach this test its default";
        const std::string text = documents::item_text(part, name);
        EXPECT_TRUE(text.ends_with("Default: " + defaults.at(name) + ".")) << name << ": " << text;
    }
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
    const std::string schema = documents::text_of("docs/status.schema.json");
    for (const auto& health : has("HEALTH")) {
        EXPECT_NE(schema.find(health), schema.npos) << health;
    }
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
