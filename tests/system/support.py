# SPDX-License-Identifier: BSD-2-Clause
"""What the system tests share: two lab hosts with a pool each, a zrepd on both, and clients of it.

alpha has the pool tank, beta the pool backup. Every test starts with empty pools. ZFS and ssh are
real; nothing here replaces anything."""
import concurrent.futures
import json
import os
import pathlib
import shlex
import sys
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/lab"))
import lab as lab_module  # noqa: E402  (the lab's folder has to be on the path first)
from facts import Facts  # noqa: E402

LabError = lab_module.LabError
POOLS = {"alpha": "tank", "beta": "backup"}
# Of a machine on which hosts are slow: how much longer than on others what has to come may take.
PATIENCE = int(os.environ.get("ZREPD_TESTS_PATIENCE", "1"))
START_SECONDS = 10 * PATIENCE
STOP_SECONDS = 5


# A client in the guest: socket, payload as an expression, how many lines to wait for.
TALK = """
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(30)
s.connect(sys.argv[1])
try:
    s.sendall(eval(sys.argv[2]))
except BrokenPipeError:
    pass
got, closed = b"", False
while got.count(b"\\n") < int(sys.argv[3]) and not closed:
    try:
        more = s.recv(65536)
    except ConnectionResetError:
        more = b""
    got += more
    closed = not more
print(json.dumps({"lines": got.decode().splitlines(), "closed": closed}))
"""


def q(*words):
    return shlex.join(words)


def wait_for(what, seconds, condition, step=0.2):
    """Polls until the condition holds; returns its value. Fails with `what` when it never does."""
    until = time.monotonic() + seconds * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError(f"not within {seconds * PATIENCE} s: {what}")
        time.sleep(step)


_taken = None


def take_lab():
    """The first of ZREPD_LABS that no other process uses, until this one ends; None: ZREPD_LAB says it."""
    global _taken
    names = os.environ.get("ZREPD_LABS", "").split()
    waiting = False
    while names and _taken is None:
        for name in names:
            lock = lab_module.lock_file(lab_module.lab_lock(name), wait=False)
            if lock:
                _taken = (name, lock)
                break
        if _taken is None and not waiting:
            waiting = True
            print("waiting for a lab of", *names, file=sys.stderr)
        time.sleep(0.2)  # ctest ends what waits for ever
    return _taken and _taken[0]
LONGEST = 229  # zfs allows 255 with the bookmark's name, and ours have up to 26 bytes


class Daemon:
    """zrepd on one host."""

    log_level = "debug"

    def __init__(self, host):
        self.host = host

    def start(self, *options, first="true", until="zrepctl status"):
        """Runs the shell line `first`, starts it and waits until it answers and knows all its pairs, or
        whatever `until` asks for; all in one command: a guest's processes are expensive."""
        done = self.host.run(f"{first} || exit 1; mkdir -p /run/zrepd; : > /run/zrepd.log; "
                             f"setsid zrepd --log-level {self.log_level} {q(*options)} >>/run/zrepd.log 2>&1 </dev/null & "
                             "p=$!; echo $p > /run/zrepd.pid; "
                             f"for i in $(seq {START_SECONDS * 5}); do "
                             f"{until} >/dev/null 2>&1 && exit 0; kill -0 $p || exit 2; sleep 0.2; done; exit 2",
                             check=False, timeout=START_SECONDS + 120)
        if done.code != 0:
            raise AssertionError(f"zrepd on {self.host.name} does not answer: {done!r}\n{self.log()[-3000:]}")

    def pid(self):
        return int(self.host.run("cat /run/zrepd.pid").out)

    def alive(self):
        return self.host.run('kill -0 "$(cat /run/zrepd.pid)" 2>/dev/null', check=False).code == 0

    def kill(self):
        """kill -9."""
        self.host.run('kill -9 "$(cat /run/zrepd.pid)" 2>/dev/null', check=False)

    def stop(self):
        """SIGTERM, and how long it took to end, in seconds."""
        done = self.host.run('p=$(cat /run/zrepd.pid 2>/dev/null) || exit 0; kill "$p" 2>/dev/null; '
                             's=$(cut -d" " -f1 /proc/uptime); '
                             f'for i in $(seq {STOP_SECONDS * 20}); do kill -0 "$p" 2>/dev/null || '
                             '{ echo "$s $(cut -d" " -f1 /proc/uptime)"; exit 0; }; sleep 0.05; done; '
                             'kill -9 "$p"; exit 1', check=False)
        if done.code != 0:
            raise AssertionError(f"zrepd on {self.host.name} did not stop: {self.log()[-2000:]}")
        times = [float(word) for word in done.out.split()]
        return times[1] - times[0] if times else 0.0

    def log(self):
        return self.host.run("cat /run/zrepd.log", check=False).out

class Case(Facts, unittest.TestCase):
    """A test with fresh pools and a daemon on both hosts."""

    lab = None
    hosts = ("alpha", "beta")
    daemon_options = ()
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.lab = lab_module.Lab(take_lab())
        cls.lab.up(cls.hosts, build_dir=os.environ.get("ZREPD_BUILD", ROOT / "build/release"))
        cls.alpha, cls.beta = (cls.lab.host(name) for name in ("alpha", "beta"))
        cls.zrepd = {name: Daemon(cls.lab.host(name)) for name in cls.hosts}

    def setUp(self):
        with concurrent.futures.ThreadPoolExecutor() as both:
            list(both.map(self.begin_anew, self.hosts))

    def run(self, result=None):
        """Once more where a guest's kernel hung meanwhile: that proves nothing about zrepd. The second time counts."""
        result = result or self.defaultTestResult()
        found = [len(result.failures), len(result.errors)]
        super().run(result)
        if found != [len(result.failures), len(result.errors)] and self.revive():
            del result.failures[found[0]:], result.errors[found[1]:]
            result.testsRun -= 1
            print(f"---- once more, a host did not answer: {self.id()}", file=sys.stderr, flush=True)
            super().run(result)
        return result

    def revive(self):
        """Boots hosts that run and do not answer; whether there was one."""
        alive = [host for host in map(self.lab.host, self.hosts) if host.alive()]
        for host in alive:
            self.lab.link(host.name, "up")
        revived = [host for host in alive if self.lab.revive(host)]
        for host in revived:
            host.wait_ready()
        return bool(revived)

    def begin_anew(self, name):
        """Empty pools, today's programs, no children of an earlier daemon, a fresh one that knows the pools."""
        host = self.lab.host(name)
        if not host.alive():
            host.boot()
        self.lab.link(name, "up")
        pool = POOLS.get(name, "tank")
        accept = "-O zrep:accept=alpha " if pool == "backup" else ""
        clean = ('p=$(cat /run/zrepd.pid 2>/dev/null) && kill -9 "$p" 2>/dev/null; '
                 "tc qdisc del dev vec0 root 2>/dev/null; pkill -9 -x zfs; rm -f /run/count /run/calls; "
                 "install /lab/bin/zrepd /usr/sbin/; install /lab/bin/zrepctl /usr/bin/; "
                 "for i in 1 2 3 4 5 6 7 8 9 10; do left=$(zpool list -H -o name); "
                 '[ -n "$left" ] || break; for p in $left; do zpool destroy -f $p; done; sleep 0.1; done; '
                 f"zpool create -f -O compression=off {accept}{pool} /dev/ubda")
        self.zrepd[name].start(*self.daemon_options, first=clean)

    def failed(self):
        """Whether this test has failed already; for tearDown()."""
        outcome = getattr(self, "_outcome", None)
        result = getattr(outcome, "result", None)
        return result and any(test is self for test, _ in result.failures + result.errors)

    def tearDown(self):
        if self.failed():
            for name in self.hosts:
                if self.lab.host(name).alive():
                    self.lab.link(name, "up")
                    if not self.lab.host(name).answers():
                        continue  # run() says more
                    print(f"---- zrepd on {name}:\n{self.zrepd[name].log()[-6000:]}", file=sys.stderr)

    # What administrators type.

    def zrepctl(self, *words, on="alpha", code=0, timeout=120, input=None):
        for _ in range(5):
            done = self.lab.host(on).run(["zrepctl", *words], check=False, timeout=timeout, input=input)
            # A dry run is answered within 5 s or not at all: a busy machine may need another try.
            late = "--dry-run" in words and "within 1 s" in done.err
            if "it was a dry run, nothing was done" not in done.err and not late:
                break
        self.assertEqual(done.code, code, f"{done!r}")
        return done

    def zrepctl_json(self, *words, on="alpha", code=0, timeout=120):
        return json.loads(self.zrepctl(*words, "--json", on=on, code=code, timeout=timeout).out)

    def status(self, dataset, on="alpha"):
        pairs = self.zrepctl_json("status", dataset, on=on)["pairs"]
        self.assertEqual(len(pairs), 1, pairs)
        return pairs[0]

    # Talking to a socket without zrepctl.

    def talk(self, payload, lines, on="alpha", socket="zrepd.sock"):
        """Sends the bytes that `payload`, a Python expression, stands for; reads that many lines at
        most. The messages after the greeting, and whether the daemon closed the connection."""
        done = self.lab.host(on).run(["python3", "-c", TALK, f"/run/zrepd/{socket}", payload, str(lines)],
                                     timeout=90)
        answer = json.loads(done.out)
        messages = [json.loads(line) for line in answer["lines"]]
        self.assertEqual(messages[0].get("method"), "hello", messages)
        return messages[1:], answer["closed"]

    def ask(self, *calls, on="alpha", socket="zrepd.sock"):
        """Calls (method, params) one after the other on one connection; their replies."""
        sent = "".join(json.dumps({"jsonrpc": "2.0", "id": i, "method": method, "params": params}) + "\n"
                       for i, (method, params) in enumerate(calls))
        replies, _ = self.talk(repr(sent.encode()), len(calls) + 1, on=on, socket=socket)
        self.assertEqual([reply["id"] for reply in replies], list(range(len(calls))))
        return replies

    # Costs.

    def count_calls(self):
        for name in self.hosts:
            self.lab.host(name).run(": > /run/calls; touch /run/count")

    def calls(self, name):
        """What zrepd started on a host since count_calls(), one command line each."""
        return self.lab.host(name).run("cat /run/calls").out.splitlines()

    def children(self, name):
        """zfs, zpool, ssh and zrepctl processes on a host. Only a zrepd that lives has one that is not
        listed: the zpool that sleeps until a pool changes."""
        out = self.lab.host(name).run('p=$(cat /run/zrepd.pid 2>/dev/null) && kill -0 "$p" 2>/dev/null || p=none; '
                                      'echo "$p"; ps -eo pid,ppid,comm,args --no-headers').out
        zrepd, *lines = out.splitlines()
        found = []
        for line in lines:
            _, parent, program, arguments = line.split(None, 3)
            follows = parent == zrepd and program == "zpool" and " events -f" in arguments
            if program in ("zfs", "zpool", "ssh", "zrepctl") and not follows:
                found.append(line.strip())
        return found
