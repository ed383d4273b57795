// SPDX-License-Identifier: BSD-2-Clause
// A world of the model in a few bytes: what is known is kept by the million.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string_view>

#include "tests/fakes/failover_world.hpp"

namespace zrepd::test {

constexpr std::size_t kPacked = 51;
using Packed = std::array<std::uint8_t, kPacked>;

struct PackedHash {
    std::size_t operator()(const Packed& p) const {
        return std::hash<std::string_view>{}({reinterpret_cast<const char*>(p.data()), p.size()});
    }
};

/// Equal for worlds that differ in nothing but the order of their messages.
Packed packed(const World& world);
World unpacked(const Packed& bytes);

}  // namespace zrepd::test
