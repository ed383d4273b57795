// SPDX-License-Identifier: BSD-2-Clause
// --json: exactly one document on standard output, whatever happens.
#pragma once

#include "common/error.hpp"
#include "common/json.hpp"

namespace zrepd::ctl {

/// One indented document on standard output.
void print_json(const Json& document);
/// {kind, message, retryable, remedy?, run_id?}: what stands under "error".
Json error_document(const Error& error);

}  // namespace zrepd::ctl
