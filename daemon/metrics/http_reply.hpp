// SPDX-License-Identifier: BSD-2-Clause
// What is answered to an HTTP request: only GET and HEAD of /metrics are more than an error
// (RFC 9110). Pure.
#pragma once

#include <string>
#include <string_view>

#include "daemon/metrics/text.hpp"

namespace zrepd::metrics {

struct Request {
    std::string method;
    std::string target;
    std::string accept;
};

struct Reply {
    unsigned status = 200;
    bool figures = false;  ///< the body is the figures, in `format`; else the status in words
    Format format = Format::open_metrics;
    bool with_body = true;  ///< not after HEAD
};

Reply reply_to(const Request& request);
/// For what is no request that one could answer: 400, 408, 431 or 503.
Reply refusal(unsigned status);

/// OpenMetrics unless the other format is asked for and this one is not.
Format format_for(std::string_view accept);

/// One line that says what is wrong and what there is.
std::string words_of(const Reply& reply);
/// Status line and headers, up to the empty line behind them.
std::string head_of(const Reply& reply, std::size_t body_bytes);

}  // namespace zrepd::metrics
