// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/render/json.hpp"

#include <cstdio>

namespace zrepd::ctl {

void print_json(const Json& document) { std::puts(pretty_json(document).c_str()); }

}  // namespace zrepd::ctl
