// SPDX-License-Identifier: BSD-2-Clause
// Text for scripts without a JSON parser. Pure: values in, strings out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "common/rpc/control_types.hpp"

namespace zrepd::ctl {

/// The names of all status columns.
std::vector<std::string> status_column_names();
/// "role,epoch" as the names of status columns; they are the keys of --json, and `error`, the kind
/// of the last error. invalid_params for a name that is none; the message lists them all.
Result<std::vector<std::string>> status_columns(std::string_view text);
/// One line per pair, the columns separated by one tab each, no heading; "-" where there is no
/// value. Control characters are replaced, so that every line has as many columns as were asked
/// for. `columns` are names that status_columns() let through.
std::string status_lines(const rpc::StatusOut& status, const std::vector<std::string>& columns);

}  // namespace zrepd::ctl
