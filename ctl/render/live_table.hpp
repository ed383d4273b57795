// SPDX-License-Identifier: BSD-2-Clause
// The pairs on the live screen, in the columns for which there is room. Pure.
#pragma once

#include <string>
#include <vector>

#include "ctl/render/live.hpp"

namespace zrepd::ctl {

using Row = std::vector<std::string>;

/// Blanks between two columns.
inline constexpr std::size_t kGap = 2;

/// The table of pairs with the columns that fit.
struct Table {
    Row headings;
    std::vector<Row> rows;
    std::vector<std::size_t> shown;  ///< of the columns
    std::vector<std::size_t> widths;

    /// As wide as a whole line of it.
    std::size_t total() const;
};

/// In this order. The least telling columns go first where it gets narrow, then names get shorter.
Table table_of(const std::vector<const rpc::PairStatus*>& pairs,
               const std::string& now,
               std::size_t columns);
/// One of its rows; the cell of the state stands out as `state`.
Line line_of_row(const Table& table, const Row& row, Tone state, Tone others);

}  // namespace zrepd::ctl
