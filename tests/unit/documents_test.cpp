// SPDX-License-Identifier: BSD-2-Clause
// What the documents for administrators name exists: commands, options, settings, properties, error
// kinds, methods; and none of them is missing from the tables that claim to have all. Events and
// log lines: event_names_test.cpp. What each man page has to have: man_pages_test.cpp.
#include "tests/fakes/documents.hpp"

#include <gtest/gtest.h>

#include <boost/program_options/options_description.hpp>
#include <cctype>
#include <filesystem>
#include <regex>

#include "common/error.hpp"
#include "common/props.hpp"
#include "common/text.hpp"
#include "ctl/command.hpp"
#include "daemon/config/config.hpp"
#include "daemon/control/registry.hpp"
#include "daemon/peer/methods.hpp"
#include "daemon/plan/accept.hpp"
#include "daemon/plan/pair.hpp"

namespace zrepd {
namespace {

using documents::Names;

/// Words behind "zrepctl" that are no commands of its table.
const Names kBesideTheTable{"help", "peer", "complete"};

Names options_of(const ctl::Command& command) {
    Names out;
    const auto all = ctl::all_options(command);
    for (const auto& option : all.options()) out.insert("--" + option->long_name());
    return out;
}

Names all_of_ours() {
    Names out{"--version", "--as", "--unrestricted"};  // without a command; of zrepctl peer
    for (const auto* command : ctl::commands()) out.merge(options_of(*command));
    const auto asked = config::read({"--help"});
    if (asked) out.merge(documents::found(asked->help, "--[a-z][a-z-]+"));
    return out;
}

/// Options of other programs, with the program's name: the same line has to have that.
bool is_of_another_program(const std::string& code, const std::string& option) {
    static const std::pair<const char*, Names> kOthers[] = {
        {"systemctl", {"--now"}},
        {"groupadd", {"--system"}},
        {"systemd-run", {"--quiet", "--collect", "--pipe", "--wait"}},
        {"useradd", {"--system", "--home-dir", "--shell"}},
        {"cmake", {"--preset", "--build", "--install", "--prefix"}},
        {"tests/run", {"--all"}},
        {"tests/models/run", {"--large"}},
        {"--native", {"--native"}},  // tests/demo
        {"--all", {"--all"}},        // tests/run
        {"--large", {"--large"}},
        {"--prefix", {"--prefix"}},
        {"pcs", {"--promoted"}},
        {"stonith_admin", {"--reboot", "--history"}}};
    for (const auto& [program, options] : kOthers) {
        if (code.find(program) != code.npos && options.contains(option)) return true;
    }
    return false;
}

/// What belongs to one call of zrepctl: up to what ends a command in a shell, or a comment.
struct Call {
    std::string command;
    std::string rest;
};
std::vector<Call> calls_in(const std::string& code) {
    static const std::regex kCall(
        "\\bzrepctl(?: --(?:json|socket [^ ]+))* +(-?[a-z][A-Za-z-]*|-[SC])([^;|&#()`]*)");
    std::vector<Call> out;
    for (std::sregex_iterator it(code.begin(), code.end(), kCall), end; it != end; ++it) {
        out.push_back({(*it)[1], (*it)[2]});
    }
    return out;
}

TEST(Documents, NameNoCommandAndNoOptionOfACommandThatIsNotThere) {
    std::size_t calls = 0;
    for (const auto& path : documents::manual()) {
        for (const auto& code : documents::code_in(path)) {
            for (const auto& call : calls_in(code)) {
                ++calls;
                if (kBesideTheTable.contains(call.command)) continue;
                const auto* command = ctl::find_command(call.command);
                ASSERT_NE(command, nullptr) << path << ": " << code;
                const Names known = options_of(*command);
                for (const auto& option : documents::found(call.rest, "--[a-z][a-z-]+")) {
                    EXPECT_TRUE(known.contains(option)) << path << ": " << code;
                }
            }
        }
    }
    EXPECT_GT(calls, 80U) << "the documents are written in another way: teach calls_in() it";
}

TEST(Documents, NameNoOptionThatNoProgramHas) {
    const Names ours = all_of_ours();
    for (const auto& path : documents::manual()) {
        for (const auto& code : documents::code_in(path)) {
            for (const auto& option : documents::found(code, "--[a-z][a-z-]+")) {
                EXPECT_TRUE(ours.contains(option) || is_of_another_program(code, option))
                    << path << ": " << option << " in: " << code;
            }
        }
    }
    for (const auto& page : documents::man_pages()) {
        const std::string text = documents::typed(documents::text_of(page));
        for (const auto& option : documents::found(text, "[^a-z-](--[a-z][a-z-]+)")) {
            EXPECT_TRUE(ours.contains(option)) << page << ": " << option;
        }
    }
}

Names all_properties() {
    Names out{std::string(prop::kSent)};
    for (const auto name : prop::kOnDataset) out.emplace(name);
    return out;
}

TEST(Documents, NameNoPropertyThatIsNotThere) {
    const Names known = all_properties();
    for (const auto& path : documents::manual()) {
        const std::string text = documents::typed(documents::text_of(path));
        for (const auto& name : documents::found(text, "zrep:[a-z][a-z-]*")) {
            EXPECT_TRUE(known.contains(name)) << path << ": " << name;
        }
    }
}

TEST(Documents, OperationsListsEveryPropertyAndNoOther) {
    const std::string text = documents::text_of("docs/operations.md");
    EXPECT_EQ(documents::first_column(documents::section(text, "Properties")), all_properties());
}

TEST(Documents, OperationsListsEverySettingOfTheDaemonAndNoOther) {
    const std::string text = documents::text_of("docs/operations.md");
    const auto asked = config::read({"--help"});
    ASSERT_TRUE(asked);
    const std::string settings = asked->help.substr(asked->help.find("Settings ("));
    EXPECT_EQ(documents::first_column(documents::section(text, "Settings of the daemon")),
              documents::found(settings, "--([a-z-]+)"));
}

TEST(Documents, TheReadmeInstallsWhatTheBuildTakesAndNothingElse) {
    const std::string install = documents::section(documents::text_of("README.md"), "Install");
    const std::size_t begin = install.find("apt install ");
    ASSERT_NE(begin, install.npos);
    const std::string command = install.substr(begin, install.find("\n    cmake", begin) - begin);
    Names named = documents::found(command, "[a-z][a-z0-9.+-]+");
    for (const char* word : {"apt", "install"}) EXPECT_EQ(named.erase(word), 1U) << word;
    const std::string packages = "\n" + documents::text_of("tests/lab/packages");
    const std::size_t build = packages.find("\n# The build\n");
    ASSERT_NE(build, packages.npos);
    const std::size_t first = packages.find('\n', build + 1);
    const std::string of_build = packages.substr(first, packages.find("\n#", first) - first);
    EXPECT_EQ(named, documents::found(of_build, "\\S+"));
}

TEST(Documents, TheSmfManifestHasEverySettingOfTheDaemonAndNoOther) {
    const std::string text = documents::text_of("smf/zrepd.xml");
    const std::size_t begin = text.find("<property_group name=\"config\"");
    ASSERT_NE(begin, text.npos);
    const auto asked = config::read({"--help"});
    ASSERT_TRUE(asked);
    const std::string settings = asked->help.substr(asked->help.find("Settings ("));
    EXPECT_EQ(documents::found(text.substr(begin, text.find("</property_group>", begin) - begin),
                               "<propval name=\"([a-z-]+)\" type=\"astring\" value=\"\"/>"),
              documents::found(settings, "--([a-z-]+)"));
}

TEST(Documents, OperationsHasEveryErrorKindAndNoOther) {
    const std::string text = documents::text_of("docs/operations.md");
    Names kinds;
    for (int i = 0; i <= static_cast<int>(Code::internal); ++i) {
        kinds.emplace(info(static_cast<Code>(i)).name);
    }
    EXPECT_EQ(documents::first_column(documents::section(text, "What to do when")), kinds);
}

TEST(Documents, OperationsHasEveryExitStatusAndNoOther) {
    const std::string text = documents::text_of("docs/operations.md");
    const std::size_t begin = text.find("Exit status of `zrepctl`:");
    ASSERT_NE(begin, text.npos);
    Names statuses;
    for (const auto& row : ctl::exit_statuses()) statuses.insert(std::to_string(row.status));
    for (int i = 0; i <= static_cast<int>(Code::internal); ++i) {
        const std::string one = std::to_string(info(static_cast<Code>(i)).exit_status);
        EXPECT_TRUE(statuses.contains(one)) << one << " has no meaning in ctl::exit_statuses()";
    }
    EXPECT_EQ(documents::found(text.substr(begin, text.find('.', begin) - begin), "\\d+"),
              statuses);
}

TEST(Documents, SayWhatEachCommandPrintsAsJson) {
    const std::string operations =
        documents::section(documents::text_of("docs/operations.md"), "JSON");
    const std::string page = documents::section(documents::text_of("docs/zrepctl.8"), "JSON");
    Names in_the_table;
    for (const auto& code : documents::first_column(operations))
        in_the_table.merge(documents::found(code, "^[a-z]+"));
    Names in_the_page;
    for (const auto& heading : documents::found(page, "\n\\.It ([^\n]*)"))
        in_the_page.merge(documents::found(heading, "(?:Cm |, )([a-z]+)(?= ,|$)"));
    Names commands;
    for (const auto* command : ctl::commands()) {
        commands.insert(command->name);
        EXPECT_TRUE(in_the_page.contains(command->name)) << command->name;
    }
    EXPECT_EQ(in_the_table, commands);
    // Each of these prints something else.
    const Names parts = documents::found(ctl::kRescue.arguments, "(?:^|\\| )([a-z]+)");
    EXPECT_GE(parts.size(), 3U) << ctl::kRescue.arguments;
    for (const auto& part : parts) {
        EXPECT_NE(operations.find("`rescue " + part + "`"), operations.npos) << part;
        EXPECT_NE(page.find("Cm rescue " + part + "\n"), page.npos) << part;
    }
}

TEST(Documents, NameNoMethodThatIsNotThere) {
    Names known;
    for (const auto& method : control::methods()) known.emplace(method.name);
    for (const auto& method : peer::peer_methods()) known.emplace(method.name);
    for (const char* path : {"docs/operations.md", "docs/failover.md", "docs/events.md"}) {
        const std::string text = documents::text_of(path);
        for (const auto& name : documents::found(text, "`((?:pair|peer|events)\\.[a-z_]+)")) {
            const bool is_a_file = name.ends_with(".md") || name.ends_with(".sock");
            EXPECT_TRUE(known.contains(name) || is_a_file) << path << ": " << name;
        }
    }
}

/// As the heading "## What to do when" is linked to: #what-to-do-when.
Names anchors_of(const std::string& markdown) {
    Names out;
    for (std::string heading : documents::found(markdown, "\n#+ ([^\n]+)")) {
        heading = std::regex_replace(heading, std::regex("\\[([^\\]]*)\\]\\([^)]*\\)"), "$1");
        std::string anchor;
        for (const char c : heading) {
            if (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_')
                anchor += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
            else if (c == ' ')
                anchor += '-';
        }
        out.insert(anchor);
    }
    return out;
}

TEST(Documents, EveryLinkLeadsSomewhere) {
    std::size_t links = 0;
    for (const auto& path : documents::manual()) {
        if (!path.ends_with(".md")) continue;
        const std::string folder = path.starts_with("docs/") ? "docs/" : "";
        for (const auto& link : documents::found(documents::text_of(path), "\\]\\(([^)\\s]+)\\)")) {
            if (link.starts_with("http")) continue;
            ++links;
            const std::size_t hash = std::min(link.find('#'), link.size());
            const std::string to = hash == 0 ? path : folder + link.substr(0, hash);
            const std::filesystem::path file = std::filesystem::path(ZREPD_SOURCE_DIR) / to;
            ASSERT_TRUE(std::filesystem::exists(file)) << path << ": " << link;
            if (hash == link.size()) continue;
            EXPECT_TRUE(anchors_of("\n" + documents::text_of(to)).contains(link.substr(hash + 1)))
                << path << ": " << link;
        }
    }
    EXPECT_GT(links, 60U);
}

/// The examples can be typed as they stand.
TEST(Documents, EverySettingOfAnExampleIsTaken) {
    std::size_t examples = 0;
    for (const auto& path : documents::manual()) {
        for (const auto& code : documents::code_in(path)) {
            for (const auto& call : calls_in(code)) {
                if (call.command != "set") continue;
                for (const auto& one :
                     documents::found(call.rest, "(?:^| )((?:zrep:)?[a-z-]+=[^ \\\\]+)")) {
                    const std::size_t equals = one.find('=');
                    const std::string value = one.substr(equals + 1);
                    if (value == "VALUE" || value == "HOST") continue;
                    if (plan::is_accept_change(value)) {
                        const bool good = one.find("accept=") != one.npos &&
                                          plan::check_accept_change(value).has_value();
                        EXPECT_TRUE(good) << path << ": " << one;
                        continue;
                    }
                    const auto taken = plan::check_setting(one.substr(0, equals), value);
                    EXPECT_TRUE(taken.has_value()) << path << ": " << one;
                    ++examples;
                }
            }
        }
    }
    EXPECT_GT(examples, 15U);
}

}  // namespace
}  // namespace zrepd
