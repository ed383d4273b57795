// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/progress.hpp"

#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "ctl/render/pairs.hpp"
#include "ctl/render/table.hpp"

namespace zrepd::ctl {
namespace {

constexpr std::size_t kUsualColumns = 80;
constexpr std::chrono::milliseconds kAtMostEvery{250};

std::size_t terminal_columns() {
    winsize size = {};
    const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return known ? size.ws_col : kUsualColumns;
}

}  // namespace

std::string progress_text(const rpc::EventOut& event, std::size_t columns) {
    if (!event.progress) return "";
    const rpc::Progress& p = *event.progress;
    const std::string numbers = printable(": " + p.phase + ", " + numbers_of(p));
    // The numbers are what one watches: a long name gives way, at its beginning.
    std::string name = printable(event.dataset);
    const std::size_t room = columns > numbers.size() + 4 ? columns - numbers.size() - 1 : 3;
    if (name.size() > room) name = "..." + name.substr(name.size() - (room - 3));
    return (name + numbers).substr(0, columns);
}

/// One that cannot go back to the beginning of a line and clear it gets none.
ProgressLine::ProgressLine(bool wanted) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
    const char* kind = std::getenv("TERM");
    const bool able = kind != nullptr && *kind != '\0' && std::string_view(kind) != "dumb";
    terminal_ = wanted && able && ::isatty(STDERR_FILENO) == 1;
}

void ProgressLine::show(const rpc::EventOut& event) {
    if (!terminal_) return;
    // A hundred filesystems have something to say every half second.
    const auto now = std::chrono::steady_clock::now();
    if (shown_ && now - shown_at_ < kAtMostEvery) return;
    shown_at_ = now;
    // One column is left free: some terminals wrap on the last one.
    std::fprintf(stderr, "\r%s\x1b[K", progress_text(event, terminal_columns() - 1).c_str());
    shown_ = true;
}

void ProgressLine::clear() {
    if (shown_) std::fputs("\r\x1b[K", stderr);
    shown_ = false;
}

}  // namespace zrepd::ctl
