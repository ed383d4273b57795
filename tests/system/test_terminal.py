# SPDX-License-Identifier: BSD-2-Clause
"""zrepctl as people see it: in a terminal, which here is tmux's, on the guest."""
import pathlib
import re
import shlex
import unittest

from streams import StreamCase, WHOLE
from support import ROOT, wait_for

COLUMNS, ROWS = 100, 30
TMUX = ["tmux", "-u", "-L", "zrepd", "-f", "/dev/null"]
SHELL = "env -u NO_COLOR LANG=C.UTF-8 PS1='ready> ' bash --norc --noprofile -i"
BAR = r"\[#+-+\] sending \d+%, \d+(\.\d)? MiB of about \d+(\.\d)? MiB, .*/s, \d+ s left"


class Terminal(StreamCase):
    def tmux(self, *words, check=True):
        return self.alpha.run([*TMUX, *words], check=check).out

    def open(self, shell=SHELL):
        """A terminal with a shell that waits for what is typed."""
        self.addCleanup(self.tmux, "kill-server", check=False)
        self.tmux("new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS), shell)
        self.see("ready>", seconds=90)  # zsh and fish read much before their first prompt

    def type(self, text, enter=True):
        self.tmux("send-keys", "-l", text)
        if enter:
            self.press("Enter")

    def press(self, *keys):
        self.tmux("send-keys", *keys)

    def screen(self, *options):
        return self.tmux("capture-pane", "-p", *options)

    def see(self, pattern, seconds=30):
        """Waits until it is on the screen; the screen."""
        last = ""

        def there():
            nonlocal last
            last = self.screen()
            return re.search(pattern, last)
        try:
            wait_for(pattern, seconds, there, step=0.3)
        except AssertionError as error:
            raise AssertionError(f"{error}; seen:\n{last}") from None
        return last

    def assert_given_back(self, before):
        """The terminal is as the shell had it: what was on it, its modes, its cursor."""
        self.assertIn("what was there before", self.see(r"ready>\s*$"))
        self.assertNotIn("q quit", self.screen())
        self.assertEqual(self.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag}").split(), ["0", "1"])
        self.assertEqual(self.modes(), before)

    def modes(self):
        self.type("clear; echo what was there before; stty -a > /run/modes; echo '' done")
        self.see(r"(?m)^ done")
        return self.alpha.run("cat /run/modes").out

    def test_status_has_colours_for_people_alone(self):
        self.make_pair()
        self.open()
        for before, after, coloured in (("", "", True), ("NO_COLOR=1 ", "", False), ("TERM=dumb ", "", False),
                                        ("", " | cat", False)):
            self.type(f"clear; {before}zrepctl status{after}; echo ' end'")
            self.see(r"(?m)^ end")
            self.assertEqual("\x1b[32mok" in self.screen("-e"), coloured, (before, after, self.screen("-e")))
            self.assertIn("tank/fs", self.screen())

    def test_live_screen(self):
        self.make_pair()
        self.open()
        before = self.modes()
        self.type("zrepctl status --watch")
        self.see(r"zrepd on alpha, 1 pair: 1 ok(?s:.*)tank/fs +master +beta:backup/fs(?s:.*)LAST EVENTS")
        self.write("tank/fs", "big", WHOLE)
        # Slow enough for all that is looked at meanwhile; nothing waits for its end.
        self.zrepctl("set", "tank/fs", "limit=256K")
        self.zrepctl("sync", "--no-wait", "tank/fs")
        self.see(BAR)
        # As narrow as it gets: what counts is still there, and nothing wraps.
        self.tmux("resize-window", "-x", "40", "-y", "10")
        self.see(r"FILESYSTEM +LAG(?s:.*)tank/fs(?s:.*)sending \d+%(?s:.*)q quit")
        self.tmux("resize-window", "-x", str(COLUMNS), "-y", str(ROWS))
        self.see(BAR)
        self.zrepd["alpha"].kill()
        self.see("zrepd went away .*trying again")
        self.assertIn("tank/fs", self.screen())
        self.start("alpha")
        self.see(r"(?ms)\A(?:(?!went away).)*^tank/fs +master(?:(?!went away).)*LAST EVENTS")
        self.assertRegex(self.screen(), "pair: 1 ")
        self.press("?")
        self.see("PgUp, PgDn")
        self.press("?")
        self.see(r"(?m)^tank/fs +master")
        self.press("C-z")
        self.see(r"Stopped +zrepctl status")
        self.type("fg")
        self.see(r"(?s)^zrepd on alpha.*tank/fs")
        self.press("q")
        self.see(r"what was there before(?s:.*)ready>\s*$")
        self.assert_given_back(before)

    def test_live_screen_gives_the_terminal_back_however_it_ends(self):
        self.make_pair()
        self.open()
        before = self.modes()
        for end, status in ((lambda: self.press("C-c"), 0), (lambda: self.alpha.run("pkill -TERM -f '^zrepctl status'"), 143),
                            (lambda: self.press("C-\\"), 131)):
            self.type("zrepctl status -w; echo \" exit=$?\"")
            self.see("q quit")
            end()
            self.see(rf"(?m)^ exit={status}$")
            self.assert_given_back(before)
        # Where nothing can be placed it says so, and prints.
        self.type("clear; TERM=dumb zrepctl status -w; echo \" exit=$?\"")
        self.see(r"no live screen: nothing can be placed on this terminal, TERM=dumb(?s:.*)tank/fs +master")
        self.press("C-c")
        self.see(r"(?m)exit=0$")

    def test_progress_of_a_long_init_and_sync(self):
        self.alpha.run(["zfs", "create", "tank/fs"])
        self.write("tank/fs", "big", WHOLE)
        self.zrepctl("set", "tank/fs", "limit=2M")
        self.open()
        for command in ("init tank/fs beta backup/fs", "sync tank/fs"):
            self.type(f"clear; zrepctl {command}; echo ' end'")
            self.see(r"tank/fs: sending, \d+%, \d+(\.\d)? MiB of about \d+(\.\d)? MiB, .*/s, \d+ s left")
            ended = self.see(r"(?m)^ end")
            self.assertRegex(ended, r"(?m)^tank/fs: (complete|sent|.*MiB in)")
            self.assertNotIn("sending", ended)
            self.write("tank/fs", "more", WHOLE)
        self.type("clear; zrepctl sync --json tank/fs 2>&1 >/dev/null; zrepctl sync tank/fs 2>&1 | cat; echo ' end'")
        self.assertNotIn("sending", self.see(r"(?m)^ end"))

    def tab_gives(self, wanted):
        """A daemon that does not answer within a moment is asked no longer: on a slow machine Tab is pressed again."""
        self.press("Tab")
        try:
            return self.see(re.escape(wanted), seconds=4)
        except AssertionError:
            return None

    def complete(self, shell, start, source):
        with self.subTest(shell=shell):
            if self.alpha.run(f"command -v {shell}", check=False).code != 0:
                self.skipTest(f"{shell} is not installed")
            self.complete_words(shell, start, source)

    def complete_words(self, shell, start, source):
        text = (pathlib.Path(ROOT) / "ctl/completion" / source).read_text(encoding="utf-8")
        self.alpha.run(f"mkdir -p /run/completion; cat > /run/completion/{source}", input=text)
        self.open(start)
        if shell == "bash":
            self.type(f"source /run/completion/{source}; clear")
        for typed, wanted in (("zrepctl sync ta", "zrepctl sync tank/fs"), ("zrepctl doctor be", "zrepctl doctor beta"),
                              ("zrepctl failov", "zrepctl failover"), ("zrepctl set tank/fs int", "interval=")):
            with self.subTest(shell=shell, typed=typed):
                self.press("C-u")
                self.type(typed, enter=False)
                wait_for(f"{wanted} after {typed}", 40, lambda: self.tab_gives(wanted), step=0.1)
        self.tmux("kill-server", check=False)

    def test_completion(self):
        """In the shells' own line editors, answered by the daemon."""
        self.make_pair()
        self.complete("bash", SHELL, "zrepctl.bash")
        zsh = "fpath=(/run/completion $fpath); autoload -U compinit; compinit -u -D; PS1='ready> '"
        self.alpha.run(f"mkdir -p /run/zsh; echo {shlex.quote(zsh)} > /run/zsh/.zshrc")
        self.complete("zsh", "env ZDOTDIR=/run/zsh zsh -d -i", "_zrepctl")
        fish = ("fish --no-config -C 'source /run/completion/zrepctl.fish; function fish_prompt; echo \"ready> \"; end; "
                "function fish_greeting; end'")
        self.complete("fish", fish, "zrepctl.fish")


if __name__ == "__main__":
    unittest.main()
