// SPDX-License-Identifier: BSD-2-Clause
#include "tests/fakes/mdoc.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>
#include <sstream>

#include "common/text.hpp"

namespace zrepd::mdoc {
namespace {

constexpr std::string_view kBegin = ".\\\" begin generated: ";
constexpr std::string_view kEnd = ".\\\" end generated";
/// mandoc(1) finds fault with longer lines of text.
constexpr std::size_t kColumns = 80;
/// In capitals, and typed as they stand.
constexpr std::array<std::string_view, 2> kWords{"HERE", "PEER"};
/// Names that keep their small letter where a sentence begins with them.
constexpr std::array<std::string_view, 5> kPrograms{"zrep", "zrepd", "zrepctl", "ssh", "zfs"};

template <class Range>
bool has(const Range& range, std::string_view text) {
    return std::find(range.begin(), range.end(), text) != range.end();
}

bool is_capital(char c) {
    return c >= 'A' && c <= 'Z';
}

/// "NAME...", which mdoc has as two words; "COLUMN,..." is one.
std::string operand(std::string_view text) {
    std::string dots;
    if (text.ends_with("...") && !text.ends_with(",...")) {
        text.remove_suffix(3);
        dots = " ...";
    }
    const std::size_t equals = text.find('=');
    if (equals != text.npos) {
        return "Ar " + std::string(text.substr(0, equals)) + " Ns = Ns Ar " +
               std::string(text.substr(equals + 1)) + dots;
    }
    const bool typed = !is_capital(text.front()) || has(kWords, text);
    return (typed ? "Cm " : "Ar ") + std::string(text) + dots;
}

std::string macro(std::string_view text) {
    if (text == "[") return "Oo";
    if (text == "]") return "Oc";
    if (text == "|") return "|";
    if (text.starts_with("--")) return "Fl Fl " + std::string(text.substr(2));
    if (text.starts_with('-')) return "Fl " + std::string(text.substr(1));
    return operand(text);
}

/// An option's dashes are dashes, not hyphens, so that it can be copied from the page.
std::string escaped(std::string_view text) {
    const std::size_t begin = std::min(text.find_first_not_of("("), text.size());
    const bool option = text.substr(begin).starts_with('-');
    std::string out;
    for (const char c : text) {
        if (c == '\\')
            out += "\\e";
        else if (c == '-' && option)
            out += "\\-";
        else
            out += c;
    }
    return out;
}

bool ends_sentence(std::string_view text) {
    const std::size_t last = text.find_last_not_of(")\"'");
    return last != text.npos && std::string_view(".?!").find(text[last]) != text.npos;
}

/// "with" becomes "With"; "zrep", "zrep:fence", "DESTINATION" and "/run" stay.
std::string capitalized(std::string text) {
    std::string first = text.substr(0, text.find_first_of(" ,;"));
    if (first.ends_with(':')) first.pop_back();
    const bool plain = std::all_of(
        first.begin(), first.end(), [](char c) { return (c >= 'a' && c <= 'z') || c == '-'; });
    if (first.empty() || first.front() == '-' || !plain || has(kPrograms, first)) return text;
    text.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(text.front())));
    return text;
}

}  // namespace

std::string usage(std::string_view arguments) {
    std::string spaced;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const char c = arguments[i];
        if (c == '[' || c == ']' || c == '|')
            spaced += std::string(" ") + c + " ";
        else
            spaced += c;
    }
    std::istringstream words(spaced);
    std::vector<std::string> out;
    for (std::string one; words >> one;) out.push_back(macro(one));
    return join(out, " ");
}

std::string item(const Option& option) {
    std::string out = ".It ";
    if (!option.letter.empty()) out += "Fl " + option.letter + " , ";
    out += "Fl Fl " + option.name;
    if (!option.argument.empty()) out += " " + usage(option.argument);
    return out + "\n" + sentences(option.text);
}

std::pair<std::string, std::string> without_default(const std::string& text) {
    const std::size_t open = text.rfind(" [");
    if (open == text.npos || !text.ends_with(']')) return {text, ""};
    return {text.substr(0, open), text.substr(open + 2, text.size() - open - 3)};
}

std::string sentences(const std::string& text) {
    const auto [told, fallback] = without_default(text);
    std::string out = lines(capitalized(told) + ".");
    if (!fallback.empty()) out += lines("Default: " + fallback + ".");
    return out;
}

std::string lines(const std::string& text) {
    std::istringstream words(text);
    std::string out;
    std::string line;
    const auto end_line = [&] {
        if (line.empty()) return;
        // What begins so is a request to roff.
        if (line.front() == '.' || line.front() == '\'') out += "\\&";
        out += std::exchange(line, "") + "\n";
    };
    for (std::string one; words >> one;) {
        const std::string next = escaped(one);
        if (line.size() + 1 + next.size() > kColumns - 2) end_line();
        line += (line.empty() ? "" : " ") + next;
        if (ends_sentence(one)) end_line();
    }
    end_line();
    return out;
}

std::string word(const std::string& text) {
    std::istringstream words(text);
    std::vector<std::string> out;
    for (std::string one; words >> one;) {
        // Two or three characters that begin like `Fl` or `Op` are macros on a macro's line.
        const bool macro = one.size() <= 3 && is_capital(one.front());
        out.push_back((macro ? "\\&" : "") + escaped(one));
    }
    return join(out, " ");
}

Filled filled(const std::string& page, const Blocks& blocks) {
    Filled out;
    std::set<std::string> seen;
    std::string open;
    std::istringstream in(page);
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with(kBegin)) {
            const std::string name = line.substr(kBegin.size());
            if (!open.empty()) return {page, "no end: " + open};
            if (!blocks.contains(name)) return {page, "not of the program: " + name};
            if (!seen.insert(name).second) return {page, "twice: " + name};
            open = name;
            out.page += line + "\n" + blocks.at(name);
            continue;
        }
        if (line == kEnd && open.empty()) return {page, "an end too many"};
        if (line == kEnd) open.clear();
        if (open.empty()) out.page += line + "\n";
    }
    if (!open.empty()) return {page, "no end: " + open};
    for (const auto& [name, text] : blocks) {
        if (!seen.contains(name)) return {page, "missing: " + name};
    }
    return out;
}

}  // namespace zrepd::mdoc
