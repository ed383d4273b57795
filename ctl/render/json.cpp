// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/render/json.hpp"

#include <cstdio>

namespace zrepd::ctl {

void print_json(const Json& document) {
    std::puts(pretty_json(document).c_str());
}

Json error_document(const Error& error) {
    const CodeInfo& row = info(error.code);
    Json out = {{"kind", row.name}, {"message", error.text()}, {"retryable", row.retryable}};
    if (!error.remedy.empty()) out["remedy"] = error.remedy;
    if (!error.run_id.empty()) out["run_id"] = error.run_id;
    return out;
}

}  // namespace zrepd::ctl
