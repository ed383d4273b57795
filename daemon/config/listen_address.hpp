// SPDX-License-Identifier: BSD-2-Clause
// Where zrepd may be asked over HTTP: on this host alone. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/result.hpp"

namespace zrepd::config {

struct ListenAddress {
    std::string path = {};  ///< of a Unix socket; empty: host and port count
    std::string host = {};  ///< "127.0.0.1" or "::1"
    std::uint16_t port = 0;

    /// "/run/zrepd/metrics.sock", "127.0.0.1:9820" or "[::1]:9820". invalid_params else, for
    /// another host's address too: what is served there has no password and no encryption.
    static Result<ListenAddress> parse(std::string_view text);
    /// As it was written.
    std::string text() const;
};

}  // namespace zrepd::config
