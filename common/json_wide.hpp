// SPDX-License-Identifier: BSD-2-Clause
// JSON of any width, for what no stranger wrote. Pure; thread-safe.
#pragma once

#include "common/json.hpp"

namespace zrepd {

/// parse_json() with no limit but that of depth. To keep their order each key is looked for
/// among those before it: ten thousand take a quarter of a second, a hundred thousand half a
/// minute.
Result<Json> parse_wide_json(std::string_view text);

}  // namespace zrepd
