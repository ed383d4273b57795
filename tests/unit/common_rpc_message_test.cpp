// SPDX-License-Identifier: BSD-2-Clause
#include "common/rpc/message.hpp"

#include <gtest/gtest.h>

namespace zrepd::rpc {
namespace {

TEST(Request, IsReadWithEitherKindOfId) {
    const auto one =
        parse_request(R"({"jsonrpc":"2.0","id":7,"method":"pair.list","params":{"a":1}})");
    ASSERT_TRUE(one);
    EXPECT_EQ(one->id, 7);
    EXPECT_EQ(one->method, "pair.list");
    EXPECT_EQ(one->params["a"], 1);
    const auto two = parse_request(R"({"jsonrpc":"2.0","id":"x","method":"m"})");
    ASSERT_TRUE(two);
    EXPECT_TRUE(two->params.is_object());
}

TEST(Request, IsRefusedWhenItIsNone) {
    const std::pair<const char*, Code> table[] = {
        {"", Code::parse_error},
        {"{", Code::parse_error},
        {"\"\xff\"", Code::parse_error},
        {"[]", Code::invalid_request},
        {R"([{"jsonrpc":"2.0","id":1,"method":"m"}])", Code::invalid_request},
        {"1", Code::invalid_request},
        {"{}", Code::invalid_request},
        {R"({"id":1,"method":"m"})", Code::invalid_request},
        {R"({"jsonrpc":2.0,"id":1,"method":"m"})", Code::invalid_request},
        {R"({"jsonrpc":"1.0","id":1,"method":"m"})", Code::invalid_request},
        {R"({"jsonrpc":"2.0","method":"m"})", Code::invalid_request},
        {R"({"jsonrpc":"2.0","id":null,"method":"m"})", Code::invalid_request},
        {R"({"jsonrpc":"2.0","id":1.5,"method":"m"})", Code::invalid_request},
        {R"({"jsonrpc":"2.0","id":[1],"method":"m"})", Code::invalid_request},
        {R"({"jsonrpc":"2.0","id":1})", Code::invalid_request},
        {R"({"jsonrpc":"2.0","id":1,"method":5})", Code::invalid_request},
        {R"({"jsonrpc":"2.0","id":1,"method":"m","params":[]})", Code::invalid_request},
        {R"({"jsonrpc":"2.0","id":1,"method":"m","params":null})", Code::invalid_request},
        {R"({"jsonrpc":"2.0","id":1,"method":"m","extra":1})", Code::invalid_request},
    };
    for (const auto& [text, code] : table) {
        const auto parsed = parse_request(text);
        ASSERT_FALSE(parsed) << text;
        EXPECT_EQ(parsed.error().code, code) << text;
    }
}

TEST(Request, BoundsTheIdThatIsSentBack) {
    const auto with_id = [](std::size_t length) {
        return R"({"jsonrpc":"2.0","method":"m","id":")" + std::string(length, 'i') + "\"}";
    };
    EXPECT_TRUE(parse_request(with_id(200)));
    EXPECT_FALSE(parse_request(with_id(201)));
}

TEST(Request, IsWrittenSoThatItReadsBack) {
    Request request{.id = 3, .method = "run.get"};
    request.params["run_id"] = "a\nb";
    const std::string line = request_line(request);
    EXPECT_EQ(line.find('\n'), line.size() - 1) << "one line";
    const auto back = parse_request(line);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->id, request.id);
    EXPECT_EQ(back->method, request.method);
    EXPECT_EQ(back->params, request.params);
}

TEST(Message, IsAReplyOrANotification) {
    const auto reply = parse_message(reply_line(4, Json{{"x", 1}}));
    ASSERT_TRUE(reply);
    EXPECT_EQ(*reply->id, 4);
    EXPECT_EQ(reply->result["x"], 1);
    EXPECT_FALSE(reply->error);
    const auto event = parse_message(notification_line("event", Json{{"seq", "1"}}));
    ASSERT_TRUE(event);
    EXPECT_FALSE(event->id);
    EXPECT_EQ(event->method, "event");
    EXPECT_EQ(event->params["seq"], "1");
}

TEST(Message, MayHaveNoIdWhenTheRequestWasUnreadable) {
    const auto message =
        parse_message(error_line(nullptr, Error{.code = Code::parse_error, .message = "x"}));
    ASSERT_TRUE(message);
    EXPECT_TRUE(message->id->is_null());
    EXPECT_EQ(message->error->code, Code::parse_error);
}

TEST(Message, IsRefusedWhenItIsNeither) {
    for (const char* text : {"",
                             "[]",
                             "{}",
                             R"({"jsonrpc":"2.0"})",
                             R"({"jsonrpc":"2.0","id":1})",
                             R"({"jsonrpc":"2.0","method":5})"}) {
        EXPECT_FALSE(parse_message(text)) << text;
    }
}

TEST(ErrorOnTheWire, KeepsEverythingThatPeopleAndProgramsNeed) {
    const Error error{.code = Code::already_running,
                      .message = "a sync is under way",
                      .remedy = "wait for it",
                      .context = {"sync tank/a"},
                      .sys_errno = 28,
                      .run_id = "r-1"};
    const Json json = error_to_json(error);
    EXPECT_EQ(json["code"], info(Code::already_running).rpc);
    EXPECT_EQ(json["message"], "sync tank/a: a sync is under way");
    EXPECT_EQ(json["data"]["kind"], "already_running");
    EXPECT_EQ(json["data"]["retryable"], true);
    const Error back = error_from_json(json);
    EXPECT_EQ(back.code, error.code);
    EXPECT_EQ(back.message, error.text());
    EXPECT_EQ(back.remedy, error.remedy);
    EXPECT_EQ(back.run_id, error.run_id);
    EXPECT_EQ(back.sys_errno, 28);
}

TEST(ErrorOnTheWire, SurvivesWhatItDoesNotKnow) {
    const char* strange[] = {"null",
                             "5",
                             "{}",
                             R"({"message":5,"data":7})",
                             R"({"message":"m","data":{"kind":5,"errno":"x","remedy":null}})"};
    for (const char* text : strange) {
        EXPECT_EQ(error_from_json(parse_json(text).value()).code, Code::internal) << text;
    }
    const Error future =
        error_from_json(parse_json(R"({"message":"m","data":{"kind":"new_kind"}})").value());
    EXPECT_EQ(future.code, Code::internal);
    EXPECT_EQ(future.message, "m");
    EXPECT_FALSE(error_from_json(parse_json(R"({"message":""})").value()).message.empty());
}

}  // namespace
}  // namespace zrepd::rpc
