// SPDX-License-Identifier: BSD-2-Clause
// What programs say of themselves, as mdoc(7): usage strings, options, sentences; and the parts of
// a man page that are made from it. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace zrepd::mdoc {

/// A usage string as macros for one line: "[-r] [--limit N] NAME|all" is
/// `Oo Fl r Oc Oo Fl Fl limit Ar N Oc Ar NAME | Cm all`. Capitals are the user's to fill in, lower
/// case is typed as it stands.
std::string usage(std::string_view arguments);

struct Option {
    std::string name;      ///< "dry-run"
    std::string letter;    ///< "L"; empty: none
    std::string argument;  ///< "N"; empty: takes none
    std::string text;      ///< with a default in brackets behind it, if it has one
};
/// One item of a list of options.
std::string item(const Option& option);

/// A help text and the default in brackets at its end: "how many [5]" is {"how many", "5"}.
std::pair<std::string, std::string> without_default(const std::string& text);
/// Lines of text: "how many [5]" is "How many.\nDefault: 5.\n". Names of programs, of properties
/// and what is in capitals already stay as they are.
std::string sentences(const std::string& text);
/// Lines of text, at most 80 columns, each sentence on a new one, nothing of it a macro.
std::string lines(const std::string& text);
/// A literal word or words for `.Sy` and the like, none of which is taken for a macro.
std::string word(const std::string& text);

/// What a page repeats from the programs: a name and lines for each part.
using Blocks = std::map<std::string, std::string>;
struct Filled {
    std::string page;
    std::string problem;  ///< a part that is missing, unknown, there twice or has no end; or empty
};
/// The page with everything new between `.\" begin generated: NAME` and `.\" end generated`.
Filled filled(const std::string& page, const Blocks& blocks);

}  // namespace zrepd::mdoc
