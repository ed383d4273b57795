// SPDX-License-Identifier: BSD-2-Clause
#include "common/json_wide.hpp"

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

std::string with_keys(std::size_t count) {
    std::string out = "{";
    for (std::size_t i = 0; i < count; ++i) {
        out += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":0";
    }
    return out + "}";
}

TEST(Json, ReadsUpTo256KeysOfEachObject) {
    EXPECT_TRUE(parse_json(with_keys(256)));
    const auto more = parse_json(with_keys(257));
    ASSERT_FALSE(more);
    EXPECT_EQ(more.error().code, Code::parse_error);
    EXPECT_FALSE(parse_json("{\"a\":[" + with_keys(257) + "]}"));
    EXPECT_TRUE(parse_wide_json(with_keys(257)));
    const std::string two = "[" + with_keys(256) + "," + with_keys(256) + "]";
    EXPECT_TRUE(parse_json(two)) << "each object for itself";
    EXPECT_TRUE(parse_json("\"" + std::string(257, ':') + "\"")) << "in a string";
}

/// It took half a minute, in which the event loop stood still; anybody may send such a line.
TEST(Json, RefusesAMebibyteOfKeysQuickly) {
    EXPECT_FALSE(parse_json(with_keys(100'000)));
    std::string full = "[";
    while (full.size() < (std::size_t{1} << 20)) full += with_keys(256) + ",";
    full += "0]";
    EXPECT_FALSE(parse_json(full, {.keys = 65'536}));
    EXPECT_FALSE(parse_json(full, {.values = 65'536}));
    EXPECT_FALSE(parse_json(full, {.object_keys = 64}));
    EXPECT_TRUE(parse_json(full)) << "a program's own daemon is believed";
}

TEST(Json, ReadsUpToTheKeysAndValuesOfTheWholeText) {
    const std::string text = R"([{"a":1,"b":[2,3]},{"c":"x:,[{","d":{}}])";
    EXPECT_TRUE(parse_json(text, {.object_keys = 2, .keys = 4, .values = 9}));
    const auto keys = parse_json(text, {.keys = 3});
    ASSERT_FALSE(keys);
    EXPECT_EQ(keys.error().code, Code::parse_error);
    EXPECT_EQ(keys.error().message, "JSON with more than 3 keys");
    const auto values = parse_json(text, {.values = 8});
    ASSERT_FALSE(values);
    EXPECT_EQ(values.error().message, "JSON with more than 8 values");
    EXPECT_FALSE(parse_json(text, {.object_keys = 1}));
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
