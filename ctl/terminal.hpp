// SPDX-License-Identifier: BSD-2-Clause
// The whole screen of a terminal, by ncurses (ADR 0020): drawing, keys, size. Decides nothing.
// One at a time; thread: main. While it lives the terminal is in its hands; its end, whatever the
// reason, gives back what was there before.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ctl/render/live.hpp"

namespace zrepd::ctl {

enum class Key { quit, help, up, down, page_up, page_down, first, last, order, redraw, other };

class Terminal {
  public:
    /// nullptr when standard input or output is none, or it is one on which nothing can be placed
    /// (TERM=dumb, or unknown); `why` says which, in words.
    static std::unique_ptr<Terminal> open(std::string* why);
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;
    Terminal(Terminal&&) = delete;
    Terminal& operator=(Terminal&&) = delete;
    ~Terminal();

    std::size_t columns() const;
    std::size_t rows() const;
    void draw(const std::vector<Line>& lines);
    /// The next key that was pressed, without waiting; nullopt: none.
    std::optional<Key> key();
    /// After SIGWINCH, and SIGCONT.
    void resize();
    /// Everything anew, whatever another program has written over it.
    void redraw();
    /// Gives the terminal back and stops this process, as Ctrl-Z does; goes on here after `fg`.
    void stop();

  private:
    struct Screen;
    explicit Terminal(std::unique_ptr<Screen> screen);
    std::unique_ptr<Screen> screen_;
};

}  // namespace zrepd::ctl
