// SPDX-License-Identifier: BSD-2-Clause
// The live screen: what events make of what is known, and the lines that show it.
#include "ctl/render/live.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "ctl/progress.hpp"
#include "ctl/render/pairs.hpp"
#include "ctl/render/table.hpp"

namespace zrepd::ctl {
namespace {

constexpr const char* kTime = "2026-11-28T11:30:00Z";
const UnixSeconds kNow = *from_rfc3339(kTime);

rpc::PairStatus live_pair(const std::string& dataset, const std::string& health = "ok") {
    rpc::PairStatus out;
    out.dataset = dataset;
    out.role = "master";
    out.peer = "beta";
    out.peer_dataset = "backup/" + dataset;
    out.peer_state = "connected";
    out.last_acked = rpc::AckedSnapshot{dataset + "@zrep_000001", Guid{1}, "2026-11-28T11:29:00Z"};
    out.lag_seconds = 60;
    out.backlog_bytes = 1 << 20;
    out.next_run = "2026-11-28T11:31:00Z";
    out.health = health;
    return out;
}

rpc::Progress moving(std::uint64_t bytes, std::uint64_t expected, std::uint64_t rate) {
    rpc::Progress out;
    out.run_id = "r-1";
    out.phase = "sending";
    out.bytes = bytes;
    out.rate_bytes_per_second = rate;
    if (expected != 0) out.expected_bytes = expected;
    return out;
}

Live live_of(std::vector<rpc::PairStatus> pairs) {
    Live out;
    out.status.host = "alpha";
    out.status.time = kTime;
    out.status.pairs = std::move(pairs);
    return out;
}

rpc::EventOut numbered(std::uint64_t seq, const std::string& name, const std::string& dataset) {
    rpc::EventOut out;
    out.seq = {seq};
    out.event = name;
    out.time = kTime;
    out.dataset = dataset;
    out.text = "text of " + std::to_string(seq);
    return out;
}

std::vector<std::string> shown(const Frame& frame) {
    std::vector<std::string> out;
    for (const Line& line : frame.lines) out.push_back(plain_text(line));
    return out;
}

std::string screen(const Live& live, const View& view, UnixSeconds now = kNow) {
    std::string out;
    for (const auto& line : shown(render(live, view, now))) out += line + "\n";
    return out;
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != text.npos;
}

TEST(LiveFold, ProgressIsTakenInWithoutAskingAnew) {
    Live live = live_of({live_pair("tank/a"), live_pair("tank/b")});
    rpc::EventOut event = numbered(7, "run_progress", "tank/b");
    event.progress = moving(5, 10, 1);
    EXPECT_FALSE(fold(live, event, {}));
    EXPECT_FALSE(live.status.pairs[0].running);
    ASSERT_TRUE(live.status.pairs[1].running);
    EXPECT_EQ(live.status.pairs[1].running->bytes, 5U);
    EXPECT_TRUE(live.events.empty());
    EXPECT_EQ(live.seq, 7U);
}

TEST(LiveFold, SaysWhatHasToBeAskedForAnew) {
    const struct {
        const char* dataset;
        bool progress;
        std::vector<std::string> names;
        bool ask, kept;
    } table[] = {{"tank/a", false, {}, true, true},
                 {"tank/a", false, {"tank"}, true, true},
                 {"tank/a", false, {"tank/b"}, true, false},  // it may concern all: a peer
                 {"tank/new", true, {}, true, false},         // an init: no answer had it yet
                 {"tank/new", true, {"tank/b"}, false, false}};
    for (const auto& row : table) {
        Live live = live_of({live_pair("tank/a")});
        rpc::EventOut event = numbered(1, "pair_changed", row.dataset);
        if (row.progress) event.progress = moving(5, 10, 1);
        EXPECT_EQ(fold(live, event, row.names), row.ask) << row.dataset;
        EXPECT_EQ(live.events.size(), row.kept ? 1U : 0U) << row.dataset;
    }
}

TEST(LiveFold, WhatWasSeenAlreadyCountsOnce) {
    Live live = live_of({});
    take(live, {numbered(3, "peer_up", ""), numbered(4, "peer_down", "")}, {});
    EXPECT_FALSE(fold(live, numbered(4, "peer_down", ""), {}));
    EXPECT_TRUE(fold(live, numbered(5, "peer_up", ""), {}));
    EXPECT_EQ(live.events.size(), 3U);
}

TEST(LiveFold, KeepsTheNewestEvents) {
    Live live = live_of({});
    for (std::uint64_t i = 1; i <= 3 * kLiveEvents; ++i) fold(live, numbered(i, "peer_up", ""), {});
    ASSERT_EQ(live.events.size(), kLiveEvents);
    EXPECT_EQ(live.events.back().seq.value, 3 * kLiveEvents);
}

TEST(LiveFold, TheEndOfARunEndsItsProgress) {
    Live live = live_of({live_pair("tank/a"), live_pair("tank/b")});
    for (auto& pair : live.status.pairs) pair.running = moving(5, 10, 1);
    live.status.pairs[1].running->run_id = "r-2";
    rpc::EventOut event = numbered(1, "run_finished", "");
    event.run = rpc::RunOut{.run_id = "r-1", .operation = "sync", .finished = true, .results = {}};
    EXPECT_TRUE(fold(live, event, {}));
    EXPECT_FALSE(live.status.pairs[0].running);
    EXPECT_TRUE(live.status.pairs[1].running);
}

TEST(LiveFold, WhatWasKnownStaysWhileZrepdIsAwayAndItsEventsMayBeginAtOne) {
    Live live = live_of({live_pair("tank/a")});
    live.status.pairs[0].running = moving(5, 10, 3);
    fold(live, numbered(100, "peer_up", ""), {});
    lose(live, "closed", kNow);
    lose(live, "connection refused", kNow + 5);
    EXPECT_EQ(live.lost_since, kNow);
    EXPECT_EQ(live.lost, "connection refused");
    EXPECT_EQ(live.status.pairs[0].running->rate_bytes_per_second, 0U);
    EXPECT_TRUE(fold(live, numbered(1, "peer_up", ""), {}));
    take(live, live.status);
    EXPECT_EQ(live.lost, "");
}

TEST(LiveFold, AnAnswerThatIsAnErrorIsShownAsWhatItSays) {
    Live live = live_of({live_pair("tank/a")});
    lose(live, "closed", kNow);
    complain(live,
             {.code = Code::not_found, .message = "no tank/a here", .remedy = "zrepctl list"});
    EXPECT_EQ(live.lost, "") << "it did answer";
    EXPECT_EQ(live.complaint, "no tank/a here; next: zrepctl list");
    take(live, live.status);
    EXPECT_EQ(live.complaint, "");
}

TEST(LiveScreen, ShowsPairsProgressNextRunsAndEvents) {
    Live live = live_of({live_pair("tank/a"), live_pair("tank/b")});
    live.status.pairs[1].running = moving(256 << 20, 1 << 30, 16 << 20);
    fold(live, numbered(1, "peer_up", ""), {});
    EXPECT_EQ(
        shown(render(live, {.columns = 100, .rows = 14}, kNow)),
        (std::vector<std::string>{
            "zrepd on alpha, 2 pairs: 2 ok" + std::string(59, ' ') + "11:30:00 UTC",
            "FILESYSTEM  ROLE    PEER                LAST SYNC  LAG    BACKLOG  STATE        NEXT",
            "tank/b      master  beta:backup/tank/b  1 min ago  1 min  1.0 MiB  ok, sending  in 1 min",
            "  [#####---------------] sending 25%, 256.0 MiB of about 1.0 GiB, 16.0 MiB/s, 48 s left",
            "tank/a      master  beta:backup/tank/a  1 min ago  1 min  1.0 MiB  ok           in 1 min",
            "",
            "",
            "",
            "",
            "",
            "",
            "LAST EVENTS",
            "11:30:00  peer_up  text of 1",
            "q quit  ? help  s order  PgUp/PgDn scroll"}));
}

TEST(LiveScreen, WhatIsATimeAgoGrowsWithoutAnAnswer) {
    const Live live = live_of({live_pair("tank/a")});
    const std::string later = screen(live, {.columns = 120, .rows = 10}, kNow + 3600);
    EXPECT_TRUE(has(later, "1 h 1 min ago")) << later;
    EXPECT_TRUE(has(later, "12:30:00 UTC")) << later;
}

TEST(LiveScreen, ATroubleStandsAtItsPairWithTheCommandThatSettlesIt) {
    Live live = live_of({live_pair("tank/a"), live_pair("tank/b", "conflict")});
    live.status.pairs[1].last_error =
        rpc::Trouble{"conflict", "both sides changed", "zrepctl resolve 'tank/b'", kTime};
    const Frame frame = render(live, {.columns = 100, .rows = 20}, kNow + 60);
    const auto lines = shown(frame);
    EXPECT_TRUE(lines[2].starts_with("tank/b ")) << lines[2];
    EXPECT_EQ(lines[3], "  tank/b: both sides changed");
    EXPECT_EQ(lines[4], "    since: 2026-11-28T11:30:00Z, 1 min ago");
    EXPECT_EQ(lines[5], "    next: zrepctl resolve 'tank/b'");
    EXPECT_EQ(frame.lines[3][0].tone, Tone::bad);
    EXPECT_EQ(frame.lines[5][0].tone, Tone::strong);
    EXPECT_TRUE(lines[6].starts_with("tank/a ")) << lines[6];
    const auto by_name = shown(render(live, {.columns = 100, .rows = 20, .by_name = true}, kNow));
    EXPECT_TRUE(by_name[2].starts_with("tank/a ")) << by_name[2];
}

TEST(LiveScreen, AZrepdThatIsAwayIsSaidAndWhatWasKnownIsDim) {
    Live live = live_of({live_pair("tank/a")});
    lose(live, "zrepd closed the connection", kNow);
    const Frame frame = render(live, {.columns = 100, .rows = 10}, kNow + 12);
    EXPECT_EQ(plain_text(frame.lines[1]),
              "zrepd went away 12 s ago, trying again: zrepd closed the connection");
    EXPECT_EQ(frame.lines[1][0].tone, Tone::bad);
    EXPECT_EQ(frame.lines[3][0].tone, Tone::dim);
}

TEST(LiveScreen, FitsWhateverTheSizeIs) {
    std::vector<rpc::PairStatus> pairs;
    for (int i = 0; i < 50; ++i) {
        pairs.push_back(
            live_pair("tank/a-rather-long-name-of-number-" + std::to_string(i), "late"));
        pairs.back().running = moving(1 << 20, 1 << 30, 1 << 10);
        pairs.back().last_error =
            rpc::Trouble{"no_space",
                         "\xe5\xad\x97\xe5\xad\x97 there is no space left \xf0\x9f\x98\x80",
                         "x",
                         kTime};
    }
    Live live = live_of(pairs);
    lose(live, "a reason that is longer than a narrow terminal is wide", kNow);
    for (int i = 1; i < 20; ++i)
        fold(live, numbered(static_cast<std::uint64_t>(i), "peer_up", "x"), {});
    for (const std::size_t columns : {1U, 2U, 5U, 19U, 40U, 80U, 300U}) {
        for (const std::size_t rows : {1U, 2U, 5U, 11U, 24U, 500U}) {
            for (const bool help : {false, true}) {
                const Frame frame = render(
                    live, {.columns = columns, .rows = rows, .first = 7, .help = help}, kNow);
                EXPECT_LE(frame.lines.size(), rows);
                for (const Line& line : frame.lines) EXPECT_LE(width(plain_text(line)), columns);
            }
        }
    }
}

TEST(LiveScreen, ANarrowOneKeepsNameStateAndWhatIsLate) {
    const auto lines =
        shown(render(live_of({live_pair("tank/fs")}), {.columns = 40, .rows = 8}, kNow));
    EXPECT_EQ(lines[1], "FILESYSTEM  LAG    STATE  NEXT");
    EXPECT_EQ(lines[2], "tank/fs     1 min  ok     in 1 min");
}

TEST(LiveScreen, ALongNameIsCutAtItsBeginning) {
    const std::string name = "tank/" + std::string(60, 'x') + "/the-end";
    const auto lines = shown(render(live_of({live_pair(name)}), {.columns = 40, .rows = 8}, kNow));
    EXPECT_TRUE(has(lines[2], "...")) << lines[2];
    EXPECT_TRUE(has(lines[2], "the-end ")) << lines[2];
}

TEST(LiveScreen, ScrollsNoFurtherThanThereIsSomething) {
    std::vector<rpc::PairStatus> pairs;
    for (int i = 10; i < 50; ++i) pairs.push_back(live_pair("tank/" + std::to_string(i)));
    const Live live = live_of(pairs);
    const struct {
        std::size_t first, shown;
        const char* top;
        const char* foot;
    } table[] = {{0, 0, "tank/10 ", "lines 1-7 of 40"},
                 {7, 7, "tank/17 ", "lines 8-14 of 40"},
                 {1000, 33, "tank/43 ", "lines 34-40 of 40"}};
    for (const auto& row : table) {
        const Frame frame = render(live, {.columns = 100, .rows = 10, .first = row.first}, kNow);
        EXPECT_EQ(frame.first, row.shown);
        EXPECT_EQ(frame.page, 7U);
        EXPECT_TRUE(plain_text(frame.lines[2]).starts_with(row.top)) << row.first;
        EXPECT_TRUE(has(plain_text(frame.lines.back()), row.foot)) << row.first;
    }
}

TEST(LiveScreen, NothingThatComesFromElsewhereSteersTheTerminal) {
    const std::string evil = "\x1b]0;pwned\x07\xc2\x9b\r\n";
    rpc::PairStatus pair = live_pair("tank/a", "failing" + evil);
    pair.dataset += evil;
    pair.role += evil;
    pair.peer += evil;
    pair.last_acked->time += evil;
    pair.next_run = evil;
    pair.running = moving(1, 2, 1);
    pair.running->phase += evil;
    pair.put_back = evil;
    pair.left_behind = {{evil, evil}};
    pair.last_error = rpc::Trouble{evil, evil, evil, evil};
    Live live = live_of({pair});
    live.status.host = evil;
    live.status.problem = rpc::Trouble{evil, evil, evil, evil};
    live.status.abandoned = {{1, evil, evil, evil, evil}};
    rpc::EventOut event = numbered(1, evil, evil);
    event.time = evil;
    event.text = evil;
    fold(live, event, {});
    lose(live, evil, kNow);
    for (const auto& line : shown(render(live, {.columns = 200, .rows = 60}, kNow))) {
        EXPECT_EQ(printable(line), line);
    }
}

TEST(LiveScreen, HelpTakesThePlaceOfThePairs) {
    const std::string help =
        screen(live_of({live_pair("tank/a")}), {.columns = 80, .rows = 24, .help = true});
    EXPECT_TRUE(has(help, "PgUp, PgDn")) << help;
    EXPECT_FALSE(has(help, "tank/a")) << help;
}

TEST(LiveScreen, AHostWithoutPairsSaysHowToMakeOne) {
    EXPECT_TRUE(has(screen(live_of({}), {.columns = 80, .rows = 24}), "zrepctl init FILESYSTEM"));
}

TEST(ProgressNumbers, SayWhatIsKnown) {
    const std::uint64_t mib = 1 << 20;
    const struct {
        std::uint64_t bytes, expected, rate;
        const char* text;
    } table[] = {{0, 0, 0, "0 B"},
                 {0, 10 * mib, 0, "0 B"},
                 {mib, 0, mib, "1.0 MiB, 1.0 MiB/s"},
                 {5 * mib, 10 * mib, 0, "50%, 5.0 MiB of about 10.0 MiB"},
                 {5 * mib, 10 * mib, mib, "50%, 5.0 MiB of about 10.0 MiB, 1.0 MiB/s, 5 s left"},
                 // More came than was thought: nobody knows how much is left.
                 {11 * mib, 10 * mib, mib, "99%, 11.0 MiB, 1.0 MiB/s"},
                 {10 * mib, 10 * mib, mib, "99%, 10.0 MiB, 1.0 MiB/s"},
                 // A year and more: it hardly moves.
                 {1, 1ULL << 50U, 1, "0%, 1 B of about 1.0 PiB, 1 B/s"}};
    for (const auto& [bytes, expected, rate, text] : table)
        EXPECT_EQ(numbers_of(moving(bytes, expected, rate)), text);
}

TEST(ProgressText, GivesTheNameWayBeforeTheNumbers) {
    rpc::EventOut event = numbered(1, "run_progress", "tank/\x1b" + std::string(60, 'x') + "/end");
    event.progress = moving(5 << 20, 10 << 20, 1 << 20);
    const std::string numbers = ": sending, 50%, 5.0 MiB of about 10.0 MiB, 1.0 MiB/s, 5 s left";
    const std::string text = progress_text(event, 79);
    EXPECT_LE(text.size(), 79U);
    EXPECT_TRUE(text.ends_with("/end" + numbers)) << text;
    EXPECT_TRUE(text.starts_with("...")) << text;
    EXPECT_LE(progress_text(event, 20).size(), 20U);
    EXPECT_FALSE(has(progress_text(event, 200), "\x1b"));
}

TEST(StatusColours, AreForATerminalThatWantsThem) {
    const struct {
        bool terminal;
        const char *no_color, *term;
        bool colour;
    } table[] = {{true, nullptr, "xterm", true},
                 {true, "", "xterm", true},
                 {true, "1", "xterm", false},
                 {true, nullptr, "dumb", false},
                 {true, nullptr, nullptr, false},
                 {false, nullptr, "xterm", false}};
    for (const auto& [terminal, no_color, term, colour] : table)
        EXPECT_EQ(wants_colour(terminal, no_color, term), colour);
}

TEST(StatusColours, ChangeNothingButTheColour) {
    Live live = live_of({live_pair("tank/a"), live_pair("tank/b", "failing")});
    live.status.pairs[1].last_error = rpc::Trouble{"no_space", "full", "zrepctl expire x", kTime};
    std::string coloured = status_text(live.status, /*colour=*/true);
    EXPECT_TRUE(has(coloured, "\x1b[32mok\x1b[0m")) << coloured;
    EXPECT_TRUE(has(coloured, "\x1b[1;31mfailing\x1b[0m")) << coloured;
    EXPECT_TRUE(has(coloured, "\x1b[1m  next: zrepctl expire x\x1b[0m\n")) << coloured;
    while (has(coloured, "\x1b"))
        coloured.erase(coloured.find('\x1b'),
                       coloured.find('m', coloured.find('\x1b')) - coloured.find('\x1b') + 1);
    EXPECT_EQ(coloured, status_text(live.status));
}

TEST(Wrapped, BreaksAtBlanksAndLosesNothing) {
    EXPECT_EQ(wrapped("one two three", 80, 4), (std::vector<std::string>{"one two three"}));
    EXPECT_EQ(wrapped("one two three", 9, 2), (std::vector<std::string>{"one two", "  three"}));
    EXPECT_EQ(wrapped("one two", 3, 0), (std::vector<std::string>{"one", "two"}));
    EXPECT_EQ(wrapped("abcdefgh", 3, 1), (std::vector<std::string>{"abc", " de", " fg", " h"}));
    EXPECT_EQ(wrapped("\xe5\xad\x97\xe5\xad\x97", 1, 0),
              (std::vector<std::string>{"\xe5\xad\x97", "\xe5\xad\x97"}));
    EXPECT_EQ(wrapped("", 5, 2), (std::vector<std::string>{""}));
}

TEST(Width, CountsColumnsOfATerminal) {
    EXPECT_EQ(width("abc"), 3U);
    EXPECT_EQ(width("\xc3\xb6"), 1U);
    EXPECT_EQ(width("\xe5\xad\x97"), 2U);      // a Chinese character
    EXPECT_EQ(width("\xf0\x9f\x98\x80"), 2U);  // an emoji
    EXPECT_EQ(width("e\xcc\x81"), 1U);         // e and an accent of its own
    EXPECT_EQ(clipped("a\xe5\xad\x97", 2), "a");
    EXPECT_EQ(clipped_front("tank/a/b/c", 6), "...b/c");
}

}  // namespace
}  // namespace zrepd::ctl
