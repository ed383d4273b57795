// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/metrics/http_parser.hpp"

#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <string>

namespace zrepd::metrics {

namespace http = boost::beast::http;

struct HttpParser::Impl {
    Impl() { parser.header_limit(kMaxHead); }

    http::request_parser<http::empty_body> parser;
    std::string waiting;  ///< of a line that has not ended
};

HttpParser::HttpParser() : impl_(std::make_unique<Impl>()) {}
HttpParser::~HttpParser() = default;

HttpParser::State HttpParser::feed(std::string_view bytes) {
    std::string& waiting = impl_->waiting;
    waiting += bytes;
    boost::system::error_code ec;
    const std::size_t taken = impl_->parser.put(boost::asio::buffer(waiting), ec);
    waiting.erase(0, taken);
    if (impl_->parser.is_header_done()) return State::complete;
    if (ec == http::error::header_limit || waiting.size() > kMaxHead) return State::too_long;
    if (ec && ec != http::error::need_more) return State::bad;
    return State::more;
}

Request HttpParser::request() const {
    const auto& head = impl_->parser.get();
    return {.method = std::string(head.method_string()),
            .target = std::string(head.target()),
            .accept = std::string(head[http::field::accept])};
}

}  // namespace zrepd::metrics
