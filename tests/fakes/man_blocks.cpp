// SPDX-License-Identifier: BSD-2-Clause
#include "tests/fakes/man_blocks.hpp"

#include <algorithm>
#include <boost/program_options/cmdline.hpp>
#include <boost/program_options/options_description.hpp>
#include <regex>
#include <sstream>

#include "common/error.hpp"
#include "common/props.hpp"
#include "common/text.hpp"
#include "ctl/command.hpp"
#include "ctl/render/columns.hpp"
#include "daemon/config/options.hpp"
#include "daemon/control/registry.hpp"
#include "daemon/exit_status.hpp"
#include "tests/fakes/documents.hpp"

namespace zrepd::man_blocks {
namespace {

namespace po = boost::program_options;

constexpr const char* kList = ".Bl -tag -width Ds -compact\n";

/// Code as Markdown has it, between other quotes.
std::string requoted(std::string text) {
    std::replace(text.begin(), text.end(), '`', '"');
    return text;
}

mdoc::Option option_of(const po::option_description& option) {
    const auto letter_first = po::command_line_style::allow_dash_for_short;
    std::string letter = option.canonical_display_name(letter_first);
    if (!letter.starts_with('-')) letter.clear();  // it has none: the long name
    mdoc::Option out{.name = option.long_name(),
                     .letter = letter.empty() ? "" : letter.substr(1),
                     .argument = option.format_parameter(),
                     .text = option.description()};
    // One that has its default in the table: "NAME (=zrep)".
    if (const std::size_t is = out.argument.find(" (="); is != out.argument.npos) {
        out.text += " [" + out.argument.substr(is + 3, out.argument.size() - is - 4) + "]";
        out.argument.resize(is);
    }
    return out;
}

std::string items(const po::options_description& options) {
    std::string out;
    for (const auto& option : options.options()) out += mdoc::item(option_of(*option));
    return out;
}

/// Its usage line, and what it does in a sentence.
std::string heading(const ctl::Command& command) {
    const std::string arguments = mdoc::usage(command.arguments);
    return std::string(".It Cm ") + command.name + (arguments.empty() ? "" : " " + arguments) +
           "\n" + mdoc::sentences(requoted(command.summary));
}

std::string own_options(const ctl::Command& command) {
    po::options_description own;
    command.add_options(own);
    std::string out;
    if (*command.letter != 0)
        out += std::string("Also\n.Fl ") + (command.letter + 1) + " ,\nas in zrep.\n";
    const std::string list = items(own);
    return list.empty() ? out : out + ".Pp\n" + kList + list + ".El\n";
}

/// Names of commands whose work can be waited for, as words of a heading or of a sentence.
std::string names_of_runs(const std::string& separator) {
    std::vector<std::string> out;
    for (const ctl::Command* command : ctl::commands()) {
        if (command->starts_run) out.emplace_back(command->name);
    }
    return join(out, separator);
}

std::string global_options() {
    const auto of_any = ctl::global_options(ctl::kSync);
    std::string out;
    for (const auto& option : of_any.options()) {
        mdoc::Option one = option_of(*option);
        if (one.name == "no-wait") one.text = "with " + names_of_runs(", ") + ": " + one.text;
        out += mdoc::item(one);
    }
    return out;
}

/// Of `wanted` codes, as a sentence has them.
template <class Wanted>
std::string kinds(Wanted wanted) {
    std::vector<std::string> out;
    for (int i = 0; i <= static_cast<int>(Code::internal); ++i) {
        const CodeInfo& row = info(static_cast<Code>(i));
        if (wanted(row)) out.emplace_back(row.name);
    }
    return join(out, ", ");
}

template <class Statuses>
std::string exit_statuses(const Statuses& statuses, bool with_kinds) {
    std::string out;
    for (const auto& [status, meaning] : statuses) {
        out += ".It " + std::to_string(status) + "\n" + mdoc::sentences(meaning);
        if (!with_kinds) continue;
        const int number = status;
        const std::string of_it =
            kinds([number](const CodeInfo& row) { return row.exit_status == number; });
        if (!of_it.empty()) out += mdoc::lines("Kinds of error: " + of_it + ".");
    }
    return out;
}

/// A heading with the default in it: what stands below goes on by hand.
std::string setting(const std::string& heading, const std::string& text) {
    const auto [told, fallback] = mdoc::without_default(text);
    const std::string brackets = fallback.empty() ? "" : " Pq default: " + mdoc::word(fallback);
    return ".It " + heading + brackets + "\n" + mdoc::sentences(told);
}

/// What `zrepctl help set` says of each.
std::string properties() {
    std::string out;
    for (const auto& [key, text] : keyed_lines(ctl::kSet.description))
        out += setting("Sy zrep:" + key, text);
    return out;
}

/// The rows of the table in docs/events.md, which event_names_test.cpp holds to the sources.
std::string events() {
    const std::string part = documents::section(documents::text_of("docs/events.md"), "Events");
    static const std::regex kRow("\n\\| `([a-z_]+)` \\|[^|]*\\| ([^|\n]*) \\|");
    std::string out;
    for (std::sregex_iterator it(part.begin(), part.end(), kRow), end; it != end; ++it) {
        out += ".It Sy " + mdoc::word((*it)[1]) + "\n" + mdoc::sentences(requoted((*it)[2]));
    }
    return out;
}

std::string methods() {
    std::string out;
    for (const control::Method& method : control::methods()) {
        out += ".It Sy " + mdoc::word(std::string(method.name)) + " Pq " +
               std::string(control::access_name(method.access)) + "\n" +
               mdoc::sentences(requoted(std::string(method.summary)));
    }
    return out;
}

mdoc::Blocks of_zrepctl() {
    const auto passes = [](const CodeInfo& row) { return row.retryable; };
    mdoc::Blocks out{
        {"global options", global_options()},
        {"runs", ".It Cm " + names_of_runs(" , ") + "\n"},
        {"retryable", mdoc::lines(kinds(passes) + ".")},
        {"columns", mdoc::lines("The columns are " + join(ctl::status_column_names(), ", ") + ".")},
        {"properties", properties()},
        {"events", events()},
        {"exit statuses", exit_statuses(ctl::exit_statuses(), /*with_kinds=*/true)}};
    for (const ctl::Command* command : ctl::commands()) {
        const std::string name = command->name;
        out["command " + name] = heading(*command);
        const std::string options = own_options(*command);
        if (!options.empty()) out["options " + name] = options;
    }
    return out;
}

mdoc::Blocks of_zrepd() {
    return {{"options", items(config::actions())},
            {"methods", methods()},
            {"exit statuses", exit_statuses(kDaemonExitStatuses, /*with_kinds=*/false)}};
}

mdoc::Blocks of_zrepd_conf() {
    mdoc::Blocks out;
    const auto all = config::settings();
    for (const auto& option : all.options()) {
        const mdoc::Option one = option_of(*option);
        out["setting " + one.name] =
            setting("Cm " + one.name + " " + mdoc::usage(one.argument), one.text);
    }
    return out;
}

mdoc::Blocks of_zrep_properties() {
    mdoc::Blocks out;
    for (const auto& [key, text] : keyed_lines(ctl::kSet.description)) {
        out["setting " + key] = setting("Sy zrep:" + key, text);
    }
    return out;
}

mdoc::Blocks of_zrepd_failover() {
    const auto refused = [](const CodeInfo& row) { return row.exit_status == ctl::kRefused; };
    const auto passes = [&](const CodeInfo& row) { return refused(row) && row.retryable; };
    const std::string status = std::to_string(ctl::kRefused);
    return {{"refused",
             mdoc::lines("Each ends zrepctl with exit status " + status + ".") +
                 mdoc::lines("Trying again later may help with " + kinds(passes) +
                             "; the others need something done first.")}};
}

}  // namespace

mdoc::Blocks blocks_of(const std::string& path) {
    if (path == "docs/zrepctl.8") return of_zrepctl();
    if (path == "docs/zrepd.8") return of_zrepd();
    if (path == "docs/zrepd.conf.5") return of_zrepd_conf();
    if (path == "docs/zrep-properties.7") return of_zrep_properties();
    if (path == "docs/zrepd-failover.7") return of_zrepd_failover();
    return {};
}

std::vector<std::pair<std::string, std::string>> keyed_lines(const std::string& description) {
    // Two blanks at least: "  zrepctl set tank" is an example.
    static const std::regex kKey("  ([a-z]+)  +(.*)");
    static const std::regex kMore("   +(.*)");
    std::vector<std::pair<std::string, std::string>> out;
    bool inside = false;
    std::istringstream in(description);
    for (std::string line; std::getline(in, line);) {
        std::smatch match;
        if (std::regex_match(line, match, kKey)) {
            inside = true;
            out.emplace_back(match[1], match[2]);
        } else if (inside && std::regex_match(line, match, kMore)) {
            out.back().second += " " + match[1].str();
        } else {
            inside = false;
        }
    }
    return out;
}

}  // namespace zrepd::man_blocks
