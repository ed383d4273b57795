# SPDX-License-Identifier: BSD-2-Clause
"""Many ssh logins of somebody who has a key for the peer command, some at a time. They come from the machine itself, which
is on the lab's network, so that what they cost their sender slows no host that a test looks at."""
import collections
import concurrent.futures
import json
import subprocess
import threading

from support import PATIENCE

LOGIN_SECONDS = 60 * PATIENCE  # one, and the end of one that was refused, in a slow guest
LOOK = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "peer.look", "params": {"pairs": [
    {"source": "tank/x", "target": f"backup/mallory/x{i}"} for i in range(200)]}}).encode() + b"\n"
# What one that is served sends, and then stays: answers that it does not read, and a line without an end, which zrepd
# bears for a minute. Little enough for a pipe.
SENT = 4 * LOOK + b"{" * 100


class Logins:
    """`ends` counts what came of them: served; busy (told so, and ended); stays (told so, and not ended); failed (no answer).
    `held` are the processes of those that were served."""

    def __init__(self, lab, host, key, user):
        self.argv = ["ip", "netns", "exec", lab.namespace, "ssh", "-T", "-q", "-F", "none", "-i", str(key),
                     "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={LOGIN_SECONDS}",
                     "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", f"{user}@{host.address}"]
        self.ends, self.held = collections.Counter(), []
        self.processes, self.over, self.lock = [], False, threading.Lock()

    def make(self, count, at_once):
        self.pool = concurrent.futures.ThreadPoolExecutor(at_once)
        self.made = [self.pool.submit(self.login) for _ in range(count)]

    def done(self):
        """Whether all were made; raises what went wrong here."""
        return all(one.done() and one.result() for one in self.made)

    def start(self):
        with self.lock:
            if self.over:
                return None
            none, pipe = subprocess.DEVNULL, subprocess.PIPE
            self.processes.append(subprocess.Popen(self.argv, stdin=pipe, stdout=pipe, stderr=none, bufsize=0))
            return self.processes[-1]

    def login(self):
        process = self.start()
        end = self.end_of(process) if process else "failed"
        with self.lock:
            self.ends[end] += 1
        return True

    def end_of(self, process):
        line = process.stdout.readline()
        if b'"hello"' in line:
            self.held.append(process)
            process.stdin.write(SENT)
            return "served"
        try:
            process.wait(LOGIN_SECONDS)
        except subprocess.TimeoutExpired:
            return "stays"
        return "busy" if b'"busy"' in line else "failed"

    def left(self):
        """Those that were served and that the other side has not ended yet."""
        return [process.pid for process in self.held if process.poll() is None]

    def close(self):
        """Ends all from this side, and begins no other."""
        with self.lock:
            self.over = True
        for process in self.processes:
            process.kill()
        self.pool.shutdown()
        for process in self.processes:
            process.communicate()
