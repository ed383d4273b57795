// SPDX-License-Identifier: BSD-2-Clause
// Requests in whatever pieces, and what is answered to them.
#include <gtest/gtest.h>

#include "daemon/metrics/http_parser.hpp"
#include "daemon/metrics/http_reply.hpp"

namespace zrepd::metrics {
namespace {

using State = HttpParser::State;

// What Prometheus 2.42 sends.
constexpr std::string_view kPrometheusAccepts =
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1";

State fed(HttpParser& parser, std::string_view text, std::size_t piece) {
    State state = State::more;
    for (; !text.empty() && state == State::more; text.remove_prefix(std::min(piece, text.size())))
        state = parser.feed(text.substr(0, piece));
    return state;
}

TEST(MetricsHttp, ReadsARequestHoweverItIsCut) {
    const std::string_view text =
        "GET /metrics HTTP/1.1\r\nHost: localhost:9820\r\nAccept: text/plain\r\n\r\n";
    for (const std::size_t piece : {1U, 2U, 7U, 30U, 1000U}) {
        HttpParser parser;
        ASSERT_EQ(fed(parser, text, piece), State::complete) << piece;
        const Request request = parser.request();
        EXPECT_EQ(request.method, "GET");
        EXPECT_EQ(request.target, "/metrics");
        EXPECT_EQ(request.accept, "text/plain");
    }
}

TEST(MetricsHttp, DoesNotWaitForABody) {
    HttpParser parser;
    EXPECT_EQ(parser.feed("POST /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\n"), State::complete);
    EXPECT_EQ(parser.request().method, "POST");
}

TEST(MetricsHttp, KnowsWhatIsNoRequest) {
    for (const std::string_view text : {"hello\r\n\r\n",
                                        "GET\r\n\r\n",
                                        "GET /metrics HTTP/9.9\r\n\r\n",
                                        "GET /metrics HTTP/1.1\r\nno colon\r\n\r\n",
                                        "\x16\x03\x01\x02\x01\x01\x01\xFC\x03\x03 TLS\r\n\r\n"}) {
        HttpParser parser;
        EXPECT_EQ(fed(parser, text, 1000), State::bad) << text;
    }
}

TEST(MetricsHttp, TakesEightKibibytesAndNoMore) {
    const std::string begin = "GET /metrics HTTP/1.1\r\nX: ";
    HttpParser fits;
    EXPECT_EQ(fed(fits, begin + std::string(kMaxHead - 100, 'x') + "\r\n\r\n", 2048),
              State::complete);
    for (const std::size_t piece : {1U, 2048U, 1000000U}) {
        HttpParser headers;
        EXPECT_EQ(fed(headers, begin + std::string(kMaxHead, 'x'), piece), State::too_long);
        HttpParser line;
        EXPECT_EQ(fed(line, "GET /" + std::string(kMaxHead, 'x'), piece), State::too_long);
    }
}

TEST(MetricsHttp, AnswersOnlyToThoseWhoAskForTheFigures) {
    EXPECT_EQ(reply_to({"GET", "/metrics", ""}).status, 200U);
    EXPECT_EQ(reply_to({"GET", "/metrics?x=y", ""}).status, 200U);
    EXPECT_TRUE(reply_to({"GET", "/metrics", ""}).with_body);
    EXPECT_FALSE(reply_to({"HEAD", "/metrics", ""}).with_body);
    EXPECT_EQ(reply_to({"GET", "/", ""}).status, 404U);
    EXPECT_EQ(reply_to({"GET", "/metrics/", ""}).status, 404U);
    EXPECT_EQ(reply_to({"GET", "http://other/metrics", ""}).status, 404U);
    for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "BREW"}) {
        EXPECT_EQ(reply_to({method, "/metrics", ""}).status, 405U) << method;
        EXPECT_FALSE(reply_to({method, "/metrics", ""}).figures);
    }
}

TEST(MetricsHttp, ChoosesTheFormatThatIsAskedFor) {
    for (const std::string_view accept : {"", "*/*", "text/html,*/*;q=0.8"}) {
        EXPECT_EQ(format_for(accept), Format::open_metrics) << accept;
    }
    EXPECT_EQ(format_for(kPrometheusAccepts), Format::open_metrics);
    for (const std::string_view accept :
         {"text/plain", "Text/Plain; version=0.0.4", "text/plain;version=0.0.4;q=1,*/*;q=0.1"}) {
        EXPECT_EQ(format_for(accept), Format::prometheus) << accept;
    }
}

TEST(MetricsHttp, SaysHowLongTheAnswerIsAndThatItEndsTheConnection) {
    EXPECT_EQ(head_of(reply_to({"GET", "/metrics", "text/plain"}), 12),
              "HTTP/1.1 200 OK\r\n"
              "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
              "Content-Length: 12\r\n"
              "Vary: Accept\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(head_of(reply_to({"POST", "/metrics", ""}), 3),
              "HTTP/1.1 405 Method Not Allowed\r\n"
              "Content-Type: text/plain; charset=utf-8\r\n"
              "Content-Length: 3\r\nAllow: GET, HEAD\r\n"
              "Vary: Accept\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n");
    EXPECT_NE(words_of(refusal(404)).find("/metrics"), std::string::npos);
}

}  // namespace
}  // namespace zrepd::metrics
