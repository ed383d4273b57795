// SPDX-License-Identifier: BSD-2-Clause
// The documents as tests read them: man pages in mdoc, and Markdown. What is code in them
// is told from prose, because "zrepctl prints" is no command.
#pragma once

#include <set>
#include <string>
#include <vector>

namespace zrepd::documents {

/// Each once, in order.
using Names = std::set<std::string>;

/// A file's text; `path` is from the project's folder. Empty where there is none.
std::string text_of(const std::string& path);
/// All man pages, as paths: "docs/zrepd.8".
std::vector<std::string> man_pages();
/// The documents that an administrator reads, man pages among them.
std::vector<std::string> manual();

/// A man page with the escapes and macros gone that stand within words: `Fl Fl dry-run` is
/// "--dry-run", `\-` is "-". Requests at the beginning of a line stay.
std::string typed(const std::string& page);
/// From `.Sh HEADING` or `## HEADING` to the next one of the same kind; empty where there is none.
std::string section(const std::string& text, const std::string& heading);
/// What the items of a list are about: of `.It Sy a , Sy b` both; `.It Cm key Ar VALUE` has "key".
Names items(const std::string& part);
/// The text behind one item's heading, up to the next; lines joined, requests left out.
std::string item_text(const std::string& part, const std::string& name);
/// What is between backticks in the first column of a part's tables.
Names first_column(const std::string& part);
/// The commands, literal lines and words set as code, each one line.
std::vector<std::string> code_in(const std::string& path);
/// Everything that matches `pattern`: its first group, or all of it.
Names found(const std::string& text, const std::string& pattern);

/// A file is as it is generated from the program. With ZREPD_UPDATE_DOCS in the environment it is
/// written instead; the failure says so, with `filter`, the tests that do it.
void expect_generated(const std::string& path,
                      const std::string& wanted,
                      const std::string& filter);

}  // namespace zrepd::documents
