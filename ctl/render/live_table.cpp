// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/render/live_table.hpp"

#include <algorithm>
#include <chrono>

#include "common/units.hpp"
#include "ctl/render/pairs.hpp"
#include "ctl/render/table.hpp"

namespace zrepd::ctl {
namespace {

struct LiveColumn {
    const char* heading;
    int keep;  ///< the higher, the longer it stays when the terminal gets narrow
    std::string (*cell)(const rpc::PairStatus& pair, const std::string& now);
};

constexpr LiveColumn kLiveColumns[] = {
    {"FILESYSTEM", 9, [](const rpc::PairStatus& pair, const std::string&) { return pair.dataset; }},
    {"ROLE", 2, [](const rpc::PairStatus& pair, const std::string&) { return pair.role; }},
    {"PEER",
     1,
     [](const rpc::PairStatus& pair, const std::string&) {
         return pair.peer + ":" + pair.peer_dataset;
     }},
    {"LAST SYNC",
     3,
     [](const rpc::PairStatus& pair, const std::string& now) {
         return pair.last_acked ? ago(now, pair.last_acked->time) : std::string("never");
     }},
    {"LAG",
     6,
     [](const rpc::PairStatus& pair, const std::string&) {
         return pair.lag_seconds ? human_duration(std::chrono::seconds(*pair.lag_seconds))
                                 : std::string("-");
     }},
    {"BACKLOG",
     4,
     [](const rpc::PairStatus& pair, const std::string&) {
         return pair.role == "target" ? std::string("-") : human_bytes(pair.backlog_bytes);
     }},
    {"STATE",
     8,
     [](const rpc::PairStatus& pair, const std::string&) {
         // How far it is stands below.
         rpc::PairStatus still = pair;
         still.running.reset();
         return state_of(still) + (pair.running ? ", " + pair.running->phase : "");
     }},
    {"NEXT", 5, [](const rpc::PairStatus& pair, const std::string& now) {
         return pair.next_run ? in_from_now(now, *pair.next_run) : std::string("-");
     }}};
constexpr std::size_t kColumnCount = std::size(kLiveColumns);
constexpr std::size_t kState = 6;
constexpr std::size_t kNameAtLeast = 12;

/// Columns go, the least telling first, until the rest fits; then names get shorter.
void fit(Table& table, std::size_t columns) {
    const auto worth = [](std::size_t a, std::size_t b) {
        return kLiveColumns[a].keep < kLiveColumns[b].keep;
    };
    const auto essential = [&] {
        const std::size_t name = std::min(table.widths[0], kNameAtLeast);
        return table.total() - table.widths[0] + name;
    };
    while (table.shown.size() > 2 && essential() > columns)
        table.shown.erase(std::min_element(table.shown.begin(), table.shown.end(), worth));
    if (table.total() <= columns) return;
    const std::size_t rest = table.total() - table.widths[0];
    table.widths[0] = std::max(columns > rest ? columns - rest : 0, std::size_t{3});
}

}  // namespace

std::size_t Table::total() const {
    std::size_t out = 0;
    for (const std::size_t i : shown) out += widths[i] + kGap;
    return out == 0 ? 0 : out - kGap;
}

Table table_of(const std::vector<const rpc::PairStatus*>& pairs,
               const std::string& now,
               std::size_t columns) {
    Table out;
    for (std::size_t i = 0; i < kColumnCount; ++i) {
        out.headings.emplace_back(kLiveColumns[i].heading);
        out.shown.push_back(i);
        out.widths.push_back(width(kLiveColumns[i].heading));
    }
    for (const auto* pair : pairs) {
        Row& row = out.rows.emplace_back();
        for (std::size_t i = 0; i < kColumnCount; ++i) {
            row.push_back(printable(kLiveColumns[i].cell(*pair, now)));
            out.widths[i] = std::max(out.widths[i], width(row.back()));
        }
    }
    fit(out, columns);
    return out;
}

Line line_of_row(const Table& table, const Row& row, Tone state, Tone others) {
    Line out;
    for (const std::size_t i : table.shown) {
        std::string text = i == 0 ? clipped_front(row[i], table.widths[i]) : row[i];
        const std::size_t used = width(text);
        const bool last = i == table.shown.back();
        if (!last) text.append(table.widths[i] - std::min(used, table.widths[i]) + kGap, ' ');
        out.push_back({std::move(text), i == kState ? state : others});
    }
    return out;
}

}  // namespace zrepd::ctl
