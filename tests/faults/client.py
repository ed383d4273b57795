# SPDX-License-Identifier: BSD-2-Clause
"""What was begun and may be cut off: both kinds have poll() and kill()."""
import subprocess
import sys
import threading


class Client:
    """A command on a host; kill() ends our end of it only."""

    def __init__(self, argv):
        none = subprocess.DEVNULL
        self.process = subprocess.Popen(argv, stdin=none, stdout=none, stderr=none)
        self.poll = self.process.poll

    def kill(self):
        self.process.kill()
        self.process.wait()


class Background:
    """A thread that looks like a client: the power may go while it works."""

    def __init__(self, work):
        self.thread = threading.Thread(target=self.run, args=(work,), daemon=True)
        self.thread.start()

    def run(self, work):
        try:
            work()
        except (LabError, AssertionError, OSError, subprocess.SubprocessError) as error:
            print(f"    cut off: {str(error)[:200]!r}", file=sys.stderr)

    def poll(self):
        return None if self.thread.is_alive() else 0

    def kill(self):
        self.thread.join(timeout=120)
