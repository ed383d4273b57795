// SPDX-License-Identifier: BSD-2-Clause
#include "common/json.hpp"

#include <gtest/gtest.h>

namespace zrepd {
namespace {

std::string nested(std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
}

TEST(Json, ReadsUpTo32Levels) {
    EXPECT_TRUE(parse_json(nested(32)));
    const auto deeper = parse_json(nested(33));
    ASSERT_FALSE(deeper);
    EXPECT_EQ(deeper.error().code, Code::parse_error);
}

TEST(Json, RefusesAMebibyteOfBracketsQuickly) {
    EXPECT_FALSE(parse_json(std::string(1 << 20, '[')));
    EXPECT_FALSE(parse_json(std::string(1 << 20, '{')));
}

TEST(Json, DoesNotCountBracketsInStrings) {
    EXPECT_TRUE(parse_json("\"" + std::string(100, '[') + "\""));
    EXPECT_TRUE(parse_json("[\"\\\"" + std::string(100, '{') + "\"]"));
    EXPECT_FALSE(parse_json("[\"\\\\\"," + nested(32) + "]"));
}

TEST(Json, RefusesWhatIsNoJson) {
    for (const char* text : {"",
                             " ",
                             "{",
                             "}",
                             "{]",
                             "[1,]",
                             "{\"a\":1,}",
                             "nul",
                             "'a'",
                             "1 2",
                             "NaN",
                             "{\"a\":1}x",
                             "1e999",
                             "// x\n1",
                             "\"\\x\"",
                             "\"a\nb\""}) {
        const auto parsed = parse_json(text);
        ASSERT_FALSE(parsed) << text;
        EXPECT_EQ(parsed.error().code, Code::parse_error);
    }
}

TEST(Json, RefusesBytesThatAreNotUtf8) {
    for (const char* text :
         {"\"\xff\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "{\"\x80\":1}", "\"\\ud800\""}) {
        EXPECT_FALSE(parse_json(text));
    }
}

TEST(Json, WritesAnythingWithoutThrowing) {
    EXPECT_EQ(dump_json(Json("a\xff")), "\"a\xef\xbf\xbd\"");
    EXPECT_EQ(dump_json(Json("a\nb")), "\"a\\nb\"") << "one message is one line";
}

TEST(Json, KeepsTheOrderOfKeys) {
    EXPECT_EQ(dump_json(*parse_json("{\"b\":1,\"a\":2}")), "{\"b\":1,\"a\":2}");
}

}  // namespace
}  // namespace zrepd
