// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/render/table.hpp"

#include <algorithm>
#include <chrono>
#include <optional>

#include "common/text.hpp"
#include "common/time.hpp"
#include "common/units.hpp"

namespace zrepd::ctl {
namespace {

/// Terminal columns of a UTF-8 text, near enough: one per character.
std::size_t width(const std::string& text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    }));
}

/// Seconds from `a` to `b`; nullopt when either is no time.
std::optional<std::chrono::seconds> between(const std::string& a, const std::string& b) {
    const auto from = from_rfc3339(a);
    const auto to = from_rfc3339(b);
    if (!from || !to) return std::nullopt;
    return std::chrono::seconds(*to - *from);
}

std::string in_from_now(const std::string& now, const std::string& then) {
    const auto left = between(now, then);
    if (!left) return then;
    return left->count() <= 0 ? "now" : "in " + human_duration(*left);
}

std::string ago(const std::string& now, const std::string& then) {
    const auto age = between(then, now);
    if (!age) return then;
    // Ahead of us by a little: the clock was read before. By much: worth seeing.
    return age->count() <= 0 && age->count() > -60 ? "now" : human_duration(*age) + " ago";
}

std::string state_of(const rpc::PairStatus& pair) {
    std::string out = pair.health == "split_brain" ? "SPLIT BRAIN" : pair.health;
    if (pair.peer_state == "unreachable") out += ", peer unreachable";
    if (pair.running) out += ", " + pair.running->phase + " " + human_bytes(pair.running->bytes);
    if (pair.paused) out += ", paused";
    if (pair.fenced) out += ", fenced";
    return out;
}

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

std::string aligned(const std::vector<std::vector<std::string>>& rows) {
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
    for (const auto& row : shown) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            out += row[i];
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

std::string troubles_text(const rpc::StatusOut& status) {
    std::string out;
    for (const auto& pair : status.pairs) {
        if (!pair.last_error) continue;
        const rpc::Trouble& trouble = *pair.last_error;
        out += "\n" + printable(pair.dataset) + ": " + printable(trouble.message) + "\n" +
               since_text(status, trouble.since);
        if (!trouble.remedy.empty()) out += "  next: " + printable(trouble.remedy) + "\n";
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

}  // namespace

std::string status_text(const rpc::StatusOut& status) {
    if (status.pairs.empty() && status.problem) return abandoned_text(status);
    if (status.pairs.empty()) {
        return "no pairs on " + printable(status.host) +
               "\n  next: zrepctl init FILESYSTEM HOST DESTINATION makes one\n" +
               abandoned_text(status);
    }
    std::vector<std::vector<std::string>> rows{
        {"FILESYSTEM", "ROLE", "PEER", "LAST SYNC", "LAG", "BACKLOG", "STATE", "NEXT"}};
    for (const auto& pair : status.pairs) rows.push_back(row_of(pair, status.time));
    return aligned(rows) + put_back_text(status) + left_behind_text(status) +
           troubles_text(status) + abandoned_text(status);
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

}  // namespace zrepd::ctl
