// SPDX-License-Identifier: BSD-2-Clause
// The live screen of `zrepctl status --watch`: what is known, and the lines that show it. Pure:
// values in, values out; the time is an argument.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "common/rpc/control_types.hpp"
#include "common/time.hpp"
#include "ctl/render/tone.hpp"

namespace zrepd::ctl {

/// So many events are kept for the screen; no terminal shows more.
inline constexpr std::size_t kLiveEvents = 50;

/// What is known, from answers and events.
struct Live {
    rpc::StatusOut status;
    std::deque<rpc::EventOut> events;  ///< the newest last
    std::uint64_t seq = 0;             ///< of the last event that is in it
    std::string lost = {};             ///< why zrepd is not heard; empty: it is
    UnixSeconds lost_since = 0;
    std::string complaint = {};  ///< what zrepd answered instead of a status; empty: nothing
};

/// Takes an event in; nothing of what was seen already. True when the status has to be asked for
/// anew to know what it means: of progress everything is said, of the rest that something changed.
/// With `names` only what concerns these is kept.
bool fold(Live& live, const rpc::EventOut& event, const std::vector<std::string>& names);
/// An answer takes the place of what was known; zrepd is heard again.
void take(Live& live, rpc::StatusOut status);
void take(Live& live, std::vector<rpc::EventOut> recent, const std::vector<std::string>& names);
/// zrepd is there, and answered the question for the status with an error.
void complain(Live& live, const Error& error);
/// zrepd is not heard any more; what was known stays, and grows old.
void lose(Live& live, std::string why, UnixSeconds now);

/// What the keys have set.
struct View {
    std::size_t columns = 80;
    std::size_t rows = 24;
    std::size_t first = 0;  ///< of the middle part, the first line that is seen
    bool help = false;
    bool by_name = false;  ///< in the order of names; else what is in trouble or runs comes first
};

struct Span {
    std::string text;
    Tone tone = Tone::plain;
    bool operator==(const Span&) const = default;
};
using Line = std::vector<Span>;

/// The whole screen: at most `rows` lines, none wider than `columns`.
struct Frame {
    std::vector<Line> lines;
    std::size_t first = 0;  ///< View::first, not behind the last page
    std::size_t page = 1;   ///< lines of the middle part that fit
    std::size_t total = 0;  ///< lines of it there are
};
Frame render(const Live& live, const View& view, UnixSeconds now);

/// Its text without the tones.
std::string plain_text(const Line& line);

}  // namespace zrepd::ctl
