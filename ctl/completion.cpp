// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/completion.hpp"

#include <algorithm>

#include "common/props.hpp"
#include "ctl/command.hpp"

namespace zrepd::ctl {
namespace {

using Words = std::vector<std::string>;

/// The command line so far: options and their values are no arguments.
struct Typed {
    const Command* command = nullptr;
    std::size_t arguments = 0;  ///< whole ones, behind the command
    std::string first;          ///< of them
    std::string option;         ///< the one whose value is being typed; "" when none is
};

bool takes_value(const Command* command, const std::string& option) {
    // Before the command all that takes one is the socket.
    if (command == nullptr) return option == "--socket";
    const auto options = all_options(*command);
    for (const auto& known : options.options()) {
        const bool same =
            option == "--" + known->long_name() ||
            option == known->canonical_display_name(
                          boost::program_options::command_line_style::allow_dash_for_short);
        if (same) return known->semantic()->max_tokens() > 0;
    }
    return false;
}

Typed read(const Words& words) {
    Typed out;
    bool only_arguments = false;
    bool known = true;
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
        const std::string& word = words[i];
        if (!only_arguments && word == "--") {
            only_arguments = true;
        } else if (!only_arguments && word.starts_with("-") && find_command(word) == nullptr) {
            if (!takes_value(out.command, word)) continue;
            if (i + 2 == words.size()) out.option = word;
            ++i;
        } else if (out.command == nullptr && known) {
            out.command = find_command(word);
            known = out.command != nullptr;
        } else {
            if (out.arguments == 0) out.first = word;
            ++out.arguments;
        }
    }
    // Behind a word that is no command nothing is known.
    if (!known) out.arguments = words.size();
    return out;
}

Words settings() {
    Words out;
    for (const auto& property : prop::kSettings)
        out.push_back(std::string(property.substr(std::string_view("zrep:").size())) + "=");
    return out;
}

Words command_names() {
    Words out{"help"};
    for (const Command* command : commands()) out.emplace_back(command->name);
    return out;
}

Words values_of(const std::string& option, const std::function<Names(Wanted)>& ask) {
    if (option == "--keep") return {"HERE", "PEER"};
    if (option == "--under") return ask(Wanted::datasets).datasets;
    return {};
}

Words options_of(const Command* command) {
    if (command == nullptr) return {"--help", "--json", "--socket", "--version"};
    Words out;
    const auto options = all_options(*command);
    for (const auto& option : options.options()) out.push_back("--" + option->long_name());
    return out;
}

Words arguments_of(const Typed& typed, const std::function<Names(Wanted)>& ask) {
    const std::string name = typed.command->name;
    const std::size_t at = typed.arguments;
    const std::string usage = typed.command->arguments;
    if (at >= typed.command->max_words || name == "init") {
        return name == "init" && at == 1 ? ask(Wanted::datasets).hosts : Words{};
    }
    if (name == "set" && at > 0) return settings();
    if (name == "doctor" || name == "authorize" || (name == "changeconfig" && at == 1))
        return ask(Wanted::datasets).hosts;
    if (name == "changeconfig" && at > 1) return {};
    if (name == "rescue" && at == 0) return {"diff", "drop", "list"};
    if (name == "rescue") return typed.first == "list" ? Words{} : ask(Wanted::copies).copies;
    Words out = ask(Wanted::datasets).datasets;
    if (at == 0 && usage.find("|all") != usage.npos) out.emplace_back("all");
    return out;
}

Words all_that_fit(const Words& words, const std::function<Names(Wanted)>& ask) {
    if (words.size() == 2 && words[0] == "help") return command_names();
    const Typed typed = read(words);
    if (!typed.option.empty()) return values_of(typed.option, ask);
    if (words.back().starts_with("-")) return options_of(typed.command);
    if (typed.command != nullptr) return arguments_of(typed, ask);
    return typed.arguments == 0 ? command_names() : Words{};
}

}  // namespace

std::vector<std::string> candidates(const std::vector<std::string>& words,
                                    const std::function<Names(Wanted)>& ask) {
    if (words.empty()) return command_names();
    Words out = all_that_fit(words, ask);
    std::erase_if(out, [&](const std::string& one) { return !one.starts_with(words.back()); });
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

}  // namespace zrepd::ctl
