// SPDX-License-Identifier: BSD-2-Clause
// The head of a request for figures, and what is answered to it.
#include "daemon/metrics/http_parser.hpp"
#include "tests/fuzz/lines.hpp"
#include "tests/fuzz/seeds.hpp"

namespace zrepd::fuzz {
namespace {

using metrics::HttpParser;

HttpParser::State feed_all(HttpParser& parser, const std::vector<std::string_view>& pieces) {
    auto state = HttpParser::State::more;
    for (const auto piece : pieces) {
        if (state == HttpParser::State::more) state = parser.feed(piece);
    }
    return state;
}

void check_reply_to(const metrics::Request& request) {
    const std::size_t bytes = request.method.size() + request.target.size() + request.accept.size();
    expect(bytes <= metrics::kMaxHead, "a head is bounded", request.target);
    const metrics::Reply reply = metrics::reply_to(request);
    expect(!reply.figures || request.method == "GET" || request.method == "HEAD",
           "figures are only read",
           request.method);
    const std::string head = metrics::head_of(reply, 7);
    expect(head.starts_with("HTTP/1.1 ") && head.find("\r\n\r\n") == head.size() - 4,
           "an answer has one head",
           head);
}

}  // namespace

int fuzz_http(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = as_text(data, size);
    HttpParser whole;
    const auto once = feed_all(whole, {text});
    HttpParser pieces;
    const auto again = feed_all(pieces, in_pieces(text));
    const auto complete = HttpParser::State::complete;
    expect((once == complete) == (again == complete),
           "a head does not depend on the pieces that it comes in",
           text);
    if (once != complete) return 0;
    const metrics::Request request = whole.request();
    const metrics::Request same = pieces.request();
    expect(request.method == same.method && request.target == same.target &&
               request.accept == same.accept,
           "a head is the same in pieces",
           text);
    check_reply_to(request);
    return 0;
}

std::vector<std::string> http_seeds(const std::string&) {
    return {
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: application/openmetrics-text\r\n\r\n",
        "HEAD /metrics?x=1 HTTP/1.0\r\nAccept: text/plain\r\n\r\n",
        "POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
        "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nX: a\r\n b\r\n\r\n"};
}

std::vector<std::string> http_words() {
    return {"GET ",
            "HEAD ",
            "POST ",
            "/metrics",
            " HTTP/1.1\r\n",
            " HTTP/1.0",
            "Accept: ",
            "text/plain",
            "application/openmetrics-text",
            "Content-Length: ",
            "Transfer-Encoding: chunked",
            "Connection: upgrade",
            "Upgrade: ",
            "\r\n\r\n",
            "\r\n "};
}

}  // namespace zrepd::fuzz
