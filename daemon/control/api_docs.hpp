// SPDX-License-Identifier: BSD-2-Clause
// docs/control-api.md and docs/status.schema.json, made from the method table. A test compares them
// with the committed files; ZREPD_UPDATE_DOCS=1 makes that test write them. Pure.
#pragma once

#include <string>

#include "common/json.hpp"

namespace zrepd::control {

/// The reference of the control socket, in Markdown.
std::string control_api_markdown();
/// The JSON Schema (2020-12) of what status.get answers and `zrepctl status --json` prints.
Json status_schema();

}  // namespace zrepd::control
