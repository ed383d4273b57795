// SPDX-License-Identifier: BSD-2-Clause
#include "ctl/terminal.hpp"

// The names that ncurses has as macros are everybody's: erase, move, timeout.
#define NCURSES_NOMACROS 1
#include <curses.h>
#include <langinfo.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace zrepd::ctl {
namespace {

constexpr short kGreen = 1;
constexpr short kYellow = 2;
constexpr short kRed = 3;
// A terminal sends what a key stands for at once; a lone Esc is not waited for longer than this.
constexpr int kEscapeMilliseconds = 50;
constexpr int kControlL = 'L' & 0x1f;

/// As terminals without UTF-8 can show it.
std::string in_ascii(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x80)
            out += c;
        else if ((byte & 0xC0U) != 0x80U)
            out += '?';
    }
    return out;
}

attr_t attribute_of(Tone tone, bool colour) {
    const auto pair = [&](short number) {
        return colour ? static_cast<attr_t>(COLOR_PAIR(number)) : attr_t{0};
    };
    switch (tone) {
        case Tone::plain:
            return A_NORMAL;
        case Tone::dim:
            return A_DIM;
        case Tone::strong:
            return A_BOLD;
        case Tone::good:
            return pair(kGreen);
        case Tone::warn:
            return pair(kYellow);
        case Tone::bad:
            return pair(kRed) | A_BOLD;
    }
    return A_NORMAL;
}

Key key_of(int code) {
    switch (code) {
        case 'q':
        case 'Q':
            return Key::quit;
        case '?':
        case 'h':
        case KEY_F(1):
            return Key::help;
        case KEY_UP:
        case 'k':
            return Key::up;
        case KEY_DOWN:
        case 'j':
            return Key::down;
        case KEY_PPAGE:
            return Key::page_up;
        case KEY_NPAGE:
        case ' ':
            return Key::page_down;
        case KEY_HOME:
        case 'g':
            return Key::first;
        case KEY_END:
        case 'G':
            return Key::last;
        case 's':
            return Key::order;
        case kControlL:
            return Key::redraw;
        default:
            return Key::other;
    }
}

/// What tigetstr() answers of what is no string.
const char* no_such_string() {
    return reinterpret_cast<const char*>(std::intptr_t{-1});  // NOLINT(performance-no-int-to-ptr)
}

std::string name_of_terminal() {
    const char* term = std::getenv("TERM");  // NOLINT(concurrency-mt-unsafe): one thread
    return term == nullptr ? "" : term;
}

/// Two colours on whatever the terminal's own background is.
bool start_colours() {
    const char* refused = std::getenv("NO_COLOR");  // NOLINT(concurrency-mt-unsafe): one thread
    if (!wants_colour(/*terminal=*/true, refused, name_of_terminal().c_str())) return false;
    if (!has_colors() || start_color() == ERR || use_default_colors() == ERR) return false;
    init_pair(kGreen, COLOR_GREEN, -1);
    init_pair(kYellow, COLOR_YELLOW, -1);
    init_pair(kRed, COLOR_RED, -1);
    return true;
}

}  // namespace

struct Terminal::Screen {
    SCREEN* screen = nullptr;
    bool colour = false;
    bool utf8 = false;
};

std::unique_ptr<Terminal> Terminal::open(std::string* why) {
    if (::isatty(STDIN_FILENO) != 1 || ::isatty(STDOUT_FILENO) != 1) {
        *why = "standard input or output is no terminal";
        return nullptr;
    }
    const std::string name = name_of_terminal();
    if (name.empty()) {
        *why = "TERM is not set";
        return nullptr;
    }
    std::setlocale(LC_CTYPE, "");  // NOLINT(concurrency-mt-unsafe): one thread
    auto made = std::make_unique<Screen>();
    made->screen = newterm(nullptr, stdout, stdin);
    if (made->screen == nullptr) {
        *why = "this terminal is not known, TERM=" + name;
        return nullptr;
    }
    const char* place = tigetstr("cup");
    if (place == nullptr || place == no_such_string()) {
        endwin();
        delscreen(made->screen);
        *why = "nothing can be placed on this terminal, TERM=" + name;
        return nullptr;
    }
    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
    made->utf8 = std::string_view(nl_langinfo(CODESET)) == "UTF-8";
    made->colour = start_colours();
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    leaveok(stdscr, TRUE);
    curs_set(0);
    set_escdelay(kEscapeMilliseconds);
    return std::unique_ptr<Terminal>(new Terminal(std::move(made)));
}

Terminal::Terminal(std::unique_ptr<Screen> screen) : screen_(std::move(screen)) {}

Terminal::~Terminal() {
    curs_set(1);
    endwin();
    delscreen(screen_->screen);
}

std::size_t Terminal::columns() const {
    return static_cast<std::size_t>(std::max(getmaxx(stdscr), 1));
}

std::size_t Terminal::rows() const {
    return static_cast<std::size_t>(std::max(getmaxy(stdscr), 1));
}

void Terminal::draw(const std::vector<Line>& lines) {
    werase(stdscr);
    int row = 0;
    for (const Line& line : lines) {
        wmove(stdscr, row++, 0);
        for (const Span& span : line) {
            wattrset(stdscr, static_cast<int>(attribute_of(span.tone, screen_->colour)));
            const std::string text = screen_->utf8 ? span.text : in_ascii(span.text);
            waddnstr(stdscr, text.c_str(), static_cast<int>(text.size()));
        }
    }
    wattrset(stdscr, A_NORMAL);
    wrefresh(stdscr);
}

std::optional<Key> Terminal::key() {
    const int code = wgetch(stdscr);
    if (code == ERR) return std::nullopt;
    return key_of(code);
}

void Terminal::resize() {
    reset_prog_mode();
    winsize size = {};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return;
    if (size.ws_row > 0 && size.ws_col > 0) resizeterm(size.ws_row, size.ws_col);
    redraw();
}

void Terminal::redraw() {
    clearok(curscr, TRUE);
}

void Terminal::stop() {
    curs_set(1);
    endwin();
    // As without a handler: the kernel stops nobody whom no shell could continue.
    struct sigaction before {};
    struct sigaction by_default {};
    by_default.sa_handler = SIG_DFL;
    ::sigaction(SIGTSTP, &by_default, &before);
    sigset_t one;
    sigset_t mask;
    sigemptyset(&one);
    sigaddset(&one, SIGTSTP);
    ::raise(SIGTSTP);
    ::sigprocmask(SIG_UNBLOCK, &one, &mask);     // NOLINT(concurrency-mt-unsafe): one thread
    ::sigprocmask(SIG_SETMASK, &mask, nullptr);  // NOLINT(concurrency-mt-unsafe)
    ::sigaction(SIGTSTP, &before, nullptr);
    curs_set(0);
    resize();
}

}  // namespace zrepd::ctl
