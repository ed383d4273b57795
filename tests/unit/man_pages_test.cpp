// SPDX-License-Identifier: BSD-2-Clause
// The man pages name every command, option, setting and property that the programs have.
#include <gtest/gtest.h>

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
          &ctl::kPause,    &ctl::kUnpause,  &ctl::kClear,        &ctl::kSet,    &ctl::kVersion}) {
        const std::regex heading(std::string("\n\\.BI? \"?") + command->name + "\\b");
        EXPECT_TRUE(std::regex_search(text, heading)) << command->name;
        if (command->add_options == nullptr) continue;
        boost::program_options::options_description options;
        command->add_options(options);
        for (const auto& option : options.options()) {
            EXPECT_NE(text.find("--" + option->long_name()), std::string::npos)
                << command->name << " --" << option->long_name();
        }
    }
    for (const auto& property : prop::kSettings) {
        EXPECT_NE(text.find(".B " + std::string(property) + "\n"), std::string::npos) << property;
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
