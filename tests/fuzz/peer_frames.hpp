// SPDX-License-Identifier: BSD-2-Clause
// The messages between two zrepd, by method. A test compares the list with the daemon's own.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "common/rpc/fields.hpp"

namespace zrepd::fuzz {

struct PeerFrame {
    std::string_view name;
    void (*request)(const Json& params, rpc::Strictness strictness);
    void (*reply)(const Json& result, rpc::Strictness strictness);
    std::string (*example_in)();
    std::string (*example_out)();
};

std::span<const PeerFrame> peer_frames();

}  // namespace zrepd::fuzz
