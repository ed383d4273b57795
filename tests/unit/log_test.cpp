// SPDX-License-Identifier: BSD-2-Clause
// What a line of the log looks like, whatever is in it.
#include "daemon/log.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <regex>

#include "common/text.hpp"

namespace zrepd::log {
namespace {

class LogTest : public ::testing::Test {
  protected:
    LogTest() {
        if (const char* stream = std::getenv("JOURNAL_STREAM")) before = stream;
    }
    ~LogTest() override {
        ::unsetenv("JOURNAL_STREAM");
        if (!before.empty()) ::setenv("JOURNAL_STREAM", before.c_str(), /*replace=*/1);
        start("info");
    }
    LogTest(const LogTest&) = delete;
    LogTest& operator=(const LogTest&) = delete;

    static void in_the_journal() { ::setenv("JOURNAL_STREAM", "8:12345", /*replace=*/1); }
    static void on_a_terminal() { ::unsetenv("JOURNAL_STREAM"); }
    /// What one event prints.
    static std::string line(Level level,
                            std::string_view name,
                            std::initializer_list<Field> fields = {}) {
        ::testing::internal::CaptureStdout();
        start("debug");
        event(level, name, fields);
        flush();
        return ::testing::internal::GetCapturedStdout();
    }
    /// The value of the key `v` as it is printed.
    static std::string printed(std::string value) {
        in_the_journal();
        const std::string whole = line(Level::info, "x", {{"v", std::move(value)}});
        EXPECT_EQ(std::count(whole.begin(), whole.end(), '\n'), 1) << whole;
        EXPECT_TRUE(whole.starts_with("<6>x v=")) << whole;
        return whole.substr(7, whole.size() - 8);
    }

    std::string before;
};

TEST_F(LogTest, GivesTheJournalAPriorityAndNoTime) {
    in_the_journal();
    EXPECT_EQ(line(Level::critical, "bug"), "<2>bug\n");
    EXPECT_EQ(line(Level::error, "dataset_failed", {{"run", "a-1"}}),
              "<3>dataset_failed run=a-1\n");
    EXPECT_EQ(line(Level::warn, "peer_down"), "<4>peer_down\n");
    EXPECT_EQ(line(Level::info, "started"), "<6>started\n");
    EXPECT_EQ(line(Level::debug, "list_failed"), "<7>list_failed\n");
}

TEST_F(LogTest, GivesATerminalTimeAndLevel) {
    on_a_terminal();
    const std::regex form(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info started host=alpha\n)");
    const std::string text = line(Level::info, "started", {{"host", "alpha"}});
    EXPECT_TRUE(std::regex_match(text, form)) << text;
}

TEST_F(LogTest, LeavesOutWhatIsBelowItsLevel) {
    in_the_journal();
    ::testing::internal::CaptureStdout();
    EXPECT_TRUE(start("warn"));
    event(Level::info, "started");
    event(Level::warn, "peer_down");
    EXPECT_TRUE(set_level("info"));
    event(Level::info, "stopped");
    EXPECT_FALSE(set_level("loud"));
    EXPECT_EQ(::testing::internal::GetCapturedStdout(), "<4>peer_down\n<6>stopped\n");
}

TEST_F(LogTest, QuotesWhatIsNotOneWord) {
    EXPECT_EQ(printed("tank/fs"), "tank/fs");
    EXPECT_EQ(printed(""), "''");
    EXPECT_EQ(printed("tank/a b"), "'tank/a b'");
    EXPECT_EQ(printed("it's \"it\""), R"('it\x27s "it"')");
    // A remedy can be copied as it is.
    EXPECT_EQ(printed("zrepctl clear 'tank/a b'"), R"("zrepctl clear 'tank/a b'")");
    EXPECT_EQ(printed("gr\xc3\xbc\xc3\x9f"), "'gr\xc3\xbc\xc3\x9f'");
}

TEST_F(LogTest, LetsNoValueBeginALineOrAKey) {
    EXPECT_EQ(printed("a\n<2>bug task=none"), R"('a\x0a<2>bug task=none')");
    EXPECT_EQ(printed("it's\nnew"), R"("it's\x0anew")");
    EXPECT_EQ(printed("x outcome=done"), "'x outcome=done'");
    EXPECT_EQ(printed("\x1b[2J"), R"('\x1b[2J')");
    EXPECT_EQ(printed("a\\x27b"), R"('a\x5cx27b')");
    EXPECT_EQ(printed("\xff"), R"('\xff')");
    EXPECT_EQ(printed("\xc2\x9b"), R"('\xc2\x9b')");
    EXPECT_EQ(printed("%s {} {0}"), "'%s {} {0}'");
}

TEST_F(LogTest, CutsAValueOnlyWhereNoRemedyReaches) {
    std::string remedy = "zrepctl init";
    while (remedy.size() < 1'500) remedy += " tank/" + std::string(200, 'n');
    EXPECT_EQ(printed(remedy), "'" + remedy + "'");
    for (const char letter : {'x', ' '}) {
        const std::string cut = printed(std::string(100'000, letter));
        EXPECT_LT(cut.size(), kMaxValue + 10);
        EXPECT_TRUE(cut.ends_with("…'")) << "it has to show";
    }
    const std::string plain(kMaxValue, 'x');
    EXPECT_EQ(printed(plain), plain);
    EXPECT_TRUE(is_utf8(printed(std::string(kMaxValue - 1, ' ') + "\xc3\xbc")));
}

}  // namespace
}  // namespace zrepd::log
