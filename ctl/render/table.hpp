// SPDX-License-Identifier: BSD-2-Clause
// Text for people. Pure: strings in, strings out.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/rpc/control_types.hpp"
#include "ctl/render/tone.hpp"

namespace zrepd::ctl {

/// How the cell of this row and column stands out.
using Paint = std::function<Tone(std::size_t row, std::size_t column)>;
/// Columns as wide as their widest cell, two blanks between, none at the end of a line.
std::string aligned(const std::vector<std::vector<std::string>>& rows, const Paint& paint = {});
/// Without control characters: what comes from elsewhere must not steer the terminal.
std::string printable(std::string text);
/// "zrepctl: dataset: what and why", and its remedy on a second line; no dataset when it is empty.
std::string error_text(const Error& error, const std::string& dataset);
/// The status table with the troubles and their remedies below; with `colour` for a terminal.
std::string status_text(const rpc::StatusOut& status, bool colour = false);
/// What stands below it: for each pair in trouble what is wrong, and the command that settles it.
std::string troubles_text(const rpc::StatusOut& status);
/// One line per pair; with `verbose` its properties below.
std::string list_text(const rpc::ListOut& list, bool verbose);

/// What zrepctl list was asked for.
struct ListWish {
    std::string host;  ///< who answers
    bool verbose = false;
    bool incoming = false;  ///< copies alone
};
/// The copies alone, of a list of all.
rpc::ListOut incoming_of(rpc::ListOut list);
/// All that zrepctl list prints of what zrepd knows; where nothing is left to list, that.
std::string list_answer(const rpc::ListOut& list, const ListWish& wish);

}  // namespace zrepd::ctl
