// SPDX-License-Identifier: BSD-2-Clause
// Text for people. Pure: strings in, strings out.
#pragma once

#include <string>
#include <vector>

#include "common/rpc/control_types.hpp"

namespace zrepd::ctl {

/// Columns as wide as their widest cell, two blanks between, none at the end of a line.
std::string aligned(const std::vector<std::vector<std::string>>& rows);
/// Without control characters: what comes from elsewhere must not steer the terminal.
std::string printable(std::string text);
/// "zrepctl: dataset: what and why", and its remedy on a second line; no dataset when it is empty.
std::string error_text(const Error& error, const std::string& dataset);
/// The status table with the troubles and their remedies below.
std::string status_text(const rpc::StatusOut& status);
/// One line per pair; with `verbose` its properties below.
std::string list_text(const rpc::ListOut& list, bool verbose);

}  // namespace zrepd::ctl
