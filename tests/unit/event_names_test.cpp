// SPDX-License-Identifier: BSD-2-Clause
// docs/events.md and the sources name the same events and log lines, in both directions.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>

#include "daemon/control/registry.hpp"

namespace zrepd {
namespace {

namespace fs = std::filesystem;
using Names = std::set<std::string>;

const fs::path kRoot = ZREPD_SOURCE_DIR;

std::string text_of(const fs::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// The first column of the tables of one chapter: `| `name` | …`.
Names documented(const std::string& chapter) {
    const std::string text = text_of(kRoot / "docs/events.md");
    const std::size_t begin = text.find("\n## " + chapter + "\n");
    EXPECT_NE(begin, text.npos) << chapter;
    const std::string body = text.substr(begin, text.find("\n## ", begin + 1) - begin);
    static const std::regex kRow("\n\\| `([a-z_]+)` \\|");
    Names out;
    for (std::sregex_iterator it(body.begin(), body.end(), kRow), end; it != end; ++it) {
        out.insert((*it)[1]);
    }
    return out;
}

/// The string literals between each `call` and the first of `ends` behind it: a name, or several
/// when it is chosen by a condition.
void collect(const std::string& text,
             const std::string& call,
             const std::string& ends,
             Names& out) {
    static const std::regex kLiteral("\"([a-z_]+)\"");
    for (auto at = text.find(call); at != text.npos; at = text.find(call, at + 1)) {
        const std::size_t from = at + call.size();
        const std::string words = text.substr(from, text.find_first_of(ends, from) - from);
        for (std::sregex_iterator it(words.begin(), words.end(), kLiteral), end; it != end; ++it) {
            out.insert((*it)[1]);
        }
    }
}

struct Sources {
    Names events;
    Names log_lines;
};

Sources in_the_sources() {
    Sources out;
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / "daemon")) {
        if (entry.path().extension() != ".cpp") continue;
        const std::string text = text_of(entry.path());
        collect(text, "log::event(", "{;", out.log_lines);
        collect(text, ".publish(", ",;", out.events);
        collect(text, ".event =", ";", out.events);
    }
    return out;
}

TEST(EventNames, TheReferenceListsEveryEventAndNoOther) {
    const Names used = in_the_sources().events;
    EXPECT_GE(used.size(), 8U) << "the sources publish in another way: teach in_the_sources() it";
    EXPECT_EQ(documented("Events"), used);
}

/// What stands in `…` between the two.
Names quoted_between(std::string_view begin, std::string_view end) {
    const std::string text = text_of(kRoot / "docs/events.md");
    const std::size_t from = text.find(begin);
    EXPECT_NE(from, text.npos) << begin;
    const std::string body = text.substr(from, text.find(end, from) - from);
    static const std::regex kWord("`([a-z_.]+)`");
    Names out;
    for (std::sregex_iterator it(body.begin(), body.end(), kWord), last; it != last; ++it)
        out.insert((*it)[1]);
    return out;
}

TEST(EventNames, EachEventHasAParagraphForWhoeverGetsIt) {
    const Names told = quoted_between("**Runs.** ", "\n## Programs");
    for (const std::string& event : documented("Events"))
        EXPECT_TRUE(told.contains(event)) << event << " stands in the table alone";
}

TEST(EventNames, TheReferenceListsEveryCallThatStartsARunAndItsOperation) {
    Names calls;
    Names operations = quoted_between("**Runs.** ", "The syncs of a failover");
    for (const control::Method& method : control::methods()) {
        if (!method.out_schema()["properties"].contains("joined")) continue;
        const std::string name(method.name);
        calls.insert(name);
        EXPECT_TRUE(operations.contains(name.substr(name.find('.') + 1))) << name;
    }
    EXPECT_EQ(quoted_between("Calls that start a run: ", ". Subscribe"), calls);
}

TEST(EventNames, TheReferenceListsEveryLogLineAndNoOther) {
    const Names used = in_the_sources().log_lines;
    EXPECT_GE(used.size(), 25U) << "the sources log in another way: teach in_the_sources() it";
    EXPECT_EQ(documented("Log"), used);
}

}  // namespace
}  // namespace zrepd
