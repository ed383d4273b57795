// SPDX-License-Identifier: BSD-2-Clause
#include "common/rpc/fields.hpp"

#include <gtest/gtest.h>

#include "common/rpc/control_types.hpp"
#include "common/rpc/peer_adopt_types.hpp"
#include "common/rpc/peer_types.hpp"

namespace zrepd::rpc {
namespace {

struct Inner {
    unsigned small = 0;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("small", self.small, "");
    }
};

struct Outer {
    std::string name;
    bool flag = false;
    std::optional<std::int64_t> maybe;
    U64 big;
    std::vector<Inner> list;
    std::map<std::string, std::string> words;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
        v("name", self.name, "what it is called");
        v.optional("flag", self.flag, "");
        v("maybe", self.maybe, "");
        v.optional("big", self.big, "");
        v.optional("list", self.list, "");
        v.optional("words", self.words, "");
    }
};

Result<Outer> request(const char* text) {
    return decode_as<Outer>(parse_json(text).value(), Strictness::request);
}

std::string refusal(const char* text) {
    const auto result = request(text);
    if (result) return "accepted";
    EXPECT_EQ(result.error().code, Code::invalid_params);
    return result.error().message;
}

/// One of before that word was added.
TEST(Fields, AnOlderPeersAnswerToAnAdoptionHasNoExpiries) {
    const auto out = decode_as<AdoptOut>(
        parse_json(R"({"base":{"name":"a","guid":"7","written_bytes":0},"steps":[],"notes":[]})")
            .value(),
        Strictness::reply);
    ASSERT_TRUE(out) << out.error().text();
    EXPECT_TRUE(out->expires.empty());
}

TEST(Fields, DecodesAWholeObject) {
    const auto out = request(R"({"name":"n","flag":true,"maybe":-3,"big":"18446744073709551615",
                                 "list":[{"small":1},{"small":2}],"words":{"a":"b"}})");
    ASSERT_TRUE(out) << out.error().text();
    EXPECT_EQ(out->name, "n");
    EXPECT_TRUE(out->flag);
    EXPECT_EQ(out->maybe, -3);
    EXPECT_EQ(out->big.value, 18446744073709551615ULL);
    ASSERT_EQ(out->list.size(), 2u);
    EXPECT_EQ(out->list[1].small, 2u);
    EXPECT_EQ(out->words.at("a"), "b");
}

TEST(Fields, LeavesOutWhatIsOptional) {
    const auto out = request(R"({"name":"n"})");
    ASSERT_TRUE(out);
    EXPECT_FALSE(out->maybe);
    EXPECT_FALSE(out->flag);
}

TEST(Fields, NamesThePlaceOfEveryMistake) {
    const std::pair<const char*, const char*> table[] = {
        {"[]", "params: must be an object"},
        {"null", "params: must be an object"},
        {"{}", "name: is missing"},
        {R"({"name":null})", "name: must be a string"},
        {R"({"name":1})", "name: must be a string"},
        {R"({"name":"n","flag":1})", "flag: must be true or false"},
        {R"({"name":"n","flag":null})", "flag: must be true or false"},
        {R"({"name":"n","maybe":null})", "maybe: must be a whole number"},
        {R"({"name":"n","maybe":1.5})", "maybe: must be a whole number"},
        {R"({"name":"n","maybe":9223372036854775808})", "maybe: is out of range"},
        {R"({"name":"n","big":1})", "big: must be a decimal number in a string"},
        {R"({"name":"n","big":"-1"})", "big: must be a decimal number in a string"},
        {R"({"name":"n","list":{}})", "list: must be a list"},
        {R"({"name":"n","list":[{"small":1},{}]})", "list[1].small: is missing"},
        {R"({"name":"n","list":[{"small":-1}]})", "list[0].small: is out of range"},
        {R"({"name":"n","list":[{"small":4294967296}]})", "list[0].small: is out of range"},
        {R"({"name":"n","list":[{"small":1,"x":2}]})", "list[0].x: unknown key"},
        {R"({"name":"n","words":{"k":1}})", "words.k: must be a string"},
        {R"({"name":"n","nmae":"n"})", "nmae: unknown key"},
    };
    for (const auto& [text, message] : table) EXPECT_EQ(refusal(text), message) << text;
}

TEST(Fields, QuotesKeysThatAreNoWords) {
    EXPECT_EQ(refusal("{\"name\":\"n\",\"a\\nb\":1}"), "'a\\x0ab': unknown key");
    EXPECT_EQ(refusal("{\"name\":\"n\",\"words\":{\"\\u0007\":1}}"),
              "words.'\\x07': must be a string");
    const std::string long_key = "{\"name\":\"n\",\"" + std::string(100000, 'k') + "\":1}";
    EXPECT_LT(refusal(long_key.c_str()).size(), 400u);
}

TEST(Fields, IgnoresUnknownKeysInReplies) {
    const Json json = parse_json(R"({"name":"n","from_the_future":[1]})").value();
    EXPECT_TRUE(decode_as<Outer>(json, Strictness::reply));
    EXPECT_FALSE(decode_as<Outer>(json, Strictness::request));
}

TEST(Fields, StillChecksTypesInReplies) {
    EXPECT_FALSE(decode_as<Outer>(parse_json(R"({"name":5})").value(), Strictness::reply));
}

TEST(Fields, EncodesWhatItDecodes) {
    Outer value;
    value.name = "a b";
    value.big.value = 9007199254740993ULL;
    value.list = {{7}};
    value.words["k"] = "v";
    const Json json = encode(value);
    EXPECT_EQ(dump_json(json),
              R"({"name":"a b","flag":false,"big":"9007199254740993",)"
              R"("list":[{"small":7}],"words":{"k":"v"}})");
    const auto back = decode_as<Outer>(json, Strictness::request);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->big, value.big);
    EXPECT_FALSE(back->maybe);
}

TEST(Fields, DescribesItselfAsASchema) {
    const Json json = schema<Outer>();
    EXPECT_EQ(dump_json(json["required"]), R"(["name"])");
    EXPECT_EQ(json["properties"]["name"]["description"], "what it is called");
    EXPECT_EQ(json["properties"]["list"]["items"]["properties"]["small"]["type"], "integer");
    EXPECT_EQ(json["properties"]["big"]["type"], "string");
}

TEST(Fields, KeepsGuidsExactOverTheWire) {
    AckedSnapshot value{.snapshot = "a@b", .guid = Guid{18446744073709551615ULL}, .time = ""};
    const auto back = decode_as<AckedSnapshot>(encode(value), Strictness::reply);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->guid, value.guid);
}

}  // namespace
}  // namespace zrepd::rpc
