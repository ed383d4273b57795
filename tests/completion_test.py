# SPDX-License-Identifier: BSD-2-Clause
"""usage: completion_test.py BUILD: the shells' completion, with the zrepctl of a build, and where a daemon
would have to be asked with a program that answers as it does."""
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

BUILD = pathlib.Path(sys.argv[1])
FILES = pathlib.Path(__file__).resolve().parent.parent / "ctl/completion"
ANSWERS = "tank/fs\ntank/my files\ntank/vm:1\ntank/vm:2\n"
# As zrepctl answers: what begins like the last word.
ANSWERING = """#!/usr/bin/python3
import sys
print("\\n".join(name for name in {!r}.splitlines() if name.startswith(sys.argv[-1])))
"""
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
        program.write_text(ANSWERING.format(text), encoding="utf-8")
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
                           f"COMP_LINE='zrepctl {' '.join(words)}'; COMP_POINT=${{#COMP_LINE}}; "
                           "_zrepctl; printf '%s\\n' \"${COMPREPLY[@]}\"").splitlines()

    def typed_in_bash(self, line):
        """What the shell runs when this is typed in its own terminal, Tab included: a list of words."""
        shown = self.folder / "shown"
        zrepctl, command = self.folder / "zrepctl", self.folder / "show"
        command.write_text(f"#!/usr/bin/python3\nimport json, sys\njson.dump(sys.argv[1:], open('{shown}', 'w'))\n", encoding="utf-8")
        command.chmod(0o755)
        rc = self.folder / "bashrc"
        rc.write_text(f"PATH={self.folder}:$PATH\nPS1='ready> '\nsource {FILES}/zrepctl.bash\ncomplete -F _zrepctl show\n", encoding="utf-8")
        self.assertTrue(zrepctl.exists())
        pid, terminal = pty.fork()
        if pid == 0:
            os.execvpe("bash", ["bash", "--noprofile", "--rcfile", str(rc), "-i"], {**os.environ, "TERM": "dumb", "INPUTRC": "/dev/null"})
        try:
            seen, until = b"", time.monotonic() + 30
            steps = [b"show " + line.encode() + b"\t", b"\n", b"exit\n"]
            while time.monotonic() < until and steps:
                if select.select([terminal], [], [], 0.7)[0]:
                    seen += os.read(terminal, 4096)
                elif b"ready>" in seen:
                    os.write(terminal, steps.pop(0))
            while time.monotonic() < until and not shown.exists():
                time.sleep(0.1)
            return json.loads(shown.read_text())
        finally:
            os.close(terminal)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def test_names_are_completed_as_they_are_typed_in_bash(self):
        self.answer(ANSWERS)
        for line, words in (("sync tank/f", ["sync", "tank/fs"]),
                            (r"sync tank/my\ f", ["sync", "tank/my files"]),
                            ("sync 'tank/my f", ["sync", "tank/my files"]),
                            ("sync tank/v", ["sync", "tank/vm:"]),
                            ("set tank/vm:1 x=1 tank/m", ["set", "tank/vm:1", "x=1", "tank/my files"])):
            self.assertEqual(self.typed_in_bash(line), words, line)
        self.answer("tank/vm:12\n")
        self.assertEqual(self.typed_in_bash("sync tank/vm:1"), ["sync", "tank/vm:12"])
        self.assertEqual(self.typed_in_bash("sync tank/vm:"), ["sync", "tank/vm:12"])

    def test_bash(self):
        self.assertEqual(self.bash("un"), ["unfence", "unpause"])
        self.assertEqual(self.bash("failover", "--dr"), ["--dry-run"])
        self.assertEqual(self.bash("set", "tank/fs", "int"), ["interval="])
        self.assertEqual(self.bash("nonsense", ""), [""])
        self.assertEqual(self.bash("authorize", "beta", "--re"), ["--revoke"])
        self.answer(ANSWERS)
        self.assertEqual(self.bash("sync", "ta"), ["tank/fs", "tank/my\\ files", "tank/vm:1", "tank/vm:2"])

    def fish(self, line):
        return self.run_in("fish", f"source {FILES}/zrepctl.fish; complete -C '{line}'").splitlines()

    def test_fish(self):
        self.assertEqual(self.fish("zrepctl un"), ["unfence", "unpause"])
        self.assertEqual(self.fish("zrepctl failover --dr"), ["--dry-run"])
        self.assertEqual(self.fish("zrepctl nonsense "), [])
        self.assertIn(f"{FILES}/_zrepctl", self.fish(f"zrepctl authorize beta --key {FILES}/_zre"))
        self.answer(ANSWERS)
        self.assertEqual(self.fish("zrepctl sync ta"), ["tank/fs", "tank/my files", "tank/vm:1", "tank/vm:2"])

    def zsh(self, line):
        (self.folder / ".zshrc").write_text(ZSHRC.replace("FILES", str(FILES)), encoding="utf-8")
        seen = self.run_in("zsh", ZSH.replace("LINE", line), "-f")
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x07", "", seen)

    def test_zsh(self):
        self.assertIn("zrepctl failover", self.zsh("zrepctl failo"))
        self.answer("tank/my files\n")
        self.assertIn("tank/my\\ files", self.zsh("zrepctl sync ta"))
        self.assertIn("files", self.zsh(r"zrepctl sync tank/my\\ f"))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
