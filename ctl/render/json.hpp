// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include "common/json.hpp"

namespace zrepd::ctl {

/// One indented document on standard output.
void print_json(const Json& document);

}  // namespace zrepd::ctl
