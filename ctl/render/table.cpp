// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/render/table.hpp"

#include <algorithm>
#include <chrono>

#include "common/text.hpp"
#include "common/units.hpp"
#include "ctl/render/pairs.hpp"
#include "ctl/render/tone.hpp"

namespace zrepd::ctl {
namespace {

constexpr std::size_t kStateColumn = 6;

std::vector<std::string> row_of(const rpc::PairStatus& pair, const std::string& now) {
    return {pair.dataset,
            pair.role,
            pair.peer + ":" + pair.peer_dataset,
            pair.last_acked ? ago(now, pair.last_acked->time) : "never",
            pair.lag_seconds ? human_duration(std::chrono::seconds(*pair.lag_seconds)) : "-",
            pair.role == "target" ? "-" : human_bytes(pair.backlog_bytes),
            state_of(pair),
            pair.next_run ? in_from_now(now, *pair.next_run) : "-"};
}

}  // namespace

std::string aligned(const std::vector<std::vector<std::string>>& rows, const Paint& paint) {
    std::vector<std::size_t> widths;
    auto shown = rows;
    for (auto& row : shown) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i) {
            row[i] = printable(std::move(row[i]));
            widths[i] = std::max(widths[i], width(row[i]));
        }
    }
    std::string out;
    for (std::size_t at = 0; at < shown.size(); ++at) {
        const auto& row = shown[at];
        for (std::size_t i = 0; i < row.size(); ++i) {
            out += paint ? painted(row[i], paint(at, i), /*colour=*/true) : row[i];
            if (i + 1 < row.size()) out.append(widths[i] - width(row[i]) + 2, ' ');
        }
        out += '\n';
    }
    return out;
}

std::string printable(std::string text) {
    std::string out;
    for (std::string_view rest = text; !rest.empty();) {
        const std::size_t length = utf8_length(rest);
        const std::string_view next = rest.substr(0, std::max<std::size_t>(length, 1));
        if (length == 0 || is_control(next))
            out += '?';
        else
            out += next;
        rest.remove_prefix(next.size());
    }
    text = std::move(out);
    return text;
}

std::string error_text(const Error& error, const std::string& dataset) {
    const std::string text = printable(error.text());
    // Many messages begin with the dataset themselves.
    const bool named = dataset.empty() || text.starts_with(printable(dataset) + " ");
    std::string out = "zrepctl: " + (named ? "" : printable(dataset) + ": ") + text + "\n";
    if (!error.remedy.empty()) out += "  next: " + printable(error.remedy) + "\n";
    return out;
}

namespace {

std::string put_back_text(const rpc::StatusOut& status) {
    std::string out;
    for (const auto& pair : status.pairs) {
        if (!pair.put_back) continue;
        const std::string name = quote(pair.dataset);
        out += "\n" + printable(pair.dataset) + ": its target was put back to " +
               printable(*pair.put_back) + ", and stays there, paused\n" +
               "  next: " + printable("zrepctl unpause " + name + ", then zrepctl sync " + name) +
               "\n";
    }
    return out;
}

std::string left_behind_text(const rpc::StatusOut& status) {
    std::string out;
    for (const auto& pair : status.pairs) {
        for (const auto& copy : pair.left_behind) {
            out += "\n" + printable(pair.dataset) + ": " + printable(copy.dataset) + " on " +
                   printable(pair.peer) +
                   " is the copy of nothing in it any more\n  next: " + printable(copy.remedy) +
                   "\n";
        }
    }
    return out;
}

std::string since_text(const rpc::StatusOut& status, const std::string& since) {
    return "  since: " + printable(since + ", " + ago(status.time, since)) + "\n";
}

std::string trouble_text(const rpc::StatusOut& status,
                         const std::string& dataset,
                         const rpc::Trouble& trouble) {
    std::string out = "\n" + printable(dataset) + ": " + printable(trouble.message) + "\n" +
                      since_text(status, trouble.since);
    if (!trouble.remedy.empty()) out += "  next: " + printable(trouble.remedy) + "\n";
    return out;
}

std::string errors_text(const rpc::StatusOut& status) {
    std::string out;
    for (const auto& pair : status.pairs) {
        for (const auto* trouble : {&pair.last_error, &pair.warning}) {
            if (*trouble) out += trouble_text(status, pair.dataset, **trouble);
        }
    }
    return out;
}

std::string abandoned_text(const rpc::StatusOut& status) {
    std::string out;
    for (const auto& one : status.abandoned) {
        out += "\nprocess " + std::to_string(one.pid) + " did not end even when killed" +
               (one.dataset ? ", of " + printable(*one.dataset) : "") + ": " +
               printable(one.command) + "\n" + since_text(status, one.since) +
               "  next: " + printable(one.remedy) + "\n";
    }
    return out;
}

/// What to do next stands out.
std::string with_steps_marked(const std::string& text, bool colour) {
    if (!colour) return text;
    std::string out;
    for (const auto line : split(text, '\n')) {
        if (!out.empty() || line.data() != text.data()) out += '\n';
        out += painted(
            std::string(line), line.starts_with("  next: ") ? Tone::strong : Tone::plain, colour);
    }
    return out;
}

}  // namespace

std::string troubles_text(const rpc::StatusOut& status) {
    return put_back_text(status) + left_behind_text(status) + errors_text(status) +
           abandoned_text(status);
}

std::string status_text(const rpc::StatusOut& status, bool colour) {
    std::string troubles = with_steps_marked(troubles_text(status), colour);
    if (status.pairs.empty() && status.problem) return troubles;
    if (status.pairs.empty()) {
        return "no pairs on " + printable(status.host) +
               "\n  next: zrepctl init FILESYSTEM HOST DESTINATION makes one\n" + troubles;
    }
    std::vector<std::vector<std::string>> rows{
        {"FILESYSTEM", "ROLE", "PEER", "LAST SYNC", "LAG", "BACKLOG", "STATE", "NEXT"}};
    for (const auto& pair : status.pairs) rows.push_back(row_of(pair, status.time));
    const auto paint = [&](std::size_t row, std::size_t column) {
        if (row == 0) return Tone::strong;
        return column == kStateColumn ? tone_of(status.pairs[row - 1]) : Tone::plain;
    };
    return aligned(rows, colour ? Paint(paint) : Paint()) + troubles;
}

std::string list_text(const rpc::ListOut& list, bool verbose) {
    std::vector<std::vector<std::string>> rows;
    std::string out;
    for (const auto& pair : list.pairs) {
        const std::string arrow = pair.role == "target" ? "<-" : "->";
        rows.push_back({pair.dataset, arrow, pair.peer + ":" + pair.peer_dataset, pair.role});
        if (!verbose) continue;
        out += aligned({rows.back()});
        for (const auto& [key, value] : pair.properties) {
            out += "  " + printable(key) + " = " + printable(value) + "\n";
        }
        out += "  last snapshot synced: " +
               (pair.last_acked.empty() ? "none" : printable(pair.last_acked)) + "\n";
    }
    return verbose ? out : aligned(rows);
}

rpc::ListOut incoming_of(rpc::ListOut list) {
    std::erase_if(list.pairs, [](const auto& pair) { return pair.role != "target"; });
    return list;
}

std::string list_answer(const rpc::ListOut& list, const ListWish& wish) {
    rpc::StatusOut nothing;
    nothing.host = wish.host;
    nothing.problem = list.problem;
    if (list.pairs.empty()) return status_text(nothing);
    const rpc::ListOut shown = wish.incoming ? incoming_of(list) : list;
    if (!shown.pairs.empty()) return list_text(shown, wish.verbose);
    return "nothing is received on " + printable(wish.host) +
           "\n  next: zrepctl list without -L shows the other pairs too\n";
}

}  // namespace zrepd::ctl
