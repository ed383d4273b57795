// SPDX-License-Identifier: BSD-2-Clause
// From what is known to the lines of the screen.
#include "ctl/render/live.hpp"

#include <algorithm>
#include <chrono>
#include <map>

#include "common/text.hpp"
#include "common/units.hpp"
#include "ctl/render/events.hpp"
#include "ctl/render/live_table.hpp"
#include "ctl/render/pairs.hpp"
#include "ctl/render/table.hpp"

namespace zrepd::ctl {
namespace {

constexpr const char* kHelp[] = {"up, down, k, j     one line",
                                 "PgUp, PgDn, space  one page",
                                 "Home, End, g, G    the first page, the last",
                                 "s                  trouble and what runs first, or by name",
                                 "Ctrl-L             draw everything again",
                                 "? or h             this help, and back",
                                 "q, Ctrl-C          end",
                                 "",
                                 "LAG: since source and copy were last known to hold the same.",
                                 "BACKLOG: written on the master since, as last seen.",
                                 "What a stream will be is an estimate; so is the time left.",
                                 "Times are UTC. For scripts: zrepctl status --json"};

/// "[#####-----] 45%, ...", the bar only where there is room for it.
std::string bar_line(const rpc::Progress& progress, std::size_t columns) {
    constexpr std::size_t kBar = 20;
    const std::string numbers = printable(progress.phase + " " + numbers_of(progress));
    const auto percent = percent_of(progress);
    if (!percent || progress.bytes == 0 || numbers.size() + kBar + 5 > columns)
        return "  " + numbers;
    const std::size_t full = *percent * kBar / 100;
    return "  [" + std::string(full, '#') + std::string(kBar - full, '-') + "] " + numbers;
}

/// Lines of text as `status` prints it, broken where the terminal ends; what to do stands out.
void add_text(std::vector<Line>& out, const std::string& text, Tone first, std::size_t columns) {
    for (const auto piece : split(text, '\n')) {
        if (piece.empty()) continue;
        const bool next = piece.starts_with("  next: ");
        const bool since = piece.starts_with("  since: ");
        const Tone mine = next ? Tone::strong : since ? Tone::dim : first;
        for (auto& line : wrapped("  " + std::string(piece), columns, 8))
            out.push_back({{std::move(line), mine}});
    }
}

int rank(const rpc::PairStatus& pair) {
    switch (tone_of(pair)) {
        case Tone::bad:
            return 0;
        case Tone::warn:
            return 1;
        case Tone::plain:
        case Tone::dim:
        case Tone::strong:
        case Tone::good:
            break;
    }
    return pair.running ? 2 : 3;
}

std::vector<const rpc::PairStatus*> ordered(const rpc::StatusOut& status, bool by_name) {
    std::vector<const rpc::PairStatus*> out;
    for (const auto& pair : status.pairs) out.push_back(&pair);
    if (by_name) return out;
    std::stable_sort(
        out.begin(), out.end(), [](const auto* a, const auto* b) { return rank(*a) < rank(*b); });
    return out;
}

/// What is said below a pair's row.
std::string troubles_of(const rpc::PairStatus& pair, const rpc::StatusOut& all) {
    rpc::StatusOut one;
    one.time = all.time;
    one.pairs = {pair};
    return troubles_text(one);
}

/// Everything that scrolls.
std::vector<Line> body_of(const Live& live,
                          const Table& table,
                          const std::vector<const rpc::PairStatus*>& pairs,
                          const rpc::StatusOut& status,
                          std::size_t columns) {
    std::vector<Line> out;
    const bool lost = !live.lost.empty();
    for (std::size_t i = 0; i < pairs.size(); ++i) {
        const rpc::PairStatus& pair = *pairs[i];
        const Tone others = lost ? Tone::dim : Tone::plain;
        out.push_back(line_of_row(table, table.rows[i], lost ? Tone::dim : tone_of(pair), others));
        if (pair.running) out.push_back({{bar_line(*pair.running, columns), others}});
        add_text(out, troubles_of(pair, status), tone_of(pair), columns);
    }
    rpc::StatusOut abandoned;
    abandoned.time = status.time;
    abandoned.abandoned = status.abandoned;
    add_text(out, troubles_text(abandoned), Tone::bad, columns);
    if (pairs.empty() && !status.problem && !lost) {
        out.push_back({{"no pairs on " + printable(status.host)}});
        add_text(out,
                 "  next: zrepctl init FILESYSTEM HOST DESTINATION makes one",
                 Tone::plain,
                 columns);
    }
    return out;
}

/// "3 pairs: 1 conflict, 2 ok".
std::string counts_of(const rpc::StatusOut& status) {
    std::map<std::string, std::size_t> counted;
    for (const auto& pair : status.pairs) ++counted[pair.health];
    std::vector<std::string> parts;
    parts.reserve(counted.size());
    for (const auto& [health, count] : counted)
        parts.push_back(std::to_string(count) + " " + printable(health));
    const std::size_t count = status.pairs.size();
    return std::to_string(count) + (count == 1 ? " pair" : " pairs") +
           (parts.empty() ? "" : ": " + join(parts, ", "));
}

/// Left and right on one line; where both do not fit, the right one goes.
Line two_sides(std::string left, const std::string& right, std::size_t columns, Tone tone) {
    left = clipped(left, columns);
    const std::size_t used = width(left) + width(right);
    if (right.empty() || used + kGap > columns) return {{std::move(left), tone}};
    left.append(columns - used, ' ');
    return {{left + right, tone}};
}

std::vector<Line> head_of(const Live& live, const View& view, const std::string& now) {
    std::vector<Line> out;
    const rpc::StatusOut& status = live.status;
    // "2026-11-28T11:30:02Z": a clock is enough on a screen that is looked at.
    const std::string clock = now.size() >= 19 ? now.substr(11, 8) + " UTC" : now;
    out.push_back(two_sides("zrepd on " + printable(status.host) + ", " + counts_of(status),
                            clock,
                            view.columns,
                            Tone::strong));
    if (!live.lost.empty()) {
        const std::string since = ago(now, to_rfc3339(live.lost_since));
        const std::string text = "zrepd went away " + (since == "now" ? "just now" : since) +
                                 ", trying again: " + printable(live.lost);
        for (auto& line : wrapped(text, view.columns, 2))
            out.push_back({{std::move(line), Tone::bad}});
    }
    if (!live.complaint.empty()) add_text(out, printable(live.complaint), Tone::bad, view.columns);
    if (status.problem) {
        add_text(
            out,
            printable(status.problem->message) + "\n  next: " + printable(status.problem->remedy),
            Tone::warn,
            view.columns);
    }
    return out;
}

std::vector<Line> events_of(const Live& live, const View& view) {
    // Nothing of it on a screen that hardly holds the pairs.
    const std::size_t most = view.rows < 12 ? 0 : std::min<std::size_t>(view.rows / 4, 10);
    std::vector<Line> out;
    const std::size_t count = std::min(most, live.events.size());
    if (count == 0) return out;
    out.push_back({{"LAST EVENTS", Tone::strong}});
    for (auto it = live.events.end() - static_cast<std::ptrdiff_t>(count); it != live.events.end();
         ++it) {
        const std::string time = it->time.size() >= 19 ? it->time.substr(11, 8) : it->time;
        const std::string text =
            join({printable(time), printable(it->event), event_text(*it)}, "  ");
        out.push_back(
            {{clipped(text, view.columns), it->event == "warning" ? Tone::warn : Tone::plain}});
    }
    return out;
}

std::vector<Line> help_of(std::size_t columns) {
    std::vector<Line> out;
    for (const char* text : kHelp) {
        for (auto& line : wrapped(text, columns, 4)) out.push_back({{std::move(line)}});
    }
    return out;
}

Line foot_of(const Frame& frame, const View& view) {
    std::string right;
    if (frame.total > frame.page) {
        const std::size_t last = std::min(frame.first + frame.page, frame.total);
        right = "lines " + std::to_string(frame.first + 1) + "-" + std::to_string(last) + " of " +
                std::to_string(frame.total);
    }
    const bool narrow = view.columns < 60;
    return two_sides(narrow ? "q quit  ? help" : "q quit  ? help  s order  PgUp/PgDn scroll",
                     right,
                     view.columns,
                     Tone::dim);
}

void append(std::vector<Line>& to, std::vector<Line> lines) {
    for (auto& line : lines) to.push_back(std::move(line));
}

/// Nothing is wider than the screen, whatever it is.
Line cut(const Line& line, std::size_t columns) {
    Line out;
    for (const auto& span : line) {
        const std::string text = clipped(span.text, columns);
        columns -= std::min(columns, width(text));
        if (!text.empty()) out.push_back({text, span.tone});
        if (text.size() < span.text.size()) break;
    }
    return out;
}

}  // namespace

std::string plain_text(const Line& line) {
    std::string out;
    for (const auto& span : line) out += span.text;
    return out;
}

Frame render(const Live& live, const View& view, UnixSeconds now) {
    const rpc::StatusOut status = aged(live.status, now);
    const auto pairs = ordered(status, view.by_name);
    const Table table = table_of(pairs, status.time, view.columns);
    std::vector<Line> top = head_of(live, view, to_rfc3339(now));
    std::vector<Line> below = view.help ? std::vector<Line>{} : events_of(live, view);
    std::vector<Line> body =
        view.help ? help_of(view.columns) : body_of(live, table, pairs, status, view.columns);
    if (!view.help && !pairs.empty()) {
        top.push_back(line_of_row(table, table.headings, Tone::strong, Tone::strong));
    }
    Frame out;
    // Top and foot are kept before events, and a line of the middle before all of them.
    if (view.rows < top.size() + below.size() + 5) below.clear();
    const std::size_t fixed = top.size() + below.size() + 1;
    out.page = view.rows > fixed ? view.rows - fixed : 1;
    out.total = body.size();
    const std::size_t last = out.total > out.page ? out.total - out.page : 0;
    out.first = std::min(view.first, last);
    std::vector<Line> all = std::move(top);
    for (std::size_t i = 0; i < out.page; ++i) {
        const std::size_t at = out.first + i;
        all.push_back(at < body.size() ? std::move(body[at]) : Line{});
    }
    append(all, std::move(below));
    all.push_back(foot_of(out, view));
    if (all.size() > view.rows) all.resize(view.rows);
    for (const Line& line : all) out.lines.push_back(cut(line, view.columns));
    return out;
}

}  // namespace zrepd::ctl
