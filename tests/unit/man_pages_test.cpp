// SPDX-License-Identifier: BSD-2-Clause
// The man pages name every command, option, setting and property that the programs have.
#include <gtest/gtest.h>

#include <boost/program_options/cmdline.hpp>
#include <boost/program_options/options_description.hpp>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>

#include "common/props.hpp"
#include "ctl/command.hpp"
#include "ctl/dispatch.hpp"
#include "daemon/config/config.hpp"

namespace zrepd {
namespace {

/// A page's text, with the hyphens as one types them.
std::string page(const std::string& name) {
    std::ifstream file(std::string(ZREPD_SOURCE_DIR) + "/docs/" + name);
    std::string text{std::istreambuf_iterator<char>(file), {}};
    EXPECT_FALSE(text.empty()) << name;
    return std::regex_replace(text, std::regex(R"(\\-)"), "-");
}

void expect_options(const std::string& text, const std::string& help) {
    const std::regex option("--[a-z][a-z-]+");
    for (std::sregex_iterator it(help.begin(), help.end(), option), end; it != end; ++it) {
        EXPECT_NE(text.find(it->str()), std::string::npos) << it->str();
    }
}

TEST(ManPages, ZrepctlNamesEveryCommandAndOption) {
    const std::string text = page("zrepctl.8");
    expect_options(text, ctl::help_text());
    for (const ctl::Command* command :
         {&ctl::kInit,     &ctl::kSync,     &ctl::kList,         &ctl::kStatus, &ctl::kCheck,
          &ctl::kDoctor,   &ctl::kRefresh,  &ctl::kChangeconfig, &ctl::kEvents, &ctl::kExpire,
          &ctl::kFailover, &ctl::kTakeover, &ctl::kResolve,      &ctl::kRescue, &ctl::kDrill,
          &ctl::kPause,    &ctl::kUnpause,  &ctl::kClear,        &ctl::kSet,    &ctl::kVersion,
          &ctl::kUnfence}) {
        const std::regex heading(std::string("\n\\.BI? \"?") + command->name + "\\b");
        EXPECT_TRUE(std::regex_search(text, heading)) << command->name;
        if (command->add_options == nullptr) continue;
        boost::program_options::options_description options;
        command->add_options(options);
        const std::string usage = command->arguments;
        for (const auto& option : options.options()) {
            EXPECT_NE(text.find("--" + option->long_name()), std::string::npos)
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
        EXPECT_NE(text.find(".B " + std::string(property) + "\n"), std::string::npos) << property;
    }
}

/// Its own part of the page: from its heading to the next.
std::string part_of(const std::string& text, const std::string& command) {
    const std::regex heading("\n\\.TP\n\\.BI? \"?" + command + "\\b");
    std::smatch found;
    if (!std::regex_search(text, found, heading)) return "";
    const auto begin = static_cast<std::size_t>(found.position()) + 4;
    return text.substr(begin, text.find("\n.TP\n", begin) - begin);
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
                                        &ctl::kSet}) {
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
        const std::string also = std::string("Also\n.BR ") + letter + " .";
        EXPECT_NE(part_of(text, command->name).find(also), std::string::npos) << command->name;
    }
}

TEST(ManPages, ZrepdNamesEveryOptionAndSetting) {
    const auto asked = config::read({"--help"});
    ASSERT_TRUE(asked);
    ASSERT_NE(asked->help.find("--streams"), std::string::npos);
    expect_options(page("zrepd.8"), asked->help);
}

}  // namespace
}  // namespace zrepd
