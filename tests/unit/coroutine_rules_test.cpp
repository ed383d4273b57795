// SPDX-License-Identifier: BSD-2-Clause
// Guards against a miscompilation of g++ 12.2: in a coroutine without a named local variable, a
// co_await inside the condition of an if, while or switch, or beside || and &&, puts a hidden
// variable in front of the frame. Every resumption then runs on a frame that is eight bytes off.
// Naming the result on a line of its own avoids it everywhere.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <string>

namespace zrepd {
namespace {

/// From behind an opening parenthesis to its partner, or to the line's end.
std::string inside_parentheses(const std::string& text) {
    int depth = 1;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '(') ++depth;
        if (text[i] == ')' && --depth == 0) return text.substr(0, i);
    }
    return text;
}

bool awaits_in_condition(const std::string& line) {
    static const std::regex condition(R"(\b(if|while|switch)\s*\()");
    static const std::regex operand(R"((\|\||&&)\s*!?\s*co_await)");
    const auto text = line.substr(0, line.find("//"));
    std::smatch found;
    if (std::regex_search(text, found, condition) &&
        inside_parentheses(found.suffix()).find("co_await") != std::string::npos) {
        return true;
    }
    return std::regex_search(text, operand);
}

TEST(CoroutineRules, FindsAConditionThatAwaits) {
    EXPECT_TRUE(awaits_in_condition("    if (co_await cancelled()) break;"));
    EXPECT_TRUE(awaits_in_condition("    while (open && !co_await cancelled()) {"));
    EXPECT_TRUE(awaits_in_condition("    stop || co_await cancelled();"));
    EXPECT_FALSE(awaits_in_condition("    const bool stop = co_await cancelled();"));
    EXPECT_FALSE(awaits_in_condition("    if (!call->done()) co_await timer.wait();"));
    EXPECT_FALSE(awaits_in_condition("    // if (co_await x)"));
}

TEST(CoroutineRules, NoConditionOfOursAwaits) {
    const std::filesystem::path root(ZREPD_SOURCE_DIR);
    for (const char* folder : {"daemon", "tests"}) {
        for (const auto& entry : std::filesystem::recursive_directory_iterator(root / folder)) {
            const auto extension = entry.path().extension();
            if (extension != ".cpp" && extension != ".hpp") continue;
            if (entry.path().filename() == "coroutine_rules_test.cpp") continue;
            std::ifstream file(entry.path());
            std::size_t number = 0;
            for (std::string line; std::getline(file, line);) {
                ++number;
                EXPECT_FALSE(awaits_in_condition(line))
                    << entry.path().string() << ":" << number << ": " << line;
            }
        }
    }
}

}  // namespace
}  // namespace zrepd
