# SPDX-License-Identifier: BSD-2-Clause
"""usage: completion_test.py BUILD: the shells' completion, with the zrepctl of a build, and where a daemon
would have to be asked with a program that answers as it does."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD = pathlib.Path(sys.argv[1])
FILES = pathlib.Path(__file__).resolve().parent.parent / "ctl/completion"
ANSWERS = "tank/fs\ntank/my files\n"
# What a person sees after Tab, in a terminal of zsh's own; each wait has an end.
ZSHRC = """fpath=(FILES $fpath)
autoload -U compinit
compinit -u -D
PS1='ready> '
"""
ZSH = """
zmodload zsh/zpty
zpty -b z zsh -i
for i in {1..200}; do zpty -rt z more && seen+=$more; [[ $seen == *ready* ]] && break; sleep 0.1; done
zpty -w -n z $'LINE\\t'
for i in {1..30}; do sleep 0.1; zpty -rt z more && line+=$more; done
print -r -- "$line"
zpty -d z
"""


class Completion(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "zrepctl").symlink_to((BUILD / "ctl/zrepctl").resolve())

    def answer(self, text):
        """From now on zrepctl says this, whatever it is asked."""
        program = self.folder / "zrepctl"
        program.unlink()
        program.write_text(f"#!/bin/sh\nprintf '%s' '{text}'\n", encoding="utf-8")
        program.chmod(0o755)

    def run_in(self, shell, script, *options):
        if not shutil.which(shell):
            self.skipTest(f"{shell} is not installed")
        done = subprocess.run([shell, *options, "-c", script], capture_output=True, text=True, timeout=60, check=True,
                              env={**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}", "HOME": str(self.folder),
                                   "ZREPD_SOCKET": "/nonexistent", "TERM": "xterm"})
        return done.stdout

    def bash(self, *words):
        line = " ".join(f"'{word}'" for word in words)
        return self.run_in("bash", f"source {FILES}/zrepctl.bash; COMP_WORDS=(zrepctl {line}); COMP_CWORD={len(words)}; "
                           "_zrepctl; printf '%s\\n' \"${COMPREPLY[@]}\"").splitlines()

    def test_bash(self):
        self.assertEqual(self.bash("un"), ["unfence", "unpause"])
        self.assertEqual(self.bash("failover", "--dr"), ["--dry-run"])
        self.assertEqual(self.bash("set", "tank/fs", "int"), ["interval="])
        self.assertEqual(self.bash("nonsense", ""), [""])
        self.assertEqual(self.bash("authorize", "beta", "--re"), ["--revoke"])
        self.answer(ANSWERS)
        self.assertEqual(self.bash("sync", "ta"), ["tank/fs", "tank/my\\ files"])

    def fish(self, line):
        return self.run_in("fish", f"source {FILES}/zrepctl.fish; complete -C '{line}'").splitlines()

    def test_fish(self):
        self.assertEqual(self.fish("zrepctl un"), ["unfence", "unpause"])
        self.assertEqual(self.fish("zrepctl failover --dr"), ["--dry-run"])
        self.assertEqual(self.fish("zrepctl nonsense "), [])
        self.assertIn(f"{FILES}/_zrepctl", self.fish(f"zrepctl authorize beta --key {FILES}/_zre"))
        self.answer(ANSWERS)
        self.assertEqual(self.fish("zrepctl sync ta"), ["tank/fs", "tank/my files"])

    def zsh(self, line):
        (self.folder / ".zshrc").write_text(ZSHRC.replace("FILES", str(FILES)), encoding="utf-8")
        seen = self.run_in("zsh", ZSH.replace("LINE", line), "-f")
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x07", "", seen)

    def test_zsh(self):
        self.assertIn("zrepctl failover", self.zsh("zrepctl failo"))
        self.answer("tank/my files\n")
        self.assertIn("tank/my\\ files", self.zsh("zrepctl sync ta"))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
