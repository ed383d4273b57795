// SPDX-License-Identifier: BSD-2-Clause
// Bytes in the pieces in which a socket may bring them.
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

namespace zrepd::fuzz {

/// Pieces of 1 to 16 bytes, whose sizes the bytes themselves decide.
inline std::vector<std::string_view> in_pieces(std::string_view text) {
    std::vector<std::string_view> out;
    while (!text.empty()) {
        const std::size_t wanted = static_cast<unsigned char>(text.front()) % 16U + 1U;
        out.push_back(text.substr(0, wanted));
        text.remove_prefix(std::min(wanted, text.size()));
    }
    return out;
}

}  // namespace zrepd::fuzz
