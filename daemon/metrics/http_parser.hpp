// SPDX-License-Identifier: BSD-2-Clause
// Reads the head of one HTTP request from whatever pieces it comes in, with Boost.Beast's parser.
// Limits: kMaxHead. A body is not read.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "daemon/metrics/http_reply.hpp"

namespace zrepd::metrics {

/// Some browsers and proxies send 4 KiB.
inline constexpr std::size_t kMaxHead = std::size_t{8} << 10;

class HttpParser {
  public:
    enum class State { more, complete, bad, too_long };

    HttpParser();
    ~HttpParser();
    HttpParser(const HttpParser&) = delete;
    HttpParser& operator=(const HttpParser&) = delete;

    /// What came next. Not after another state than `more`.
    State feed(std::string_view bytes);
    /// When it is complete.
    Request request() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace zrepd::metrics
