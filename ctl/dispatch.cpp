// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/dispatch.hpp"

#include <algorithm>
#include <array>
#include <boost/program_options/parsers.hpp>
#include <boost/program_options/positional_options.hpp>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <sstream>
#include <utility>

#include "common/text.hpp"
#include "common/version.hpp"
#include "ctl/command.hpp"
#include "ctl/commands/commands.hpp"
#include "ctl/render/json.hpp"

namespace zrepd::ctl {
namespace {

namespace po = boost::program_options;

constexpr const char* kDefaultSocket = "/run/zrepd/zrepd.sock";
constexpr std::array kCommands{
    &kInit,     &kSync,     &kRefresh,      &kStatus,  &kList,      &kCheck,  &kDoctor, &kEvents,
    &kFailover, &kTakeover, &kResolve,      &kUnfence, &kRescue,    &kDrill,  &kPause,  &kUnpause,
    &kExpire,   &kSet,      &kChangeconfig, &kClear,   &kAuthorize, &kVersion};

/// As --help and docs/zrepctl.8 list them.
constexpr std::array kExitStatuses{ExitMeaning{kDone, "done"},
                                   ExitMeaning{kFailed, "failed"},
                                   ExitMeaning{kUsage, "wrong usage"},
                                   ExitMeaning{kUnreachable, "daemon not reachable"},
                                   ExitMeaning{kProtocol, "protocol mismatch"},
                                   ExitMeaning{kRefused, "refused (access, role or state)"},
                                   ExitMeaning{kInterrupted, "interrupted"}};

}  // namespace

po::options_description global_options(const Command& command) {
    po::options_description out("Options of every command");
    // clang-format off
    out.add_options()
        ("socket", po::value<std::string>()->value_name("PATH"),
         "the daemon's socket [/run/zrepd/zrepd.sock, or $ZREPD_SOCKET]")
        ("json", "print one JSON document instead of text")
        ("help,h", "show help, and exit");
    // clang-format on
    if (command.starts_run) out.add_options()("no-wait", "start, and do not wait for the end");
    return out;
}

std::span<const ExitMeaning> exit_statuses() {
    return kExitStatuses;
}

std::span<const Command* const> commands() {
    return kCommands;
}

const Command* find_command(const std::string& verb) {
    for (const Command* command : kCommands) {
        if (verb == command->name || (*command->letter != 0 && verb == command->letter))
            return command;
    }
    return nullptr;
}

po::options_description all_options(const Command& command) {
    po::options_description out;
    po::options_description own("Options of this command");
    command.add_options(own);
    if (!own.options().empty()) out.add(own);
    out.add(global_options(command));
    return out;
}

std::string default_socket() {
    const char* from_environment = std::getenv("ZREPD_SOCKET");  // NOLINT(concurrency-mt-unsafe)
    return from_environment != nullptr && *from_environment != 0 ? from_environment
                                                                 : kDefaultSocket;
}

namespace {

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

int unknown(const std::string& verb, bool json) {
    // Two letters wrong is a slip of the finger; more is another word.
    std::size_t nearest = 3;
    std::string hint;
    for (const Command* command : kCommands) {
        const std::size_t steps = distance(verb, command->name);
        if (steps < nearest) {
            nearest = steps;
            hint = command->name;
        }
    }
    const Error error{.code = Code::invalid_params,
                      .message = "no command " + quote(verb),
                      .remedy = hint.empty() ? "see zrepctl help" : "did you mean " + hint + "?"};
    if (json)
        print_json({{"error", error_document(error)}});
    else
        std::fprintf(stderr, "zrepctl: %s; %s\n", error.message.c_str(), error.remedy.c_str());
    return kUsage;
}

/// Looked for before parsing, so that a mistake in the arguments is told in JSON too.
bool wants_json(const std::vector<std::string>& arguments) {
    const auto end = std::find(arguments.begin(), arguments.end(), "--");
    return std::find(arguments.begin(), end, "--json") != end;
}

std::string exit_status_text() {
    constexpr std::size_t kWidth = 90;
    std::string out;
    std::string line = "Exit status:";
    for (const auto& [status, meaning] : kExitStatuses) {
        const bool last = status == kExitStatuses.back().status;
        const std::string next = std::to_string(status) + " " + meaning + (last ? ".\n" : ",");
        if (line.size() + next.size() > kWidth) out += std::exchange(line, "") + "\n";
        line += (line.empty() ? "" : " ") + next;
    }
    return out + line;
}

std::string help_of(const Command& command) {
    std::ostringstream out;
    out << "Usage: zrepctl " << command.name << " " << command.arguments << "\n\n"
        << command.summary << ".\n\n"
        << command.description << "\n"
        << all_options(command);
    // One that has its own says so in its description.
    if (command.usage_status == kUsage) out << "\n" << exit_status_text();
    return out.str();
}

/// A flag given again says nothing new; Boost would call it an error.
void drop_repeated_flags(std::vector<po::option>& options) {
    std::set<std::string> seen;
    std::erase_if(options, [&](const po::option& option) {
        const bool flag = option.value.empty() && !option.string_key.empty();
        return flag && !seen.insert(option.string_key).second;
    });
}

/// invalid_params with Boost's words about what is wrong.
Result<po::variables_map> parse(const Command& command, const std::vector<std::string>& arguments) {
    po::options_description options = all_options(command);
    po::options_description hidden;
    hidden.add_options()("words", po::value<std::vector<std::string>>());
    options.add(hidden);
    po::positional_options_description positional;
    positional.add("words", -1);
    // Guessing would make --dry a --dry-run today, and an error once there is a --dry-rot.
    constexpr int kStyle =
        po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    po::variables_map out;
    try {
        auto parsed = po::command_line_parser(arguments)
                          .options(options)
                          .positional(positional)
                          .style(kStyle)
                          .run();
        drop_repeated_flags(parsed.options);
        po::store(parsed, out);
        po::notify(out);
    } catch (const po::error& e) {
        return Error{.code = Code::invalid_params, .message = e.what()};
    }
    return out;
}

std::string socket_of(const Invocation& invocation) {
    if (invocation.has("socket")) return invocation.options["socket"].as<std::string>();
    return default_socket();
}

int run(const Command& command, const std::vector<std::string>& arguments) {
    Invocation invocation;
    invocation.verb = command.name;
    invocation.usage_status = command.usage_status;
    invocation.json = wants_json(arguments);
    auto parsed = parse(command, arguments);
    if (!parsed) return usage_error(invocation, parsed.error());
    invocation.options = std::move(*parsed);
    if (invocation.has("help")) {
        std::fputs(help_of(command).c_str(), stdout);
        return kDone;
    }
    if (invocation.has("words")) {
        invocation.words = invocation.options["words"].as<std::vector<std::string>>();
    }
    invocation.socket = socket_of(invocation);
    invocation.wait = !invocation.has("no-wait");
    const std::size_t count = invocation.words.size();
    if (count < command.min_words || count > command.max_words) {
        const std::string which = count < command.min_words ? "too few" : "too many";
        return usage_error(invocation, which + " arguments; it takes " + command.arguments);
    }
    return command.run(invocation);
}

/// The verb is the first word; options of every command may stand before it.
std::size_t find_verb(const std::vector<std::string>& arguments) {
    std::size_t i = 0;
    while (i < arguments.size()) {
        const std::string& word = arguments[i];
        if (word == "--socket")
            i += 2;
        else if (word.starts_with("--socket=") || word == "--json" || word == "--no-wait")
            i += 1;
        else
            break;
    }
    return i;
}

}  // namespace

std::string help_text() {
    std::string out =
        "zrepctl: asks zrepd to replicate ZFS filesystems\n\nUsage: zrepctl COMMAND [ARGUMENT]...\n\n";
    for (const Command* command : kCommands) {
        char line[160];
        std::snprintf(line,
                      sizeof line,
                      "  %-9s %-3s %s\n",
                      command->name,
                      command->letter,
                      command->summary);
        out += line;
    }
    return out +
           "\nBefore or behind the command: --socket PATH, --json, --help; with commands that start\n"
           "a run --no-wait; --version alone.\n"
           "zrepctl help COMMAND says more. First pair: zrepctl init tank/fs beta backup/fs\n";
}

namespace {

int help(const std::vector<std::string>& arguments) {
    const auto verb = std::find_if(arguments.begin(), arguments.end(), [](const std::string& word) {
        return !word.starts_with("--");
    });
    if (verb == arguments.end()) {
        std::fputs(help_text().c_str(), stdout);
        return kDone;
    }
    const Command* command = find_command(*verb);
    if (command == nullptr) return unknown(*verb, wants_json(arguments));
    std::fputs(help_of(*command).c_str(), stdout);
    return kDone;
}

int choose(std::vector<std::string> arguments) {
    const std::size_t at = find_verb(arguments);
    if (at >= arguments.size()) {
        std::fputs(help_text().c_str(), stderr);
        return kUsage;
    }
    const std::string verb = arguments[at];
    arguments.erase(arguments.begin() + static_cast<std::ptrdiff_t>(at));
    if (verb == "peer") return command_peer(arguments);
    if (verb == "complete") return command_complete(std::move(arguments));
    if (verb == "help" || verb == "--help" || verb == "-h") return help(arguments);
    if (verb == "--version") {
        std::puts(("zrepctl " + std::string(kBuildVersion)).c_str());
        return kDone;
    }
    const Command* command = find_command(verb);
    return command == nullptr ? unknown(verb, wants_json(arguments)) : run(*command, arguments);
}

}  // namespace

int dispatch(std::vector<std::string> arguments) {
    const int status = choose(std::move(arguments));
    // A full disk or a closed pipe must not look like success.
    const bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
    if (written || status != kDone) return status;
    std::fputs("zrepctl: cannot write to standard output\n", stderr);
    return kFailed;
}

}  // namespace zrepd::ctl
