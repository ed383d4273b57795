// SPDX-License-Identifier: BSD-2-Clause
// Cuts what a channel program has to do into parts that one program takes. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "daemon/zfs/ack_program.hpp"
#include "daemon/zfs/command.hpp"

namespace zrepd {

/// Groups of at most ack_program::kMaxItems whose arguments fit one command line. `arguments_of`
/// gives the words that an item adds to it. Order is kept; no item, no group.
template <typename Item, typename Arguments>
std::vector<std::vector<Item>> program_batches(const std::vector<Item>& items,
                                               Arguments arguments_of) {
    std::vector<std::vector<Item>> result;
    std::size_t bytes = 0;
    for (const Item& item : items) {
        std::size_t cost = 0;
        for (const std::string& word : arguments_of(item)) cost += word.size() + 1 + sizeof(char*);
        const bool full = !result.empty() && (result.back().size() == ack_program::kMaxItems ||
                                              bytes + cost > command::kMaxArgumentBytes);
        if (result.empty() || full) {
            result.emplace_back();
            bytes = 0;
        }
        bytes += cost;
        result.back().push_back(item);
    }
    return result;
}

}  // namespace zrepd
