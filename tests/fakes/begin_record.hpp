// SPDX-License-Identifier: BSD-2-Clause
// How a stream of zfs begins: without it none is received.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "daemon/stream/begin_record.hpp"

namespace zrepd::test {

/// Of a single stream that builds on `base`, or is a full one; in this host's byte order.
inline std::string begin_record(Guid base = {}) {
    const std::array<std::uint64_t, stream::kBeginBytes / 8> words{
        0,                           // type, payload length
        0x2F5bacbac,                 // magic
        1,                           // a single stream, no features
        1'700'000'000,               // when it was made
        2 | std::uint64_t{4} << 32,  // of what, flags
        99,                          // its own guid
        base.value};
    return {reinterpret_cast<const char*>(words.data()), sizeof words};
}

}  // namespace zrepd::test
