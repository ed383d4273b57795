// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/dispatch.hpp"

#include <array>
#include <boost/program_options/parsers.hpp>
#include <boost/program_options/positional_options.hpp>
#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "common/text.hpp"
#include "ctl/command.hpp"
#include "ctl/commands/commands.hpp"

namespace zrepd::ctl {
namespace {

namespace po = boost::program_options;

constexpr const char* kDefaultSocket = "/run/zrepd/zrepd.sock";
constexpr std::array kCommands{&kInit,  &kSync,    &kStatus, &kList, &kPause,
                               &kUnpause, &kExpire, &kSet,    &kClear, &kVersion};

po::options_description global_options() {
    po::options_description out("Options of every command");
    out.add_options()
        ("socket", po::value<std::string>()->value_name("PATH"),
         "the daemon's socket [/run/zrepd/zrepd.sock, or $ZREPD_SOCKET]")
        ("json", "print one JSON document instead of text")
        ("no-wait", "start, and do not wait for the end")
        ("help,h", "show help, and exit");
    return out;
}

const Command* find(const std::string& verb) {
    for (const Command* command : kCommands) {
        if (verb == command->name || (*command->letter != 0 && verb == command->letter)) return command;
    }
    return nullptr;
}

std::size_t distance(const std::string& a, const std::string& b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i);
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, change}));
        }
    }
    return row[b.size()];
}

int unknown(const std::string& verb) {
    std::string hint;
    for (const Command* command : kCommands) {
        if (distance(verb, command->name) <= 2) hint = command->name;
    }
    std::fprintf(stderr, "zrepctl: no command %s%s\n", quote(verb).c_str(),
                 hint.empty() ? "" : ("; did you mean " + hint + "?").c_str());
    std::fputs("see zrepctl help\n", stderr);
    return kUsage;
}

po::options_description all_options(const Command& command) {
    po::options_description out;
    po::options_description own("Options of this command");
    command.add_options(own);
    if (!own.options().empty()) out.add(own);
    out.add(global_options());
    return out;
}

std::string help_of(const Command& command) {
    std::ostringstream out;
    out << "Usage: zrepctl " << command.name << " " << command.arguments << "\n\n"
        << command.summary << ".\n\n"
        << command.description << "\n"
        << all_options(command)
        << "\nExit status: 0 done, 1 failed, 2 usage, 3 daemon not reachable, 4 protocol mismatch,\n"
           "5 refused (access, role or state), 130 interrupted.\n";
    return out.str();
}

int run(const Command& command, const std::vector<std::string>& arguments) {
    po::options_description options = all_options(command);
    po::options_description hidden;
    hidden.add_options()("words", po::value<std::vector<std::string>>());
    options.add(hidden);
    po::positional_options_description positional;
    positional.add("words", -1);
    Invocation invocation;
    try {
        po::store(po::command_line_parser(arguments).options(options).positional(positional).run(),
                  invocation.options);
    } catch (const po::error& e) {
        return usage_error(command.name, e.what());
    }
    if (invocation.has("help")) {
        std::fputs(help_of(command).c_str(), stdout);
        return kDone;
    }
    if (invocation.has("words")) {
        invocation.words = invocation.options["words"].as<std::vector<std::string>>();
    }
    const char* from_environment = std::getenv("ZREPD_SOCKET");  // NOLINT(concurrency-mt-unsafe)
    invocation.socket = invocation.has("socket") ? invocation.options["socket"].as<std::string>()
                        : from_environment != nullptr ? from_environment
                                                      : kDefaultSocket;
    invocation.json = invocation.has("json");
    invocation.wait = !invocation.has("no-wait");
    if (invocation.words.size() < command.min_words) {
        return usage_error(command.name, "too few arguments");
    }
    if (invocation.words.size() > command.max_words) {
        return usage_error(command.name, "too many arguments");
    }
    return command.run(invocation);
}

/// The verb is the first word; options of every command may stand before it.
std::size_t find_verb(const std::vector<std::string>& arguments) {
    std::size_t i = 0;
    while (i < arguments.size()) {
        const std::string& word = arguments[i];
        if (word == "--socket") i += 2;
        else if (word.starts_with("--socket=") || word == "--json" || word == "--no-wait") i += 1;
        else break;
    }
    return i;
}

}  // namespace

std::string help_text() {
    std::string out =
        "zrepctl: asks zrepd to replicate ZFS filesystems\n\nUsage: zrepctl COMMAND [ARGUMENT]...\n\n";
    for (const Command* command : kCommands) {
        char line[160];
        std::snprintf(line, sizeof line, "  %-9s %-3s %s\n", command->name, command->letter,
                      command->summary);
        out += line;
    }
    return out + "\nzrepctl help COMMAND says more. First pair: zrepctl init tank/fs beta backup/fs\n";
}

int dispatch(std::vector<std::string> arguments) {
    const std::size_t at = find_verb(arguments);
    if (at >= arguments.size()) {
        std::fputs(help_text().c_str(), stderr);
        return kUsage;
    }
    const std::string verb = arguments[at];
    arguments.erase(arguments.begin() + static_cast<std::ptrdiff_t>(at));
    if (verb == "peer") return command_peer(arguments);
    if (verb == "--version") return run(kVersion, arguments);
    if (verb == "help" || verb == "--help" || verb == "-h") {
        if (arguments.empty()) {
            std::fputs(help_text().c_str(), stdout);
            return kDone;
        }
        const Command* command = find(arguments.front());
        if (command == nullptr) return unknown(arguments.front());
        std::fputs(help_of(*command).c_str(), stdout);
        return kDone;
    }
    const Command* command = find(verb);
    return command == nullptr ? unknown(verb) : run(*command, arguments);
}

}  // namespace zrepd::ctl
