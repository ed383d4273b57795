// SPDX-License-Identifier: BSD-2-Clause
// Command line → command → exit status.
#pragma once

#include <string>
#include <vector>

namespace zrepd::ctl {

/// Runs zrepctl with these arguments (without the program's name) and returns its exit status.
int dispatch(std::vector<std::string> arguments);
/// The text of `zrepctl help`.
std::string help_text();

}  // namespace zrepd::ctl
