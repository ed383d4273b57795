// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/render/columns.hpp"

#include <algorithm>
#include <array>

#include "common/text.hpp"
#include "ctl/render/table.hpp"

namespace zrepd::ctl {
namespace {

using rpc::PairStatus;

struct Column {
    const char* name;
    std::string (*value)(const PairStatus& pair);  ///< empty: no value
};

constexpr std::array kColumns{
    Column{"dataset", [](const PairStatus& pair) { return pair.dataset; }},
    Column{"role", [](const PairStatus& pair) { return pair.role; }},
    Column{"epoch", [](const PairStatus& pair) { return std::to_string(pair.epoch); }},
    Column{"peer", [](const PairStatus& pair) { return pair.peer; }},
    Column{"peer_dataset", [](const PairStatus& pair) { return pair.peer_dataset; }},
    Column{"peer_state", [](const PairStatus& pair) { return pair.peer_state; }},
    Column{"lag_seconds",
           [](const PairStatus& pair) {
               return pair.lag_seconds ? std::to_string(*pair.lag_seconds) : "";
           }},
    Column{"backlog_bytes",
           [](const PairStatus& pair) { return std::to_string(pair.backlog_bytes); }},
    Column{"paused",
           [](const PairStatus& pair) { return std::string(pair.paused ? "yes" : "no"); }},
    Column{"fenced",
           [](const PairStatus& pair) { return std::string(pair.fenced ? "yes" : "no"); }},
    Column{"health", [](const PairStatus& pair) { return pair.health; }},
    Column{"error",
           [](const PairStatus& pair) {
               return pair.last_error ? pair.last_error->kind : std::string();
           }},
};

const Column* find(std::string_view name) {
    const auto found = std::find_if(kColumns.begin(), kColumns.end(), [name](const Column& column) {
        return column.name == name;
    });
    return found == kColumns.end() ? nullptr : &*found;
}

}  // namespace

std::vector<std::string> status_column_names() {
    std::vector<std::string> out;
    for (const Column& column : kColumns) out.emplace_back(column.name);
    return out;
}

Result<std::vector<std::string>> status_columns(std::string_view text) {
    std::vector<std::string> out;
    for (const std::string_view name : split(text, ',')) {
        if (find(name) == nullptr) {
            return Error{.code = Code::invalid_params,
                         .message = "no column " + quote(std::string(name)),
                         .remedy = "the columns are " + join(status_column_names(), ", ")};
        }
        out.emplace_back(name);
    }
    return out;
}

std::string status_lines(const rpc::StatusOut& status, const std::vector<std::string>& columns) {
    std::string out;
    for (const PairStatus& pair : status.pairs) {
        std::string line;
        for (const std::string& name : columns) {
            const Column* column = find(name);
            const std::string value = column == nullptr ? "" : printable(column->value(pair));
            line += (line.empty() ? "" : "\t") + (value.empty() ? "-" : value);
        }
        out += line + "\n";
    }
    return out;
}

}  // namespace zrepd::ctl
