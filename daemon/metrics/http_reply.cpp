// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/metrics/http_reply.hpp"

#include <algorithm>

namespace zrepd::metrics {
namespace {

constexpr std::string_view kPath = "/metrics";
constexpr std::string_view kOpenMetrics = "application/openmetrics-text";

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return out;
}

std::string_view reason(unsigned status) {
    switch (status) {
        case 200:
            return "OK";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 408:
            return "Request Timeout";
        case 431:
            return "Request Header Fields Too Large";
        case 503:
            return "Service Unavailable";
        default:
            return "Bad Request";
    }
}

std::string_view content_type(const Reply& reply) {
    if (!reply.figures) return "text/plain; charset=utf-8";
    return reply.format == Format::open_metrics
               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
               : "text/plain; version=0.0.4; charset=utf-8";
}

}  // namespace

Format format_for(std::string_view accept) {
    const std::string wanted = lower(accept);
    const bool other = wanted.find("text/plain") != wanted.npos;
    const bool open = wanted.find(kOpenMetrics) != wanted.npos;
    return other && !open ? Format::prometheus : Format::open_metrics;
}

Reply refusal(unsigned status) {
    return {.status = status};
}

Reply reply_to(const Request& request) {
    const std::string_view target = request.target;
    if (target.substr(0, target.find('?')) != kPath) return refusal(404);
    if (request.method != "GET" && request.method != "HEAD") return refusal(405);
    return {.figures = true,
            .format = format_for(request.accept),
            .with_body = request.method == "GET"};
}

std::string words_of(const Reply& reply) {
    std::string out = std::to_string(reply.status) + " " + std::string(reason(reply.status));
    if (reply.status == 503) return out + ": too many connections at once\n";
    return out + ": zrepd answers GET " + std::string(kPath) + "\n";
}

std::string head_of(const Reply& reply, std::size_t body_bytes) {
    std::string out = "HTTP/1.1 " + std::to_string(reply.status) + " ";
    out += reason(reply.status);
    out += "\r\nContent-Type: ";
    out += content_type(reply);
    out += "\r\nContent-Length: " + std::to_string(body_bytes);
    if (reply.status == 405) out += "\r\nAllow: GET, HEAD";
    // Two formats at one address: a cache between must not give the one for the other.
    out += "\r\nVary: Accept\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n";
    return out;
}

}  // namespace zrepd::metrics
